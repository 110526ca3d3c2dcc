"""The review's checks of what is slow, full or about to be."""

from __future__ import annotations

from omc.checks.doctor_stack import addresses, quotas
from omc.checks.maintenance import pending_changes
from omc.checks.spec import Check
from omc.review.model import ChartOf
from omc.review.performance.burst import burst_credits
from omc.review.performance.cache import cache_commands, cache_evictions, cache_hit_rate
from omc.review.performance.charts import hit_rate_chart, load_chart, responses_chart, statements_chart
from omc.review.performance.database import (
    database_connections,
    dead_rows,
    idle_transactions,
    indexes,
    transaction_age,
)
from omc.review.performance.responses import response_times
from omc.review.performance.statements import (
    database_load,
    plan_changes,
    slow_statements,
    statement_changes,
    top_statements,
)

CHECKS: tuple[Check, ...] = (
    response_times,
    *(database_load, top_statements, statement_changes, plan_changes, slow_statements),
    *(database_connections, idle_transactions, transaction_age, dead_rows, indexes),
    burst_credits,
    *(cache_hit_rate, cache_evictions, cache_commands),
    *(quotas, addresses, pending_changes),
)
"""In the order in which they are shown."""
CHARTS: tuple[ChartOf, ...] = (responses_chart, load_chart, statements_chart, hit_rate_chart)
