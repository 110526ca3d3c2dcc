"""CloudWatch: metrics on disk, metric math, alarms that are evaluated, their actions, and dashboards.

``Metrics`` is the component that the cloud holds; importing this package registers the operations. Log groups and
queries over logs are in ``services.logs``.
"""

from localcloud.services.cloudwatch import api_alarms, api_metrics, api_mutes
from localcloud.services.cloudwatch.alarms import Alarms, Notice
from localcloud.services.cloudwatch.component import Metrics

__all__ = ["Alarms", "Metrics", "Notice", "api_alarms", "api_metrics", "api_mutes"]
