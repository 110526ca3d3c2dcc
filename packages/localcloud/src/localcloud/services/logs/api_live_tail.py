"""StartLiveTail: the events of log groups, streamed to a client as they are put.

A session holds a thread of the server for as long as its client listens, but neither the cloud's lock nor that of the
logs. Figures (three hours, 10 groups) are AWS's own: StartLiveTail in the API reference.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

from localcloud.core.cloud import Cloud
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.logs.live_sessions import Session, Sessions
from localcloud.services.logs.shared import component, group_name, group_named, invalid, pattern_of

MOST_GROUPS = 10
MAX_SESSION_SECONDS = 3 * 60 * 60.0
EVERY = 1.0


@operation("logs", "StartLiveTail", locked=False)
def start_live_tail(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    identifiers = params["logGroupIdentifiers"]
    streams, prefixes = params.get("logStreamNames", []), params.get("logStreamNamePrefixes", [])
    if not 1 <= len(identifiers) <= MOST_GROUPS:
        raise invalid(f"logGroupIdentifiers must have 1 to {MOST_GROUPS} log groups.")
    if streams and prefixes:
        raise invalid("logStreamNames and logStreamNamePrefixes can't be given together.")
    if (streams or prefixes) and len(identifiers) != 1:
        raise invalid("Log streams can only be named where there is one log group.")
    for identifier in identifiers:
        if not identifier.startswith("arn:") or identifier.endswith("*"):
            raise invalid(f"{identifier} is not the ARN of a log group without an asterisk at its end.")
    groups = [group_named(cloud, group_name(identifier)) for identifier in identifiers]
    if infrequent := [group.name for group in groups if group.group_class != "STANDARD"]:
        raise AwsError("InvalidOperationException", f"Live Tail needs groups of the class STANDARD, not {infrequent}.")
    session = Session(
        frozenset(group.name for group in groups),
        frozenset(streams),
        tuple(prefixes),
        pattern_of(params.get("logEventFilterPattern", "")),
    )
    sessions = component(cloud).tails
    sessions.add(session)
    start = {
        "requestId": call.request_id,
        "sessionId": str(uuid.uuid4()),
        "logGroupIdentifiers": identifiers,
        "logStreamNames": streams,
        "logStreamNamePrefixes": prefixes,
        "logEventFilterPattern": params.get("logEventFilterPattern", ""),
    }
    return {"responseStream": _Stream(cloud, sessions, session, start)}


class _Stream:
    """The session's events, one a second, until the client goes, the cloud stops, or three hours are over."""

    def __init__(self, cloud: Cloud, sessions: Sessions, session: Session, start: dict[str, Any]) -> None:
        self._cloud, self._sessions, self._session, self._start = cloud, sessions, session, start

    def __iter__(self) -> Iterator[dict[str, Any]]:
        yield {"sessionStart": self._start}
        end = time.monotonic() + MAX_SESSION_SECONDS
        while not self._cloud.stopping.wait(EVERY):
            if time.monotonic() > end:
                yield {"SessionTimeoutException": {"message": "The Live Tail session has lasted three hours."}}
                return
            yield {"sessionUpdate": self._session.update()}

    def close(self) -> None:
        self._sessions.remove(self._session)
