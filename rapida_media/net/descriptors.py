"""Room for sockets: a call holds two, a SIP connection one, and systems begin with 1024 in all."""

from __future__ import annotations

import logging
import resource

from rapida_media.net.sip_connections import MAX_CONNECTIONS

log = logging.getLogger(__name__)

PER_CALL = 2
# Listeners, the event loop's own, log and recordings.
BESIDES = 256


def make_room(max_calls: int) -> None:
    """Raise the soft limit of file descriptors as far as needed and allowed; warn if too little."""
    wanted = PER_CALL * max_calls + MAX_CONNECTIONS + BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    granted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    if granted < wanted:
        log.warning(
            "[limits] max_calls: %d calls and %d connections need %d file descriptors, the system "
            "grants %d (ulimit -Hn); calls above that are refused",
            max_calls,
            MAX_CONNECTIONS,
            wanted,
            granted,
        )
