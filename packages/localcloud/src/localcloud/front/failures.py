"""An exception that nobody meant to reach a client, as an error of AWS's.

moto looks up what a caller names without asking whether it is there, and takes optional parameters for given. AWS
answers those with an error of its own, and the operation's model says which. What isn't one of these is AWS's
InternalFailure, with status 400, since clients retry a 5xx for minutes. No answer names a Python exception: the log has
it whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any
from xml.parsers.expat import ExpatError

from moto.core.utils import camelcase_to_underscores

from localcloud.core.registry import AwsError

if TYPE_CHECKING:
    from localcloud.front.protocol import Wire

NOT_FOUND = re.compile(r"NotFound|NoSuch|DoesNotExist|NonExist")
INVALID = re.compile(
    r"^(Validation(Exception|Error)?|InvalidParameter(Value|s)?(Exception)?|Invalid(Input|Request|Attribute|Arn)?"
    r"(Exception|Fault)?|WAFInvalidParameterException|BadRequest(Exception)?|InvalidParameterCombination(Exception)?)$"
)
WRONG_TYPE = re.compile(r"NoneType|required positional argument|^expected ")
"""What Python says of a parameter that isn't given, or is of another type than the model's."""
NAMING = re.compile(r"(Id|Ids|Identifier|Name|Names|Arn|ARN|Arns)$")
EC2_CODES = {
    "Image": "InvalidAMIID.NotFound",
    "SourceImage": "InvalidAMIID.NotFound",
    "Snapshot": "InvalidSnapshot.NotFound",
    "SourceSnapshot": "InvalidSnapshot.NotFound",
    "NatGateway": "NatGatewayNotFound",
    "LaunchTemplate": "InvalidLaunchTemplateId.NotFound",
    "SpotFleetRequest": "InvalidSpotFleetRequestId.NotFound",
    "SpotInstanceRequest": "InvalidSpotInstanceRequestID.NotFound",
    "KmsKey": "InvalidKmsKey.NotFound",
}
"""Where EC2's codes don't follow ``Invalid…ID.NotFound``."""


def internal(service: str, operation: str, request_id: str, text: str = "") -> AwsError:
    """AWS's answer to a failure of its own, and where ours is written down."""
    code = "InternalError" if service in ("s3", "ec2") else "InternalFailure"
    message = text or "The request processing has failed because of an unknown error, exception or failure."
    log = f"localcloud's log has it under request {request_id}." if request_id else "localcloud's log has it."
    return AwsError(code, f"{message} ({service} {operation}: {log})")


def moto_lacks(wire: Wire, params: Mapping[str, Any], problem: Exception) -> AwsError | None:
    """The error that moto should have had for this request, as far as its exception and the operation's model tell."""
    provided = dict(_strings(params))
    operation = str(wire.operation.name)
    match problem:
        case KeyError() if isinstance(key := problem.args[0] if problem.args else None, str):
            if (name := next((name for name, value in provided.items() if key and key in value), None)) is not None:
                return _not_found(wire, name, provided[name])
            return _invalid(wire, _member(wire, key))
        case KeyError():
            return _invalid(wire, None)
        case StopIteration() | UnboundLocalError():
            return _named_or_invalid(wire, operation, provided)
        case AttributeError() if "'NoneType'" in str(problem):
            return _named_or_invalid(wire, operation, provided)
        case ExpatError():
            return AwsError("MalformedXML", "The XML you provided was not well-formed or did not validate.")
        case TypeError() if WRONG_TYPE.search(str(problem)):
            return _invalid(wire, None)
        case ValueError() | IndexError():
            return _invalid(wire, next((name for name in provided if NAMING.search(name)), None))
        case _:
            return None


def _named_or_invalid(wire: Wire, operation: str, provided: Mapping[str, str]) -> AwsError | None:
    named = next((name for name in provided if NAMING.search(name)), None)
    if named is None or (operation.startswith(("Create", "Put")) and wire.protocol != "ec2"):
        return _invalid(wire, None)
    return _not_found(wire, named, provided[named])


def _not_found(wire: Wire, name: str, value: str) -> AwsError | None:
    thing = NAMING.sub("", name)
    if wire.protocol == "ec2":
        code = EC2_CODES.get(thing, f"Invalid{thing}ID.NotFound")
        return AwsError(code, f"The {camelcase_to_underscores(thing).replace('_', ' ')} ID '{value}' does not exist")
    for shapes in (wire.operation.error_shapes, wire.operation.service_model.error_shapes):
        codes = [code for code in map(_code, shapes) if NOT_FOUND.search(code)]
        if codes:
            code = max(codes, key=lambda code: SequenceMatcher(None, thing.lower(), code.lower()).ratio())
            return AwsError(code, f"{name} {value} was not found.")
    return None


def _invalid(wire: Wire, name: str | None) -> AwsError:
    about = f" {name}" if name else ""
    if wire.protocol == "ec2":
        return AwsError("InvalidParameterValue", f"The request lacks a parameter or has an invalid value{about}.")
    codes = [code for code in map(_code, wire.operation.error_shapes) if INVALID.match(code)]
    usual = {"query": "ValidationError", "rest-xml": "InvalidRequest"}.get(wire.protocol, "ValidationException")
    code = codes[0] if codes else usual
    return AwsError(code, f"A parameter of the request is missing or not valid{':' if about else ''}{about}.")


def _member(wire: Wire, key: str) -> str:
    """A parameter's name as AWS writes it, of moto's spelling of it."""
    for name in _members(wire.operation.input_shape):
        if key in (name, camelcase_to_underscores(name)):
            return name
    return key if re.fullmatch(r"\w{1,64}", key) else "?"


def _members(shape: Any, depth: int = 0) -> Iterator[str]:
    if shape is None or depth > 4:
        return
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            yield name
            yield from _members(member, depth + 1)
    elif shape.type_name == "list":
        yield from _members(shape.member, depth + 1)


def _code(shape: Any) -> str:
    return str(shape.metadata.get("error", {}).get("code", shape.name))


def _strings(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every string of the parameters with the name of the parameter nearest to it."""
    if isinstance(value, Mapping):
        for key, held in value.items():
            yield from _strings(held, str(key))
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each, name)
    elif isinstance(value, str) and value:
        yield name, value
