"""The load balancer's access logs in S3: where they are, which objects a time needs, and their lines.

Objects are read in bounded number and size. Their format is the Application Load Balancer user guide's, "Access logs".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zlib import MAX_WBITS, decompressobj
from zlib import error as zlib_error

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import NotFound

INTERVAL: Final = timedelta(minutes=5)
"""An access log holds so much time; its name says when it ends."""
HOW_TO_HAVE_THEM: Final = "the block access_logs of aws_lb, in the Terraform's module load-balancer"
_NAME = re.compile(r"_elasticloadbalancing_[a-z0-9-]+_(?P<balancer>[^_/]+)_(?P<end>\d{8}T\d{4}Z)_[^/]+\.log\.gz$")


@dataclass(frozen=True, slots=True)
class Source:
    """A load balancer, and where it writes."""

    name: str
    arn: str
    bucket: str = ""
    """Empty: it writes no access logs."""
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class LogObject:
    key: str
    end: datetime
    """Its last minute is over then."""
    size: int
    """Bytes, as it lies in S3."""


@dataclass(frozen=True, slots=True)
class Objects:
    """What was chosen of a source."""

    chosen: tuple[LogObject, ...]
    there: int
    """As many there are of the time."""

    @property
    def is_whole(self) -> bool:
        return len(self.chosen) == self.there

    @property
    def size(self) -> int:
        return sum(each.size for each in self.chosen)


def sources_of(aws: Gateway, environment: Environment) -> tuple[Source, ...]:
    """The environment's load balancers, each with one more call for its attributes."""
    return tuple(_source(aws, record) for record in _balancers(aws, environment))


def objects_of(
    aws: Gateway, source: Source, begin: datetime, end: datetime, *, most: int, most_bytes: int, is_newest: bool = False
) -> Objects:
    """Those whose time meets the one asked for: as many and as large as allowed, of the first or of the newest."""
    found = sorted(_listed(aws, source, begin, end), key=lambda each: (each.end, each.key), reverse=is_newest)
    chosen: list[LogObject] = []
    size = 0
    for each in found:
        size += each.size
        if len(chosen) == most or size > most_bytes:
            break
        chosen.append(each)
    return Objects(tuple(chosen), len(found))


def lines_of(aws: Gateway, bucket: str, key: str) -> Iterator[str]:
    """The lines of a gzipped object, as they come; one that is damaged ends where it is."""
    body: Any = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
    unpacked, rest = decompressobj(MAX_WBITS | 16), b""
    with body:
        for chunk in body.iter_chunks(65_536):
            try:
                *lines, rest = (rest + unpacked.decompress(chunk)).split(b"\n")
            except zlib_error:
                return
            yield from (line.decode("utf-8", "replace") for line in lines)
    if rest:
        yield rest.decode("utf-8", "replace")


def _balancers(aws: Gateway, environment: Environment) -> list[Mapping[str, Any]]:
    elbv2 = aws.client("elbv2")
    if not environment.has_load_balancer:
        return []
    if environment.load_balancer:
        try:
            return list(elbv2.describe_load_balancers(Names=[environment.load_balancer])["LoadBalancers"])
        except NotFound:
            return []
    pages = elbv2.get_paginator("describe_load_balancers").paginate()
    every = [record for page in pages for record in page["LoadBalancers"]]
    prefix = environment.prefix
    return [
        each
        for each in every
        if each["LoadBalancerName"] == prefix or each["LoadBalancerName"].startswith(f"{prefix}-")
    ]


def _source(aws: Gateway, record: Mapping[str, Any]) -> Source:
    arn, name = str(record["LoadBalancerArn"]), str(record["LoadBalancerName"])
    answer = aws.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=arn)
    attributes = {str(each.get("Key")): str(each.get("Value", "")) for each in answer["Attributes"]}
    if attributes.get("access_logs.s3.enabled") != "true":
        return Source(name, arn)
    return Source(name, arn, attributes["access_logs.s3.bucket"], attributes.get("access_logs.s3.prefix", ""))


def _listed(aws: Gateway, source: Source, begin: datetime, end: datetime) -> Iterator[LogObject]:
    _, _, _, region, account, resource = source.arn.split(":", 5)
    identity = resource.removeprefix("loadbalancer/").replace("/", ".")
    for day in _days(begin, end + INTERVAL):
        parts = (source.prefix, "AWSLogs", account, "elasticloadbalancing", region, f"{day:%Y/%m/%d}")
        folder = "/".join(part for part in parts if part)
        pages = aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=source.bucket, Prefix=f"{folder}/")
        for record in (each for page in pages for each in page.get("Contents", ())):
            key = str(record.get("Key", ""))
            name = _NAME.search(key)
            if name is None or name["balancer"] != identity:
                continue
            over = datetime.strptime(name["end"], "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
            if over >= begin and over - INTERVAL <= end:
                yield LogObject(key, over, int(record.get("Size") or 0))


def _days(begin: datetime, end: datetime) -> Iterator[date]:
    day = begin.date()
    while day <= end.date():
        yield day
        day += timedelta(days=1)
