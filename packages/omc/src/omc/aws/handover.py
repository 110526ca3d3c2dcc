"""What a program started by omc needs in its environment to be the same identity as omc: Terraform, above all.

Terraform has a chain of its own, which renews by itself for as long as an apply takes; so it is told where omc's
credentials come from, not what they are. What its chain doesn't know (an MFA code, ``aws login``) it gets from a server
on the loopback that answers as a container's credentials endpoint does, for as long as omc runs.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from omc.errors import OmcError

if TYPE_CHECKING:
    from omc.aws.gateway import Gateway

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
OTHERS = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME")
NOBODY: Final = dict.fromkeys((*KEYS, *OTHERS, "AWS_PROFILE", "AWS_DEFAULT_PROFILE"), "")
"""Every variable that says who it is, emptied, which counts as not set."""
NATIVE = frozenset(
    {
        *("env", "assume-role", "assume-role-with-web-identity", "sso", "shared-credentials-file", "custom-process"),
        *("config-file", "container-role", "iam-role"),
    }
)
"""Providers of botocore's that the AWS SDK for Go, which is Terraform's, has too."""
SERVED = frozenset({"login", "boto-config", "ec2-credentials-file"})
"""Those that it hasn't, or not in every Terraform in use."""
LIFE = timedelta(minutes=5)
"""After which the program asks again: less than what is left of credentials that botocore holds for good."""


def identity(gateway: Gateway) -> dict[str, str]:
    """The variables. Raises ``NoCredentials`` or ``BadCredentials`` where omc itself has none."""
    access = gateway.access
    if access.access_key and access.secret_key:
        return NOBODY | {"AWS_ACCESS_KEY_ID": access.access_key, "AWS_SECRET_ACCESS_KEY": access.secret_key}
    gateway.credentials()
    shared = gateway.shared()
    wants_code = shared.method == "assume-role" and shared.setup.setting("mfa_serial")
    if shared.method not in NATIVE or wants_code:
        return NOBODY | _settings(shared.setup.session) | _served(gateway)
    if profile := gateway.environment.profile:  # which for botocore goes before the shell's own keys, and not for Go
        return NOBODY | {"AWS_PROFILE": profile}
    named = os.environ.get("AWS_PROFILE")
    return {"AWS_PROFILE": named} if named else {}


def _settings(session: Any) -> dict[str, str]:
    """What of the person's files stays true without them."""
    get = session.get_config_variable
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    flags = {"AWS_USE_FIPS_ENDPOINT": "use_fips_endpoint", "AWS_USE_DUALSTACK_ENDPOINT": "use_dualstack_endpoint"}
    set_ = {variable: "true" for variable, name in flags.items() if get(name)}
    bundle = get("ca_bundle")
    return files | set_ | ({"AWS_CA_BUNDLE": str(bundle)} if bundle else {})


_SERVERS: dict[int, dict[str, str]] = {}
_LOCK = threading.Lock()


def _served(gateway: Gateway) -> dict[str, str]:
    with _LOCK:
        shared = id(gateway.shared())
        if shared not in _SERVERS:
            _SERVERS[shared] = _serve(gateway)
        return _SERVERS[shared]


def _serve(gateway: Gateway) -> dict[str, str]:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    word = secrets.token_urlsafe(32)

    class Handler(BaseHTTPRequestHandler):
        timeout = 10.0

        def do_GET(self) -> None:
            provided = self.headers.get("Authorization", "")
            if self.path != "/credentials" or not secrets.compare_digest(provided.encode(), word.encode()):
                self._answer(403, {"message": "Forbidden"})
                return
            try:
                now = gateway.shared().get_frozen_credentials()
            except OmcError as error:
                self._answer(400, {"code": type(error).__name__, "message": error.message})
                return
            until = (datetime.now(UTC) + LIFE).strftime("%Y-%m-%dT%H:%M:%SZ")
            keys: dict[str, Any] = {"AccessKeyId": now.access_key, "SecretAccessKey": now.secret_key}
            keys["Token"] = now.token or ""
            self._answer(200, keys | {"Expiration": until})

        def _answer(self, status: int, record: Mapping[str, Any]) -> None:
            body = json.dumps(record).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: whoever asks is a child of ours."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="credentials", daemon=True).start()
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.server_address[1]}/credentials",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": word,
    }
