"""A call as the line that a person would type: ``aws ecs describe-services --cluster …``, quoted for a shell.

The parameters' shapes come from botocore's models, which is where the aws CLI gets its options from.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from omc.aws.calls import Call
from omc.aws.models import ModelLoader
from omc.output import shell_line

if TYPE_CHECKING:
    from botocore.model import OperationModel


CLI_NAMES = {"s3": "s3api"}
"""What the aws CLI calls a service of botocore's, where it has another name for it."""


def command_line(call: Call, region: str | None = None) -> str:
    """One shell line that asks AWS (or the URL) the same question."""
    if call.service == "http":
        via = ["--connect-to", f"::{call.parameters['via']}"] if "via" in call.parameters else []
        how = [] if call.operation == "GET" else ["--request", call.operation]
        words = ["curl", "--silent", "--show-error", "--max-time", "5", *how, *via, str(call.parameters["url"])]
        return shell_line(words)
    words = ["aws", CLI_NAMES.get(call.service, call.service), _dashed(call.operation)]
    model, page_size = _model(call.service, call.operation)
    members: Mapping[str, Any] = model.input_shape.members if model.input_shape else {}
    for name, value in call.parameters.items():
        option = "--page-size" if name == page_size else f"--{_dashed(name)}"
        words += _option(option, members[name], value)
    if region:
        words += ["--region", region]
    if model.has_streaming_output:
        words.append("/dev/null")  # the CLI wants to know where to; what it says of the object it prints, and no secret
    return shell_line(words)


def command_lines(calls: Iterable[Call], region: str | None = None) -> list[str]:
    """One line for each question: further pages are left out, since the aws CLI asks for those by itself."""
    return list(dict.fromkeys(command_line(call, region) for call in calls if not call.is_next_page))


def _option(option: str, shape: Any, value: Any) -> list[str]:
    if shape.type_name == "boolean":
        return [option if value else option.replace("--", "--no-", 1)]
    if shape.type_name == "list" and shape.member.type_name not in ("structure", "map", "list"):
        words = [_scalar(item) for item in value]
        if any(word.startswith("-") or _looks_special(word) for word in words):
            return [option, json.dumps(words)]
        return [option, *words]
    if shape.type_name in ("structure", "map", "list"):
        return [option, json.dumps(value, default=_scalar, separators=(",", ":"))]
    word = _scalar(value)
    return [f"{option}={word}"] if word.startswith("-") else [option, word]


def _scalar(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)


def _looks_special(word: str) -> bool:
    """The CLI would take a list's only word as JSON."""
    return word.startswith(("[", "{"))


def _dashed(name: str) -> str:
    from botocore import xform_name

    return xform_name(name, "-")


@cache
def _loader() -> Any:

    return ModelLoader()


@cache
def _service(service: str) -> tuple[Any, Mapping[str, Any]]:
    from botocore.exceptions import UnknownServiceError
    from botocore.model import ServiceModel

    try:
        pages = _loader().load_service_model(service, "paginators-1")["pagination"]
    except UnknownServiceError:
        pages = {}
    return ServiceModel(_loader().load_service_model(service, "service-2"), service), pages


@cache
def _model(service: str, operation: str) -> tuple[OperationModel, str | None]:
    """The operation's model, and the parameter that the CLI calls ``--page-size``."""
    model, pages = _service(service)
    return model.operation_model(operation), pages.get(operation, {}).get("limit_key")
