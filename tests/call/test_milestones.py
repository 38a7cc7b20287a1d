"""When what happened in a call."""

from rapida_media.call.milestones import Milestones


def test_the_first_time_counts_and_order_is_by_time():
    milestones = Milestones()
    milestones.note("answered", 12.5)
    milestones.note("invite", 12.0)
    milestones.note("answered", 20.0)
    milestones.note("bye", None)
    assert milestones.offsets() == {"invite": 0.0, "answered": 0.5}
    assert list(milestones.offsets()) == ["invite", "answered"]
    assert (milestones.since("answered", "invite"), milestones.since("bye", "invite")) == (
        0.5,
        None,
    )
    assert Milestones().offsets() == {}
