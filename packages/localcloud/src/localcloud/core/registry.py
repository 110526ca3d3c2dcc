"""Which code answers which AWS operation.

Three kinds of entry, looked up by botocore's service and operation names (``"ecs"``, ``"UpdateService"``):

* ``operation`` — we answer it whole: parsed parameters in, a plain dict in the shape of botocore's model out.
* ``patch_response`` — moto answers; we receive its parsed answer and return it corrected.
* neither — moto alone, where moto is trusted with it (``TRUSTED``, in ``localcloud.front``).

Beside these a service registers what a call touches (``resources``, for policies), the pages that it has for the
cloud's own clients (``page``), what of it costs (``billable``), and what of it lives (``component``).

Before any of them, an operation's ``rule``s refuse what AWS refuses (each service's ``rules``).

Nothing here knows HTTP; ``localcloud.front`` parses, calls and serialises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from localcloud.core.named import Registry

if TYPE_CHECKING:
    from localcloud.core.billing import Charge
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

Billable: TypeAlias = "Callable[[Cloud], Iterable[Charge]]"
ResourceReader: TypeAlias = "Callable[[Cloud, Call], Iterable[str]]"


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What was asked of a page under ``/_localcloud/``."""

    method: str
    path: str
    query: str
    body: bytes


Page: TypeAlias = "Callable[[Cloud, PageRequest], Any]"


@dataclass(frozen=True, slots=True)
class RegisteredPage:
    """A page, and whether its address is signed itself: then it wants no token and answers bytes, not JSON."""

    answer: Page
    signed: bool


OPERATIONS: Registry[tuple[str, str], Operation] = Registry("operation")
RESPONSE_PATCHES: Registry[tuple[str, str], ResponsePatch] = Registry("corrected answer")
RULES: dict[tuple[str, str], list[Rule]] = {}
RESOURCES: Registry[str, ResourceReader] = Registry("reader of resources")
PAGES: Registry[str, RegisteredPage] = Registry("page")
BILLABLE: list[Billable] = []
COMPONENTS: dict[type[Any], int] = {}

K = TypeVar("K")


def operation(service: str, name: str, *, locked: bool = True) -> Callable[[Handler], Handler]:
    """Register the function below as the whole answer to ``service.name``."""

    def register(handler: Handler) -> Handler:
        OPERATIONS.add((service, name), Operation(handler, locked))
        return handler

    return register


def patch_response(service: str, name: str) -> Callable[[ResponsePatch], ResponsePatch]:
    """Register the function below to correct moto's answer to ``service.name`` (under the cloud's lock)."""
    return RESPONSE_PATCHES.register((service, name))


def rule(service: str, *names: str) -> Callable[[Rule], Rule]:
    """Register the function below to raise AWS's error for what it refuses of these operations, whoever answers them.

    It runs under the cloud's lock, on parameters that satisfy botocore's model, and must change nothing.
    """

    def register(function: Rule) -> Rule:
        for name in names:
            RULES.setdefault((service, name), []).append(function)
        return function

    return register


def resources(service: str) -> Callable[[ResourceReader], ResourceReader]:
    """Register the function below to give the ARNs that a call of this service touches. Under the cloud's lock."""
    return RESOURCES.register(service)


def page(name: str, *, signed: bool = False) -> Callable[[Page], Page]:
    """Register the function below to answer ``/_localcloud/NAME`` with what becomes JSON.

    ``signed``: its addresses (``/_localcloud/NAME/…``) carry a signature of their own; it answers GET with bytes.
    """

    def register(function: Page) -> Page:
        PAGES.add(name, RegisteredPage(function, signed))
        return function

    return register


def billable(function: Billable) -> Billable:
    """Register the function below to say what of a service exists now and costs. It runs under the cloud's lock."""
    BILLABLE.append(function)
    return function


def component(*, order: int = 100) -> Callable[[type[K]], type[K]]:
    """Register the class below to be attached to each cloud, made with what its constructor asks for by name:
    ``settings``, or ``state`` (the folder). What others lean on has a small ``order``: it starts first and stops last.
    """

    def register(kind: type[K]) -> type[K]:
        COMPONENTS[kind] = order
        return kind

    return register


def component_classes() -> list[type[Any]]:
    """What to attach, in the order of starting."""
    return sorted(COMPONENTS, key=lambda kind: (COMPONENTS[kind], kind.__module__, kind.__qualname__))
