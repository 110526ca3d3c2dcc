"""The review's checks of what the stack costs, and what of it could be spared."""

from __future__ import annotations

from omc.checks.spec import Check
from omc.review.costs.anomalies import cost_anomalies
from omc.review.costs.charts import daily_costs, largest_usage
from omc.review.costs.fargate import fargate_hours, fargate_options, fargate_size
from omc.review.costs.forecast import cost_forecast
from omc.review.costs.leftovers import old_images, old_snapshots, unused_secrets
from omc.review.costs.logs import log_volume
from omc.review.costs.network import nat_data, public_addresses
from omc.review.costs.rises import cost_rise
from omc.review.costs.support import extended_support
from omc.review.model import ChartOf

CHECKS: tuple[Check, ...] = (
    *(cost_rise, cost_anomalies, cost_forecast),
    *(fargate_size, fargate_hours, fargate_options),
    *(nat_data, public_addresses, extended_support, log_volume),
    *(old_snapshots, unused_secrets, old_images),
)
"""In the order in which they are shown."""
CHARTS: tuple[ChartOf, ...] = (daily_costs, largest_usage)
