"""Telephone numbers in the configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rapida_media.errors import ConfigError

# In a list of what may be called: nothing is refused.
EVERYTHING = "*"


def number_prefix(text: str) -> str:
    """Read the beginning of a number: ``+49``, ``+4930``, or ``*`` for every number."""
    digits = text.removeprefix("+")
    if text != EVERYTHING and not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
        raise ValueError('expected the beginning of a number such as "+49", or "*" for all')
    return text


def bare_number(number: str) -> str:
    """Give a number without its plus and the visual separators of RFC 3966 section 5.1.1."""
    return number.translate({ord(each): None for each in "+-.() "})


def check_owners(numbers_of: Mapping[str, Iterable[str]]) -> None:
    """Refuse what a call could not be told apart by: by assistant, what numbers it has.

    A call goes to an assistant by its number, however that is written, and by its name in any case.
    """
    names: dict[str, str] = {}
    for name in numbers_of:
        owner = names.setdefault(name.lower(), name)
        if owner != name:
            raise ConfigError(
                f"[assistants.{name}]: its name differs from [assistants.{owner}] by case only, "
                "and the user of a SIP URI may be written either way; give it another"
            )
    owners: dict[str, str] = {}
    for name, numbers in numbers_of.items():
        for number in numbers:
            owner = owners.setdefault(bare_number(number), name)
            if owner != name:
                raise ConfigError(
                    f"[assistants.{name}] numbers: one of them already belongs to "
                    f"[assistants.{owner}]; a number can have one assistant only"
                )
    for name in numbers_of:
        if owners.get(bare_number(name), name) != name:
            raise ConfigError(
                f"[assistants.{name}]: its name is a number of "
                f"[assistants.{owners[bare_number(name)]}], which gets the calls; give it another"
            )
