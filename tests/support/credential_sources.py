"""Every way in which credentials come to the aws CLI, set up for a person in a folder: files, variables, and a server
on the loopback that plays what gives them out (Identity Center, STS, metadata of an instance or a container)."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from support.http_server import LoopbackServer

ROLE = "arn:aws:iam::123456789012:role/Deployer"
DEVICE = "arn:aws:iam::123456789012:mfa/jo"
FUTURE, PAST = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
STS = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(frozen=True)
class Keys:
    """What a source hands out in the end."""

    access_key: str = "ASIAHANDEDOUT0000000"
    secret_key: str = "handed/out"
    token: str = "handed-out-token"


@dataclass
class Giver:
    """What plays AWS's givers of credentials, and what it was asked."""

    keys: Keys
    endpoint: str = ""
    requests: list[str] = field(default_factory=list)
    refusals: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """What is answered instead, by what is asked."""
    life: timedelta = timedelta(hours=1)
    """Of what is handed out."""

    def until(self) -> str:
        return (datetime.now(UTC) + self.life).strftime("%Y-%m-%dT%H:%M:%SZ")

    def answer(self, path: str, form: Mapping[str, str], who: str) -> tuple[str, bytes]:
        """The name of what is asked, and the answer to it."""
        keys, until = self.keys, self.until()
        plain = {
            "Code": "Success",
            "AccessKeyId": keys.access_key,
            "SecretAccessKey": keys.secret_key,
            "Token": keys.token,
            "Expiration": until,
        }
        if path.startswith("/federation/credentials"):
            role = {
                "accessKeyId": keys.access_key,
                "secretAccessKey": keys.secret_key,
                "sessionToken": keys.token,
                "expiration": 4102444800000,
            }
            return "GetRoleCredentials", json.dumps({"roleCredentials": role}).encode()
        if path == "/token":
            return "CreateToken", json.dumps({"accessToken": "renewed", "expiresIn": 28800}).encode()
        if path == "/v1/token":
            access = {"accessKeyId": keys.access_key, "secretAccessKey": keys.secret_key, "sessionToken": keys.token}
            renewed = {"accessToken": access, "expiresIn": 900, "refreshToken": "next", "tokenType": "urn:aws"}
            return "CreateOAuth2Token", json.dumps(renewed).encode()
        if path == "/latest/api/token":
            return "metadata token", b"metadata"
        if path == "/latest/meta-data/iam/security-credentials/":
            return "metadata role", b"Deployer"
        if path.startswith(("/latest/meta-data/iam/security-credentials/", "/container")):
            return "metadata", json.dumps(plain).encode()
        action = form.get("Action", "")
        if action.startswith("AssumeRole"):
            return action, _assumed(action, keys, until)
        return action, _identity(who)


def _assumed(action: str, keys: Keys, until: str) -> bytes:
    return (
        f'<{action}Response xmlns="{STS}"><{action}Result><Credentials><AccessKeyId>{keys.access_key}</AccessKeyId>'
        f"<SecretAccessKey>{keys.secret_key}</SecretAccessKey><SessionToken>{keys.token}</SessionToken>"
        f"<Expiration>{until}</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId>"
        f"<Arn>arn:aws:sts::123456789012:assumed-role/Deployer/s</Arn></AssumedRoleUser></{action}Result>"
        f"</{action}Response>"
    ).encode()


def _identity(who: str) -> bytes:
    return (
        f'<GetCallerIdentityResponse xmlns="{STS}"><GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/{who}'
        "</Arn><UserId>AIDA</UserId><Account>123456789012</Account></GetCallerIdentityResult>"
        "</GetCallerIdentityResponse>"
    ).encode()


@contextmanager
def giver(keys: Keys | None = None) -> Iterator[Giver]:
    gives = Giver(keys or Keys())

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            who = self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
            name, answer = gives.answer(urlsplit(self.path).path, form, who)
            gives.requests.append(name)
            status, answer = gives.refusals.get(name, (200, answer))
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _any  # noqa: N815 - the names are http.server's

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with LoopbackServer(("127.0.0.1", 0), Handler) as server:
        gives.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield gives
        server.shutdown()


