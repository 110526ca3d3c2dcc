"""CloudWatch Logs: groups, streams, events on disk, filter patterns, metric filters, and Logs Insights on DuckDB.

``Logs.put`` is the joint for everybody who writes logs; ``flow`` makes VPC flow log records. Importing this registers
the API's operations.
"""

from localcloud.services.logs import api_events, api_filters, api_flow, api_groups, api_insights, api_live_tail
from localcloud.services.logs.component import Logs

__all__ = ["Logs", "api_events", "api_filters", "api_flow", "api_groups", "api_insights", "api_live_tail"]
