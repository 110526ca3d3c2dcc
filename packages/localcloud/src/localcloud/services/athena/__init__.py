"""Athena: SELECTs over the tables of Glue's catalogue whose data are in S3, run by DuckDB in a process of its own.

Workgroups and the catalogue are moto's. ``tables`` finds a query's tables and their objects, ``worker`` runs it,
``component`` follows it, ``api`` answers AWS's calls. Known are Parquet and lines that a regular expression takes apart
(RegexSerDe), with partitions by projection. It speaks DuckDB's SQL with a few of Trino's functions, no more.
"""

from localcloud.services.athena import api as _operations
from localcloud.services.athena.component import Athena

__all__ = ["Athena"]
_ = _operations  # imported for its registrations
