"""Where a request comes from, as far as a browser says: what a web page may not do with this cloud.

A page that somebody has open can send requests to addresses of this machine, and under a name of its own that it lets
point here (DNS rebinding) it can read the answers too. AWS's own calls are signed with a secret that no page has; what
is not signed is only for those who come by no browser and by this cloud's own address.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from localcloud.core.registry import AwsError
from localcloud.front.identity import Identity

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.front.protocol import HttpRequest

TOKEN = "X-Localcloud-Token"  # noqa: S105 — the header's name


def foreign(cloud: Cloud, request: HttpRequest) -> bool:
    """Whether it comes from a web page, or under a host name that isn't this cloud's."""
    if request.headers.get("Origin") or request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return True
    settings = cloud.settings
    return request.host not in (f"{settings.address}:{settings.port}", settings.address)


def require_own(cloud: Cloud, request: HttpRequest) -> None:
    """Raises ``AwsError`` for a request to a private page that is foreign, or lacks the state folder's token."""
    if foreign(cloud, request):
        raise AwsError(
            "AccessDenied", f"Private pages are only for {cloud.settings.endpoint} itself, not for a browser.", 403
        )
    _require_token(cloud, request)


def require_host(cloud: Cloud, request: HttpRequest) -> None:
    """Raises ``AwsError`` for a foreign request to a page whose address is signed."""
    if foreign(cloud, request):
        raise AwsError(
            "AccessDenied", f"This page is only for {cloud.settings.endpoint} itself, not for a browser.", 403
        )


def _require_token(cloud: Cloud, request: HttpRequest) -> None:
    provided, token = request.headers.get(TOKEN, ""), cloud.part(Identity).token
    if not hmac.compare_digest(provided.encode(), token.encode()):
        text = f"Private pages need the token from cloud.json in the cloud's state folder, as the header {TOKEN}."
        raise AwsError("AccessDenied", text, 403)
