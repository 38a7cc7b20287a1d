"""What a stream is told to do, from names and numbers of the SDP. In _stream.pyx."""


cdef rm_encoding _encoding(name) except RM_NO_ENCODING:
    cdef rm_encoding encoding = RM_NO_ENCODING
    if isinstance(name, str):
        encoding = rm_encoding_named((<str>name).encode())
    if encoding == RM_NO_ENCODING:
        raise LocalProtocolError(f"encoding: expected PCMU, PCMA, G722 or L16/16000, got {name!r}")
    return encoding


cdef int _payload_type(number) except -1:
    if not isinstance(number, int) or not 0 <= number <= 127:
        raise LocalProtocolError(f"payload type: expected 0 to 127, got {number!r}")
    return number


cdef int _set_meanings(rm_stream_config *config, receive, receive_events, receive_noise) except -1:
    for number, name in receive.items():
        config.receive[_payload_type(number)] = _encoding(name)
    events = receive_events if isinstance(receive_events, dict) else dict.fromkeys(
        receive_events, 0)
    for number, rate_hz in events.items():
        config.receive[_payload_type(number)] = _event_meaning(rate_hz)
    for number in receive_noise:
        config.receive[_payload_type(number)] = RM_MEANS_COMFORT_NOISE
    return 0


cdef int _set_remote(rm_stream_config *config, remote) except -1:
    if remote is None or remote[1] == 0:
        return 0
    host, port = remote
    if not 0 < port < 65536 or not rm_address_parse(&config.remote, host.encode(), port):
        raise LocalProtocolError(f"remote: expected a numeric address and a port, got {remote!r}")
    return 0


cdef uint8_t _event_meaning(rate_hz) except 0:
    cdef uint8_t meaning = 0
    if isinstance(rate_hz, int) and 0 <= rate_hz <= 192000:
        meaning = rm_means_event_at(rate_hz)
    if meaning == 0:
        raise LocalProtocolError(f"telephone-event: no clock of {rate_hz!r} Hz is known")
    return meaning


cdef int _fixed_ms(str policy) except -2:
    """Give the delay of "fixed:N", -1 for "adaptive"."""
    name, _, delay = policy.partition(":")
    if policy == "adaptive":
        return -1
    if name == "fixed" and delay.isascii() and delay.isdigit() and int(delay) <= DELAY_MAX_MS:
        return int(delay)
    raise LocalProtocolError(
        f"jitter: expected immediate, adaptive or fixed:0 to fixed:{DELAY_MAX_MS}, got {policy!r}")
