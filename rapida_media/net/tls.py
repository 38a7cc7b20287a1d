"""TLS for SIP (RFC 3261 section 26.2, RFC 5922): our certificate, and whom we trust."""

from __future__ import annotations

import ssl
from pathlib import Path

from rapida_media.errors import ConfigError


class Tls:
    """Makes the two contexts, each when it is first needed.

    certificate, key: PEM files; None where nothing is listened on with TLS. authorities: a PEM file
    of certificates that are trusted besides the system's.
    """

    def __init__(
        self,
        certificate: Path | None = None,
        key: Path | None = None,
        authorities: Path | None = None,
    ) -> None:
        self._certificate = certificate
        self._key = key
        self._authorities = authorities
        self._client: ssl.SSLContext | None = None

    @property
    def can_listen(self) -> bool:
        return self._certificate is not None

    def server(self) -> ssl.SSLContext:
        """Give the context of a listener. ConfigError when the files cannot be used."""
        assert self._certificate is not None, "asked for only where there is a certificate"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._certificate, self._key)
        except (OSError, ValueError) as error:  # SSLError is an OSError
            raise ConfigError(f"[sip] tls_certificate, tls_key: {_reason(error)}") from None
        return context

    def client(self) -> ssl.SSLContext:
        """Give the context of connections we make: the peer's certificate has to be trusted and to
        name the host we want (RFC 5922 section 7). ConfigError when the file cannot be used."""
        if self._client is None:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            try:
                if self._authorities is not None:
                    context.load_verify_locations(self._authorities)
                if self._certificate is not None:
                    context.load_cert_chain(self._certificate, self._key)
            except (OSError, ValueError) as error:
                raise ConfigError(f"[sip] tls_ca: {_reason(error)}") from None
            self._client = context
        return self._client


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
