"""What is kept of the messages of each call, how it is bounded and how it is drawn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.sip.address import Address
from rapida_media.sip.trace import OVERHEAD_BYTES, TraceLimits, Tracer, ladder, milestone

PEER = Address("192.0.2.7", 5060)
OTHER = Address("2001:db8::9", 5061, "tls")


def request(method: str, call_id: str, *, size: int = 0, name: str = "Call-ID") -> bytes:
    head = f"{method} sip:+15550100123@h SIP/2.0\r\n{name}: {call_id}\r\nCSeq: 1 {method}\r\n"
    return head.encode() + b"\r\n" + b"x" * size


def response(status: str, method: str, call_id: str) -> bytes:
    return f"SIP/2.0 {status}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n\r\n".encode()


def put(tracer: Tracer, data: bytes, at: float = 0.0, *, sent: bool = False) -> None:
    tracer.record(data, sent=sent, remote=PEER, local=None, now=at)


def test_a_call_is_drawn_with_its_times_and_directions_and_no_number():
    tracer = Tracer()
    put(tracer, request("INVITE", "a"), 10.0)
    tracer.adopt("a", "call")
    put(tracer, response("100 Trying", "INVITE", "a"), 10.0012, sent=True)
    put(tracer, response("200 OK", "INVITE", "a"), 10.5, sent=True)
    put(tracer, request("ACK", "a"), 10.51)
    tracer.record(request("BYE", "a"), sent=True, remote=OTHER, local=None, now=12.0)
    trace = tracer.of("call")
    assert trace is not None
    assert ladder(trace).split("\n") == [
        "             us                                      192.0.2.7:5060 udp",
        "       0.0 ms |<-- INVITE sip:+1…23@h ---------------------------------|",
        "       1.2 ms |-- 100 Trying (INVITE) -------------------------------->|",
        "     500.0 ms |-- 200 OK (INVITE) ------------------------------------>|",
        "     510.0 ms |<-- ACK sip:+1…23@h ------------------------------------|",
        "             us                                  [2001:db8::9]:5061 tls",
        "    2000.0 ms |-- BYE sip:+1…23@h ------------------------------------>|",
    ]


def test_why_something_was_refused_stands_below_its_arrow_and_shows_no_number():
    tracer = Tracer()
    put(tracer, request("INVITE", "a"))
    tracer.adopt("a", "call")
    why = '399 gw "no route to +15550100123"'
    refused = f"SIP/2.0 488 No\r\nCall-ID: a\r\nWARNING : {why}\r\nCSeq: 1 INVITE\r\n\r\n"
    put(tracer, refused.encode())
    trace = tracer.of("call")
    assert trace is not None
    assert ladder(trace).split("\n")[3:] == ['               Warning: 399 gw "no route to +1…23"']


def test_a_whole_ladder_has_every_message_below_its_arrow():
    tracer = Tracer()
    tracer.adopt("a", "call")
    put(tracer, request("BYE", "a", name="i"))
    trace = tracer.of("call")
    assert trace is not None
    assert [line.strip() for line in ladder(trace, whole=True).split("\n")[2:]] == [
        "BYE sip:+1…23@h SIP/2.0",
        "i: a",
        "CSeq: 1 BYE",
    ]


def test_a_call_of_several_sessions_is_one_trace_in_the_order_of_time():
    tracer = Tracer()
    put(tracer, request("INVITE", "a"), 1.0)
    tracer.adopt("a", "call")
    put(tracer, request("INVITE", "b"), 2.0)
    tracer.adopt("b", "call")
    put(tracer, request("BYE", "a"), 3.0)
    trace = tracer.of("call")
    assert trace is not None
    assert [message.at for message in trace.messages] == [1.0, 2.0, 3.0]


def test_what_has_no_call_id_belongs_to_nobody():
    tracer = Tracer()
    put(tracer, b"\r\n\r\n")
    put(tracer, b"INVITE sip:h SIP/2.0\r\n\r\n")
    assert tracer.bytes == 0


def test_of_too_many_messages_the_latest_are_kept_and_the_rest_is_counted():
    tracer = Tracer(TraceLimits(call_messages=3))
    tracer.adopt("a", "call")
    for at in range(10):
        put(tracer, request("OPTIONS", "a"), at)
    trace = tracer.of("call")
    assert trace is not None
    assert ([message.at for message in trace.messages], trace.dropped) == ([7, 8, 9], 7)
    assert ladder(trace).startswith("(7 earlier messages were not kept)\n")


def test_strangers_push_out_strangers_and_no_call():
    tracer = Tracer(TraceLimits(strangers_bytes=5_000))
    put(tracer, request("INVITE", "mine"))
    tracer.adopt("mine", "call")
    for number in range(1_000):
        put(tracer, request("OPTIONS", f"scanner-{number}"))
    trace = tracer.of("call")
    assert trace is not None
    assert len(trace.messages) == 1
    assert tracer.bytes <= 5_000 + trace.bytes


def test_calls_that_were_silent_for_longest_make_room():
    tracer = Tracer(TraceLimits(calls_bytes=3 * (OVERHEAD_BYTES + 1_100)))
    for name in ("old", "busy", "new"):
        tracer.adopt(name, name)
        put(tracer, request("INVITE", name, size=1_000))
    put(tracer, request("INVITE", "old", size=1_000))
    put(tracer, request("INVITE", "new", size=1_000))
    assert tracer.of("busy") is None
    put(tracer, request("BYE", "busy"))  # a stranger now
    assert tracer.of("busy") is None


def test_a_call_that_is_written_to_a_file_is_not_pushed_out():
    tracer = Tracer(TraceLimits(calls_bytes=3_000))
    tracer.adopt("tapped", "tapped")
    trace = tracer.of("tapped")
    assert trace is not None
    seen = []
    trace.tap = seen.append
    put(tracer, request("INVITE", "tapped"))
    for number in range(100):
        tracer.adopt(str(number), str(number))
        put(tracer, request("INVITE", str(number), size=1_000))
    put(tracer, request("BYE", "tapped"))
    assert len(seen) == 2


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 3_000), st.booleans()), min_size=1, max_size=60
    )
)
def test_whatever_comes_the_store_stays_within_its_bounds(messages):
    limits = TraceLimits(
        call_messages=4, call_bytes=4_000, calls_bytes=9_000, strangers_bytes=6_000
    )
    tracer = Tracer(limits)
    for number, size, claimed in messages:
        if claimed:
            tracer.adopt(f"id-{number}", f"call-{number % 3}")
        put(tracer, request("INFO", f"id-{number}", size=size))
        # One message may alone be larger than a bound.
        assert tracer.bytes <= 9_000 + 6_000 + 2 * (4_000 + OVERHEAD_BYTES)
        for trace in filter(None, (tracer.of(f"call-{each}") for each in range(3))):
            assert len(trace.messages) <= 4
            assert trace.bytes == sum(len(m.data) + OVERHEAD_BYTES for m in trace.messages)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (request("INVITE", "a"), "invite"),
        (request("ACK", "a"), "ack"),
        (request("BYE", "a"), "bye"),
        (request("INFO", "a"), None),
        (response("100 Trying", "INVITE", "a"), "trying"),
        (response("183 Session Progress", "INVITE", "a"), "ringing"),
        (response("200 OK", "INVITE", "a"), "answered"),
        (response("200 OK", "BYE", "a"), None),
        (response("200 OK", "PRACK", "a"), None),
        (response("486 Busy Here", "INVITE", "a"), None),
        (b"SIP/2.0 200 OK\r\n\r\n", None),
    ],
)
def test_a_message_is_at_most_one_milestone(data, name):
    assert milestone(data) == name


def test_milestones_are_told_with_the_time_of_their_message_even_when_claimed_later():
    tracer, told = Tracer(), []
    put(tracer, request("INVITE", "a"), 1.0)
    tracer.adopt("a", "call", lambda name, at: told.append((name, at)))
    put(tracer, response("200 OK", "INVITE", "a"), 2.0, sent=True)
    assert told == [("invite", 1.0), ("answered", 2.0)]
