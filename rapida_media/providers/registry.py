"""Every provider there is: the folders beside this file, and what other packages bring.

A package brings a provider by an entry point of the group ``rapida_media.providers`` that names
its ``SPEC``. One that cannot be loaded is left out with a sentence in the log, and harms no other.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType

import rapida_media.providers
from rapida_media.config import Credential
from rapida_media.errors import ConfigError
from rapida_media.providers.base import ProviderSpec

log = logging.getLogger(__name__)

GROUP = "rapida_media.providers"


@cache
def providers() -> Mapping[str, ProviderSpec]:
    """Give every known provider by name; found once a process."""
    found = {spec.name: spec for spec in _built_in()}
    for spec in _brought():
        if spec.name in found:
            log.error("provider %s: there is one of that name already", spec.name)
        else:
            found[spec.name] = spec
    return MappingProxyType(dict(sorted(found.items())))


def check_credentials(
    credentials: Iterable[Credential], known_specs: Mapping[str, ProviderSpec] | None = None
) -> None:
    """Raise ConfigError where an account names no provider, or not what its provider wants."""
    specs = providers() if known_specs is None else known_specs
    for credential in credentials:
        where = f"[credentials.{credential.name}]"
        spec = specs.get(credential.provider)
        if spec is None:
            known = ", ".join(specs)
            raise ConfigError(
                f"{where} provider: there is no provider {credential.provider!r}; known are {known}"
            )
        keys = {key.name: key for key in spec.credential_keys}
        for name in credential.values:
            if name not in keys:
                known = ", ".join(keys) or "none"
                raise ConfigError(f"{where} {name}: unknown key; known for {spec.name} are {known}")
        for key in keys.values():
            if key.required and key.name not in credential.values:
                raise ConfigError(f"{where} {key.name}: missing; {spec.name} wants it")
            value = credential.values.get(key.name)
            if value is not None and key.fault is not None and (fault := key.fault(value)):
                raise ConfigError(f"{where} {key.name}: {fault}")


def account_of(
    credentials: Mapping[str, Credential], name: str | None, provider: str
) -> Credential | None:
    """Give the named account, where it is with the provider; else the only one that is."""
    named = credentials.get(name or "")
    if named is not None and named.provider == provider:
        return named
    accounts = [each for each in credentials.values() if each.provider == provider]
    return accounts[0] if len(accounts) == 1 else None


def odd_keys(credential: Credential) -> list[str]:
    """Name the keys of an account that do not look like what its provider gives out."""
    spec = providers().get(credential.provider)
    return [
        key.name
        for key in (spec.credential_keys if spec is not None else ())
        if key.shape
        and key.name in credential.values
        and not re.fullmatch(key.shape, credential.values[key.name])
    ]


def format_table(rows: Iterable[ProviderSpec]) -> str:
    """Write ``rows`` as a table for people."""
    cells = [("PROVIDER", "INBOUND", "OUTBOUND", "AUDIO", "DIGITS")]
    cells += [
        (row.name, _yes(row.inbound), _yes(row.outbound), row.audio, row.digits) for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _built_in() -> Iterable[ProviderSpec]:
    for module in pkgutil.iter_modules(rapida_media.providers.__path__):
        if module.ispkg:
            folder = importlib.import_module(f"{rapida_media.providers.__name__}.{module.name}")
            spec: ProviderSpec = folder.SPEC
            yield spec


def _brought() -> Iterable[ProviderSpec]:
    for entry_point in entry_points(group=GROUP):
        try:
            spec = entry_point.load()
        except Exception:  # whatever a stranger's module does when it is imported
            log.exception("provider %s cannot be loaded", entry_point.name)
            continue
        if isinstance(spec, ProviderSpec):
            yield spec
        else:
            log.error("provider %s: %s is no ProviderSpec", entry_point.name, entry_point.value)


def _yes(able: bool) -> str:
    return "yes" if able else "no"
