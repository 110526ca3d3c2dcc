"""``elasticache.copy_parameters``: a parameter group for another engine, with what was set for the old one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.config import Environment
from omc.errors import NotFound
from omc.model.arguments.data_stores import CopyCacheParameters
from omc.model.plan import Json
from omc.output import shell_word


def _values(context: Context, name: str) -> dict[str, str] | None:
    """What is set in the group; None where there is none."""
    pages = context.gateway.client("elasticache").get_paginator("describe_cache_parameters")
    try:
        return {
            each["ParameterName"]: each.get("ParameterValue", "")
            for page in pages.paginate(CacheParameterGroupName=name, Source="user")
            for each in page["Parameters"]
        }
    except NotFound:
        return None


def _is_applied(context: Context, arguments: CopyCacheParameters) -> bool:
    found = _values(context, arguments.name)
    return found is not None and all(found.get(name) == value for name, value in arguments.values.items())


def _apply(context: Context, arguments: CopyCacheParameters) -> Mapping[str, Json]:
    client = context.gateway.client("elasticache")
    if _values(context, arguments.name) is None:
        client.create_cache_parameter_group(
            CacheParameterGroupName=arguments.name,
            CacheParameterGroupFamily=arguments.family,
            Description=f"As {arguments.source}, made by omc",
        )
    if arguments.values:
        body: Any = _pairs(arguments)
        client.modify_cache_parameter_group(CacheParameterGroupName=arguments.name, ParameterNameValues=body)
    return {}


def _pairs(arguments: CopyCacheParameters) -> list[dict[str, str]]:
    return [{"ParameterName": name, "ParameterValue": value} for name, value in sorted(arguments.values.items())]


def _poll(context: Context, arguments: CopyCacheParameters) -> Outcome | None:
    if not _is_applied(context, arguments):
        return Outcome(Verdict.FAILED, f"The parameter group {arguments.name} isn't as it was made.")
    return Outcome(Verdict.SUCCEEDED, f"The parameter group {arguments.name} ({arguments.family}) is there.")


def _commands(environment: Environment, arguments: CopyCacheParameters) -> Sequence[str]:
    where = f"--cache-parameter-group-name {arguments.name} --region {environment.region}"
    lines = [
        f"aws elasticache create-cache-parameter-group {where} --cache-parameter-group-family {arguments.family} "
        f"--description 'As {arguments.source}'"
    ]
    if arguments.values:
        text = shell_word(json.dumps(_pairs(arguments), separators=(",", ":")))
        lines.append(f"aws elasticache modify-cache-parameter-group {where} --parameter-name-values {text}")
    return lines


register(Action(CopyCacheParameters, _apply, _is_applied, _poll, _commands))
