"""The exceptions of the engine.

    RapidaError
    ├── LocalProtocolError      the caller asked for what the protocol forbids; nothing was changed
    ├── RemoteProtocolError     the peer sent what the protocol forbids; status to answer, or a drop
    ├── NegotiationError        offer and answer have no medium or codec in common
    ├── DialError               a call of ours was not answered; status as in SIP
    ├── ProviderError           a telephony provider did not do what it was asked
    ├── BotError                a bot cannot be reached, or does not take the call
    └── ConfigError             the configuration is wrong; names the key and the remedy

Receive paths do not let these escape: a peer's fault is answered or counted where it is found.
"""

from __future__ import annotations


class RapidaError(Exception):
    """Root of everything the engine raises on purpose."""


class LocalProtocolError(RapidaError):
    """We were misused. Raised before any state changes."""


class RemoteProtocolError(RapidaError):
    """The peer broke the protocol.

    status: the SIP status code that answers it, or None when it can only be dropped.
    """

    def __init__(self, detail: str, status: int | None = None) -> None:
        super().__init__(detail)
        self.status = status


class NegotiationError(RapidaError):
    """Offer and answer have nothing in common (RFC 3264 section 6: answered 488).

    warning: the warn-code that tells the peer why (RFC 3261 section 20.43).
    """

    def __init__(self, detail: str, warning: int = 399) -> None:
        super().__init__(detail)
        self.warning = warning


class DialError(RapidaError):
    """A call of ours was not answered.

    status: what the callee, or somebody on the way, said; 408: nobody answered in time, 404: the
    target cannot be found, 487: the call was taken back, 488: the answer cannot be used, 503: it
    could not be sent.
    retry_after_s: when a busy callee asks to be called again.  cause: its Reason (RFC 3326), as
    written.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        retry_after_s: int | None = None,
        cause: str | None = None,
    ) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s
        self.cause = cause


class ProviderError(RapidaError):
    """A telephony provider refused, failed or did not answer.

    code: the provider's own code, or its HTTP status.  status: the HTTP status beside a code of
    its own; None where ``code`` says it.  retryable: trying again may help.  retry_after_s: when
    it asks to be tried again.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: int | None = None,
        status: int | None = None,
        retryable: bool = False,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status = code if status is None else status
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class BotError(RapidaError):
    """A bot could not be connected to.  retryable: trying again may help."""

    def __init__(self, detail: str, *, retryable: bool) -> None:
        super().__init__(detail)
        self.retryable = retryable


class ConfigError(RapidaError):
    """The configuration is wrong; the message names the key and the remedy."""
