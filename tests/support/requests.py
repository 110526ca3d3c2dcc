"""Requests as SDKs send them, made without a socket: for tests that ask a local cloud's front itself."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from botocore import auth, awsrequest, credentials
from botocore.serialize import create_serializer
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers

from localcloud.core.cloud import Cloud
from localcloud.front.identity import Identity
from localcloud.front.origin import TOKEN
from localcloud.front.protocol import HttpRequest


def private(cloud: Cloud, page: str, body: Any = None) -> Any:
    """Ask a private page of a cloud in this process, over its endpoint and with its token."""
    data = None if body is None else json.dumps(body).encode()
    headers = {TOKEN: cloud.part(Identity).token}
    request = urllib.request.Request(f"{cloud.settings.endpoint}/_localcloud/{page}", data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def protocol_of(service: str) -> str:
    """The protocol in which botocore would ask, but for CBOR."""
    model = get_service_model(service)
    return "json" if "json" in model.metadata.get("protocols", ()) else str(model.protocol)


def request(
    cloud: Cloud, service: str, operation: str, params: dict[str, Any], *, region: str = "", host: str = ""
) -> HttpRequest:
    """One signed request of the cloud's own key. ``params`` may be what botocore itself would refuse."""
    model = get_service_model(service)
    serializer = create_serializer(protocol_of(service), include_validation=False)
    made = serializer.serialize_to_request(params, model.operation_model(operation))
    body, headers = made["body"], dict(made["headers"])
    if isinstance(body, dict):
        body = urlencode(body, doseq=True)
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
    body = body.encode() if isinstance(body, str) else body or b""
    query = urlencode(made["query_string"], doseq=True)
    path = made["url_path"] + (("&" if "?" in made["url_path"] else "?") + query if query else "")
    return signed(cloud, made["method"], path, body, headers, service, region=region, host=host)


def signed(
    cloud: Cloud,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    service: str,
    *,
    region: str = "",
    host: str = "",
    at: datetime | None = None,
) -> HttpRequest:
    """A request of any content, signed (``at`` another time than now) with the cloud's own key."""
    model = get_service_model(service)
    identity = cloud.part(Identity)
    keys = credentials.Credentials(identity.access_key_id, identity.secret_access_key)
    host = host or f"{cloud.settings.address}:{cloud.settings.port}"
    sent = awsrequest.AWSRequest(method, f"http://{host}{path}", headers=headers, data=body)
    kind = auth.S3SigV4Auth if service in ("s3", "s3control") else auth.SigV4Auth
    signer = kind(keys, model.signing_name, region or cloud.settings.region)
    if at is None:
        signer.add_auth(sent)
    else:
        _at(signer, sent, at)
    address = urlsplit(sent.prepare().url)
    provided = Headers([(name, str(value)) for name, value in sent.headers.items()])
    provided["Host"] = host
    return HttpRequest(method, address.path, address.query, provided, body, "127.0.0.1", host=host)


def _at(signer: auth.SigV4Auth, sent: awsrequest.AWSRequest, at: datetime) -> None:
    """As ``add_auth`` does it, by another clock."""
    sent.context["timestamp"] = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(sent)  # type: ignore[attr-defined]  # the stub has no private names
    canonical = signer.canonical_request(sent)
    text = signer.string_to_sign(sent, canonical)
    signature = signer.signature(text, sent)
    signer._inject_signature_to_request(sent, signature)  # type: ignore[attr-defined]  # the stub has no private names
