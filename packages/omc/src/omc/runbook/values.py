"""Today's values in a block of the runbook's commands: names of the environment, and what its own look-ups would find.

A look-up is ``$(aws … --output text)``: the same is asked by the gateway, which only reads, and the answer stands in
its place. What isn't a look-up (a query that is paid for, a change, a pipe, a loop's variable), what AWS refuses and
what there isn't stays as it is written, and the reason is kept.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jmespath
from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError, ServiceModel

from omc.aws.gateway import Gateway
from omc.aws.models import ModelLoader
from omc.aws.reads import is_read
from omc.config import Environment
from omc.config.model import LOCAL_ROOT
from omc.errors import OmcError

LOOKS_UP = re.compile(r"(Describe|List|Get)[A-Z]\w*")
"""Operations that are asked for a value. StartQuery is a read too, and is paid for."""
_SERVICES = {"s3api": "s3"}
_SAFE = re.compile(r"[\w.:/@=+,-]+(?: [\w.:/@=+,-]+)*")
"""Values that mean nothing to a shell."""
_ASSIGNED = re.compile(r"(?P<begin>^|[\n;] *|\bdo +)(?P<name>[A-Z_]+)=(?P<value>[\w.:/@-]+)(?=[\s;]|$)")
_LOOPS = re.compile(r"\bfor ([A-Z_]+) in\b|\bread(?: -r)? ([A-Z_]+)\b|^([a-z_]+)\(\)", re.MULTILINE)
_USED = re.compile(r"(?<![\\\w])\$(?:([A-Z_]+)\b|\{([A-Z_]+)\})")
_OPTION = re.compile(r"^--[a-z0-9-]+$")
MOST_WORDS = 100


class NotLookedUp(Exception):
    """Why something stays as it is written."""


Ask = Callable[[str, str, Mapping[str, Any], str], Any]
"""Service and operation (botocore's names), parameters, JMESPath."""


@dataclass
class Filled:
    """What came of it."""

    stays: dict[str, str] = field(default_factory=dict)
    """What wasn't looked up, by the variable or command, and why."""
    found: dict[str, str] = field(default_factory=dict)
    """Values by the variable, the newest."""


def named(text: str, environment: Environment) -> str:
    """The names that follow from omc.toml, in place of those that the runbook makes of ``$ENV``."""
    name = environment.name
    for pattern, value in (
        (r'(?<=--cluster )"ohmycoins-\$ENV"', environment.cluster),
        (r'(?<=--db-instance-identifier )"ohmycoins-\$ENV"', environment.database),
        (r'(?<=db-instance --source-identifier )"ohmycoins-\$ENV"', environment.database),
        (r'(?<=describe-load-balancers --names )"ohmycoins-\$ENV"', environment.load_balancer or environment.prefix),
        (r'"ohmycoins-\$ENV-redis"', environment.cache),
        (r"(?<=environments/)\$ENV", LOCAL_ROOT if environment.is_local else name),
        (r"\bENV=staging AWS_REGION=[a-z0-9-]+", f"ENV={name} AWS_REGION={environment.region}"),
        (r"(?<=--env )(?:staging|production|\"?\$ENV\"?)(?![,\w])", name),
        *((rf"/ecs/ohmycoins-\$ENV/{each.name}\b", each.log_group) for each in environment.services),
        *(
            (rf"ohmycoins-\$ENV-{each.name}(?![\w-])", each.target_groups[0])
            for each in environment.services
            if each.target_groups
        ),
        (r"ohmycoins-\$ENV", environment.prefix),
        (r"\$ENV\b", name),
    ):
        if not value:
            continue  # omc.toml has none of it: the runbook's own words stay
        text = re.sub(pattern, lambda _, value=value: value, text)  # type: ignore[misc]  # mypy wants no default here
    return text


def fill(script: str, environment: Environment, ask: Ask | None, filled: Filled, service: str = "") -> str:
    """The script with its values. ``ask`` None: names alone. ``service``: in place of the one that is written there."""
    text = named(script, environment)
    if service:
        text = re.sub(r"(?m)^SERVICE=\w[\w-]*", f"SERVICE={service}", text)
    if ask is None:
        return text
    loops = {name for match in _LOOPS.finditer(text) for name in match.groups() if name}
    known: dict[str, str] = {}
    out, at = "", 0
    while at < len(text):
        begin = text.find("$(aws ", at)
        piece = text[at : begin if begin >= 0 else len(text)]
        known |= {match["name"]: match["value"] for match in _ASSIGNED.finditer(piece) if match["name"] not in loops}
        out += _used(piece, known)
        if begin < 0:
            break
        end = _closing(text, begin + 1)
        inner = text[begin + 2 : end]
        before = re.search(r"([A-Z_]+)=\"?$", out)
        what = before[1] if before else "$(" + " ".join(inner.split()[:3]) + " …)"
        try:
            value = looked_up(_used(inner, known), ask)
        except NotLookedUp as reason:
            filled.stays.setdefault(what, str(reason))
            known.pop(what, None)
            out += f"$({_used(inner, known)})"
        else:
            out += f'"{value}"' if before and " " in value else value
            if before and what not in loops:
                known[what] = filled.found[what] = value
        at = end + 1
    return out


def _used(text: str, known: Mapping[str, str]) -> str:
    """Variables whose value is known, where they are used."""
    return _USED.sub(lambda match: known.get(match[1] or match[2], match[0]), text)


def _closing(text: str, opened: int) -> int:
    """Where the bracket that is opened at ``opened`` closes, past quotes."""
    depth, quote = 0, ""
    for at in range(opened, len(text)):
        character = text[at]
        if quote:
            quote = "" if character == quote and text[at - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return at
    return len(text)


def looked_up(command: str, ask: Ask) -> str:
    """What an aws command would print, as one line of words. Raises ``NotLookedUp``."""
    service, operation, parameters, query = parsed(command)
    value = ask(service, operation, parameters, query)
    words = value if isinstance(value, list) else [value]
    if value is None or not words:
        raise NotLookedUp("there is none now")
    if len(words) > MOST_WORDS or not all(isinstance(word, str | int) for word in words):
        raise NotLookedUp("its value is more than a few words")
    text = " ".join(map(str, words))
    if not _SAFE.fullmatch(text):
        raise NotLookedUp("its value isn't a plain word")
    return text


def parsed(command: str) -> tuple[str, str, Mapping[str, Any], str]:
    """Service, operation, parameters and JMESPath of a line of the aws CLI. Raises ``NotLookedUp``."""
    try:
        words = shlex.split(command.replace("\\\n", " "))
    except ValueError:
        raise NotLookedUp("the shell has to read it") from None
    if "|" in words or ";" in words:
        raise NotLookedUp("the shell has to do more than ask")
    _, service, dashed, *rest = words
    service = _SERVICES.get(service, service)
    if variable := _USED.search(" ".join(rest)):
        raise NotLookedUp(f"it depends on {variable[0]}, which the shell knows")
    operation = operations_of(service).get(dashed, "")
    if not LOOKS_UP.fullmatch(operation) or not is_read(service, operation):
        raise NotLookedUp("it isn't a look-up")
    options = _options(rest)
    query = " ".join(options.pop("--query", []))
    if options.pop("--output", []) != ["text"]:
        raise NotLookedUp("it isn't asked for as text")
    options.pop("--no-paginate", None)
    shape: Any = _model(service).operation_model(operation).input_shape
    members: Mapping[str, Any] = {xform_name(name, "-"): (name, each) for name, each in shape.members.items()}
    parameters = {}
    for option, given in options.items():
        name, member = members.get(option.removeprefix("--"), ("", None))
        if member is None:
            raise NotLookedUp(f"{option} is the aws command's own")
        parameters[name] = _value(member, given)
    return service, operation, parameters, query


def _options(words: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    last = ""
    for word in words:
        if _OPTION.fullmatch(word):
            last = word
            found[last] = []
        elif last:
            found[last].append(word)
    return found


def _value(shape: Any, words: list[str]) -> Any:
    """As botocore takes it: a word, a list of words, JSON, or the CLI's Name=…,Values=…."""
    if words and words[0][:1] in "[{":
        return json.loads(words[0])
    match shape.type_name:
        case "list" if shape.member.type_name == "structure":
            return [_structure(shape.member, word) for word in words]
        case "list":
            return list(words)
        case "integer" | "long":
            return int(words[0])
        case "boolean":
            return True
        case "structure":
            return _structure(shape, words[0])
    return words[0] if words else ""


def _structure(shape: Any, word: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    last = ""
    for part in word.split(","):
        name, sign, value = part.partition("=")
        if sign and name in shape.members:
            last = name
            found[last] = [value] if shape.members[last].type_name == "list" else value
        elif last and isinstance(found[last], list):
            found[last].append(part)
    return found


@cache
def _model(service: str) -> ServiceModel:
    return ServiceModel(ModelLoader().load_service_model(service, "service-2"), service)


@cache
def operations_of(service: str) -> Mapping[str, str]:
    """botocore's names by the CLI's; empty for a service that there isn't."""
    try:
        return {xform_name(name, "-"): name for name in _model(service).operation_names}
    except (UnknownServiceError, OperationNotFoundError):
        return {}


def look_ups_by(gateway: Gateway) -> Ask:
    """By this gateway, each question once. An error of AWS's is why something isn't looked up."""
    kept: dict[str, Any] = {}
    way: Any = gateway  # its services' names are typed one by one, and here they stand in a text

    def ask(service: str, operation: str, parameters: Mapping[str, Any], query: str) -> Any:
        key = json.dumps([service, operation, parameters], sort_keys=True)
        if key not in kept:
            try:
                kept[key] = _answer(way.client(service), operation, parameters)
            except OmcError as error:
                kept[key] = error
        if isinstance(kept[key], OmcError):
            raise NotLookedUp(kept[key].message)
        return jmespath.search(query, kept[key]) if query else kept[key]

    return ask


def _answer(client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
    method = xform_name(operation)
    if client.can_paginate(method):
        return client.get_paginator(method).paginate(**parameters).build_full_result()
    return getattr(client, method)(**parameters)
