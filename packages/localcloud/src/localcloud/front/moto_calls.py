"""Asking moto: the original request passed on, or a call of our own; its failures turned into AWS's errors.

moto answers 500 or raises for what it lacks, and clients retry those for minutes. Here every such failure becomes an
error with status 400 (``failures`` says which). Callers hold ``cloud.lock``: moto is not thread-safe.
"""

from __future__ import annotations

import functools
import importlib
import json
import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from moto.core.exceptions import ServiceException
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from localcloud.core.profiles import profile
from localcloud.core.registry import AwsError
from localcloud.front import failures
from localcloud.front.protocol import HttpAnswer, HttpRequest, Wire
from localcloud.front.trusted import coverage

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

Handler = Callable[[Any, str, Any], Any]


class Unsupported(AwsError):
    """Neither we nor moto can answer. Logged, so that a test can fail on it: a gap must never look like success."""

    def __init__(self, service: str, operation: str, detail: str = "") -> None:
        reason = f" ({detail})" if detail else ""
        message = f"localcloud doesn't support {service} {operation}{reason}. Nothing was changed."
        code = "UnsupportedOperation" if service == "ec2" else "UnsupportedOperationException"
        super().__init__(code, message)
        log.warning("unsupported operation: %s %s%s", service, operation, reason)


class LeftOut(AwsError):
    """The service is one that the cloud's profile left out. moto's records of it would be made up."""

    def __init__(self, cloud: Cloud, service: str) -> None:
        chosen = profile(cloud.settings.profile)
        code = "UnsupportedOperation" if service == "ec2" else "UnsupportedOperationException"
        super().__init__(
            code, f"This cloud has no {service}: its profile {chosen.name} leaves it out. {chosen.way_out()}."
        )


@functools.cache
def _routes(package: str) -> list[tuple[re.Pattern[str], Handler]]:
    module = importlib.import_module(f"moto.{package}.urls")
    return [(re.compile(path.format("")), handler) for path, handler in module.url_paths.items()]


def _handler(package: str, path: str) -> Handler | None:
    return next((handler for pattern, handler in _routes(package) if pattern.match(path)), None)


def passed_on(cloud: Cloud, wire: Wire, request: HttpRequest, params: Mapping[str, Any] | None = None) -> HttpAnswer:
    """moto's own answer to the request (whose parameters are these, where they are known: an error may need them).
    Raises ``AwsError``; never gives a status of 500 or more."""
    name = str(wire.operation.name)
    package = coverage(wire.service).package
    handler = _handler(package, request.path) if package else None
    if handler is None:
        raise Unsupported(wire.service, name)
    moto_request = request.moto_request()
    moto_request.environ["HTTP_X_MOTO_ACCOUNT_ID"] = cloud.settings.account
    try:
        result = handler(moto_request, moto_request.raw_url, moto_request.headers)
    except NotImplementedError as problem:
        raise Unsupported(wire.service, name, str(problem)) from problem
    except ServiceException as problem:
        raise AwsError(problem.code, _as_sent(problem.message)) from problem
    except HTTPException as problem:
        raise aws_error(problem) from problem
    except ClientError as problem:
        error = problem.response["Error"]
        raise AwsError(error.get("Code", "ClientError"), _as_sent(error.get("Message", ""))) from problem
    except Exception as problem:
        lacked = failures.moto_lacks(wire, params or {}, problem)
        if lacked is None:
            log.exception("moto failed in %s %s", wire.service, name)
            raise failures.internal(wire.service, name, wire.request_id) from problem
        log.warning("moto has no error for this in %s %s: %s", wire.service, name, lacked.code, exc_info=True)
        raise lacked from problem
    answer = _answer(result)
    if answer.status >= 500 or (answer.status == 404 and answer.body == b"Not yet implemented"):
        raise Unsupported(wire.service, name, answer.body.decode(errors="replace")[:200])
    if answer.status >= 400:
        return HttpAnswer(answer.status, _as_sent(answer.body.decode(errors="replace")).encode(), answer.headers)
    return answer


def _as_sent(text: str) -> str:
    """An error's text, or the body that holds it, as AWS says it.

    Some of moto's texts carry the indentation of its source, some what boto3 puts before a message.
    """
    text = re.sub(r"(?:\\n|\\t|\s){2,}", " ", text)
    return re.sub(r"(?:\w+: )?An error occurred \(\w+\) when calling the \w+ operation: ", "", text)


