"""Every error as a problem of RFC 9457: one sentence, and a status that says whose turn it is. A person with a browser
gets the sentence as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from omc.access.model import NotAllowed, NotAuthenticated
from omc.errors import Altered, Missing, OmcError, Outdated, Refused, Throttled, Unknown, WrongUse, contained
from omc.notify.links import PATH
from omc.output.json import to_json
from omc.responder.api.plain_page import plain_page
from omc.store.embedded import StoreError

if TYPE_CHECKING:
    from fastapi import Request

MEDIA_TYPE = "application/problem+json"
STATUS: tuple[tuple[type[OmcError], int], ...] = (
    (NotAuthenticated, 401),
    (NotAllowed, 403),
    (Missing, 404),
    (WrongUse, 400),
    (Altered, 500),
    (Outdated, 412),
    (Refused, 409),
    (Throttled, 429),
    (StoreError, 503),
    (Unknown, 503),
)
"""The first that an error is. All else is a mistake of ours."""
RETRY_SECONDS = 5
"""What a 503 asks for: a database that is restarted, or a provider that is asked again, needs about as long."""


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    """HTTP's own words for the status."""
    status: int
    detail: str
    """A sentence for people: what failed, and what to do next."""


class TooManyRequests(Throttled):
    """The caller asks more often than omc.toml allows."""

    def __init__(self, seconds: float) -> None:
        self.seconds = max(1, int(seconds + 0.999))
        super().__init__(f"Too many requests. Ask again in {self.seconds} s.")


class MaskedJson(JSONResponse):
    """Every answer goes through the redaction on its way out, as all that omc prints does."""

    def render(self, content: Any) -> bytes:
        return to_json(content, indent=None).encode()


PATHS_FOR_PEOPLE = (PATH,)
"""What begins so is for people alone, whatever their browsers say that they accept."""
TITLES = {408: "Too slow", 429: "Not now", 500: "Something is wrong with omc", 503: "Not now"}
"""Above the sentence that a person gets; else HTTP's own words."""


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, scope: Mapping[str, Any] | None = None
) -> Response:
    """``scope``: of the request, which says whether a person or a program asks."""
    if scope is not None and _is_for_person(scope):
        return plain_page(TITLES.get(status, HTTPStatus(status).phrase), [detail], status, headers=headers)
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return MaskedJson(body, status, headers, MEDIA_TYPE)


def _is_for_person(scope: Mapping[str, Any]) -> bool:
    """Whether a browser asks for a page to show; what a page's script asks for names no HTML."""
    if any(path in scope["path"] for path in PATHS_FOR_PEOPLE):
        return True
    return any(name == b"accept" and b"text/html" in value.lower() for name, value in scope["headers"])


def of_omc(request: Request, error: Exception) -> Response:
    """Of an error of omc's own."""
    if not isinstance(error, OmcError):
        raise error
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="omc"'
    elif isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.seconds)
    elif status == 503:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return problem(status, error.message, headers, request.scope)


def of_pool(request: Request, error: Exception) -> Response:
    """All connections to the store are in use."""
    del error
    headers = {"Retry-After": str(RETRY_SECONDS)}
    return problem(503, "omc's database is busy. Ask again in some seconds.", headers, request.scope)


def of_http(request: Request, error: Exception) -> Response:
    """Of a route that isn't there, or not for this method."""
    if not isinstance(error, HTTPException):
        raise error
    words = {
        404: "There is nothing at this address. /openapi.json lists what there is.",
        405: "This address doesn't know this method. /openapi.json lists what there is.",
    }
    return problem(error.status_code, words.get(error.status_code, str(error.detail)), error.headers, request.scope)


def of_validation(request: Request, error: Exception) -> Response:
    """Of a request that isn't what the schema says: the first thing in it. What it held isn't repeated."""
    if not isinstance(error, RequestValidationError):
        raise error
    return problem(400, _sentence(error.errors()), scope=request.scope)


def _sentence(errors: Sequence[Any]) -> str:
    first = errors[0]
    place = ".".join(str(part) for part in first.get("loc", ()) if part != "body")
    if first.get("type") == "json_invalid":
        return "The body is not JSON."
    what = str(first.get("msg", "is not allowed")).rstrip(".")
    more = f" {len(errors) - 1} more of it isn't as it should be." if len(errors) > 1 else ""
    return f"{place or 'The body'}: {what[:1].lower()}{what[1:]}.{more}"


def of_mistake(error: Exception, scope: Mapping[str, Any]) -> tuple[Response, str]:
    """Of a mistake of ours: the answer, which says nothing of it, and the line for the log."""
    answer = problem(500, "This is a bug in omc. Its log says more.", scope=scope)
    return answer, contained("a request", error).message


HANDLERS: tuple[tuple[type[Exception], Any], ...] = (
    (OmcError, of_omc),
    (PoolTimeout, of_pool),
    (HTTPException, of_http),
    (RequestValidationError, of_validation),
)