@dataclass
class Person:
    """A home folder with the aws CLI's files in it, and the variables of a shell."""

    home: Path
    gives: Giver
    config: str = ""
    credentials: str = ""
    env: dict[str, str] = field(default_factory=dict)
    role_arn: str = ROLE

    def environment(self) -> dict[str, str]:
        """The variables, once the files are written."""
        (self.home / "config").write_text(self.config)
        (self.home / "credentials").write_text(self.credentials)
        base = {
            "HOME": str(self.home),
            "AWS_CONFIG_FILE": str(self.home / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.home / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "BOTO_CONFIG": str(self.home / "no-boto-config"),
        }
        return {name: value for name, value in (base | self.env).items() if value}

    def profile(self, name: str, **settings: str) -> Person:
        self.config += f"[profile {name}]\n" + "".join(f"{key} = {value}\n" for key, value in settings.items())
        return self

    def with_keys(self, name: str) -> Person:
        """A profile of long-lived keys."""
        self.credentials += f"[{name}]\naws_access_key_id = {self.gives.keys.access_key}\n"
        self.credentials += f"aws_secret_access_key = {self.gives.keys.secret_key}\n"
        if self.gives.keys.token:
            self.credentials += f"aws_session_token = {self.gives.keys.token}\n"
        return self

    def set(self, **env: str) -> Person:
        self.env |= env
        return self

    def keys_in(self, *names: str) -> dict[str, str]:
        return dict(
            zip(names, (self.gives.keys.access_key, self.gives.keys.secret_key, self.gives.keys.token), strict=False)
        )

    def identity_center(self, profile: str, *, is_old: bool = False, until: str = FUTURE) -> Person:
        """A profile of IAM Identity Center, and the token that ``aws sso login`` leaves behind."""
        start = "https://example.awsapps.com/start"
        where = {"sso_start_url": start, "sso_region": "ap-southeast-2"}
        role = {"sso_account_id": "123456789012", "sso_role_name": "Deployer"}
        if is_old:
            self.profile(profile, **where, **role)
        else:
            self.profile(profile, sso_session="corp", **role)
            self.config += "[sso-session corp]\n" + "".join(f"{key} = {value}\n" for key, value in where.items())
        token = {"startUrl": start, "region": "ap-southeast-2", "accessToken": "token", "expiresAt": until}
        if not is_old:
            token |= {"clientId": "c", "clientSecret": "s", "refreshToken": "r", "registrationExpiresAt": FUTURE}
        folder = self.home / ".aws" / "sso" / "cache"
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha1((start if is_old else "corp").encode()).hexdigest()
        (folder / f"{name}.json").write_text(json.dumps(token))
        return self.set(
            AWS_PROFILE=profile, AWS_ENDPOINT_URL_SSO=self.gives.endpoint, AWS_ENDPOINT_URL_SSO_OIDC=self.gives.endpoint
        )

    def program(self, profile: str, script: str) -> Person:
        """A profile whose credentials a program prints: a Python script."""
        (self.home / "program.py").write_text(script)
        return self.profile(profile, credential_process=f"{sys.executable} {self.home / 'program.py'}")

    def prints(self, profile: str, until: str | None = FUTURE) -> Person:
        keys = self.gives.keys
        record = {"Version": 1, "AccessKeyId": keys.access_key, "SecretAccessKey": keys.secret_key, "Expiration": until}
        record |= {"SessionToken": keys.token} if keys.token else {}
        return self.program(profile, f"print({json.dumps({k: v for k, v in record.items() if v})!r})")

    def web_identity(self) -> Person:
        (self.home / "token").write_text("a.web.identity")
        return self.set(AWS_WEB_IDENTITY_TOKEN_FILE=str(self.home / "token"), AWS_ROLE_ARN=self.role_arn)

    def on_an_instance(self) -> Person:
        return self.set(AWS_EC2_METADATA_DISABLED="", AWS_EC2_METADATA_SERVICE_ENDPOINT=self.gives.endpoint)

    def in_a_container(self) -> Person:
        return self.set(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{self.gives.endpoint}/container")

    def role(self, profile: str, **settings: str) -> Person:
        return self.profile(profile, **{"role_arn": self.role_arn, **settings}).set(AWS_PROFILE=profile)

    def signed_in(self, until: str = FUTURE) -> Person:
        """What ``aws login`` leaves behind. The key is one made for this test."""
        keys, session = self.gives.keys, "arn:aws:sts::123456789012:assumed-role/Deployer/jo"
        access = {"accessKeyId": keys.access_key, "secretAccessKey": keys.secret_key, "sessionToken": keys.token}
        token = {"accessToken": access | {"accountId": "123456789012", "expiresAt": until}, "refreshToken": "r"}
        token |= {"clientId": "c", "dpopKey": dpop_key(), "identityToken": "i", "tokenType": "urn:aws"}
        folder = self.home / "login"
        folder.mkdir(exist_ok=True)
        (folder / f"{hashlib.sha256(session.encode()).hexdigest()}.json").write_text(json.dumps(token))
        self.profile("login", login_session=session)
        return self.set(
            AWS_PROFILE="login", AWS_LOGIN_CACHE_DIRECTORY=str(folder), AWS_ENDPOINT_URL_SIGNIN=self.gives.endpoint
        )


def dpop_key() -> str:
    """A new private key as ``aws login`` writes it, or a word where nothing here makes such keys."""
    try:
        from awscrt.crypto import EC, ECExportFormat, ECType
    except ImportError:
        return "no key"
    made = EC.new_generate(ECType.P_256).export_key(ECExportFormat.SEC1)
    return "-----BEGIN EC PRIVATE KEY-----\n" + base64.b64encode(made).decode() + "\n-----END EC PRIVATE KEY-----\n"


def _old_ec2_file(person: Person) -> Person:
    keys = person.keys_in("AWSAccessKeyId", "AWSSecretKey")
    (person.home / "ec2").write_text("".join(f"{name}={value}\n" for name, value in keys.items()))
    return person.set(AWS_CREDENTIAL_FILE=str(person.home / "ec2"))


def _boto_config(person: Person) -> Person:
    keys = person.keys_in("aws_access_key_id", "aws_secret_access_key")
    (person.home / "boto").write_text("[Credentials]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()))
    return person.set(BOTO_CONFIG=str(person.home / "boto"))


def _config_file(person: Person) -> Person:
    keys = person.keys_in("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    return person.profile("own", **{k: v for k, v in keys.items() if v}).set(AWS_PROFILE="own")


def _variables(person: Person) -> Person:
    return person.set(**person.keys_in("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))


SOURCES: Mapping[str, tuple[str, Callable[[Person], Person]]] = {
    "variables": ("env", _variables),
    "variables that end": ("env", lambda p: _variables(p).set(AWS_CREDENTIAL_EXPIRATION=FUTURE)),
    "role of a profile": ("assume-role", lambda p: p.with_keys("base").role("r", source_profile="base")),
    "role of itself": ("assume-role", lambda p: p.with_keys("r").role("r", source_profile="r")),
    "roles in a chain": (
        "assume-role",
        lambda p: p.with_keys("a").role("b", source_profile="a").role("c", source_profile="b", external_id="ours"),
    ),
    "role of Identity Center": ("assume-role", lambda p: p.identity_center("s").role("r", source_profile="s")),
    "role of a program": ("assume-role", lambda p: p.prints("s").role("r", source_profile="s")),
    "role of variables": ("assume-role", lambda p: _variables(p).role("r", credential_source="Environment")),
    "role of an instance": (
        "assume-role",
        lambda p: p.on_an_instance().role("r", credential_source="Ec2InstanceMetadata"),
    ),
    "role of a container": ("assume-role", lambda p: p.in_a_container().role("r", credential_source="EcsContainer")),
    "web identity": ("assume-role-with-web-identity", lambda p: p.web_identity()),
    "web identity of a profile": (
        "assume-role-with-web-identity",
        lambda p: (
            p.web_identity()
            .role("w", web_identity_token_file=str(p.home / "token"), role_session_name="jo@example.com")
            .set(AWS_WEB_IDENTITY_TOKEN_FILE="", AWS_ROLE_ARN="")
        ),
    ),
    "Identity Center": ("sso", lambda p: p.identity_center("s")),
    "Identity Center, token renewed": ("sso", lambda p: p.identity_center("s", until=PAST)),
    "Identity Center, old form": ("sso", lambda p: p.identity_center("s", is_old=True)),
    "credentials file": ("shared-credentials-file", lambda p: p.with_keys("own").set(AWS_PROFILE="own")),
    "credentials file, default": ("shared-credentials-file", lambda p: p.with_keys("default")),
    "aws login": ("login", lambda p: p.signed_in()),
    "aws login, renewed": ("login", lambda p: p.signed_in(until=PAST)),
    "program": ("custom-process", lambda p: p.prints("p").set(AWS_PROFILE="p")),
    "program without an end": ("custom-process", lambda p: p.prints("p", until=None).set(AWS_PROFILE="p")),
    "config file": ("config-file", _config_file),
    "old EC2 file": ("ec2-credentials-file", _old_ec2_file),
    "boto's config": ("boto-config", _boto_config),
    "container": ("container-role", lambda p: p.in_a_container()),
    "instance": ("iam-role", lambda p: p.on_an_instance()),
}
"""A name to botocore's provider and to what sets it up. Together they are every provider of its chain."""

NAMED = frozenset({"role of variables"})
"""Sources that want the profile named in omc.toml: keys of the shell go before the shell's AWS_PROFILE, as for aws."""
