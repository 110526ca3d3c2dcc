"""Which tools there are: name, what it says of itself, what it takes, what it does. One table; a test calls every row
and holds that nothing is written."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from omc.agents import arguments, plans, readings, records
from omc.agents.arguments import Arguments, taken
from omc.agents.context import CallContext
from omc.agents.text import answer
from omc.errors import OmcError, WrongUse, lacking
from omc.logs.queries import saved_queries
from omc.output import line
from omc.output.document import Document, Paragraph

BOUNDARY_BYTES = 8


@dataclass(frozen=True, slots=True)
class Tool:
    """One reading."""

    name: str
    title: str
    description: str
    arguments: type[Arguments]
    run: Callable[[CallContext, Any], Document]


TOOLS: tuple[Tool, ...] = (
    Tool(
        "morning_check",
        "Morning check",
        "How the environment is: what users get, services, tasks, targets, alarms, errors, freshness. The verdict "
        "first, then each finding with its evidence and the section of the runbook. What could not be read is unknown, "
        "not ok.",
        arguments.Morning,
        readings.morning_check,
    ),
    Tool(
        "diagnose",
        "Diagnosis",
        "Why something is broken: the likeliest cause first, with confidence, evidence for and against, the path to "
        "users, what was ruled out and what could not be seen.",
        arguments.Diagnose,
        readings.diagnose,
    ),
    Tool(
        "weekly_review",
        "Weekly review",
        "The weekly checks of costs, security and performance, compared with the last recorded review. It isn't "
        "recorded.",
        arguments.Weekly,
        readings.weekly_review,
    ),
    Tool(
        "log_errors",
        "Errors in the logs",
        "Errors that the services logged, grouped by shape: how often, first and last seen, an example, and whether "
        "they are new since the last deployment.",
        arguments.LogErrors,
        readings.log_errors,
    ),
    Tool(
        "log_query",
        "Saved log query",
        "The rows of one of the saved Logs Insights queries, by its name. Queries of your own can't be run.",
        arguments.LogQuery,
        readings.log_query,
    ),
    Tool(
        "deployments",
        "Deployments and releases",
        "What was deployed, when, by whom and how it ended: the releases that omc verified and ECS's own history.",
        arguments.Listing,
        records.deployments,
    ),
    Tool(
        "runs",
        "Runs",
        "Every change that was made through omc, newest first, and the timers to come.",
        arguments.Listing,
        records.runs,
    ),
    Tool(
        "run",
        "One run",
        "One change: its plan, who approved it, each step with times and evidence, the verdict.",
        arguments.OneRun,
        records.run,
    ),
    Tool(
        "incidents",
        "Incidents",
        "The incidents that are open, or all of them, newest first.",
        arguments.Incidents,
        records.incidents,
    ),
    Tool(
        "incident",
        "One incident",
        "One incident: what users suffer, who has it, its alerts and notes, what was done and when.",
        arguments.OneIncident,
        records.incident,
    ),
    Tool(
        "alerts",
        "Alerts",
        "The alerts that fire, or all of them, the worst first, and which incident knows of each.",
        arguments.Alerts,
        records.alerts,
    ),
    Tool(
        "plan_deploy",
        "Plan of a deployment",
        "What deploying these images would do now, with everything that stands against it. A dry run: nothing is "
        "changed, and the plan can't be performed from here.",
        arguments.PlanDeploy,
        plans.plan_deploy,
    ),
    Tool(
        "plan_scale",
        "Plan of a scaling",
        "What scaling a service would do now, with the sums behind it. A dry run: nothing is changed, and the plan "
        "can't be performed from here.",
        arguments.PlanScale,
        plans.plan_scale,
    ),
    Tool(
        "plan_rollback",
        "Plan of a rollback",
        "What going back to the last verified release would do now, and what else there is to go back to. A dry run: "
        "nothing is changed, and the plan can't be performed from here.",
        arguments.PlanRollback,
        plans.plan_rollback,
    ),
)
BY_NAME: Mapping[str, Tool] = {tool.name: tool for tool in TOOLS}


@dataclass(frozen=True, slots=True)
class Answered:
    """What a call comes to."""

    text: str
    is_error: bool = False


def allowed_of(tool: Tool, context: CallContext) -> dict[str, Sequence[str]]:
    """The values of its arguments that only this server knows."""
    allowed: dict[str, Sequence[str]] = {"env": context.names}
    if tool.arguments is arguments.LogQuery:
        allowed["name"] = tuple(saved_queries(context.stack.logs))
    return allowed


def call(tool: Tool, context: CallContext, given: Mapping[str, Any] | None) -> Answered:
    """Read, and say it. What goes wrong is one sentence, as a command would say it."""
    try:
        request = taken(tool.arguments, given, allowed_of(tool, context))
    except WrongUse as error:
        return Answered(line(error.message), is_error=True)
    what, boundary = f"{tool.title} of {request.env}", f"data-{secrets.token_hex(BOUNDARY_BYTES)}"
    try:
        return Answered(answer(tool.run(context, request), what, boundary))
    except OmcError as error:  # its sentence may quote AWS, the database or a name that is like the one asked for
        return Answered(answer(Document("", (Paragraph(error.message),)), what, boundary), is_error=True)
    except KeyError as error:
        return Answered(answer(Document("", (Paragraph(lacking(error).message),)), what, boundary), is_error=True)
    except Exception as error:  # noqa: BLE001 - one call's bug mustn't end the server
        problem = f"This is a bug in omc: {type(error).__name__}: {error}. Please report it."
        return Answered(answer(Document("", (Paragraph(problem),)), what, boundary), is_error=True)
