"""An instance that has used up what it may burst with: a load that goes on for longer than its credits last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from localcloud.core import burst
from localcloud.faults import common, database, values, workers
from localcloud.faults.catalogue import Fault, Memory, Setting
from localcloud.services.rds import Databases

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

NAME = "burst-credits"
CPU, VOLUME = "cpu", "volume"


def _start(cloud: Cloud, settings: Mapping[str, str]) -> Memory:
    of = values.choice(settings, "of", (CPU, VOLUME))
    instance = database.running(cloud, settings)
    kind = instance.record["DBInstanceClass"]
    if (burst.volume_baseline(kind) if of == VOLUME else burst.most(kind)) is None:
        raise common.refused(f"{instance.identifier} is a {kind}, which lives on no such credits.")
    if of == VOLUME:
        megabytes = values.number(settings, "megabytes_per_second", 1, 200)
        worker: list[object] = ["archive", "--megabytes", megabytes]
    else:
        worker = ["queries", "--sessions", 2, "--seconds", 1]
    application = "price-archive" if of == VOLUME else "nightly-report"
    memory: Memory = {"database": instance.identifier, "of": of, "application": application, "worker": worker}
    _keep(cloud, memory)
    return memory


def _keep(cloud: Cloud, memory: Memory) -> None:
    """How much is left isn't saved with the cloud: after its restart they are spent once more."""
    databases = cloud.part(Databases)
    if memory["database"] in databases.instances and not databases.has_spent(memory["database"]):
        databases.spend(memory["database"], volume=memory["of"] == VOLUME)
    database.keep_worker(cloud, NAME, memory)


def _stop(cloud: Cloud, memory: Memory) -> None:
    cloud.part(Databases).fill(memory["database"])
    table = workers.ARCHIVE_TABLE if memory["of"] == VOLUME else workers.REPORT_TABLE
    database.end(cloud, NAME, memory, table)


FAULTS = (
    Fault(
        NAME,
        "A program loads the database for longer than its credits last: the CPU's, or those of its volume's speed.",
        "cpu: CPUCreditBalance is 0; t3 and t4g go on and what they lack is charged, a t2 is slowed to its baseline. "
        "volume: EBSByteBalance% is 0, and all of the database is slowed to what its class moves without an end.",
        _start,
        _stop,
        {
            "database": database.DATABASE,
            "of": Setting(VOLUME, f"which credits: {CPU} or {VOLUME}"),
            "megabytes_per_second": Setting("60", "what the program writes a second while it may, 1 to 200"),
        },
        _keep,
    ),
)
