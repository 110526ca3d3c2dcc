"""Every list of checks by the command that runs it, for ``omc check list`` and ``docs/checks.md``: the weekly review's
parts beside the morning check and the doctor."""

from __future__ import annotations

from collections.abc import Mapping

from omc.checks.doctor import DOCTOR
from omc.checks.morning import MORNING
from omc.checks.run import CheckList
from omc.review.parts import PARTS

LISTS: Mapping[str, CheckList] = {
    "omc check morning": MORNING,
    "omc doctor": DOCTOR,
    **{f"omc check weekly {part.name}": part.checks for part in PARTS if part.checks.checks},
}
