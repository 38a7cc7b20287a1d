"""What a stream has counted and measured, by the names of _stream.pyi. In _stream.pyx."""


cdef object _known(double figure):
    return None if isnan(figure) else figure


cdef dict _listener_figures(const rm_adaptive *a):
    cdef const rm_adaptive_counters *c = &a.counters
    cdef uint32_t per_ms = a.rate_hz // 1000
    return {
        "late": c.late,
        "taken": c.packets,
        "concealed_ms": (c.lost + c.stalled) // per_ms,
        "played": c.played,
        "skipped": c.skipped,
        "waiting": rm_adaptive_waiting(a),
        "delay_ms": c.delay_lately,
        "delay_mean_ms": c.delay_sum / c.delay_count if c.delay_count else 0.0,
        "delay_adapts": int(a.fixed_ms < 0),
        "delay_max_ms": (RM_BACKLOG_SAMPLES - RM_BACKLOG_HISTORY) // per_ms,
        "lost_ms": c.lost // per_ms,
        "stalled_ms": c.stalled // per_ms,
        "pause_ms": c.noise // per_ms,
        "cut_in_pause_ms": c.cut_in_pause // per_ms,
        "cut_in_speech_ms": c.cut_in_speech // per_ms,
        "added_in_pause_ms": c.added_in_pause // per_ms,
        "stretches_in_speech": c.stretches_in_speech,
    }


cdef double _packet_ms(const rm_stream *core):
    """Of the sound heard last; 0 before there was any."""
    cdef const rm_adaptive *a
    if core.listener == NULL:
        return core.ingress.last_samples / <double>SAMPLES_PER_MS
    a = core.listener.playout
    return a.timeline.lost_run * 1000.0 / a.rate_hz


cdef dict _stream_figures(const rm_stream *core):
    cdef const rm_stream_counters *counters = &core.counters
    cdef rm_burst_figures bursts = rm_burst_report(&core.burst)
    cdef double skew_ppm = rm_skew_ppm(&core.skew)
    cdef double packet_ms = _packet_ms(core) or FRAME_MS
    return {
        "packets_received": counters.packets_received,
        "octets_received": counters.octets_received,
        "packets_lost": rm_stream_lost(core),
        "loss": rm_stream_loss(core),
        "jitter_ms": rm_stream_jitter_ms(core),
        "late": core.ingress.late,
        "duplicate": counters.duplicate,
        "reordered": counters.reordered,
        "on_probation": counters.on_probation,
        "comfort_noise_received": counters.noise_packets,
        "far_end_pauses": int(core.paused),
        "concealed_frames": core.ingress.line.concealed,
        "concealed_ms": core.ingress.line.concealed_samples // SAMPLES_PER_MS,
        "own_packets_back": counters.own_packets_back,
        "rtcp_dropped": core.rtcp.dropped,
        "heard_ms": core.ingress.line.meter.frames * FRAME_MS,
        "discarded": core.burst.discarded,
        "burst_density": bursts.burst_density,
        "gap_density": bursts.gap_density,
        "packet_ms": packet_ms,
        "burst_ms": bursts.burst_packets * packet_ms,
        "gap_ms": bursts.gap_packets * packet_ms,
        "loss_run": bursts.mean_run,
        "clock_skew_ppm": _known(skew_ppm),
        "received_speech_dbov": rm_meter_speech_dbov(&core.ingress.line.meter),
        "received_noise_dbov": rm_meter_noise_dbov(&core.ingress.line.meter),
        "received_active_ms": core.ingress.line.meter.active_frames * FRAME_MS,
        "received_clipped": core.ingress.line.meter.clipped,
        "sent_speech_dbov": rm_meter_speech_dbov(&core.sender.meter),
        "sent_active_ms": core.sender.meter.active_frames * FRAME_MS,
        "sent_clipped": core.sender.meter.clipped,
        "dropped_frames": core.ingress.line.dropped,
        "bad_header": counters.bad_header,
        "bad_payload": counters.bad_payload + core.events.malformed,
        "unknown_payload_type": counters.unknown_payload_type,
        "unknown_events": core.events.unknown,
        "dropped_digits": core.events.dropped,
        "wrong_source": counters.wrong_source,
        "ssrc_changes": core.sources.changes,
        "restarts": core.sources.restarts,
        "latched": int(core.latch.frozen),
        "receive_errors": counters.receive_errors,
        "packets_sent": core.sender.packets,
        "octets_sent": core.sender.octets,
        "silence_packets_sent": core.sender.silence_packets,
        "comfort_noise_sent": core.sender.noise_packets,
        "packets_passed_through": core.sender.relay.passed if core.sender.relay != NULL else 0,
        "pass_through_drops": core.sender.relay.dropped if core.sender.relay != NULL else 0,
        "played_ms": core.sender.played // SAMPLES_PER_MS,
        "dropped_samples": core.sender.playout.dropped,
        "cleared_samples": core.sender.playout.cleared,
        "unsent_digits": core.sender.digits_dropped + core.sender.playout.digits_cleared,
        "late_ticks": core.sender.late_ticks,
        "skipped_ticks": core.sender.skipped_ticks,
        "send_lateness_p99_ms": _known(rm_lateness_quantile_ms(&core.sender.lateness, 0.99)),
        "send_lateness_max_ms": core.sender.lateness.worst_ms,
        "send_errors": counters.send_errors,
        "srtp_failures": core.srtp.failures,
        "srtp_replays": core.srtp.replays,
    }
