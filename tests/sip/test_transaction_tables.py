"""The four transaction machines, arrow by arrow, against the figures.

Each figure is written down here once more, independently of the code: RFC 3261 figures 5 to 8,
with the changes of RFC 6026. An arrow is (state, event) → (what the figure writes on it, state).
"""

from __future__ import annotations

import pytest

from rapida_media.sip.client_transaction import INVITE_CLIENT, NON_INVITE_CLIENT, ClientTransaction
from rapida_media.sip.server_transaction import INVITE_SERVER, NON_INVITE_SERVER, ServerTransaction
from rapida_media.sip.transaction import Table

Figure = dict[tuple[str, str], tuple[set[str], str]]

# What the figures say, and the actions that do it.
MEANING = {
    "request sent": "send",
    "response sent": "send",
    "ACK sent": "ack",
    "ACK sent again": "send",
    "to TU": "deliver",
    "ACK to TU": "deliver_ack",
    "inform TU: timeout": "report_timeout",
    "inform TU: transport": "report_transport",
}
VISIBLE = set(MEANING.values()) | {"resend"}

INVITE_CLIENT_FIGURE: Figure = {
    ("initial", "send"): ({"request sent"}, "calling"),
    ("calling", "timer_a"): ({"request sent"}, "calling"),
    ("calling", "timer_b"): ({"inform TU: timeout"}, "terminated"),
    ("calling", "transport_error"): ({"inform TU: transport"}, "terminated"),
    ("calling", "1xx"): ({"to TU"}, "proceeding"),
    ("calling", "2xx"): ({"to TU"}, "accepted"),
    ("calling", "300-699"): ({"ACK sent", "to TU"}, "completed"),
    ("proceeding", "1xx"): ({"to TU"}, "proceeding"),
    ("proceeding", "2xx"): ({"to TU"}, "accepted"),
    ("proceeding", "300-699"): ({"ACK sent", "to TU"}, "completed"),
    ("completed", "300-699"): ({"ACK sent again"}, "completed"),
    # The TU already has the final response: there is nothing left to inform it of.
    ("completed", "transport_error"): (set(), "terminated"),
    ("completed", "timer_d"): (set(), "terminated"),
    ("accepted", "2xx"): ({"to TU"}, "accepted"),
    ("accepted", "timer_m"): (set(), "terminated"),
    # Not in the figure: section 9.1, a cancelled INVITE that nobody answers.
    ("calling", "abandon"): (set(), "terminated"),
    ("proceeding", "abandon"): (set(), "terminated"),
}

NON_INVITE_CLIENT_FIGURE: Figure = {
    ("initial", "send"): ({"request sent"}, "trying"),
    ("trying", "timer_e"): ({"request sent"}, "trying"),
    ("trying", "timer_f"): ({"inform TU: timeout"}, "terminated"),
    ("trying", "transport_error"): ({"inform TU: transport"}, "terminated"),
    ("trying", "1xx"): ({"to TU"}, "proceeding"),
    ("trying", "2xx"): ({"to TU"}, "completed"),
    ("trying", "300-699"): ({"to TU"}, "completed"),
    ("proceeding", "timer_e"): ({"request sent"}, "proceeding"),
    ("proceeding", "timer_f"): ({"inform TU: timeout"}, "terminated"),
    ("proceeding", "transport_error"): ({"inform TU: transport"}, "terminated"),
    ("proceeding", "1xx"): ({"to TU"}, "proceeding"),
    ("proceeding", "2xx"): ({"to TU"}, "completed"),
    ("proceeding", "300-699"): ({"to TU"}, "completed"),
    ("completed", "timer_k"): (set(), "terminated"),
}

