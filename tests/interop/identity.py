"""Certificates of an authority that a test makes for itself."""

from __future__ import annotations

from pathlib import Path

import trustme

from rapida_media.demo.engine import HOST


class Authority:
    """Writes PEM files into one directory. file: the authority's own certificate."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ca = trustme.CA()
        self.file = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(self.file)

    def issue(self, name: str) -> Path:
        """Write ``NAME.pem``, key and certificate for localhost, and give its path."""
        certificate = self._ca.issue_cert("localhost", HOST)
        path = self._directory / f"{name}.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(path)
        return path
