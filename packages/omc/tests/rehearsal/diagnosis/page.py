"""The table of the scores, and docs/diagnosis.md."""

from __future__ import annotations

from collections.abc import Sequence

from rehearsal.diagnosis.scores import Score, summed
from rehearsal.diagnosis.world import ROOT

PAGE = ROOT / "docs" / "diagnosis.md"


def table(scores: Sequence[Score]) -> str:
    """For a terminal."""
    parts = {
        "all": list(scores),
        "tuned": [each for each in scores if not each.scenario.is_held_out],
        "held out": [each for each in scores if each.scenario.is_held_out],
    }
    lines = []
    for name, some in parts.items():
        total = summed(some)
        lines.append(f"{name}: {len(some)} scenarios, {total.median * 1000:.0f} ms each, at most {total.slowest * 1000:.0f} ms")
        lines += [f"  {what:<46} {figure:<20} {aim}" for what, figure, aim in total.rows()]
    return "\n".join(lines)


def page(scores: Sequence[Score]) -> str:
    return ""