INVITE_SERVER_FIGURE: Figure = {
    ("proceeding", "request"): ({"response sent"}, "proceeding"),
    ("proceeding", "send_1xx"): ({"response sent"}, "proceeding"),
    ("proceeding", "send_2xx"): ({"response sent"}, "accepted"),
    ("proceeding", "send_300-699"): ({"response sent"}, "completed"),
    ("proceeding", "transport_error"): (set(), "proceeding"),
    ("accepted", "request"): (set(), "accepted"),
    ("accepted", "ack"): ({"ACK to TU"}, "accepted"),
    ("accepted", "send_2xx"): ({"response sent"}, "accepted"),
    ("accepted", "transport_error"): (set(), "accepted"),
    ("accepted", "timer_l"): (set(), "terminated"),
    ("completed", "request"): ({"response sent"}, "completed"),
    ("completed", "timer_g"): ({"response sent"}, "completed"),
    ("completed", "ack"): (set(), "confirmed"),
    ("completed", "transport_error"): (set(), "completed"),
    ("completed", "timer_h"): (set(), "terminated"),
    ("confirmed", "ack"): (set(), "confirmed"),
    ("confirmed", "timer_i"): (set(), "terminated"),
}

NON_INVITE_SERVER_FIGURE: Figure = {
    ("trying", "request"): (set(), "trying"),
    ("trying", "send_1xx"): ({"response sent"}, "proceeding"),
    ("trying", "send_2xx"): ({"response sent"}, "completed"),
    ("trying", "send_300-699"): ({"response sent"}, "completed"),
    ("proceeding", "request"): ({"response sent"}, "proceeding"),
    ("proceeding", "send_1xx"): ({"response sent"}, "proceeding"),
    ("proceeding", "send_2xx"): ({"response sent"}, "completed"),
    ("proceeding", "send_300-699"): ({"response sent"}, "completed"),
    ("proceeding", "transport_error"): (set(), "terminated"),
    ("completed", "request"): ({"response sent"}, "completed"),
    ("completed", "transport_error"): (set(), "terminated"),
    ("completed", "timer_j"): (set(), "terminated"),
}

MACHINES = [
    pytest.param(INVITE_CLIENT, INVITE_CLIENT_FIGURE, ClientTransaction, id="figure 5"),
    pytest.param(NON_INVITE_CLIENT, NON_INVITE_CLIENT_FIGURE, ClientTransaction, id="figure 6"),
    pytest.param(INVITE_SERVER, INVITE_SERVER_FIGURE, ServerTransaction, id="figure 7"),
    pytest.param(NON_INVITE_SERVER, NON_INVITE_SERVER_FIGURE, ServerTransaction, id="figure 8"),
]


@pytest.mark.parametrize(("table", "figure", "machine"), MACHINES)
def test_the_table_has_every_arrow_of_the_figure_and_no_other(
    table: Table, figure: Figure, machine: type
) -> None:
    assert set(table) == set(figure)
    for arrow, (says, target) in figure.items():
        actions, state = table[arrow]
        assert state == target, arrow
        done = {"send" if action == "resend" else action for action in actions if action in VISIBLE}
        assert done == {MEANING[word] for word in says}, arrow


@pytest.mark.parametrize(("table", "figure", "machine"), MACHINES)
def test_every_action_exists_and_every_state_but_the_last_can_be_left(
    table: Table, figure: Figure, machine: type
) -> None:
    for actions, _ in table.values():
        assert set(actions) <= set(machine.actions)
    states = {state for state, _ in table} | {state for _, state in table.values()}
    left = {state for (state, _), (_, target) in table.items() if target != state}
    assert states - left == {"terminated"}


@pytest.mark.parametrize(("table", "figure", "machine"), MACHINES)
def test_only_the_way_into_terminated_unregisters_the_transaction(
    table: Table, figure: Figure, machine: type
) -> None:
    for arrow, (actions, state) in table.items():
        assert ("end" in actions) == (state == "terminated"), arrow


def test_every_action_is_used_by_a_table() -> None:
    used = {
        action
        for table in (INVITE_CLIENT, NON_INVITE_CLIENT, INVITE_SERVER, NON_INVITE_SERVER)
        for actions, _ in table.values()
        for action in actions
    }
    assert used == set(ClientTransaction.actions) | set(ServerTransaction.actions)
