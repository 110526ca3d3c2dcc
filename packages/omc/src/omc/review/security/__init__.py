"""The review's checks of who did what, what is open, and what is old."""

from __future__ import annotations

from omc.checks.spec import Check
from omc.review.model import ChartOf
from omc.review.security.ages import certificate_age, iam_users, image_holes, secret_age
from omc.review.security.callers import new_callers, unusual_sources
from omc.review.security.charts import calls_by_day, knocks_by_port
from omc.review.security.network import open_rules, refused_connections, rules_in_code
from omc.review.security.public import public_exposure
from omc.review.security.trail import (
    console_logins,
    copies_shared,
    denied_calls,
    records_touched,
    root_use,
    security_changes,
)

CHECKS: tuple[Check, ...] = (
    root_use,
    console_logins,
    denied_calls,
    records_touched,
    copies_shared,
    security_changes,
    new_callers,
    unusual_sources,
    refused_connections,
    open_rules,
    rules_in_code,
    public_exposure,
    certificate_age,
    secret_age,
    iam_users,
    image_holes,
)
"""In the order in which they are shown."""
CHARTS: tuple[ChartOf, ...] = (calls_by_day, knocks_by_port)
