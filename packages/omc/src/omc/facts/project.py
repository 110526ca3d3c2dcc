"""What a reading of the surroundings is about, beside the environment: given by the caller, not read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Project:
    """The checkout that a command was run in."""

    folder: Path
    """Of omc.toml."""
    stack: str
    """The stack's name, with which the state's bucket begins."""
