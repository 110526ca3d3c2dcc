"""The review's checks of what is slow, full or about to be."""

from __future__ import annotations

from omc.checks.spec import Check
from omc.review.model import ChartOf

CHECKS: tuple[Check, ...] = ()
"""In the order in which they are shown."""
CHARTS: tuple[ChartOf, ...] = ()
