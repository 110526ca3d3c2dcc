"""Performance Insights: what keeps each real PostgreSQL busy, sampled every second and kept for seven days.

``sampler`` asks the servers, ``store`` keeps what they said, ``catalogue`` names metrics and dimensions, ``api``
answers AWS's calls.
"""

from localcloud.services.pi import api as _operations
from localcloud.services.pi.component import Insights

__all__ = ["Insights"]
_ = _operations  # imported for its registrations
