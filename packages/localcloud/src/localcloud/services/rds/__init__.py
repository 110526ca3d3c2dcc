"""RDS: records of our own, and a real PostgreSQL behind each instance.

``component`` brings servers to what their records say; the ``api`` modules answer AWS's calls.
"""

from localcloud.services.rds import api as _operations
from localcloud.services.rds import api_clusters as _clusters
from localcloud.services.rds import api_groups as _groups
from localcloud.services.rds import api_offers as _offers
from localcloud.services.rds import api_snapshots as _snapshots
from localcloud.services.rds import api_support as _support
from localcloud.services.rds.component import Databases

__all__ = ["Databases"]
_ = (_clusters, _groups, _offers, _operations, _snapshots, _support)  # imported for their registrations
