"""Who asks, by the newest of the load balancer's access logs in S3: requests by client's address.

Of a line only the address is kept. Few objects are read, and no large ones: how many, and of which time, is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import AccessDenied
from omc.facts.access_logs import INTERVAL, LogObject, Source, lines_of, objects_of, sources_of
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.budget import BUDGET, within
from omc.facts.scope import Scope

MINUTES = 20
"""How far back is looked: a file holds five minutes, and AWS delivers it some minutes later."""
MOST_OBJECTS = 6
MOST_BYTES = 3_000_000
"""As they lie in S3: some 50,000 requests."""
MOST_LINES = 60_000
"""Of one object."""
CLIENT = 3
"""The field of an entry, from 0: ``client:port``."""

Located: TypeAlias = tuple[Source, LogObject]


@dataclass(frozen=True, slots=True)
class RequestClients:
    """Requests by client's address."""

    requests: int = 0
    most: tuple[tuple[str, int], ...] = ()
    """Address and its requests, the most first."""
    bucket: str = ""
    """Empty: no load balancer of the environment writes access logs."""
    objects: int = 0
    """As many were read of ``there``."""
    there: int = 0
    size: int = 0
    """Bytes that they have in S3."""
    begin: datetime | None = None
    end: datetime | None = None
    """The time that those read cover; None where there are none."""
    refused: str = ""
    """Why they couldn't be read, where that takes a right that not every role has."""
    reading: Reading = NO_READING


@reads
def read_request_clients(aws: Gateway, environment: Environment, scope: Scope) -> RequestClients:
    """The load balancer's attributes, one list of keys, and a few objects side by side."""

    def read() -> RequestClients:
        written = [source for source in sources_of(aws, environment) if source.bucket]
        if not written:
            return RequestClients()
        try:
            places, there = _places(aws, written, scope)
            counts = sum(parallel_map(lambda place: _counted(aws, place), places), Counter[str]())
        except AccessDenied as error:
            return RequestClients(bucket=written[0].bucket, refused=error.message)
        ends = [each.end for _, each in places]
        return RequestClients(
            requests=counts.total(),
            most=tuple(counts.most_common(200)),
            bucket=written[0].bucket,
            objects=len(places),
            there=there,
            size=sum(each.size for _, each in places),
            begin=min(ends) - INTERVAL if ends else None,
            end=max(ends) if ends else None,
        )

    return within(BUDGET, "who asks, from the load balancer's access logs", read)


def _places(aws: Gateway, sources: Sequence[Source], scope: Scope) -> tuple[list[Located], int]:
    """What to read, the newest first, and of how many objects."""
    places, there = list[Located](), 0
    for source in sources:
        begin = scope.now - timedelta(minutes=MINUTES)
        found = objects_of(aws, source, begin, scope.now, most=MOST_OBJECTS, most_bytes=MOST_BYTES, is_newest=True)
        places += [(source, each) for each in found.chosen]
        there += found.there
    return places, there


def _counted(aws: Gateway, place: Located) -> Counter[str]:
    source, each = place
    counts: Counter[str] = Counter()
    for number, line in enumerate(lines_of(aws, source.bucket, each.key)):
        if number == MOST_LINES:
            break
        fields = line.split(" ", CLIENT + 1)
        address = fields[CLIENT].rpartition(":")[0] if len(fields) > CLIENT else ""
        if address:
            counts[address.strip("[]")] += 1
    return counts
