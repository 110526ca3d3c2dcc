"""The application: every router that there is, behind the guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

import omc
from omc.access.model import role_for
from omc.responder.api import (
    acknowledging,
    alerts,
    calendars,
    contacts,
    health,
    incidents,
    learning,
    life,
    maintenance,
    maintenances,
    metrics,
    notifications,
    oncall,
    pages,
    push,
    rotas,
    runs,
    silences,
    sns,
    status,
    tokens,
)
from omc.responder.api.callers import needed
from omc.responder.api.context import ApiContext
from omc.responder.api.guard import SNS_PATH, Guard
from omc.responder.api.problems import HANDLERS, MEDIA_TYPE, MaskedJson, Problem

THREADS = 8
"""Requests that are worked on at a time: fewer than the store has connections, since the responder wants some too."""
ROUTERS = (
    health.router,
    metrics.router,
    incidents.environments,
    incidents.router,
    life.router,
    learning.router,
    learning.environment_router,
    alerts.router,
    silences.router,
    maintenances.router,
    notifications.router,
    sns.router,
    acknowledging.router,
    pages.router,
    runs.router,
    oncall.router,
    rotas.router,
    contacts.router,
    calendars.router,
    maintenance.router,
    calendars.public,
    oncall.me,
    push.router,
    tokens.router,
    status.router,
)
DESCRIPTION = """\
Incidents, who is on call, and what omc knows of itself. Every error is a problem of RFC 9457 with one sentence.

A POST may have the header `Idempotency-Key`: the same request with the same key takes effect once, however often it
comes, for two weeks.

What two people may edit has an `ETag`: a change that names it in `If-Match` is answered 412 where somebody else was
quicker. Lists have `next`, which is given back for the next page.
"""
PROBLEM = {"description": "A problem.", "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def make_app(context: ApiContext) -> FastAPI:
    """The API of one server. No page of documentation: its scripts would come from elsewhere; /openapi.json has it."""
    app = FastAPI(
        title="omc",
        version=omc.__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        default_response_class=MaskedJson,
        lifespan=_lifespan,
        generate_unique_id_function=_operation_id,
    )
    app.state.context = context
    for router in ROUTERS:
        app.include_router(router)
    for kind, handler in HANDLERS:
        app.add_exception_handler(kind, handler)
    app.add_middleware(Guard, context=context)
    app.openapi = lambda: _schema(app)  # type: ignore[method-assign]  # FastAPI's own way to change the schema
    return app


def routes() -> Iterator[tuple[str, APIRoute]]:
    """Of all routers, each with its method."""
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute):
                yield from ((method, route) for method in sorted(route.methods or ()))


def _operation_id(route: APIRoute) -> str:
    """``incidents_show``: by which generated clients call it."""
    return f"{route.endpoint.__module__.rpartition('.')[2]}_{route.name}"


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
    yield


def _schema(app: FastAPI) -> dict[str, Any]:
    """The schema with the problems that there are in truth, in place of FastAPI's own 422."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        parts = schema.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            parts.pop(name, None)
        for method, route in routes():
            if (permission := needed(route.dependant)) is not None:
                schema["paths"][route.path][method.lower()]["x-omc-role"] = role_for(permission).value
        names = [each.name for each in app.state.context.environments]
        parts["Problem"] = Problem.model_json_schema()
        for path, methods in schema["paths"].items():
            for method, operation in methods.items():
                operation["responses"].pop("422", None)
                for parameter in operation.get("parameters", ()):
                    if (parameter["in"], parameter["name"]) == ("path", "environment"):
                        parameter["schema"] = {"type": "string", "enum": names}
                for status in _problems_of(path, method, operation):
                    operation["responses"][str(status)] = PROBLEM
        app.openapi_schema = schema
    return app.openapi_schema


def _problems_of(path: str, method: str, operation: dict[str, Any]) -> set[int]:
    found = {408, 413, 429, 500, 503}
    if operation.get("security"):
        found |= {400, 401, 403}
    if "{" in path:
        found |= {400, 404}
    if path == SNS_PATH:  # it has no token to say so
        found |= {401, 404}
    if method != "get":
        found |= {404, 409}  # what a body names may not be there
    if any(each["name"].lower() == "if-match" for each in operation.get("parameters", ())):
        found.add(412)
    return found
