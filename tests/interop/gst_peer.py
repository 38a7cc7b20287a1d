"""A GStreamer rtpbin as the far end; run by the system's Python, which has GStreamer's bindings.

    gst_peer.py RTP_PORT TO_RTP TO_RTCP SECONDS

It takes RTP on RTP_PORT and RTCP on the one above, sends PCMU to TO_RTP and RTCP to TO_RTCP on
loopback, prints a line of JSON, what its RTP session knows of each source, and says BYE.
"""

import json
import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GLib, Gst  # noqa: E402

# It lets an interval pass, at random, before it says so.
BYE_S = 2


def main() -> None:
    port, to_rtp, to_rtcp, seconds = (int(each) for each in sys.argv[1:])
    Gst.init(None)
    pipeline = Gst.parse_launch(
        "rtpbin name=bin latency=50 "
        "audiotestsrc is-live=true wave=sine samplesperbuffer=160 "
        "! audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay max-ptime=20000000 "
        "! bin.send_rtp_sink_0 "
        f"bin.send_rtp_src_0 ! udpsink host=127.0.0.1 port={to_rtp} sync=false async=false "
        f"bin.send_rtcp_src_0 ! udpsink host=127.0.0.1 port={to_rtcp} sync=false async=false "
        f'udpsrc address=127.0.0.1 port={port} caps="application/x-rtp,media=audio,'
        'clock-rate=8000,encoding-name=PCMU,payload=0" ! bin.recv_rtp_sink_0 '
        f"udpsrc address=127.0.0.1 port={port + 1} caps=application/x-rtcp ! bin.recv_rtcp_sink_0 "
    )
    rtpbin = pipeline.get_by_name("bin")
    rtpbin.connect("pad-added", lambda _, pad: take(pipeline, pad))
    pipeline.set_state(Gst.State.PLAYING)
    session = rtpbin.emit("get-internal-session", 0)
    session.set_property("rtcp-min-interval", 1_000_000_000)
    loop = GLib.MainLoop()
    GLib.timeout_add_seconds(seconds, loop.quit)
    loop.run()
    print(json.dumps([facts(source) for source in session.get_property("sources")]), flush=True)
    pipeline.get_by_name("pay").get_static_pad("src").push_event(Gst.Event.new_eos())
    GLib.timeout_add_seconds(BYE_S, loop.quit)
    loop.run()
    pipeline.set_state(Gst.State.NULL)


def take(pipeline: Gst.Pipeline, pad: Gst.Pad) -> None:
    if pad.get_name().startswith("recv_rtp_src"):
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("sync", False)
        pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))


def facts(source: object) -> dict[str, object]:
    stats = source.get_property("stats")
    return {
        stats.nth_field_name(n): plain(stats.get_value(stats.nth_field_name(n)))
        for n in range(stats.n_fields())
    }


def plain(value: object) -> object:
    return value if isinstance(value, int | float | str | bool) else str(value)


main()
