"""Elastic Load Balancing: moto keeps the records; HAProxy, real probes and real counters make them true.

``component`` reconciles records with HAProxy processes and targets with probes; ``api`` answers AWS's calls
about targets and corrects moto's answers about the rest.
"""

from localcloud.services.elbv2 import api as _operations
from localcloud.services.elbv2.component import LoadBalancers

__all__ = ["LoadBalancers"]
_ = _operations  # imported for its registrations
