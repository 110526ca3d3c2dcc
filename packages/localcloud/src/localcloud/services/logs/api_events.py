"""The API of log events: put, get, filter; one record by its pointer; the fields that a group's events have."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

from localcloud.core.cloud import Cloud
from localcloud.core.flow import DEFAULT_FORMAT, insights_fields
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.logs.component import now
from localcloud.services.logs.definitions import DAY, Group
from localcloud.services.logs.insights.translate import FLOW_LINE
from localcloud.services.logs.patterns import MISSING, parse_json
from localcloud.services.logs.reader import FAR, Page, Question
from localcloud.services.logs.shared import (
    component,
    event_id,
    find_group,
    invalid,
    missing,
    pattern_of,
    token,
    token_data,
)
from localcloud.services.logs.store import Event, weight
from localcloud.services.logs.work import WorkFailed

MAX_BATCH_BYTES = 1_048_576
TOO_NEW = 2 * 60 * 60 * 1000
TOO_OLD = 14 * DAY
MAX_STREAMS = 100
SAMPLE = 1_000
"""Events that GetLogGroupFields looks at."""


@operation("logs", "PutLogEvents", locked=False)
def put_log_events(cloud: Cloud, call: Call) -> Answer:
    """The batch's rules are PutLogEvents' (API reference)."""
    group, stream = find_group(cloud, call.params), call.params["logStreamName"]
    with component(cloud).lock:
        if stream not in group.streams:
            raise missing("log stream")
    events = [(event["timestamp"], event["message"]) for event in call.params["logEvents"]]
    times = [at for at, _ in events]
    if any(not message for _, message in events):
        raise invalid("Log event message must not be empty.")
    if times != sorted(times):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if sum(weight(message) for _, message in events) > MAX_BATCH_BYTES:
        raise invalid(f"Upload too large: the batch must not exceed {MAX_BATCH_BYTES} bytes.")
    moment = now()
    expired = group.oldest(moment)
    kept = [(at, message) for at, message in events if max(expired, moment - TOO_OLD) <= at <= moment + TOO_NEW]
    if kept and kept[-1][0] - kept[0][0] > DAY:
        raise invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
    try:
        component(cloud).store_events(group.name, stream, kept)
    except OSError as error:
        raise AwsError("ServiceUnavailableException", f"The log events can't be stored: {error}") from error
    rejected: dict[str, int] = {}
    if old := sum(at < moment - TOO_OLD for at in times):
        rejected["tooOldLogEventEndIndex"] = old
    if gone := sum(moment - TOO_OLD <= at < expired for at in times):
        rejected["expiredLogEventEndIndex"] = old + gone
    if new := sum(at > moment + TOO_NEW for at in times):
        rejected["tooNewLogEventStartIndex"] = len(times) - new
    answer: dict[str, Any] = {"nextSequenceToken": f"{moment:056d}"}
    return {**answer, "rejectedLogEventsInfo": rejected} if rejected else answer


@operation("logs", "GetLogEvents", locked=False)
def get_log_events(cloud: Cloud, call: Call) -> Answer:
    """Events of one stream, oldest first in each page. At either end the token that came in is given back."""
    params = call.params
    group, stream = find_group(cloud, params), params["logStreamName"]
    with component(cloud).lock:
        if stream not in group.streams:
            raise missing("log stream")
    provided = params.get("nextToken")
    direction, after = _position(provided)
    descending = direction == "b" if provided is not None else not params.get("startFromHead", False)
    question = Question(
        start=params.get("startTime", 0),
        end=params.get("endTime", FAR) - 1,  # this call alone leaves endTime out
        after=after,
        limit=params.get("limit", 10_000),
        descending=descending,
        streams=frozenset([stream]),
    )
    page = _page(cloud, group, question)
    while not page.events and page.reached is not None:
        page = _page(cloud, group, replace(question, after=page.reached))
    events = page.events[::-1] if descending else page.events
    if events:
        first, last = (events[0].at, events[0].sequence), (events[-1].at, events[-1].sequence)
    else:
        first = last = after or ((question.end, 0) if descending else (question.start - 1, 0))
    return {
        "events": [{"timestamp": e.at, "message": e.message, "ingestionTime": e.ingested} for e in events],
        "nextForwardToken": provided if provided and direction == "f" and not events else _position_token("f", last),
        "nextBackwardToken": provided if provided and direction == "b" and not events else _position_token("b", first),
    }


def _position_token(direction: str, place: tuple[int, int]) -> str:
    return f"{direction}/{place[0]:020d}{place[1]:036d}/s"


def _position(text: str | None) -> tuple[str, tuple[int, int] | None]:
    if text is None:
        return "", None
    found = re.fullmatch(r"([fb])/(-?\d{19,20})(\d{36})/s", text)
    if found is None:
        raise invalid("The specified nextToken is invalid.")
    return found.group(1), (int(found.group(2)), int(found.group(3)))


@operation("logs", "FilterLogEvents", locked=False)
def filter_log_events(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    group, names, prefix = find_group(cloud, params), params.get("logStreamNames"), params.get("logStreamNamePrefix")
    if names is not None and prefix is not None:
        raise invalid("logStreamNames and logStreamNamePrefix can't be given together.")
    if names is not None and not 1 <= len(names) <= MAX_STREAMS:
        raise invalid(f"logStreamNames must have 1 to {MAX_STREAMS} names.")
    with component(cloud).lock:
        if names is not None and not set(names) <= set(group.streams):
            raise missing("log stream")
    pattern = params.get("filterPattern", "")
    pattern_of(pattern)
    start, end = params.get("startTime", 0), params.get("endTime", FAR)
    if start > end:
        raise invalid("startTime is later than endTime.")
    going_on = token_data(params.get("nextToken"), None)
    if going_on is not None and not (isinstance(going_on, list) and len(going_on) == 3):
        raise invalid("The specified nextToken is invalid.")
    question = Question(
        start=start,
        end=end,
        after=None if going_on is None else (int(going_on[1]), int(going_on[2])),
        limit=params.get("limit", 10_000),
        descending=params.get("startFromHead") is False if going_on is None else bool(going_on[0]),
        streams=None if names is None else frozenset(names),
        prefix=prefix or "",
        pattern=pattern,
    )
    page = _page(cloud, group, question)
    answer: dict[str, Any] = {
        "events": [
            {
                "logStreamName": event.stream,
                "timestamp": event.at,
                "message": event.message,
                "ingestionTime": event.ingested,
                "eventId": event_id(event.at, event.sequence),
            }
            for event in page.events
        ],
        "searchedLogStreams": [],  # AWS fills it no more
    }
    if page.reached is not None:
        answer["nextToken"] = token([int(question.descending), *page.reached])
    return answer


def _page(cloud: Cloud, group: Group, question: Question) -> Page:
    oldest = group.oldest(now())
    try:
        return component(cloud).page(group, replace(question, start=max(question.start, oldest)))
    except WorkFailed as error:
        raise AwsError("ServiceUnavailableException", f"The log events can't be read: {error}") from error


@operation("logs", "GetLogRecord", locked=False)
def get_log_record(cloud: Cloud, call: Call) -> Answer:
    """All fields of the event that a query result's ``@ptr`` points to."""
    pointer = token_data(call.params["logRecordPointer"], None)
    if not (isinstance(pointer, list) and len(pointer) == 3):
        raise invalid("The specified logRecordPointer is invalid.")
    identity, at, sequence = pointer
    logs = component(cloud)
    with logs.lock:
        group = next((each for each in logs.groups.values() if each.identity == identity), None)
    found = None
    if group is not None:
        page = _page(cloud, group, Question(start=at, end=at, after=(at, sequence - 1), limit=1))
        found = next((event for event in page.events if event.sequence == sequence), None)
    if group is None or found is None:
        raise AwsError("ResourceNotFoundException", "The log event that the pointer names does not exist.")
    record = {
        "@message": found.message,
        "@timestamp": str(found.at),
        "@ingestionTime": str(found.ingested),
        "@logStream": found.stream,
        "@log": f"{cloud.settings.account}:{group.name}",
        "@ptr": call.params["logRecordPointer"],
    }
    return {"logRecord": {**record, **_fields(found)}}


