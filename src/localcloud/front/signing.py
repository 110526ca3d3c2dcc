"""Whether a request was signed with the secret of its key: AWS Signature Version 4, in the header or the query."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

from localcloud.core.registry import AwsError

if TYPE_CHECKING:
    from localcloud.front.protocol import HttpRequest

FIELDS = re.compile(r"SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]+)")
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method."
)


def verify(request: HttpRequest, secret: str, now: datetime) -> None:
    """Raises SignatureDoesNotMatch, or AccessDenied for a presigned request whose time is over."""
    in_query = dict(parse_qsl(request.query, keep_blank_values=True))
    presigned = "X-Amz-Signature" in in_query
    if presigned:
        scope = in_query["X-Amz-Credential"].split("/", 1)[1]
        names, given = in_query["X-Amz-SignedHeaders"], in_query["X-Amz-Signature"]
        at, payload = in_query["X-Amz-Date"], "UNSIGNED-PAYLOAD"
        made = datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if now > made + timedelta(seconds=int(in_query.get("X-Amz-Expires", "0"))):
            raise AwsError("AccessDenied", "Request has expired", 403)
    else:
        header = request.headers.get("Authorization", "")
        fields = FIELDS.search(header)
        if fields is None:
            raise AwsError("IncompleteSignature", "The Authorization header lacks SignedHeaders or Signature.", 403)
        scope = header.partition("Credential=")[2].partition(",")[0].split("/", 1)[1].strip()
        names, given = fields[1], fields[2]
        at = request.headers.get("X-Amz-Date", "")
        payload = request.headers.get("X-Amz-Content-Sha256") or hashlib.sha256(request.body).hexdigest()
    day, region, service, _ = scope.split("/")
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
    text = "\n".join(("AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(key.hex(), given):
        raise AwsError("SignatureDoesNotMatch", MISMATCH, 403)


def _canonical_query(query: str) -> str:
    pairs = []
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        if name != "X-Amz-Signature":
            pairs.append((quote(unquote(name), safe="-_.~"), quote(unquote(value), safe="-_.~")))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def _header(request: HttpRequest, name: str) -> str:
    return ",".join(" ".join(value.split()) for value in request.headers.getlist(name))
