"""ElastiCache: records of our own, and real Valkey servers behind TLS for each replication group.

``component`` brings servers to what their records say; ``operations`` and ``groups`` answer AWS's calls.
"""

from localcloud.services.elasticache import groups as _groups
from localcloud.services.elasticache import operations as _operations
from localcloud.services.elasticache.component import Caches

__all__ = ["Caches"]
_ = (_groups, _operations)  # imported for their registrations
