"""CloudWatch: metrics on disk, metric math, alarms that are evaluated, their actions, and dashboards.

``Metrics`` is the component that the cloud holds; importing this package registers the operations. Log groups and
queries over logs are in ``services.logs``.
"""

from localcloud.services.cloudwatch import operations_alarms, operations_metrics
from localcloud.services.cloudwatch.alarms import Alarms, Notice
from localcloud.services.cloudwatch.metrics import Metrics

__all__ = ["Alarms", "Metrics", "Notice", "operations_alarms", "operations_metrics"]
