"""From bytes to (service, operation, parameters) and back: AWS's wire protocols, by moto's parsers and serialisers.

Query, EC2 query, JSON, REST-JSON and REST-XML come from moto; rpc-v2-cbor from ``cbor``. Who answers a request is
``dispatch``'s business.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote_to_bytes
from xml.sax.saxutils import escape

from botocore.exceptions import UnknownServiceError
from botocore.utils import parse_timestamp
from moto.core import errors as moto_errors
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import NotFound, get_service_router
from moto.core.serialize import ResponseSerializer, SerializationContext, get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers

from localcloud.core.registry import AwsError
from localcloud.front import cbor, event_stream, moto_parts
from localcloud.front.trusted import SERVICES, SIGNING_NAMES, is_spoken

if TYPE_CHECKING:
    from moto.core.model import OperationModel

moto_parts.install()

CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/(\d{8})/([^/]*)/([^/]*)/aws4_request")
CBOR_PATH = re.compile(r"^/service/(?P<prefix>[^/]+)/operation/(?P<operation>[A-Za-z0-9]+)$")
CLASSIC = b"Version=2012-06-01"
"""Of Classic Load Balancers; those of today have 2015-12-01."""
MOST_UNZIPPED = 16 << 20
"""Bytes. PutMetricData takes 1 MB at most, and no other operation that SDKs gzip takes more."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request, its body read whole."""

    method: str
    path: str
    """As it arrived, percent-encoded, without the query."""
    query: str
    headers: Headers
    body: bytes
    source_ip: str
    scheme: str = "http"
    host: str = ""

    def moto_request(self) -> Request:
        """A fresh request object for moto: each of its readers consumes the body."""
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": _unquoted(self.path),
            "QUERY_STRING": self.query,
            "RAW_URI": self.path + ("?" + self.query if self.query else ""),
            "SERVER_NAME": self.host.split(":")[0] or "localhost",
            "SERVER_PORT": self.host.partition(":")[2] or "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.source_ip,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme,
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers:
            key = name.upper().replace("-", "_")
            environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        environ["CONTENT_LENGTH"] = str(len(self.body))
        environ["HTTP_HOST"] = self.host
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        return Request(environ)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Iterable[bytes] | None = None
    """Instead of a body: pieces that are sent as they come. Closed (``close``) when the client has gone."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The credential scope of a signed request (SigV4, in the header or the query)."""

    access_key: str
    region: str
    service: str
    token: str | None


@dataclass(frozen=True, slots=True)
class Wire:
    """What a request asks for, and in which protocol it wants its answer."""

    service: str
    operation: OperationModel
    protocol: str
    path_params: Mapping[str, Any]
    request_id: str = ""


def _unquoted(path: str) -> str:
    return unquote_to_bytes(path).decode("latin-1")


