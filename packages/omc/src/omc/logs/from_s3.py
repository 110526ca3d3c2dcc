"""The portable queries over the load balancer's access logs in S3: brought here in bounded number and size, and asked
with DuckDB. What is brought goes with the command."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import Unknown, WrongUse
from omc.facts.access_logs import HOW_TO_HAVE_THEM, Source, objects_of, sources_of
from omc.logs.files import Kind, log_files
from omc.logs.local import local_rows
from omc.logs.model import Answer, Span
from omc.logs.portable import PortableQuery

MOST_FILES: Final = 300
MOST_BYTES: Final = 200_000_000
"""Of access logs that one query brings, as they lie in S3: some 300,000 requests for each 20 MB."""


def ask_access_logs(
    aws: Gateway, environment: Environment, query: PortableQuery, span: Span, top: int, report: Callable[[str], None]
) -> Answer:
    """The rows; ``Unknown`` where no load balancer of the environment writes access logs."""
    if query.table != "requests":
        raise WrongUse(f"{query.name} is over flow logs; --engine s3 reads the load balancer's access logs.")
    sources = sources_of(aws, environment)
    written = [source for source in sources if source.bucket]
    if not written:
        which = ", ".join(source.name for source in sources) or "No load balancer of this environment"
        raise Unknown(
            f"{which} writes access logs nowhere, so who asked isn't known. To have them: {HOW_TO_HAVE_THEM}."
        )
    gaps, scanned, count, there = list[str](), 0, 0, 0
    if silent := [source.name for source in sources if not source.bucket]:
        gaps.append(f"{', '.join(silent)} writes access logs nowhere: what came through it isn't counted.")
    with tempfile.TemporaryDirectory(prefix="omc-access-logs-") as folder:
        for source in written:
            found = objects_of(aws, source, span.begin, span.end, most=MOST_FILES, most_bytes=MOST_BYTES)
            there += found.there
            if not found.is_whole:
                gaps.append(
                    f"Of {found.there} access logs of {source.name} the first {len(found.chosen)} were read. Choose a "
                    "shorter period."
                )
            for at, each in enumerate(found.chosen, 1):
                report(f"access log {at} of {len(found.chosen)}")
                _bring(aws, source, each.key, Path(folder) / f"{count}.log.gz")
                count, scanned = count + 1, scanned + each.size
        if not count:
            if not there:
                gaps.append(
                    "There is no access log of this time. AWS writes one each five minutes in which requests came."
                )
            return Answer(gaps=tuple(gaps))
        files = [each for each in log_files([Path(folder)]) if each.kind is Kind.BALANCER]
        rows, unreadable = local_rows(query, files, span, top)
    answers = [{name: str(value) for name, value in row.items() if value is not None} for row in rows]
    return Answer(rows=answers, scanned=count, bytes_scanned=scanned, gaps=(*gaps, *unreadable))


def _bring(aws: Gateway, source: Source, key: str, place: Path) -> None:
    body: Any = aws.client("s3").get_object(Bucket=source.bucket, Key=key)["Body"]
    with body, place.open("wb") as file:
        for chunk in body.iter_chunks(65_536):
            file.write(chunk)
