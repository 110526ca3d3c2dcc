"""ElastiCache: records of our own, and real Valkey servers behind TLS for each replication group.

``component`` brings servers to what their records say; ``api`` and ``api_groups`` answer AWS's calls.
"""

from localcloud.services.elasticache import api as _operations
from localcloud.services.elasticache import api_groups as _groups
from localcloud.services.elasticache import api_offers as _offers
from localcloud.services.elasticache import api_updates as _updates
from localcloud.services.elasticache.component import Caches

__all__ = ["Caches"]
_ = (_groups, _offers, _operations, _updates)  # imported for their registrations