STANDING_KEPT = 64
"""Answers of up to 2 MB each."""
_standing: OrderedDict[tuple[str, str, bytes], HttpAnswer] = OrderedDict()
_standing_lock = threading.Lock()


def existing(cloud: Cloud, wire: Wire, request: HttpRequest, params: Mapping[str, Any]) -> HttpAnswer:
    """moto's answer to a question about what never changes (``trusted.STANDING``): each is asked once, one at a time,
    and never under ``cloud.lock``."""
    question = (wire.service, str(wire.operation.name), json.dumps(params, sort_keys=True, default=str).encode())
    with _standing_lock:
        known = _standing.get(question)
        if known is None:
            known = passed_on(cloud, wire, request, params)
            if known.status < 300:
                _standing[question] = known
                if len(_standing) > STANDING_KEPT:
                    _standing.popitem(last=False)
    body = re.sub(rb"<requestId>[^<]*</requestId>", f"<requestId>{wire.request_id}</requestId>".encode(), known.body)
    return HttpAnswer(known.status, body, known.headers)


def _answer(result: Any) -> HttpAnswer:
    status, headers, body = result if isinstance(result, tuple) and len(result) == 3 else (200, {}, result)
    if body is None:
        body = b""
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = b"".join(part if isinstance(part, bytes) else str(part).encode() for part in body)
    kept = {str(k): str(v) for k, v in dict(headers).items() if str(k).lower() not in ("status", "date", "connection")}
    return HttpAnswer(int(status), body, kept)


def aws_error(problem: HTTPException) -> AwsError:
    """moto's older exceptions carry the code in ``error_type`` or only in their rendered body."""
    status = problem.code if problem.code and problem.code < 500 else 400
    code = getattr(problem, "error_type", None)
    message = getattr(problem, "message", None) or ""
    if not code:
        body = str(problem.description or "")
        found = re.search(r"<Code>(.*?)</Code>", body)
        response = re.search(r"<Message>(.*?)</Message>", body, re.DOTALL)
        code, message = (found[1] if found else problem.name.replace(" ", "")), (response[1] if response else body)
    return AwsError(str(code).split("#")[-1], _as_sent(str(message)), status)


def parsed(wire: Wire, answer: HttpAnswer) -> dict[str, Any]:
    """moto's answer as a plain dict in the shape of botocore's model, by botocore's own parser."""
    parser = create_parser("json" if wire.protocol == "cbor" else wire.protocol)
    response = {"status_code": answer.status, "headers": _lowered(answer.headers), "body": answer.body}
    result: dict[str, Any] = parser.parse(response, wire.operation.output_shape)
    result.pop("ResponseMetadata", None)
    return result


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def ask(
    cloud: Cloud, service: str, operation: str, params: Mapping[str, Any], region: str | None = None
) -> dict[str, Any]:
    """A call of our own to moto, in botocore's shapes. Raises ``AwsError``. Hold ``cloud.lock``."""
    model = get_service_model(service)
    operation_model = model.operation_model(operation)
    protocols = model.metadata.get("protocols", [model.protocol])
    protocol = "json" if "json" in protocols else str(model.protocol)
    made = create_serializer(protocol, include_validation=False).serialize_to_request(dict(params), operation_model)
    body = made["body"]
    headers = Headers(list(made["headers"].items()))
    if isinstance(body, dict):
        body = urlencode(body, doseq=True).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
    scope = f"{cloud.settings.account}/20000101/{region or cloud.settings.region}/{service}/aws4_request"
    headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    path, _, query = made["url_path"].partition("?")
    query = "&".join(part for part in (query, urlencode(made["query_string"], doseq=True)) if part)
    host = cloud.settings.endpoint.partition("://")[2]
    request = HttpRequest(
        made["method"], path, query, headers, body.encode() if isinstance(body, str) else body, "127.0.0.1", host=host
    )
    wire = Wire(service, operation_model, protocol, {})
    answer = passed_on(cloud, wire, request, params)
    result = parsed(wire, answer)
    if answer.status >= 400:
        error = result.get("Error", {})
        raise AwsError(error.get("Code", "ClientError"), error.get("Message", ""), answer.status)
    return result
