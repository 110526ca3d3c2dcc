"""What ``omc forward`` is asked for: places and ports, as words. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from omc.errors import WrongUse, did_you_mean

DATABASE, CACHE = "database", "cache"
_PORTS = re.compile(r"(?:(?P<local>[0-9]{1,5}):)?(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A place and one of its ports."""

    place: str
    """``database``, ``cache`` or a service."""
    local: int | None = None
    """None: the same number, or a free one where that is taken or belongs to the system."""
    port: int | None = None
    """None: the place's own."""


def wanted_of(words: Sequence[str], services: Sequence[str]) -> list[Wanted]:
    """Raises ``WrongUse``."""
    found: list[Wanted] = []
    place, has_ports = "", True
    known = [DATABASE, CACHE, *services]
    for word in words:
        match = _PORTS.fullmatch(word)
        if match is None:
            if word not in known:
                raise WrongUse(f'"{word}" is none of {", ".join(known)}, and no port.{did_you_mean(word, known)}')
            if not has_ports:
                found.append(Wanted(place))
            place, has_ports = word, False
            continue
        if not place:
            raise WrongUse(f"Say where {word} leads: one of {', '.join(known)}, before it.")
        local = int(match["local"]) if match["local"] else None
        found.append(Wanted(place, _port(local), _port(int(match["port"]))))
        has_ports = True
    if place and not has_ports:
        found.append(Wanted(place))
    if not found:
        raise WrongUse(f"Say where to: {', '.join(known)}. For example: omc forward database 15432:5432")
    given = [each.local for each in found if each.local]
    if len(set(given)) != len(given):
        raise WrongUse("One local port can lead to one place only.")
    return found


def _port(number: int | None) -> int | None:
    if number is not None and not 0 < number < 65_536:
        raise WrongUse(f"{number} is no port: there are 1 to 65535.")
    return number


def with_port(wanted: Wanted, usual: int | None) -> Wanted:
    """With the place's own port where none was given."""
    return wanted if wanted.port else replace(wanted, port=usual)
