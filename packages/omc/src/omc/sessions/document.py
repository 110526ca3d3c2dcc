"""What is shown of doors: the preconditions of one."""

from __future__ import annotations

from collections.abc import Sequence

from omc.output.document import Document, Row, Severity, Status, Table
from omc.sessions.checks import Condition, Door, closing

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
