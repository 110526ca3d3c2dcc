"""The HTTP server in front of ``dispatch`` and ``private_pages``: connections, threads, request bodies.

Whoever has no key of this cloud can't take its threads or its memory: what comes before a request is judged is bounded
in size, time and number.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cheroot.errors import MaxSizeExceeded
from werkzeug.datastructures import Headers

from localcloud.core.addresses import can_bind
from localcloud.core.registry import AwsError
from localcloud.front import dispatch, failures, identity, private_pages, protocol
from localcloud.front.connections import AS_IT_COMES, CONNECTION, SILENT, Bodies, Gateway, HttpServer
from localcloud.front.protocol import HttpAnswer, HttpRequest, plain_error

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

THREADS = 48
"""Long polls (SQS, live tail) each hold a thread for up to 20 s; Terraform asks ten things at once."""
REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 403: "Forbidden", 404: "Not Found"}
BODY_BYTES = 64 << 20
"""Of a request with a key of this cloud: images are not pushed by HTTP, and Terraform's states are far smaller."""
STRANGE_BODY_BYTES = 1 << 20
"""Of any other request."""
BODY_SECONDS, STRANGE_BODY_SECONDS = 120.0, 20.0
TOO_LARGE = "RequestEntityTooLarge"

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Server:
    """Listens on the cloud's endpoint from ``start`` to ``stop``. Raises ``OSError`` where the port is taken."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        address = (cloud.settings.address, cloud.settings.port)
        self._bodies = Bodies()
        self._server = HttpServer(
            address, self._application, numthreads=THREADS, request_queue_size=128, timeout=65, shutdown_timeout=2
        )
        self._server.gateway = Gateway
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
        self._cloud.loop("late-connections", 0.5, self._server.deadlines.cut_off_late)
        self._thread = threading.Thread(target=self._server.serve, name="front", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._bound:
            self._server.stop()
        if self._thread is not None:
            self._thread.join(5)

    def _application(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        request = _head(environ)
        private = request.path.startswith(private_pages.PATH)
        try:
            if private:
                private_pages.admit(self._cloud, request)
            length, most, seconds = self._bounds(environ, request, private)
            with self._bodies.holding(length):
                with self._server.deadlines.within(seconds, environ[CONNECTION].conn.socket):
                    request = replace(request, body=_body(environ, most))
                answer = private_pages.answer if private else dispatch.answer
                result = answer(self._cloud, request)
        except AwsError as error:
            result = private_pages.refusal(self._cloud, request, error) if private else plain_error(request, error)
            environ[CONNECTION].close_connection = True  # perhaps its body was never read
        except Exception:
            log.exception("the front failed on %s %s", request.method, request.path)
            result = plain_error(request, failures.internal("localcloud", request.path, ""))
        if "X-Localcloud-Cut" in result.headers or "X-Localcloud-Silence" in result.headers:
            environ[CONNECTION].close_connection = True
        if (silent := result.headers.get("X-Localcloud-Silence")) is not None:
            self._cloud.stopping.wait(float(silent))
            environ[SILENT] = True
        if result.stream is not None:
            environ[AS_IT_COMES]()
            environ[CONNECTION].close_connection = True
            start_response(f"{result.status} OK", list(result.headers.items()))
            return result.stream
        return _send(request, result, start_response)

    def _bounds(self, environ: dict[str, Any], request: HttpRequest, private: bool) -> tuple[int, int, float]:
        """How many bytes will come (in chunks: at most), how many may, and how long that may take."""
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "")
        payload = environ.get("CONTENT_LENGTH") or "0"
        if not (payload.isdecimal() and len(payload) < 20):
            raise AwsError("MalformedInput", "Content-Length is not a number.")
        small = not chunked and int(payload) <= STRANGE_BODY_BYTES
        known = not small and (private or identity.is_known(self._cloud, protocol.signature(request)))
        most, seconds = (BODY_BYTES, BODY_SECONDS) if known else (STRANGE_BODY_BYTES, STRANGE_BODY_SECONDS)
        if chunked:
            return most, most, seconds
        if int(payload) > most:
            self._drain(environ, most)
            text = f"The request's body has {payload} bytes; at most {most} are allowed here."
            raise AwsError("EntityTooLarge" if protocol.spoken(request) == "rest-xml" else TOO_LARGE, text, 413)
        return int(payload), most, seconds

    def _drain(self, environ: dict[str, Any], most: int) -> None:
        """Some of what nobody will read, so that the client looks at the answer instead of at a broken connection."""
        with contextlib.suppress(OSError), self._server.deadlines.within(1.0, environ[CONNECTION].conn.socket):
            for _ in range(most >> 16):
                if not environ["wsgi.input"].read(1 << 16):
                    break


def _log_error(msg: str = "", level: int = 20, traceback: bool = False) -> None:  # noqa: ARG001 — cheroot's
    # A client that hangs up in the middle is no error of ours.
    log.debug("%s", msg, exc_info=traceback)


def _head(environ: dict[str, Any]) -> HttpRequest:
    """A request without its body."""
    headers = Headers()
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers[key[5:].replace("_", "-").title()] = value
        elif key in ("CONTENT_TYPE", "CONTENT_LENGTH") and value:
            headers[key.replace("_", "-").title()] = value
    path, _, query = environ.get("REQUEST_URI", environ["PATH_INFO"]).partition("?")
    if "://" in path:
        path = "/" + path.split("/", 3)[-1]
    return HttpRequest(
        environ["REQUEST_METHOD"],
        path,
        query,
        headers,
        b"",
        environ.get("REMOTE_ADDR", ""),
        host=environ.get("HTTP_HOST", ""),
    )


def _body(environ: dict[str, Any], most: int) -> bytes:
    """The body, whose length was judged where the headers say it. Raises ``AwsError``."""
    stream, length = environ["wsgi.input"], environ.get("CONTENT_LENGTH")
    chunked = not length and "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "")
    if chunked:
        stream.maxlen = most
    try:
        body = bytes(stream.read(int(length)) if length else stream.read() if chunked else b"")
    except (MaxSizeExceeded, OSError, ValueError) as problem:
        if "Too Large" in str(problem):
            raise AwsError(TOO_LARGE, f"The request's body has more than {most} bytes.", 413) from problem
        raise AwsError("RequestTimeout", "The request's body can't be read, or did not come in time.") from problem
    if length and len(body) < int(length):
        raise AwsError("RequestTimeout", "The connection ended before the request's body did.")
    return body


def _send(request: HttpRequest, result: HttpAnswer, start_response: StartResponse) -> Iterable[bytes]:
    headers = [(name, value) for name, value in result.headers.items() if name.lower() != "content-length"]
    provided = {name.lower(): value for name, value in result.headers.items()}
    length = provided.get("content-length", "0") if request.method == "HEAD" else str(len(result.body))
    if "x-localcloud-cut" in provided:
        length = str(2 * len(result.body) + 1)
    if result.status not in (204, 304):
        headers.append(("Content-Length", length))
    start_response(f"{result.status} {REASONS.get(result.status, 'Status')}", headers)
    return [] if request.method == "HEAD" else [result.body]