@operation("logs", "GetLogGroupFields", locked=False)
def get_log_group_fields(cloud: Cloud, call: Call) -> Answer:
    """The fields of recent events and how many of those have each (AWS: the 15 minutes around ``time``)."""
    group = find_group(cloud, call.params)
    moment = call.params.get("time", now() // 1000) * 1000
    window = Question(start=moment - 480_000, end=moment + 480_000, limit=SAMPLE, descending=True)
    if "time" not in call.params:
        window = replace(window, start=moment - 900_000, end=FAR)
    events = _page(cloud, group, window).events
    counts: Counter[str] = Counter()
    for event in events:
        counts.update(["@timestamp", "@message", "@logStream", "@ingestionTime", "@log"])
        counts.update(_fields(event).keys())
    return {
        "logGroupFields": [
            {"name": name, "percent": round(100 * count / len(events))} for name, count in counts.most_common()
        ]
    }


def _fields(event: Event) -> dict[str, str]:
    """What Insights discovers in an event: a JSON object's properties, or a flow log record's columns."""
    document = parse_json(event.message)
    if document is not MISSING:
        return dict(_flattened("", document))
    if re.match(FLOW_LINE, event.message):
        return dict(zip(insights_fields(DEFAULT_FORMAT), event.message.split(), strict=False))
    return {}


def _flattened(prefix: str, value: object) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in _flattened(f"{prefix}{key}.", inner)]
    if isinstance(value, list):
        return [pair for place, inner in enumerate(value) for pair in _flattened(f"{prefix}{place}.", inner)]
    if value is None:
        return []
    text = str(int(value)) if isinstance(value, bool) else str(value)
    return [(prefix.removesuffix("."), text)]