def unzipped(request: HttpRequest) -> HttpRequest:
    """The request with its body as it was before compression: SDKs gzip large PutMetricData bodies."""
    if request.headers.get("Content-Encoding") != "gzip":
        return request
    headers = Headers(request.headers)
    headers.remove("Content-Encoding")
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(request.body)) as packed:
            body = packed.read(MOST_UNZIPPED + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise AwsError("MalformedInput", f"The body says gzip but can't be unzipped: {problem}.") from problem
    if len(body) > MOST_UNZIPPED:
        raise AwsError("RequestEntityTooLarge", f"The body is more than {MOST_UNZIPPED} bytes when unzipped.", 413)
    return replace(request, body=body, headers=headers)


def signature(request: HttpRequest) -> Signature | None:
    """Who signed, for which service and region; None for an unsigned request."""
    found = CREDENTIAL.search(request.headers.get("Authorization", ""))
    token = request.headers.get("X-Amz-Security-Token")
    if not found and "X-Amz-Credential=" in request.query:
        arguments = parse_qs(request.query)
        found = CREDENTIAL.search("Credential=" + arguments["X-Amz-Credential"][0])
        token = arguments.get("X-Amz-Security-Token", [None])[0]
    if not found:
        return None
    return Signature(found[1], found[3], found[4].lower(), token)


def service_of(request: HttpRequest, scope: Signature | None) -> str:
    """botocore's name of the service that this request is for, as far as the signature and the path say."""
    if scope is None:
        return "sts" if b"Action=AssumeRoleWith" in request.body else "s3"
    if scope.service == "s3" and request.path.startswith("/v20180820/"):
        return "s3control"
    named = SIGNING_NAMES.get(scope.service, scope.service)
    # Classic load balancers are signed alike and have operations of the same names: only the API's version tells.
    return "elb" if named == "elbv2" and CLASSIC in f"{request.query}&".encode() + request.body else named


def identify(request: HttpRequest, service: str, request_id: str) -> Wire:
    """The operation that the request names. Raises ``AwsError`` for a service or an operation that AWS doesn't have."""
    if not is_spoken(service):
        raise AwsError("UnknownService", f"localcloud has no service {service!r}; it has {', '.join(SERVICES)}.")
    model = get_service_model(service)
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        named = CBOR_PATH.match(request.path)
        if not named or named["operation"] not in model.operation_names:
            raise AwsError("UnknownOperationException", f"{service} has no operation at {request.path}.")
        return Wire(service, model.operation_model(named["operation"]), "cbor", {}, request_id)
    moto_request = request.moto_request()
    target = request.headers.get("X-Amz-Target", "").rpartition(".")[2]
    try:
        protocol = determine_request_protocol(model, moto_request.content_type)
        if protocol == "json" and target in model.operation_names:
            # Only the operation counts: SDKs differ in what they write before it.
            return Wire(service, model.operation_model(target), protocol, {}, request_id)
        operation, path_params = get_service_router(service).match(moto_request)
    except (NotFound, NotImplementedError) as problem:
        requested = request.headers.get("X-Amz-Target") or moto_request.values.get("Action")
        requested = requested or f"{request.method} {request.path}"
        code = "InvalidAction" if model.protocol in ("query", "ec2") else "UnknownOperationException"
        raise AwsError(code, f"{service} has no operation for {requested}.") from problem
    return Wire(service, operation, protocol, path_params, request_id)


def _aware(value: str) -> datetime:
    moment: datetime = parse_timestamp(value)
    return moment.astimezone(UTC)


def parse(wire: Wire, request: HttpRequest) -> dict[str, Any]:
    """The parameters, in the shape of botocore's model. Times are aware and UTC; blobs are bytes."""
    if wire.protocol == "cbor":
        value: dict[str, Any] = cbor.loads(request.body)
        return value
    moto_request = request.moto_request()
    parser = PROTOCOL_PARSERS[wire.protocol](wire.operation, timestamp_parser=_aware)
    parsed: dict[str, Any] = parser.parse(
        {
            "method": moto_request.method,
            "values": moto_request.values,
            "headers": moto_request.headers,
            "body": moto_request.data,
            "url_path": moto_request.path,
            "url_params": dict(wire.path_params),
        }
    )
    return parsed


def serialise(wire: Wire, answer: Mapping[str, Any]) -> HttpAnswer:
    """An answer in the shape of botocore's model, on the wire."""
    if wire.protocol == "cbor":
        shape = wire.operation.output_shape
        body = cbor.dumps(answer, shape) if shape is not None else b""
        return HttpAnswer(200, body, {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"})
    streamed = event_stream.member(wire.operation.output_shape)
    if streamed:
        events = answer[streamed]
        kind = "application/vnd.amazon.eventstream"
        return HttpAnswer(200, b"", {"Content-Type": kind}, event_stream.Encoded(events))
    return _http(wire, _serializer(wire).serialize(answer))


def _serializer(wire: Wire) -> ResponseSerializer:
    kind = get_serializer_class(wire.service, wire.protocol)
    return kind(wire.operation, context=SerializationContext(wire.request_id))


def serialise_error(wire: Wire, error: AwsError) -> HttpAnswer:
    """An error as the service's own SDK expects it."""
    status = error.status
    if wire.protocol == "cbor":
        headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        if "awsQueryCompatible" in wire.operation.service_model.metadata:
            headers["x-amzn-query-error"] = f"{error.code};Sender"
        return HttpAnswer(status, cbor.error(error.code, error.message), headers)
    if error.code not in moto_errors.COMMON_ERROR_CODES:
        # moto warns of codes that a model doesn't name. AWS itself sends many of those (AccessDeniedException …).
        moto_errors.COMMON_ERROR_CODES.append(error.code)
    answer = _http(wire, _serializer(wire).serialize(error))
    modelled = answer.status if answer.status < 500 else 400
    return HttpAnswer(status if status != 400 else modelled, answer.body, answer.headers)


def _http(wire: Wire, serialised: Mapping[str, Any]) -> HttpAnswer:
    body = serialised["body"]
    headers = {name: str(value) for name, value in serialised["headers"].items()}
    if wire.protocol == "json":
        version = wire.operation.service_model.metadata.get("jsonVersion", "1.0")
        headers["Content-Type"] = f"application/x-amz-json-{version}"
    return HttpAnswer(serialised["status_code"], body.encode() if isinstance(body, str) else body, headers)


def spoken(request: HttpRequest, service: str = "") -> str:
    """The protocol in which a request wants its answer, where the operation isn't known and perhaps not the service."""
    kind = request.headers.get("Content-Type", "")
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return "cbor"
    if "X-Amz-Target" in request.headers:
        return "json"
    if "x-www-form-urlencoded" in kind:
        return "ec2" if service == "ec2" else "query"
    try:
        protocol = str(get_service_model(service).protocol) if service else ""
    except UnknownServiceError:
        protocol = "rest-json"
    if protocol.startswith("rest-"):
        return protocol
    return "json" if "json" in kind else "rest-xml"


def plain_error(request: HttpRequest, error: AwsError, service: str = "") -> HttpAnswer:
    """An error where the operation isn't known, in the caller's own protocol."""
    protocol = spoken(request, service)
    if protocol == "cbor":
        headers = {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        return HttpAnswer(error.status, cbor.error(error.code, error.message), headers)
    if "json" in protocol:
        body = json.dumps({"__type": error.code, "message": error.message}).encode()
        kind = "application/x-amz-json-1.1" if protocol == "json" else "application/json"
        return HttpAnswer(error.status, body, {"Content-Type": kind, "X-Amzn-Errortype": error.code})
    fields = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
    if protocol == "ec2":
        text = f"<Response><Errors><Error>{fields}</Error></Errors></Response>"
    elif service.startswith("s3") or (protocol == "rest-xml" and not service):
        text = f"<Error>{fields}</Error>"
    else:
        text = f"<ErrorResponse><Error><Type>Sender</Type>{fields}</Error></ErrorResponse>"
    return HttpAnswer(error.status, text.encode(), {"Content-Type": "text/xml"})
