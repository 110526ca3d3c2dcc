"""The choke point: every AWS call passes here, once.

Region, identity, permission, injected faults, what AWS would refuse (``validation``), who answers (our handler, moto
with a patch, moto alone, or nobody), errors in AWS's own shape, the call log and the snapshot's dirty flag are all
decided in ``answer``. Nothing here returns a status of 500 or more, except a fault that was asked for.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from moto.core.exceptions import ServiceException
from werkzeug.exceptions import HTTPException

from localcloud.core.profiles import profile
from localcloud.core.registry import OPERATIONS, RESPONSE_PATCHES, AwsError, Call
from localcloud.core.snapshot import Snapshots
from localcloud.front import (
    failures,
    faults,
    identity,
    moto_calls,
    origin,
    policies,
    protocol,
    regions,
    signing,
    validation,
)
from localcloud.front.call_log import CallLog, is_read, record
from localcloud.front.protocol import HttpAnswer, HttpRequest, Wire
from localcloud.front.trusted import STANDING, coverage

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

TRUNCATED = {"Connection": "close", "X-Localcloud-Cut": "1"}
"""Marks an answer that ``server`` sends only in part."""


def silence(seconds: float) -> HttpAnswer:
    """An answer that ``server`` doesn't send at all: after so long it closes the connection."""
    return HttpAnswer(200, b"", {"Connection": "close", "X-Localcloud-Silence": str(seconds)})


NO_RESPONSE = silence(0)
"""To a call that never reached AWS: nothing was done, so the call log has nothing of it either."""


def answer(cloud: Cloud, request: HttpRequest) -> HttpAnswer:
    """The whole answer to one AWS request."""
    request_id = str(uuid.uuid4())
    scope = protocol.signature(request)
    service = protocol.service_of(request, scope)
    sent = request
    try:
        if service in profile(cloud.settings.profile).left_out:
            raise moto_calls.LeftOut(cloud, service)
        request = request if service == "s3" else protocol.unzipped(request)
        wire = protocol.identify(request, service, request_id)
    except AwsError as error:
        log.warning("unsupported operation: %s", error.message)
        return _with_id(protocol.plain_error(request, error, service), request_id)
    except Exception:
        log.exception("localcloud failed to see what %s %s asks for", request.method, request.path)
        unreadable = AwsError("SerializationException", "The request can't be read: no operation can be recognised.")
        return _with_id(protocol.plain_error(request, unreadable, service), request_id)
    began = time.monotonic()
    caller = identity.anonymous(cloud)
    problem: AwsError | None = None
    call = _call(cloud, wire, {}, caller, scope, request, request_id)
    try:
        regions.refuse_other(cloud.settings.region, wire, scope, request)
        if scope is not None:
            caller = identity.caller(cloud, scope, service, wire.protocol)
            signing.verify(sent, caller.secret, call.at, wire)
        else:
            _admit_unsigned(cloud, wire, request)
        call = _call(cloud, wire, _parse(wire, request), caller, scope, request, request_id)
        if caller.kind != "Anonymous":
            policies.check(cloud, caller, call, wire.protocol)
        result = _faulted(cloud, wire, call, request)
    except AwsError as error:
        problem = error
        result = protocol.serialise_error(wire, error)
    except Exception:
        log.exception("localcloud failed in %s %s (request %s)", call.service, call.operation, request_id)
        problem = failures.internal(call.service, call.operation, request_id)
        result = protocol.serialise_error(wire, problem)
    if not is_read(call.operation) and problem is None:
        cloud.touch()
    problem = problem or _error_in(wire, result)
    if cloud.has(CallLog) and result is not NO_RESPONSE:
        took = (time.monotonic() - began) * 1000
        cloud.part(CallLog).append(record(call, caller, wire.operation.input_shape, problem, took))
    return _with_id(result, request_id)


