"""TLS for SIP (RFC 3261 section 26.2, RFC 5922): our certificate, and whom we trust.

Whoever connects has to prove the other end; who is connected to may ask for the same.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Any

from rapida_media.config import SipConfig
from rapida_media.config.sip import OPTIONAL
from rapida_media.errors import ConfigError

# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH.
HOST_MISMATCH = frozenset({62, 64})


class Tls:
    """Makes the two contexts of ``[sip]``, each when it is first needed."""

    def __init__(self, config: SipConfig) -> None:
        self._certificate, self._key = config.tls_certificate, config.tls_key
        self._authorities = config.tls_ca
        self._client_authorities = config.tls_client_ca
        self._optional = config.tls_client_certificates == OPTIONAL
        self._client: ssl.SSLContext | None = None

    @property
    def can_listen(self) -> bool:
        return self._certificate is not None

    def server(self) -> ssl.SSLContext:
        """Give the context of a listener. ConfigError when the files cannot be used.

        A certificate that a client shows has to be good in any case; of the system's authorities
        none counts for that, since they vouch for everybody.
        """
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
        if self._client_authorities is not None:
            try:
                context.load_verify_locations(self._client_authorities)
            except (OSError, ValueError) as error:
                raise ConfigError(f"[sip] tls_client_ca: {_reason(error)}") from None
            context.verify_mode = ssl.CERT_OPTIONAL if self._optional else ssl.CERT_REQUIRED
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


def proven_names(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """Give the SIP domains that a verified certificate is for, in lower case.

    certificate: as ``SSLObject.getpeercert`` has it. RFC 5922 section 7.1: its SIP URIs without a
    user, and only where there is none of these its DNS names; 7.2: no wildcard stands for others.
    """
    names: dict[str, list[str]] = {"URI": [], "DNS": []}
    for kind, name in (certificate or {}).get("subjectAltName", ()):
        names.setdefault(kind, []).append(name.lower())
    domains = {each[4:] for each in names["URI"] if each.startswith("sip:") and "@" not in each}
    return frozenset(domains or {each for each in names["DNS"] if "*" not in each})


def handshake_error(error: Exception) -> str:
    """Say in a sentence why a connection of a client's was not taken."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError) and error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        return "it shows no certificate, which [sip] tls_client_ca wants"
    return connect_error(error)


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
