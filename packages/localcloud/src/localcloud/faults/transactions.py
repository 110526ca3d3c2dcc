"""A transaction that nobody ends: what others write meanwhile can't be vacuumed, and transaction ids grow old."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from localcloud.faults import database, values, workers
from localcloud.faults.catalogue import Fault, Memory, Setting

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

NAME = "old-transaction"


def _start(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    per_second = values.number(settings, "per_second", 1, 5_000)
    memory: Memory = {
        "database": database.running(cloud, settings).identifier,
        "application": "stock-count",
        "worker": ["transaction", "--per-second", per_second],
    }
    database.keep_worker(cloud, NAME, memory)
    return memory


FAULTS = (
    Fault(
        NAME,
        "A program reads in a transaction that it never ends, while rows of a queue are updated over and over.",
        "Dead rows that vacuuming has to leave (pg_stat_user_tables), MaximumUsedTransactionIDs rises, and a session "
        "is idle in its transaction in Performance Insights.",
        _start,
        lambda cloud, memory: database.end(cloud, NAME, memory, workers.QUEUE_TABLE),
        {
            "database": database.DATABASE,
            "per_second": Setting("300", "updates a second, each of which takes a transaction id, 1 to 5000"),
        },
        lambda cloud, memory: database.keep_worker(cloud, NAME, memory),
    ),
)
