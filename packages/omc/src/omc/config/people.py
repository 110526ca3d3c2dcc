"""Who is who: the names that one person has at AWS and at GitHub, and when two names are the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field


def canonical_name(name: str) -> str:
    """A name as it is compared: letter case, full-width and ligature forms and invisible characters make no difference.

    Letters of different scripts that only look alike stay different: neither AWS nor GitHub has such names.
    """
    shown = "".join(letter for letter in unicodedata.normalize("NFKC", name) if unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFKC", shown.casefold()).strip()


@dataclass(frozen=True, slots=True)
class People:
    """``[people]`` of omc.toml.

    A name that it doesn't map is its own person, whichever door it came through: ``bob`` at GitHub and the IAM user
    ``Bob`` are one person until the file says that they are two.
    """

    at_aws: Mapping[str, str] = field(default_factory=dict)
    """From a folded name of AWS to the person's."""
    at_github: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Everybody who has a name under which she can approve, in the file's order."""
        return tuple(dict.fromkeys((*self.at_aws.values(), *self.at_github.values())))

    def at(self, name: str, door: str) -> str:
        """The person of this name; ``door`` is ``aws`` or ``github``."""
        known = self.at_github if door == "github" else self.at_aws
        return known.get(canonical_name(name), canonical_name(name))


NO_PEOPLE = People()