def _admit_unsigned(cloud: Cloud, wire: Wire, request: HttpRequest) -> None:
    """Only the operations that give somebody their first credentials are unsigned, and no web page may ask for those:
    whatever a browser has open could else come by the cloud's keys."""
    if not (wire.service == "sts" and str(wire.operation.name).startswith("AssumeRoleWith")):
        raise AwsError("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
    if origin.foreign(cloud, request):
        raise AwsError("AccessDenied", "An unsigned request from a web page or under a foreign host name.", 403)


def _call(
    cloud: Cloud,
    wire: Wire,
    params: dict[str, Any],
    caller: identity.Caller,
    scope: protocol.Signature | None,
    request: HttpRequest,
    request_id: str,
) -> Call:
    return Call(
        service=wire.service,
        operation=str(wire.operation.name),
        params=params,
        account=cloud.settings.account,
        region=scope.region if scope else cloud.settings.region,
        principal=caller.arn,
        access_key=scope.access_key if scope else "",
        source_ip=request.source_ip,
        user_agent=request.headers.get("User-Agent", ""),
        request_id=request_id,
        at=cloud.now(),
        user_id=caller.user_id,
    )


def _parse(wire: Wire, request: HttpRequest) -> dict[str, Any]:
    try:
        parsed = protocol.parse(wire, request)
        if not isinstance(parsed, dict):
            raise TypeError("the body is no structure")
        return parsed
    except AwsError:
        raise
    except Exception as problem:
        if wire.service == "s3":
            return {}  # moto reads S3's bodies itself, and more leniently
        log.info("a request of %s %s can't be read: %r", wire.service, wire.operation.name, problem)
        raise AwsError(
            "SerializationException", "The request can't be read as the operation's parameters."
        ) from problem


def _faulted(cloud: Cloud, wire: Wire, call: Call, request: HttpRequest) -> HttpAnswer:
    """The true answer, unless a fault says otherwise."""
    if not cloud.has(faults.Faults):
        return _true_answer(cloud, wire, call, request)
    held = cloud.part(faults.Faults)
    if held.rate_limits.refuses(call):
        raise faults.throttled(wire.protocol, wire.service)
    rule = held.take(call)
    if rule is None:
        return held.stale_reads.answer(
            wire,
            call,
            lambda requested, otherwise: _true_answer(cloud, wire, requested, None if otherwise else request),
        )
    if rule.kind == "throttle":
        raise faults.throttled(wire.protocol, wire.service)
    if rule.kind == "500":
        raise AwsError("InternalFailure", "The request processing has failed because of an unknown error.", 500)
    if rule.kind in ("slow", "timeout"):
        cloud.stopping.wait(rule.seconds)
    if rule.kind == "timeout":
        return NO_RESPONSE
    true = _true_answer(cloud, wire, call, request)
    if rule.kind == "lost":
        return silence(rule.seconds)  # kept by the server, when what was done is in the call log and will be saved
    if rule.kind == "truncate":
        return HttpAnswer(true.status, true.body[: len(true.body) // 2], {**true.headers, **TRUNCATED})
    return true


def _true_answer(cloud: Cloud, wire: Wire, call: Call, request: HttpRequest | None) -> HttpAnswer:
    """Without a request the parameters aren't those that came, and moto is asked with a request of ours."""
    key = (call.service, call.operation)
    ours, trust = OPERATIONS.get(key), coverage(call.service)
    if ours is None and not trust.covers(call.operation):
        raise moto_calls.Unsupported(*key)
    regions.refuse_reaching(cloud.settings.region, wire, call.params)
    validation.refuse(cloud, wire, call)
    if ours is not None:
        if ours.locked:
            with cloud.lock:
                result = protocol.serialise(wire, _handled(ours.handler, cloud, call))
        else:
            result = protocol.serialise(wire, _handled(ours.handler, cloud, call))
    elif key in STANDING and request is not None:
        return moto_calls.existing(cloud, wire, request, call.params)
    else:
        with cloud.lock:
            result = _moto_answer(cloud, wire, call, request)
    _require_savable(cloud, trust.package, call)
    return result


def _moto_answer(cloud: Cloud, wire: Wire, call: Call, request: HttpRequest | None) -> HttpAnswer:
    patch = RESPONSE_PATCHES.get((call.service, call.operation))
    if wire.protocol == "cbor" or request is None:
        plain = moto_calls.ask(cloud, call.service, call.operation, call.params, call.region)
        return protocol.serialise(wire, _handled(patch, cloud, call, plain) if patch else plain)
    answered = moto_calls.passed_on(cloud, wire, request, call.params)
    if patch is None or answered.status >= 300:
        return answered
    return protocol.serialise(wire, _handled(patch, cloud, call, moto_calls.parsed(wire, answered)))


def _require_savable(cloud: Cloud, package: str | None, call: Call) -> None:
    """Raises where this call left something in moto that can't be saved: else nobody would know until the cloud is
    started again."""
    why = cloud.part(Snapshots).spoiled(cloud, package, call.operation) if package and cloud.has(Snapshots) else ""
    if why:
        log.error("%s %s left something that can't be saved: %s", call.service, call.operation, why)
        text = f"It was done, but what it left in {call.service} can't be saved; a restart of the cloud loses it."
        raise failures.internal(call.service, call.operation, call.request_id, text)


def _handled(function: Any, cloud: Cloud, call: Call, *more: Any) -> Any:
    """Our own code's answer; what it raises becomes an AWS error. An unforeseen exception is a bug, logged whole."""
    try:
        return function(cloud, call, *more)
    except AwsError:
        raise
    except ServiceException as problem:
        raise AwsError(problem.code, problem.message) from problem
    except HTTPException as problem:
        raise moto_calls.aws_error(problem) from problem
    except Exception as problem:
        log.exception("localcloud failed in %s %s (request %s)", call.service, call.operation, call.request_id)
        raise failures.internal(call.service, call.operation, call.request_id) from problem


def _error_in(wire: Wire, result: HttpAnswer) -> AwsError | None:
    """The error that moto put on the wire itself, for the call log."""
    if result.status < 400:
        return None
    error = moto_calls.parsed(wire, result).get("Error", {}) if result.body else {}
    return AwsError(str(error.get("Code", result.status)), str(error.get("Message", "")), result.status)


def _with_id(result: HttpAnswer, request_id: str) -> HttpAnswer:
    kept = {name: value for name, value in result.headers.items() if name.lower() != "x-amzn-requestid"}
    return replace(result, headers={**kept, "x-amzn-RequestId": request_id})
