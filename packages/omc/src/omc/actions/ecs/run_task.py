"""``ecs.run_task``: one task that does something and ends, such as a migration. Its exit code is the verdict.

Outputs: ``task``, ``exit_code``, ``result`` where it answers, and ``schema``, the number in a last line like ``the
schema is at version 7``, with ``schema_floor``, the oldest code that works on it, where the line says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.config import Environment
from omc.errors import AwsRefused
from omc.facts.services import short_name
from omc.facts.task_logs import last_lines_if_readable, result_line
from omc.facts.tasks import Container, StoppedTask, tasks_started_by
from omc.judgement.task_causes import cause_of
from omc.model.arguments.base import known
from omc.model.arguments.ecs import RunTask
from omc.model.plan import Json
from omc.output import shell_line

SCHEMA = re.compile(r"schema is at version (\d+)(?:.*?code (?:of |for )?version (\d+) (?:or|and) newer)?")

LOGS_LATE = timedelta(minutes=3)
"""How long after a task's end its last line may not be in the log."""
NOT_SHOWN_YET = timedelta(minutes=1)
"""How long a task that ECS has just started may not be known to DescribeTasks: AWS names no time, seconds are usual."""


def _started_by(context: Context) -> str:
    """ECS takes 128 letters, digits, hyphens, underscores and slashes."""
    return re.sub(r"[^A-Za-z0-9_/-]", "-", f"omc/{context.run}/{context.step}")[:128]


def _cluster(environment: Environment, arguments: RunTask) -> str:
    return arguments.cluster or environment.cluster


def _is_applied(context: Context, arguments: RunTask) -> bool:
    """Any task, running or stopped within the hour, that this step started."""
    if "task" in context.state:
        return True
    family = short_name(known(arguments.task_definition)).partition(":")[0]
    arns = tasks_started_by(context.gateway, _cluster(context.environment, arguments), _started_by(context), family)
    if arns:
        context.checkpoint({"task": arns[0]})
    return bool(arns)


def _apply(context: Context, arguments: RunTask) -> Mapping[str, Json]:
    wire: Any = {
        "cluster": _cluster(context.environment, arguments),
        "taskDefinition": known(arguments.task_definition),
        **({"networkConfiguration": arguments.network} if arguments.network else {}),
        "overrides": _overrides(arguments),
        "startedBy": _started_by(context),
        "clientToken": context.token,
        "count": 1,
        "propagateTags": "TASK_DEFINITION",
        **arguments.launch,
    }
    context.checkpoint({"asked_at": context.now().isoformat()})
    answer = context.gateway.client("ecs").run_task(**wire)
    if not answer["tasks"]:
        reason = "; ".join(failure.get("reason", "") for failure in answer["failures"]) or "ECS gave no reason"
        raise AwsRefused(f"ECS started no task for {arguments.what}: {reason}.", "TaskNotStarted")
    return {"task": answer["tasks"][0]["taskArn"]}


def _poll(context: Context, arguments: RunTask) -> Outcome | None:
    arn, name = context.state["task"], arguments.container
    cluster = _cluster(context.environment, arguments)
    response: Any = context.gateway.client("ecs").describe_tasks(cluster=cluster, tasks=[arn])
    if not response["tasks"] and _is_new(context):
        context.report(f"{arguments.what}: ECS doesn't show the task {short_name(arn)} yet")
        return None
    if not response["tasks"]:
        return Outcome(Verdict.UNKNOWN, f"ECS no longer knows the task {short_name(arn)} that ran {arguments.what}.")
    task = response["tasks"][0]
    if task["lastStatus"] != "STOPPED":
        context.report(f"{arguments.what}: task {short_name(arn)} is {task['lastStatus']}")
        return None
    container: Any = next((each for each in task["containers"] if each["name"] == name), {})
    code = container.get("exitCode")
    lines = last_lines_if_readable(context.gateway, short_name(task["taskDefinitionArn"]), name, short_name(arn))
    evidence: dict[str, Json] = {"task": short_name(arn), "exit_code": code, "log": lines}
    if code == 0 and arguments.answers:
        return _answer(context, arguments, task, {"task": short_name(arn), "exit_code": 0})
    if code == 0:
        outputs = {"task": arn, "exit_code": 0, **schema_of(lines)}
        level = f"; the schema is at version {outputs['schema']}" if outputs["schema"] else ""
        return Outcome(Verdict.SUCCEEDED, f"{arguments.what} ended with 0{level}.", evidence, outputs)
    stopped = StoppedTask(
        id=short_name(arn),
        service=None,
        task_definition=short_name(task["taskDefinitionArn"]),
        stop_code=task.get("stopCode", ""),
        reason=task.get("stoppedReason", ""),
        containers=(Container(name, code, container.get("reason", "")),),
        started=None,
        stopped=context.now(),
    )
    message = f" Its last line: {message_of(lines[-1])}" if lines else " It wrote no log."
    cause = cause_of(stopped).text.rstrip(".")
    return Outcome(Verdict.FAILED, f"{arguments.what} failed: {cause}.{message}", evidence)


