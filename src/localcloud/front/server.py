"""The HTTP server in front of ``dispatch``: threads, request bodies, and the private ``/_localcloud/`` pages."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cheroot import wsgi
from werkzeug.datastructures import Headers

from localcloud.core.addresses import can_bind
from localcloud.core.registry import AwsError
from localcloud.faults.component import StackFaults
from localcloud.front import dispatch, faults
from localcloud.front.protocol import HttpAnswer, HttpRequest, plain_error
from localcloud.services import layers
from localcloud.services.costs.component import Costs

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

THREADS = 48
"""Long polls (SQS, live tail) each hold a thread for up to 20 s; Terraform asks ten things at once."""
REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


CONNECTION = "localcloud.connection"
SILENT = "localcloud.silent"
"""In the environment of a request that gets no answer."""
AS_IT_COMES = "localcloud.as_it_comes"
"""Called by the application before it answers: nothing of this answer is held back."""


class _Gateway(wsgi.Gateway_10):
    """Lets the application close its connection, which WSGI has no word for, and sends each answer in one piece.

    AWS's SDK for Go (smithy-go 1.22, in Terraform's provider) closes a request's body as soon as an answer's headers
    are there. If Go's writer, on a busy machine, hasn't looked for the body's end by then, it takes "closed" for a
    failed write and closes the connection under the reader: "use of closed network connection". cheroot alone sends
    headers and body apart. In one piece a short answer is whole in the client's buffer (4 KiB) before anything is
    closed; a longer one can still be hit where it comes within about a millisecond.
    """

    def respond(self) -> None:
        connection = self.req.conn
        wire, held = connection.wfile, io.BytesIO()
        connection.wfile = held

        def as_it_comes() -> None:
            connection.wfile = wire

        self.env[AS_IT_COMES] = as_it_comes
        try:
            super().respond()
        finally:
            connection.wfile = wire
        if SILENT not in self.env:
            wire.write(held.getvalue())

    def get_environ(self) -> dict[str, Any]:  # type: ignore[override]
        environ: dict[str, Any] = super().get_environ()  # type: ignore[no-untyped-call]
        environ[CONNECTION] = self.req
        return environ


class Server:
    """Listens on the cloud's endpoint from ``start`` to ``stop``. Raises ``OSError`` where the port is taken."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        address = (cloud.settings.address, cloud.settings.port)
        self._server = wsgi.Server(
            address, self._application, numthreads=THREADS, request_queue_size=128, timeout=65, shutdown_timeout=2
        )
        self._server.gateway = _Gateway
        self._server.expiration_interval = 0.1
        self._server.error_log = _log_error  # type: ignore[method-assign]
        self._thread: threading.Thread | None = None
        self._bound = False

    def bind(self) -> None:
        """Listen, without answering yet: a taken port is found before anything else starts."""
        if not self._bound:
            settings = self._cloud.settings
            taken = can_bind(settings.address, settings.port)
            if taken is not None:
                raise taken
            self._server.prepare()
            self._bound = True

    def start(self) -> None:
        self._thread = threading.Thread(target=self._server.serve, name="front", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._bound:
            self._server.stop()
        if self._thread is not None:
            self._thread.join(5)

    def _application(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        request = _request(environ)
        try:
            if request.path.startswith("/_localcloud/"):
                result = private(self._cloud, request)
            else:
                result = dispatch.answer(self._cloud, request)
        except AwsError as error:
            result = plain_error(request, error)
        except Exception as problem:
            log.exception("the front failed on %s %s", request.method, request.path)
            result = plain_error(request, AwsError("LocalcloudFailure", f"{type(problem).__name__}: {problem}"))
        if "X-Localcloud-Cut" in result.headers or "X-Localcloud-Silence" in result.headers:
            environ[CONNECTION].close_connection = True
        if (seconds := result.headers.get("X-Localcloud-Silence")) is not None:
            self._cloud.stopping.wait(float(seconds))
            environ[SILENT] = True
        if result.stream is not None:
            environ[AS_IT_COMES]()
            environ[CONNECTION].close_connection = True
            start_response(f"{result.status} OK", list(result.headers.items()))
            return result.stream
        return _send(request, result, start_response)


def _log_error(msg: str = "", level: int = 20, traceback: bool = False) -> None:  # noqa: ARG001 — cheroot's
    # A client that hangs up in the middle is no error of ours.
    log.debug("%s", msg, exc_info=traceback)


def _request(environ: dict[str, Any]) -> HttpRequest:
    headers = Headers()
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers[key[5:].replace("_", "-").title()] = value
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            headers[key.replace("_", "-").title()] = value
    path, _, query = environ.get("REQUEST_URI", environ["PATH_INFO"]).partition("?")
    if "://" in path:
        path = "/" + path.split("/", 3)[-1]
    length = environ.get("CONTENT_LENGTH")
    if length:
        body = environ["wsgi.input"].read(int(length))
    elif "chunked" in environ.get("HTTP_TRANSFER_ENCODING", ""):
        body = environ["wsgi.input"].read()
    else:
        body = b""
    return HttpRequest(
        environ["REQUEST_METHOD"],
        path,
        query,
        headers,
        body,
        environ.get("REMOTE_ADDR", ""),
        host=environ.get("HTTP_HOST", ""),
    )


def _send(request: HttpRequest, result: HttpAnswer, start_response: StartResponse) -> Iterable[bytes]:
    headers = [(name, value) for name, value in result.headers.items() if name.lower() != "content-length"]
    given = {name.lower(): value for name, value in result.headers.items()}
    length = given.get("content-length", "0") if request.method == "HEAD" else str(len(result.body))
    if "x-localcloud-cut" in given:
        length = str(2 * len(result.body) + 1)
    if result.status not in (204, 304):
        headers.append(("Content-Length", length))
    start_response(f"{result.status} {REASONS.get(result.status, 'Status')}", headers)
    return [] if request.method == "HEAD" else [result.body]


def private(cloud: Cloud, request: HttpRequest) -> HttpAnswer:
    """``GET status``; ``GET faults`` and ``POST faults`` (a JSON list of rules, which replaces those in force;
    ``POST faults?add`` adds to them);
    ``GET stack-faults`` and ``POST stack-faults`` (``{"start": name, "settings": {…}}`` or ``{"stop": name}``);
    ``GET costs`` and ``POST costs`` (an invented history, see ``services.costs.seeding``);
    ``GET layers/…``, at addresses that ECR gave (``services.layers``).
    """
    page = request.path.removeprefix("/_localcloud/")
    if page == "status" and request.method == "GET":
        return _json(status(cloud))
    if page == "faults" and cloud.has(faults.Faults):
        held = cloud.part(faults.Faults)
        if request.method == "POST":
            try:
                rules = json.loads(request.body)
            except ValueError as problem:
                raise AwsError("ValidationError", f"Faults are a JSON list of rules: {problem}.") from problem
            made = [faults.fault(rule) for rule in (rules if isinstance(rules, list) else [rules])]
            (held.join if request.query == "add" else held.replace)(made)
        return _json({"faults": held.listed(), "kinds": faults.KINDS})
    if page == "stack-faults" and cloud.has(StackFaults):
        stack_faults = cloud.part(StackFaults)
        return _json(_change(stack_faults, request.body) if request.method == "POST" else _every(stack_faults))
    if page == "costs" and cloud.has(Costs):
        costs = cloud.part(Costs)
        if request.method == "POST":
            costs.seed(request.body)
        return _json(costs.status())
    if request.path.startswith(layers.PATH) and request.method == "GET":
        content = layers.download(cloud, request.path, request.query)
        return HttpAnswer(200, content, {"Content-Type": "application/octet-stream"})
    raise AwsError("NotFound", f"There is no page {request.path}; there are status, faults, stack-faults, costs.", 404)


def _every(stack_faults: StackFaults) -> dict[str, Any]:
    return {"faults": stack_faults.listed()}


def _change(stack_faults: StackFaults, body: bytes) -> dict[str, Any]:
    """Start or stop one fault, as the request's JSON says. Answers once it is so, which may take seconds."""
    try:
        wanted = json.loads(body)
    except ValueError as problem:
        raise AwsError("ValidationError", f"What to do with a fault is a JSON object: {problem}.") from problem
    match wanted:
        case {"start": str(name), "settings": {**settings}} if len(wanted) == 2:
            return {"started": name, **stack_faults.begin(name, {str(key): it for key, it in settings.items()})}
        case {"start": str(name)} if len(wanted) == 1:
            return {"started": name, **stack_faults.begin(name, {})}
        case {"stop": str(name)} if len(wanted) == 1:
            return {"stopped": name, "was_in_force": stack_faults.end(name)}
        case _:
            wanted_is = '{"start": name, "settings": {…}} or {"stop": name}'
            raise AwsError("ValidationError", f"What to do with a fault is {wanted_is}.")


def status(cloud: Cloud) -> dict[str, Any]:
    """Whether the cloud is well: its loops, and what each component says of itself (``status() -> dict``)."""
    parts = {component.name: component.status() for component in cloud.components() if hasattr(component, "status")}
    settings = cloud.settings
    return {
        "ready": not cloud.stopping.is_set(),
        "endpoint": settings.endpoint,
        "account": settings.account,
        "region": settings.region,
        "loops": cloud.loops(),
        "parts": parts,
    }


def _json(value: Any) -> HttpAnswer:
    return HttpAnswer(200, json.dumps(value, default=str).encode(), {"Content-Type": "application/json"})
