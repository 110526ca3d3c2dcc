"""What is shown of doors: the preconditions of one, and those that were opened."""

from __future__ import annotations

from collections.abc import Sequence

from omc.output.document import Document, Row, Severity, Status, Table
from omc.sessions.checks import Condition, Door, closing
from omc.sessions.model import DoorRecord
from omc.times import format_time, iso

_SEVERITY = {
    Door.OPEN: Severity.OK,
    Door.CLOSED: Severity.FAILURE,
    Door.WARNING: Severity.WARNING,
    Door.UNKNOWN: Severity.UNKNOWN,
}


def preflight_document(service: str, task: str, container: str, found: Sequence[Condition]) -> Document:
    """Each precondition, how it is and what to do. Its data has the exit code: 0 open, 1 closed, 3 not known."""
    closed = closing(found)
    unknown = [each for each in found if each.door is Door.UNKNOWN]
    code = 1 if closed else 3 if unknown else 0
    word = {0: "open", 1: "closed", 3: "unknown"}[code]
    rows = [
        Row((Status(each.door.value, _SEVERITY[each.door]), each.name, f"{each.sentence} {each.remedy}".strip()))
        for each in found
    ]
    data = {
        "service": service,
        "task": task,
        "container": container,
        "door": word,
        "exit_code": code,
        "conditions": [
            {"name": each.name, "door": each.door.value, "sentence": each.sentence, "remedy": each.remedy}
            for each in found
        ],
    }
    title = f"The door to {container} in task {task} of {service}: {word}"
    return Document(title, (Table(("", "condition", "how it is"), tuple(rows)),), data=data)


def doors_document(found: Sequence[DoorRecord], zone: str) -> Document:
    """Doors that were opened, as a table."""
    rows = []
    for each in found:
        how = each.how or "open, or its omc was killed"
        code = "" if each.exit_code is None else f", exit code {each.exit_code}"
        what = f"{each.request.door} {each.request.place}" + (" (writing)" if each.request.writes else "")
        rows.append(Row((format_time(each.at, zone), each.by, what, each.request.reason, f"{how}{code}")))
    data = [
        {
            "id": each.id,
            "at": iso(each.at),
            "by": each.by,
            "door": each.request.door,
            "place": each.request.place,
            "task": each.request.task,
            "container": each.request.container,
            "reason": each.request.reason,
            "what": each.request.what,
            "writes": each.request.writes,
            "sessions": list(each.sessions),
            "transcript": each.transcript,
            "ended_at": iso(each.ended_at),
            "how": each.how,
            "exit_code": each.exit_code,
        }
        for each in found
    ]
    if not rows:
        return Document("No door was opened.", (), data=data)
    return Document("", (Table(("when", "who", "door", "reason", "how it ended"), tuple(rows)),), data=data)
