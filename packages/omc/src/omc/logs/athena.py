"""The portable queries on Athena, over what is exported to S3: started, followed, stopped, read page by page.

The tables are the Terraform's (module ``athena``): ``flow`` and ``requests`` in a database of the environment's, with a
partition for each day, so that a query reads the days of its time alone. Athena bills what it scans; the workgroup
ends a query that scans more than its bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from omc.aws.gateway import Gateway
from omc.config import Environment
from omc.errors import AwsRefused, NotFound, OmcError, Unknown
from omc.logs.model import Answer, Span
from omc.logs.portable import PortableQuery
from omc.times import format_duration

OPERATIONS: Final = frozenset({("athena", "StartQueryExecution"), ("athena", "StopQueryExecution")})
"""What may be sent beside reads. The queries are omc's own and only select; results go to the workgroup's bucket."""
FIRST_WAIT, LONGEST_WAIT = 0.2, 2.0
"""Seconds between two looks at a running query."""
FLOW: Final = """(
    SELECT interface_id, srcaddr, dstaddr, srcport, dstport, protocol, packets, bytes,
           "start" AS start_time, "end" AS end_time, action
    FROM flow_log WHERE day BETWEEN '{first}' AND '{last}'
) AS flow"""
REQUESTS: Final = """(
    SELECT type, time, elb, client_ip || ':' || CAST(client_port AS varchar) AS client,
           target_ip || ':' || target_port AS target,
           request_processing_time, target_processing_time, response_processing_time,
           elb_status_code, target_status_code, received_bytes, sent_bytes, request_verb, request_url, user_agent,
           trace_id, domain_name, error_reason,
           CAST(to_unixtime(from_iso8601_timestamp(time)) AS bigint) AS request_time
    FROM access_log WHERE day BETWEEN '{first}' AND '{last}'
) AS requests"""
"""The Terraform's tables with the columns of the portable queries. A file's day may be the one after its lines'."""


@dataclass(frozen=True, slots=True)
class Execution:
    """Where the environment's queries run."""

    workgroup: str
    database: str


def execution_of(environment: Environment, workgroup: str) -> Execution:
    """The names that the Terraform gives."""
    name = workgroup.replace("{prefix}", environment.prefix)
    return Execution(name, f"{environment.prefix.replace('-', '_')}_logs")


def most_scanned(aws: Gateway, place: Execution) -> int | None:
    """Bytes at which the workgroup ends a query; None where it has no bound. ``Unknown`` says how to have one."""
    try:
        answer = aws.client("athena").get_work_group(WorkGroup=place.workgroup)
    except (AwsRefused, NotFound) as error:
        raise Unknown(
            f"Athena can't be asked: {error.message} The Terraform's module athena makes the workgroup "
            f"{place.workgroup} and its tables (athena_enabled = true)."
        ) from error
    cutoff = answer["WorkGroup"].get("Configuration", {}).get("BytesScannedCutoffPerQuery")
    return int(cutoff) if cutoff else None


def sql_of(query: PortableQuery, span: Span, limit: int, trace: str = "") -> str:
    """A portable query over the Terraform's tables."""
    days = {"first": f"{span.begin:%Y/%m/%d}", "last": f"{span.end + timedelta(minutes=15):%Y/%m/%d}"}
    source = (FLOW if query.table == "flow" else REQUESTS).format(**days)
    return query.sql(span, limit, trace).replace(f"FROM {query.table}\n", f"FROM {source}\n", 1)


def ask_athena(aws: Gateway, place: Execution, sql: str, *, patience: float, report: Callable[[str], None]) -> Answer:
    """The rows of a query. Not done within ``patience`` seconds: stopped, and said so. Ctrl-C stops it too."""
    athena = aws.client("athena")
    started = athena.start_query_execution(
        QueryString=sql, QueryExecutionContext={"Database": place.database}, WorkGroup=place.workgroup
    )
    identity = started["QueryExecutionId"]
    began, wait, is_over = time.monotonic(), FIRST_WAIT, False
    try:
        while True:
            time.sleep(wait)
            wait = min(wait * 1.6, LONGEST_WAIT)
            record = athena.get_query_execution(QueryExecutionId=identity)["QueryExecution"]
            state = record["Status"]["State"]
            size = int(record.get("Statistics", {}).get("DataScannedInBytes", 0))
            is_over = state not in ("QUEUED", "RUNNING")
            if state == "SUCCEEDED":
                return Answer(rows=list(_rows(aws, identity)), bytes_scanned=size)
            waited = format_duration(timedelta(seconds=time.monotonic() - began))
            if is_over:
                reason = str(record["Status"].get("StateChangeReason", "")).strip().rstrip(".")
                return Answer(bytes_scanned=size, gaps=(_why(state, reason),))
            report(f"Athena: {state.lower()} for {waited}")
            if time.monotonic() - began > patience:
                return Answer(bytes_scanned=size, gaps=(f"The query was stopped after {waited}; it gave nothing yet.",))
    finally:
        if not is_over:
            with suppress(OmcError):  # it has just ended by itself, or AWS doesn't answer any more
                athena.stop_query_execution(QueryExecutionId=identity)


def _why(state: str, reason: str) -> str:
    if state == "CANCELLED":
        return f"Athena cancelled the query{f': {reason}' if reason else ''}."
    return f"Athena's query failed{f': {reason}' if reason else ''}."


def _rows(aws: Gateway, identity: str) -> Iterator[dict[str, str]]:
    """All pages; the first row of the first page has the columns' names. What has no value isn't in its row."""
    columns: list[str] = []
    token: dict[str, str] = {}
    while True:
        answer = aws.client("athena").get_query_results(QueryExecutionId=identity, **token)
        for record in answer["ResultSet"]["Rows"]:
            values = [each.get("VarCharValue") for each in record.get("Data", ())]
            if columns:
                yield {name: value for name, value in zip(columns, values, strict=False) if value is not None}
            else:
                columns = [str(value) for value in values]
        following = answer.get("NextToken")
        if not following or following == token.get("NextToken"):
            return
        token = {"NextToken": following}
