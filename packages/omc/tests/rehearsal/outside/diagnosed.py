"""What ``omc diagnose`` says of a story's fault: the rank of the cause that the story is about, its path, seconds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rehearsal.outside.story import Story


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """One answer, judged."""

    rank: int
    """Of the first cause that the story's patterns fit, from 1; 0: none does."""
    path: str
    """Its places, from the cause to whoever suffers: ``database → services/backend``."""
    is_path_right: bool | None
    """Whether the story's own pattern fits it; None: the story says nothing of the path."""
    seconds: float
    """From the command's start to its end."""

    @property
    def shown(self) -> tuple[str, str, str]:
        """Rank, path and seconds, as cells of the table."""
        verdict = {None: "", True: "right: ", False: "wrong: "}[self.is_path_right]
        return (str(self.rank) if self.rank else "not told", f"{verdict}{self.path}", f"{self.seconds:.1f} s")


def judge_diagnosis(story: Story, answer: Mapping[str, Any], seconds: float) -> Diagnosed:
    """``answer``: what ``omc diagnose --output json`` printed while the fault was in force."""
    for rank, cause in enumerate(answer["causes"], 1):
        text = "\n".join(_texts(cause))
        words = [word for word in story.words if _found(word, text)]
        if _found(story.headline, text) and (words or not story.words):
            path = " → ".join(str(station["place"]) for station in cause["path"])
            return Diagnosed(rank, path, _found(story.path, path) if story.path else None, seconds)
    return Diagnosed(0, "", False if story.path else None, seconds)


def _texts(cause: Mapping[str, Any]) -> Iterator[str]:
    yield f"{cause['place'] or ''} {cause['subject']}: {cause['sentence']}"
    yield from (str(evidence["text"]) for evidence in cause["evidence"])


def _found(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE | re.DOTALL) is not None