def _overrides(arguments: RunTask) -> dict[str, Any]:
    container: dict[str, Any] = {"name": arguments.container, "command": list(arguments.command)}
    if arguments.environment:
        container["environment"] = [
            {"name": name, "value": known(value)} for name, value in arguments.environment.items()
        ]
    return {"containerOverrides": [container]}


def _answer(context: Context, arguments: RunTask, task: Any, evidence: dict[str, Json]) -> Outcome | None:
    """The line that it printed. Logs come seconds after the task's end."""
    arn, family = str(task["taskArn"]), short_name(task["taskDefinitionArn"])
    result = result_line(context.gateway, family, arguments.container, short_name(arn))
    if result is not None:
        outputs: dict[str, Json] = {"task": arn, "exit_code": 0, "result": result}
        return Outcome(Verdict.SUCCEEDED, f"{arguments.what} ended with 0.", evidence, outputs)
    stopped = task.get("stoppedAt")
    if stopped is not None and context.now() - stopped < LOGS_LATE:
        context.report(f"{arguments.what}: it has ended; its log isn't there yet")
        return None
    return Outcome(Verdict.FAILED, f"{arguments.what} ended with 0, but its log has no line with its result.", evidence)


def _is_new(context: Context) -> bool:
    """Whether ECS may not show the task yet: what a call has made is not to be seen by all calls at once."""
    request = context.state.get("asked_at")
    return request is not None and context.now() - datetime.fromisoformat(request) < NOT_SHOWN_YET


def _pending_notice(context: Context, arguments: RunTask) -> str:
    task, region = short_name(context.state["task"]), context.environment.region
    cluster = _cluster(context.environment, arguments)
    return (
        f"Its task {task} isn't stopped by this: it still ran when ECS was last asked. Wait for its end before the "
        f"next change (aws ecs wait tasks-stopped --cluster {cluster} --tasks {task} --region {region})."
    )


def schema_of(lines: Sequence[str]) -> dict[str, Json]:
    """What a migration's last words say of the schema."""
    for line in reversed(lines):
        if found := SCHEMA.search(line):
            return {"schema": int(found[1]), "schema_floor": int(found[2]) if found[2] else None}
    return {"schema": None, "schema_floor": None}


def message_of(line: str) -> str:
    """The message of a JSON log line, else the line."""
    try:
        payload = json.loads(line)
    except ValueError:
        return line
    return str(payload.get("message", line)) if isinstance(payload, dict) else line


def _if_any(option: str, value: Mapping[str, Any]) -> tuple[str, ...]:
    return (option, json.dumps(value, separators=(",", ":"))) if value else ()


def _commands(environment: Environment, arguments: RunTask) -> Sequence[str]:
    if arguments.answers:  # a whole program in one word: by hand one asks the database oneself
        return [f"# {arguments.what}: count the rows of each table by psql, in a task as omc does or by omc's doors"]
    overrides, cluster = _overrides(arguments), _cluster(environment, arguments)
    words = [
        *("aws", "ecs", "run-task", "--cluster", cluster, "--region", environment.region),
        *("--task-definition", known(arguments.task_definition)),
        *_if_any("--network-configuration", arguments.network),
        *("--overrides", json.dumps(overrides, separators=(",", ":"))),
        *(["--launch-type", arguments.launch["launchType"]] if "launchType" in arguments.launch else []),
        *("--query", "tasks[0].taskArn", "--output", "text"),
    ]
    line = re.sub(r"'(\$[A-Z0-9_]+)'", r'"\1"', shell_line(words))  # what only an earlier line finds out is a variable
    return [
        f"TASK=$({line})",
        f'aws ecs wait tasks-stopped --cluster {cluster} --tasks "$TASK" --region {environment.region}',
        f'aws ecs describe-tasks --cluster {cluster} --tasks "$TASK" --region {environment.region} '
        "--query 'tasks[0].containers[*].[name,exitCode,reason]'",
    ]


ACTION = register(Action(RunTask, _apply, _is_applied, _poll, _commands, pending_notice=_pending_notice))
