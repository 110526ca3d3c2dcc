"""Whether a request was signed with the secret of its key, and just now: AWS Signature Version 4, in the header or the
query."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

from localcloud.core.registry import AwsError

if TYPE_CHECKING:
    from localcloud.front.protocol import HttpRequest, Wire

FIELDS = re.compile(r"SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]+)")
SCOPE = re.compile(r"[^/]+/(\d{8})/([^/]*)/([^/]*)/aws4_request")
HASH = re.compile(r"[0-9a-f]{64}")
TIME = "%Y%m%dT%H%M%SZ"
SKEW = timedelta(minutes=15)
"""How far a request's clock may be off, as in AWS; in a header that is also how long a signature is good for."""
MAX_EXPIRY_SECONDS = 7 * 86400
"""Seconds that a presigned address may be good for, as in AWS."""
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method."
)


def verify(request: HttpRequest, secret: str, now: datetime, wire: Wire) -> None:
    """Raises what the service says of a wrong, an old or an unreadable signature."""
    in_query = dict(parse_qsl(request.query, keep_blank_values=True))
    if "X-Amz-Signature" in in_query:
        credential = in_query.get("X-Amz-Credential", "")
        names, provided = in_query.get("X-Amz-SignedHeaders", ""), in_query["X-Amz-Signature"]
        at, payload = in_query.get("X-Amz-Date", ""), "UNSIGNED-PAYLOAD"
        _require_valid(_time(at, wire), in_query.get("X-Amz-Expires", ""), now)
        if wire.service != "s3":
            payload = hashlib.sha256(request.body).hexdigest()
    else:
        header = request.headers.get("Authorization", "")
        fields = FIELDS.search(header)
        if fields is None:
            raise _incomplete("The Authorization header lacks SignedHeaders or Signature.", wire)
        credential = header.partition("Credential=")[2].partition(",")[0].strip()
        names, provided = fields[1], fields[2]
        at = request.headers.get("X-Amz-Date", "")
        _require_fresh(at, _time(at, wire), now, wire)
        payload = request.headers.get("X-Amz-Content-Sha256") or hashlib.sha256(request.body).hexdigest()
        if HASH.fullmatch(payload) and payload != hashlib.sha256(request.body).hexdigest():
            text = "The provided 'x-amz-content-sha256' header does not match what was computed."
            raise AwsError("XAmzContentSHA256Mismatch", text) if wire.service == "s3" else _mismatch(wire, MISMATCH)
    scope = SCOPE.fullmatch(credential)
    if scope is None or "host" not in names.split(";"):
        raise _incomplete("The credential's scope can't be read, or the host isn't signed.", wire)
    day, region, service = scope.groups()
    if not at.startswith(day):
        raise _mismatch(wire, f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date: {at}.")
    canonical = "\n".join(
        (
            request.method,
            request.path if service == "s3" else quote(request.path, safe="/~"),
            _canonical_query(request.query),
            *(f"{name}:{_header(request, name)}" for name in names.split(";")),
            "",
            names,
            payload,
        )
    )
    within = f"{day}/{region}/{service}/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", at, within, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(key.hex().encode(), provided.encode()):
        raise _mismatch(wire, MISMATCH)


def _time(at: str, wire: Wire) -> datetime:
    try:
        return datetime.strptime(at, TIME).replace(tzinfo=UTC)
    except ValueError:
        raise _incomplete(
            f"X-Amz-Date is missing, or isn't a time such as 20260131T120000Z: {at[:40]!r}.", wire
        ) from None


def _require_fresh(at: str, made: datetime, now: datetime, wire: Wire) -> None:
    """As the services word it; SigV4's own words first, then S3's and EC2's."""
    if abs(now - made) <= SKEW:
        return
    if wire.service == "s3":
        raise AwsError(
            "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.", 403
        )
    if wire.protocol == "ec2":
        raise AwsError("RequestExpired", "Request has expired.")
    if made < now:
        limit, sign, verb = now - SKEW, "-", "Signature expired: {} is now earlier than {}"
    else:
        limit, sign, verb = now + SKEW, "+", "Signature not yet current: {} is still later than {}"
    raise _mismatch(wire, f"{verb.format(at, limit.strftime(TIME))} ({now.strftime(TIME)} {sign} 15 min.)")


def _require_valid(made: datetime, seconds: str, now: datetime) -> None:
    """Of a presigned address, which is good from its making for as long as it says."""
    good_for = int(seconds) if re.fullmatch(r"-?\d{1,9}", seconds) else None
    if good_for is None or good_for > MAX_EXPIRY_SECONDS:
        text = "X-Amz-Expires must be a number, and less than a week (in seconds); it is 604800 at most."
        raise AwsError("AuthorizationQueryParametersError", text)
    if now > made + timedelta(seconds=good_for):
        raise AwsError("AccessDenied", "Request has expired", 403)
    if made > now + SKEW:
        raise AwsError("AccessDenied", "Request is not valid yet", 403)


def _incomplete(text: str, wire: Wire) -> AwsError:
    code = "AuthorizationHeaderMalformed" if wire.service == "s3" else "IncompleteSignature"
    return AwsError(code, text, 400)


def _mismatch(wire: Wire, text: str) -> AwsError:
    """JSON services have a code of their own for what the older ones call SignatureDoesNotMatch."""
    if wire.protocol in ("json", "rest-json", "cbor"):
        return AwsError("InvalidSignatureException", text)
    if wire.protocol == "ec2":
        return AwsError("AuthFailure", text, 401)
    return AwsError("SignatureDoesNotMatch", text, 403)


def _canonical_query(query: str) -> str:
    pairs = []
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        if name != "X-Amz-Signature":
            pairs.append((quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _header(request: HttpRequest, name: str) -> str:
    return ",".join(" ".join(value.split()) for value in request.headers.getlist(name))
