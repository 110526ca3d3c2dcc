"""Which code answers which AWS operation.

Three kinds of entry, looked up by botocore's service and operation names (``"ecs"``, ``"UpdateService"``):

* ``operation`` — we answer it whole: parsed parameters in, a plain dict in the shape of botocore's model out.
* ``mend`` — moto answers; we receive its parsed answer and return it corrected.
* neither — moto alone, where moto is trusted with it (``TRUSTED``, in ``localcloud.front``).

Before any of them, an operation's ``rule``s refuse what AWS refuses (``localcloud.services.rules``).

Nothing here knows HTTP; ``localcloud.front`` parses, calls and serialises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

Answer: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the AWS endpoint, parsed."""

    service: str
    operation: str
    params: Mapping[str, Any]
    account: str
    region: str
    principal: str
    """ARN of the caller."""
    access_key: str
    source_ip: str
    user_agent: str
    request_id: str
    at: datetime
    """When it arrived, UTC."""
    user_id: str = ""
    """The caller's unique id: ``AIDA…`` of a user, ``AROA…:session`` of a role's session, the account of the root."""


class AwsError(Exception):
    """An error in AWS's own shape. ``code`` is the wire name, such as ``ServiceNotFoundException``."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


Handler: TypeAlias = "Callable[[Cloud, Call], Answer]"
ResponsePatch: TypeAlias = "Callable[[Cloud, Call, dict[str, Any]], Answer]"


@dataclass(frozen=True, slots=True)
class Operation:
    """A handler and whether it runs under the cloud's lock. Long polls and handlers with a lock of their own don't."""

    handler: Handler
    locked: bool


Rule: TypeAlias = "Callable[[Cloud, Call], None]"

OPERATIONS: dict[tuple[str, str], Operation] = {}
MENDS: dict[tuple[str, str], ResponsePatch] = {}
RULES: dict[tuple[str, str], list[Rule]] = {}


def operation(service: str, name: str, *, locked: bool = True) -> Callable[[Handler], Handler]:
    """Register the function below as the whole answer to ``service.name``."""

    def register(handler: Handler) -> Handler:
        if (service, name) in OPERATIONS:
            raise RuntimeError(f"{service}.{name} has two handlers")
        OPERATIONS[service, name] = Operation(handler, locked)
        return handler

    return register


def patch_response(service: str, name: str) -> Callable[[ResponsePatch], ResponsePatch]:
    """Register the function below to correct moto's answer to ``service.name`` (under the cloud's lock)."""

    def register(function: ResponsePatch) -> ResponsePatch:
        if (service, name) in MENDS:
            raise RuntimeError(f"{service}.{name} is mended twice")
        MENDS[service, name] = function
        return function

    return register


def rule(service: str, *names: str) -> Callable[[Rule], Rule]:
    """Register the function below to raise AWS's error for what it refuses of these operations, whoever answers them.

    It runs under the cloud's lock, on parameters that satisfy botocore's model, and must change nothing.
    """

    def register(function: Rule) -> Rule:
        for name in names:
            RULES.setdefault((service, name), []).append(function)
        return function

    return register
