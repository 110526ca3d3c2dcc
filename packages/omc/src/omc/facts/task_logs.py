"""The last lines that one task's container wrote: what it said before it ended."""

from __future__ import annotations

import json
from typing import Any

from omc.aws.gateway import Gateway
from omc.errors import NotFound, OmcError
from omc.facts.definitions import Definition, describe_definition
from omc.redaction import mask

LINES = 20
RESULT = "OMC-RESULT "
"""What the line begins with in which a task of ours answers, in JSON."""


def last_lines(aws: Gateway, definition: Definition | str, container: str, task: str, most: int = LINES) -> list[str]:
    """Oldest first, secrets masked. Empty where it wrote nothing, or logs somewhere other than CloudWatch."""
    described = describe_definition(aws, definition) if isinstance(definition, str) else definition
    options = log_options(described, container) if described else {}
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    if not group or not prefix:
        return []
    stream = f"{prefix}/{container}/{task}"
    try:
        response = aws.client("logs").get_log_events(
            logGroupName=group, logStreamName=stream, limit=most, startFromHead=False
        )
    except NotFound:
        return []
    return [mask(event.get("message", "").rstrip()) for event in response["events"]][-most:]


def result_line(aws: Gateway, definition: str, container: str, task: str) -> Any | None:
    """What a task answered; None while its log doesn't have it. It is read as it is: it holds counts and names."""
    described = describe_definition(aws, definition)
    options = log_options(described, container) if described else {}
    group, prefix = options.get("awslogs-group"), options.get("awslogs-stream-prefix")
    if not group or not prefix:
        return None
    try:
        response = aws.client("logs").get_log_events(
            logGroupName=group, logStreamName=f"{prefix}/{container}/{task}", limit=LINES, startFromHead=False
        )
    except NotFound:
        return None
    for event in reversed(response["events"]):
        line = event.get("message", "").strip()
        if line.startswith(RESULT):
            try:
                return json.loads(line.removeprefix(RESULT))
            except ValueError:
                return None
    return None


def last_lines_if_readable(aws: Gateway, definition: Definition | str, container: str, task: str) -> list[str]:
    """As evidence beside a verdict: where logs can't be read, the verdict stands all the same."""
    try:
        return last_lines(aws, definition, container, task)
    except OmcError as error:
        return [f"(its log could not be read: {error.message})"]


def log_options(definition: Definition, container: str) -> dict[str, str]:
    for defined in definition.body["containerDefinitions"]:
        if defined["name"] == container and defined.get("logConfiguration", {}).get("logDriver") == "awslogs":
            return dict(defined["logConfiguration"].get("options", {}))
    return {}
