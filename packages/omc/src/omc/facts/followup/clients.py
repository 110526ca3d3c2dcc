"""Who sent the requests of the last minutes, by the load balancer's access logs in S3."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from omc.aws.calls import parallel_map
from omc.aws.gateway import Gateway
from omc.facts.collector import NO_READING, Reading, reads
from omc.facts.followup.balancer_settings import BalancerSettings
from omc.facts.followup.budget import BUDGET, within
from omc.facts.load_balancers import LoadBalancer, LoadBalancers
from omc.facts.scope import Scope

BACK = timedelta(minutes=15)
"""ELB writes a file each five minutes and for each of its nodes, some minutes late."""
FILES, MOST_BYTES = 6, 4 * 1024 * 1024
"""The newest files that are read, and of each so many bytes as they are stored, at most."""
CLIENT = 3
"""The field ``client:port`` of a line. Source: Elastic Load Balancing, Access logs for an Application Load Balancer."""
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Clients:
    """Requests by source address, of the files that were read."""

    requests: int = 0
    sources: int = 0
    """Different addresses."""
    most: tuple[tuple[str, int], ...] = ()
    """Address and its requests, the most first."""
    off: tuple[str, ...] = ()
    """Load balancers that write no access log."""
    reading: Reading = NO_READING


@reads
def read_clients(aws: Gateway, balancers: LoadBalancers, settings: BalancerSettings, scope: Scope) -> Clients:
    """A listing for each load balancer that writes access logs, and its newest files."""

    def read() -> Clients:
        counts: Counter[str] = Counter()
        for balancer in balancers.load_balancers:
            if place := settings.access_logs.get(balancer.name, ""):
                counts.update(_of(aws, balancer, place, scope.now))
        off = tuple(name for name, place in settings.access_logs.items() if not place)
        return Clients(counts.total(), len(counts), tuple(counts.most_common(SHOWN)), off)

    return within(BUDGET, "the load balancer's access logs", read)


def _of(aws: Gateway, balancer: LoadBalancer, place: str, now: datetime) -> Mapping[str, int]:
    bucket, _, prefix = place.partition("/")
    s3, keys = aws.client("s3"), []
    for begin in dict.fromkeys((_begin(now - BACK), _begin(now))):
        day = _folder(balancer, prefix, begin)
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=day, StartAfter=f"{day}{now - BACK:%Y%m%dT%H%MZ}")
        keys += [each["Key"] for each in listed.get("Contents", ())]

    def count(key: str) -> Mapping[str, int]:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        return counted(lines_of(body.read(MOST_BYTES)))

    found: Counter[str] = Counter()
    for each in parallel_map(count, sorted(keys)[-FILES:]):
        found.update(each)
    return found


def _begin(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def _folder(balancer: LoadBalancer, prefix: str, day: datetime) -> str:
    _, _, _, region, account, _ = balancer.arn.split(":", 5)
    name = balancer.dimension.replace("/", ".")
    folder = f"AWSLogs/{account}/elasticloadbalancing/{region}/{day:%Y/%m/%d}/"
    return f"{prefix}/{folder}".lstrip("/") + f"{account}_elasticloadbalancing_{region}_{name}_"


def lines_of(data: bytes) -> Iterator[str]:
    """The lines of a gzip file, of which the end may be missing."""
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        text = inflate.decompress(data, 64 * 1024 * 1024)
    except zlib.error:
        return
    yield from text.decode(errors="replace").splitlines()


def counted(lines: Iterable[str]) -> Mapping[str, int]:
    """Requests by address."""
    found: Counter[str] = Counter()
    for line in lines:
        parts = line.split(" ", CLIENT + 1)
        if len(parts) > CLIENT + 1 and ":" in parts[CLIENT]:
            found[parts[CLIENT].rpartition(":")[0]] += 1
    return found
