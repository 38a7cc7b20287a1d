"""TLS for SIP (RFC 3261 section 26.2, RFC 5922): our certificate, and whom we trust."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from rapida_media.errors import ConfigError

# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
HOST_MISMATCH = frozenset({62, 64})


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
        except ssl.SSLError as error:
            raise ConfigError(
                f"[sip] tls_certificate, tls_key: expected PEM files of a certificate and of the "
                f"key that belongs to it, without a password; got {_reason(error)}"
            ) from None
        except (OSError, ValueError) as error:
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


def connect_error(error: Exception) -> str:
    """Say in a sentence why a connection of ours was not made."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in HOST_MISMATCH:
            return f"its certificate is for another host: {error.verify_message.rstrip('.')}"
        return (
            f"its certificate is not trusted: {error.verify_message.rstrip('.')}; its authority "
            "can be named in [sip] tls_ca or with --tls-ca"
        )
    if isinstance(error, TimeoutError):
        return "it does not answer"
    if isinstance(error, ssl.SSLError):
        return f"it does not speak TLS as we do: {error.reason or error.strerror}"
    # asyncio writes texts of its own, which repeat the address.
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else _reason(error)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
