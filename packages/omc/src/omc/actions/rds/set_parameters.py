"""``rds.set_parameters``: values of the instance's DB parameter group, until what is dynamic in them is in force."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.actions.rds.described import described
from omc.config import Environment
from omc.model.arguments.data_stores import SetParameters
from omc.model.plan import Json
from omc.output import shell_word

AT_ONCE = "immediate"
A_CALL = 20
"""ModifyDBParameterGroup and ResetDBParameterGroup take so many parameters."""
SEEN_AFTER = timedelta(seconds=5)
"""How long the instance may still show what was so before the group changed."""


def _set_by_somebody(context: Context, group: str) -> dict[str, str]:
    pages = context.gateway.client("rds").get_paginator("describe_db_parameters")
    return {
        each["ParameterName"]: each.get("ParameterValue", "")
        for page in pages.paginate(DBParameterGroupName=group, Source="user")
        for each in page["Parameters"]
        if "ParameterName" in each
    }


def _is_applied(context: Context, arguments: SetParameters) -> bool:
    now = _set_by_somebody(context, arguments.group)
    return all(now.get(name) == value for name, value in arguments.values.items())


def _apply(context: Context, arguments: SetParameters) -> Mapping[str, Json]:
    rds = context.gateway.client("rds")
    context.checkpoint({"asked_at": context.now().isoformat()})
    for resets, body in _calls(arguments):
        wire: Any = {"DBParameterGroupName": arguments.group, "Parameters": body}
        if resets:
            rds.reset_db_parameter_group(**wire, ResetAllParameters=False)
        else:
            rds.modify_db_parameter_group(**wire)
    return {}


def _calls(arguments: SetParameters) -> Iterator[tuple[bool, list[dict[str, str]]]]:
    """Whether they are set back, and the parameters of one call."""
    for resets in (False, True):
        chosen = [
            {"ParameterName": name, "ApplyMethod": arguments.methods[name]}
            | ({} if value is None else {"ParameterValue": value})
            for name, value in sorted(arguments.values.items())
            if (value is None) is resets
        ]
        for begin in range(0, len(chosen), A_CALL):
            yield resets, chosen[begin : begin + A_CALL]


def _poll(context: Context, arguments: SetParameters) -> Outcome | None:
    record = described(context, arguments.instance)
    if record is None:
        return Outcome(Verdict.FAILED, f"The instance {arguments.instance} is gone.")
    if not _is_applied(context, arguments):
        now = _set_by_somebody(context, arguments.group)
        left = sorted(name for name, value in arguments.values.items() if now.get(name) != value)
        sentence = f"{', '.join(left)} of {arguments.group} isn't what was set: somebody changed it."
        return Outcome(Verdict.SUPERSEDED, sentence, {name: now.get(name) for name in left})
    status = next(
        (
            group["ParameterApplyStatus"]
            for group in record["DBParameterGroups"]
            if group["DBParameterGroupName"] == arguments.group
        ),
        "",
    )
    needs_reboot = any(method != AT_ONCE for method in arguments.methods.values())
    requested = context.state.get("asked_at")
    is_fresh = requested is not None and context.now() - datetime.fromisoformat(requested) < SEEN_AFTER
    is_there = status == "pending-reboot" if needs_reboot else status in ("in-sync", "pending-reboot")
    if status in ("applying", "removing") or (is_fresh and not is_there):
        context.report(f"{arguments.group}: {status or 'not the group of the instance'}")
        return None
    values = ", ".join(f"{name} = {'default' if value is None else value}" for name, value in arguments.values.items())
    waits = "; a reboot brings it into force" if status == "pending-reboot" else ""
    return Outcome(Verdict.SUCCEEDED, f"{arguments.group} has {values}{waits}.", {"apply_status": status})


def _commands(environment: Environment, arguments: SetParameters) -> Sequence[str]:
    lines = []
    for resets, body in _calls(arguments):
        verb = "reset-db-parameter-group" if resets else "modify-db-parameter-group"
        text = shell_word(json.dumps(body, separators=(",", ":")))
        where = f"--db-parameter-group-name {arguments.group} --region {environment.region}"
        lines.append(f"aws rds {verb} {where} --parameters {text}")
    return lines


register(Action(SetParameters, _apply, _is_applied, _poll, _commands))
