"""One short Logs Insights query over one log group."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from omc.aws.gateway import Gateway
from omc.errors import BadAnswer

FIRST_WAIT, LONGEST_WAIT = 0.05, 0.5
"""Seconds between two looks at a query. How long it may take altogether is for the reading's budget."""


def query(aws: Gateway, group: str, text: str, begin: datetime, end: datetime) -> list[dict[str, str]]:
    """The rows, each a mapping of field to value. Raises ``NotFound`` for a log group that doesn't exist."""
    logs = aws.client("logs")
    started = logs.start_query(
        logGroupName=group, startTime=int(begin.timestamp()), endTime=int(end.timestamp()) + 1, queryString=text
    )
    wait = FIRST_WAIT
    while True:
        time.sleep(wait)
        wait = min(wait * 1.6, LONGEST_WAIT)
        payload: Any = logs.get_query_results(queryId=started["queryId"])
        if payload["status"] == "Complete":
            return [{field["field"]: field["value"] for field in row} for row in payload["results"]]
        if payload["status"] not in ("Scheduled", "Running"):
            raise BadAnswer(f"The Logs Insights query of {group} ended with status {payload['status']}.")


def moment_of(text: str) -> datetime | None:
    """Insights gives a time as milliseconds since 1970, or as ``2026-11-23 12:00:00.000`` in UTC."""
    if text.replace(".", "", 1).isdigit():
        return datetime.fromtimestamp(float(text) / 1000, UTC)
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None
