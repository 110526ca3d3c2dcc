"""One region, as this cloud has it: whoever asks for another is told so at once, before anything is made there.

moto has a backend for every region of the world and makes one at the first call; what is half-made in one would be
found by nobody. Services that are global in AWS sign with their partition's own region, and are answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError

if TYPE_CHECKING:
    from localcloud.front.protocol import HttpRequest, Signature, Wire

GLOBAL = frozenset({"budgets", "ce", "iam", "route53", "sts"})
"""Services whose clients sign for ``HOME_OF_GLOBAL`` whatever region they are set to (sts: at its global endpoint)."""
HOME_OF_GLOBAL = {"cn-": "cn-north-1", "us-gov-": "us-gov-west-1", "": "us-east-1"}
IN_HOST = re.compile(r"(?:^|[.-])([a-z]{2}(?:-[a-z]+)+-\d)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)(?::\d+)?$")
NAMES = frozenset({"SourceRegion", "DestinationRegion", "PeerRegion"})
"""Parameters that make an operation reach into another region."""
ELSEWHERE = frozenset({("rds", name) for name in ("CopyDBSnapshot", "DeleteDBSnapshot", "DescribeDBSnapshots")})
"""Operations that other regions have too: a copy of a backup is there to be elsewhere."""
LISTS = frozenset({"AddReplicaRegions", "ReplicaUpdates"})
"""Lists of structures with a ``Region`` or ``RegionName``, in which something is to be made."""


def refuse_other(home: str, wire: Wire, scope: Signature | None, request: HttpRequest) -> None:
    """Raises what the service itself says of a signature for a region that isn't its endpoint's."""
    if (wire.service, wire.operation.name) in ELSEWHERE:
        return
    named = IN_HOST.search(request.host)
    for requested in (scope.region if scope else home, named[1] if named else home):
        if requested != home and not (wire.service in GLOBAL and requested == _of_global(home)):
            raise _refusal(wire, home, requested)


def refuse_reaching(home: str, wire: Wire, params: Mapping[str, Any]) -> None:
    """Raises for parameters that would make something in another region."""
    if wire.service in GLOBAL or (wire.service, wire.operation.name) in ELSEWHERE:
        return
    for name, region in _named(params):
        if region != home:
            code = "ValidationException" if "json" in wire.protocol else "InvalidParameterValue"
            raise AwsError(code, f"{name}: {_only(home, region)}")


def _of_global(home: str) -> str:
    return next(region for start, region in HOME_OF_GLOBAL.items() if home.startswith(start))


def _only(home: str, requested: str) -> str:
    use = f"Set AWS_REGION={home}, or --region {home}."
    return f"this local cloud has one region, {home}, and nothing in {requested!r}. {use}"


def _refusal(wire: Wire, home: str, requested: str) -> AwsError:
    if wire.service == "s3":
        text = f"The authorization header is malformed; the region '{requested}' is wrong; expecting '{home}'"
        return AwsError("AuthorizationHeaderMalformed", f"{text}: {_only(home, requested)}")
    text = f"Credential should be scoped to a valid region: {_only(home, requested)}"
    if wire.protocol == "ec2":
        return AwsError("AuthFailure", text, 401)
    if wire.protocol in ("query", "rest-xml"):
        return AwsError("SignatureDoesNotMatch", text, 403)
    return AwsError("InvalidSignatureException", text)


def _named(value: Any, in_list: bool = False) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, held in value.items():
            if isinstance(held, str) and held and (name in NAMES or (in_list and name in ("Region", "RegionName"))):
                yield name, held
            elif isinstance(held, Mapping | list):
                yield from _named(held, in_list or name in LISTS)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each, in_list)
