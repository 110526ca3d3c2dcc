"""The parts of the weekly review, in the order in which they are shown."""

from __future__ import annotations

from collections.abc import Mapping

from omc.checks.run import CheckList
from omc.checks.runbook import WEEKLY_COSTS, WEEKLY_PERFORMANCE, WEEKLY_SECURITY
from omc.checks.spec_document import LISTS
from omc.review.costs import CHARTS as COST_CHARTS
from omc.review.costs import CHECKS as COST_CHECKS
from omc.review.model import Part
from omc.review.performance import CHARTS as PERFORMANCE_CHARTS
from omc.review.performance import CHECKS as PERFORMANCE_CHECKS
from omc.review.security import CHARTS as SECURITY_CHARTS
from omc.review.security import CHECKS as SECURITY_CHECKS

PARTS = (
    Part("costs", CheckList("Costs", COST_CHECKS, WEEKLY_COSTS), COST_CHARTS),
    Part("security", CheckList("Security", SECURITY_CHECKS, WEEKLY_SECURITY), SECURITY_CHARTS),
    Part("performance", CheckList("Performance", PERFORMANCE_CHECKS, WEEKLY_PERFORMANCE), PERFORMANCE_CHARTS),
)

ALL_LISTS: Mapping[str, CheckList] = {
    **LISTS,
    **{f"omc check weekly {part.name}": part.checks for part in PARTS if part.checks.checks},
}
"""Every list of checks that there is, by the command that runs it."""
