"""The gateway: one session an environment, one client a service, and one place that every call passes through.

Each call is checked (reads only, unless the gateway was made for writing), timed and recorded, and its errors are put
into plain words. It is done by a class of ours under every client that botocore makes (its ``creating-client-class``
event), so neither a paginator nor a careless caller gets around it. Where the credentials come from is
``omc.aws.credentials``' matter, whose session is another.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import threading
import time
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, overload
from urllib.parse import urlsplit

import omc
from omc.aws.calls import Call, record
from omc.aws.local import local_endpoint
from omc.aws.reads import is_read
from omc.config import Environment
from omc.errors import OmcError, WriteRefused, WrongAccount, WrongUse
from omc.progress import note_if_slow

if TYPE_CHECKING:
    from types_boto3_application_autoscaling import ApplicationAutoScalingClient
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_ec2 import EC2Client
    from types_boto3_ecr import ECRClient
    from types_boto3_ecs import ECSClient
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client
    from types_boto3_iam import IAMClient
    from types_boto3_logs import CloudWatchLogsClient
    from types_boto3_rds import RDSClient
    from types_boto3_s3 import S3Client
    from types_boto3_secretsmanager import SecretsManagerClient
    from types_boto3_sns import SNSClient
    from types_boto3_ssm import SSMClient
    from types_boto3_sts import STSClient

    from omc.aws.credential_failures import Setup
    from omc.aws.credentials import SharedCredentials

FIRST_QUESTION: Final = "STS to say whose the credentials are"
"""What a command waits for before it can say anything else."""
RETRIES: Final = {"mode": "standard", "total_max_attempts": 3}
"""The one retry policy: throttling, 5xx and lost connections, twice more, with botocore's jittered back-off (≤ 3 s)."""
ONCE: Final = {"mode": "standard", "total_max_attempts": 1}
"""Of a gateway that writes: a call whose answer was lost may have been obeyed, so that somebody has to look before it
is made again. The engine does."""
CONNECT_TIMEOUT = 3.0
READ_TIMEOUT = 20.0
IDENTITIES = (
    *("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN"),
    *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
)
"""Variables by which a shell says who it is to AWS."""
LOOPBACK_ALLOWED: Final = "OMC_ALLOW_LOOPBACK"
"""Set where AWS is reached by a tunnel, or by a server that plays it."""
NO_SETTINGS: Final = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""botocore's variables for a cloud whose endpoint and keys are given: the person's ~/.aws has no say in it."""


_ACCESS_LOG: Final = re.compile(
    r"(?:^|/)AWSLogs/\d{12}/elasticloadbalancing/[a-z0-9-]+/[\d/]+/"
    r"\d{12}_elasticloadbalancing_[a-z0-9-]+_app\.(?P<name>[A-Za-z0-9-]+)\.[0-9a-f]+_[^/]+\.log\.gz$"
)
"""The key of an application load balancer's access log (its user guide, "Access log files")."""


@dataclass(frozen=True, slots=True)
class Access:
    """How an environment is reached; for AWS, botocore finds out by itself."""

    endpoint: str | None = None
    access_key: str | None = None
    secret_key: str | None = None
    port_shift: int = 0
    """What the local cloud adds to ports below 1024 where it may not listen on them."""


def access_to(environment: Environment) -> Access:
    """Where the environment's API is. For the local cloud: what its ``cloud.json`` says."""
    if environment.local_state is None:
        _refuse_loopback(environment)
        return Access()
    found = local_endpoint(environment.local_state)
    if os.environ.get("AWS_ENDPOINT_URL") == found.endpoint and any(os.environ.get(name) for name in IDENTITIES):
        return Access(found.endpoint, port_shift=found.port_shift)  # the shell means this cloud, and whom it says
    return Access(found.endpoint, found.access_key, found.secret_key, found.port_shift)


def _refuse_loopback(environment: Environment) -> None:
    """Refuse to take what answers on this machine for AWS: a shell that is still pointed at a local cloud."""
    if os.environ.get(LOOPBACK_ALLOWED):
        return
    value = os.environ.get("AWS_ENDPOINT_URL", "")
    if value and is_loopback(urlsplit(value).hostname or ""):
        raise WrongUse(
            f"AWS_ENDPOINT_URL points at this machine ({value}), and {environment.name} is in AWS. End what "
            f'`omc local env` began: eval "$(omc local env --unset)". For a tunnel to AWS: {LOOPBACK_ALLOWED}=1'
        )


def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


@dataclass(slots=True)
class Gateway:
    """The way to AWS for one environment. Safe to use from many threads."""

    environment: Environment
    access: Access
    writes: bool = False
    """Whether operations that aren't reads may be sent. Facts get a gateway with False."""
    allowed: frozenset[tuple[str, str]] = frozenset()
    """Operations (service, botocore's name) that may be sent though they aren't reads, by a gateway that else only
    reads: those that may be repeated at will, such as a queue's."""
    _session: Any = None
    _credentials: SharedCredentials | None = None
    """Found by botocore; None where the local cloud's own are used."""
    _clients: dict[str, Any] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _account: str | None = None
    """The account that the credentials belong to, once STS was asked."""

    @overload
    def client(self, service: Literal["acm"]) -> Any: ...
    @overload
    def client(self, service: Literal["application-autoscaling"]) -> ApplicationAutoScalingClient: ...
    @overload
    def client(
        self, service: Literal["cloudtrail", "elasticache", "events", "kms", "scheduler", "sqs", "wafv2"]
    ) -> Any: ...
    @overload
    def client(self, service: Literal["cloudwatch"]) -> CloudWatchClient: ...
    @overload
    def client(self, service: Literal["ec2"]) -> EC2Client: ...
    @overload
    def client(self, service: Literal["ecr"]) -> ECRClient: ...
    @overload
    def client(self, service: Literal["ecs"]) -> ECSClient: ...
    @overload
    def client(self, service: Literal["elbv2"]) -> ElasticLoadBalancingv2Client: ...
    @overload
    def client(self, service: Literal["iam"]) -> IAMClient: ...
    @overload
    def client(self, service: Literal["logs"]) -> CloudWatchLogsClient: ...
    @overload
    def client(self, service: Literal["rds"]) -> RDSClient: ...
    @overload
    def client(self, service: Literal["secretsmanager"]) -> SecretsManagerClient: ...
    @overload
    def client(self, service: Literal["ssm"]) -> SSMClient: ...
    @overload
    def client(self, service: Literal["acm", "athena", "budgets", "ce", "pi", "service-quotas"]) -> Any: ...
    @overload
    def client(self, service: Literal["sns"]) -> SNSClient: ...
    @overload
    def client(self, service: Literal["s3"]) -> S3Client: ...
    @overload
    def client(self, service: Literal["sts"]) -> STSClient: ...
    def client(self, service: str) -> Any:
        """The client of a service; made once, one at a time, since botocore's session is not safe for threads.

        Where omc.toml gives the environment's account, the first client of all waits for STS to say that the
        credentials belong to it; ``WrongAccount`` otherwise.
        """
        if service in self._clients:
            return self._clients[service]
        with self._lock:
            if service not in self._clients:
                if service != "sts" and self.environment.account:
                    self._verify_account(self.environment.account)
                self._clients[service] = self._make(service)
            return self._clients[service]

    def in_region(self, region: str) -> Gateway:
        """The same account in another region, with the same credentials and guard."""
        self.credentials()
        return Gateway(
            replace(self.environment, region=region),
            self.access,
            self.writes,
            self.allowed,
            self._session,
            self._credentials,
            _lock=self._lock,
            _account=self._account,
        )

    @property
    def endpoint(self) -> str | None:
        """The endpoint that stands in for AWS's own, where one does."""
        return self.access.endpoint or os.environ.get("AWS_ENDPOINT_URL")

    def log_in(self) -> None:
        """Find the credentials now, where it takes asking a person: in the main thread, once, before others fan out.

        A failure is kept for whoever asks next, and told by them.
        """
        from contextlib import suppress

        with suppress(OmcError):
            self.credentials()

    def credentials(self) -> Any:
        """The credentials as they are now (``access_key``, ``secret_key``, ``token``): for a program that is started
        for this environment, never for a plan or a log. Raises ``NoCredentials`` or ``BadCredentials``."""
        with self._lock:
            session = self._session or self._open()
        return session.get_credentials().get_frozen_credentials()

    def shared(self) -> SharedCredentials:
        """What botocore found, once ``credentials`` was called; not where they are the local cloud's own."""
        assert self._credentials is not None  # noqa: S101 - asked in the wrong order
        return self._credentials

    def account(self) -> str:
        """The account that the credentials belong to: one question to STS in the gateway's life."""
        if self._account is None:
            self._account = self.client("sts").get_caller_identity()["Account"]
        return self._account

    def _verify_account(self, expected: str) -> None:
        if (found := self.account()) != expected:
            raise WrongAccount(
                f"These credentials belong to account {found}, but {self.environment.name} is {expected}. "
                "Nothing else was asked of it. Use the credentials of the right account (AWS_PROFILE)."
            )

    def _make(self, service: str) -> Any:
        from botocore.config import Config

        try:
            session = self._session or self._open()
            session.get_credentials().get_frozen_credentials()  # before a call is begun that would have to be signed
            variant = None if self.access.endpoint is None else False  # None: as the person's settings say
            return session.create_client(
                service,
                region_name=self.environment.region,
                endpoint_url=self.access.endpoint,
                config=Config(
                    retries=ONCE if self.writes else RETRIES,  # type: ignore[arg-type]  # the stub wants its own TypedDict
                    connect_timeout=CONNECT_TIMEOUT,
                    read_timeout=READ_TIMEOUT,
                    max_pool_connections=32,
                    user_agent_extra=f"omc/{omc.__version__}",
                    use_fips_endpoint=variant,
                    use_dualstack_endpoint=variant,
                    # An endpoint that is an address and no name can't have "stream-" before it, as StartLiveTail's has.
                    inject_host_prefix=None if self.access.endpoint is None else False,
                    proxies=None if self.environment.local_state is None else {},  # this machine is behind none
                ),
            )
        except OmcError:
            raise
        except Exception as error:
            # botocore reads the person's settings here: whatever it raises, one of those is at fault.
            from omc.aws.credential_failures import settings_at_fault

            raise settings_at_fault(error, service, self._setup()) from error

    def _setup(self) -> Setup:
        from omc.aws.credential_failures import Setup

        return self._credentials.setup if self._credentials else Setup(self.environment)

    def _open(self) -> Any:
        import botocore.session

        from omc.aws.botocore_parts import events, moment
        from omc.aws.trimmed_models import TrimmedModels

        if self.access.access_key and self.access.secret_key:
            session = botocore.session.Session(NO_SETTINGS, include_builtin_handlers=False)
            session.set_credentials(self.access.access_key, self.access.secret_key)
        else:
            from omc.aws.credentials import Chain, shared_credentials

            self._credentials = self._credentials or shared_credentials(self.environment)
            session = botocore.session.Session(profile=self.environment.profile, include_builtin_handlers=False)
            session.register_component("credential_provider", Chain(self._credentials))
        session.register_component("data_loader", TrimmedModels())
        session.register_component("event_emitter", emitter := events())
        emitter.register("creating-client-class", self._guard_clients)
        emitter.register("after-call", _refuse_cut)
        session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=moment)
        self._session = session
        return session

    def _guard_clients(self, **event: Any) -> None:
        gateway = self

        class Guarded:
            """Under every client: refuse, time, record, explain."""

            meta: Any

            def _make_api_call(self, operation_name: str, api_params: dict[str, Any]) -> Any:
                send = super()._make_api_call  # type: ignore[misc]  # botocore's BaseClient, which follows in the MRO
                return gateway._call(self.meta.service_model.service_name, operation_name, api_params, send)

        event["base_classes"].insert(0, Guarded)

    def _may_send(self, service: str, operation: str, parameters: dict[str, Any]) -> bool:
        if is_read(service, operation) or (service, operation) in self.allowed:
            return True
        return self._is_state(service, operation, parameters) or self._is_access_log(service, operation, parameters)

    def _is_state(self, service: str, operation: str, parameters: dict[str, Any]) -> bool:
        """Of all that S3 holds, Terraform's state of this environment may be read, since what should be there is known
        by it, and access logs (below). ``omc.facts.expected`` keeps none of its secrets."""
        place = parameters.get("Bucket", ""), parameters.get("Key", "")
        account = str(parameters.get("ExpectedBucketOwner", ""))
        return (service, operation) == ("s3", "GetObject") and place == self.environment.state_in(account) != ("", "")

    def _is_access_log(self, service: str, operation: str, parameters: dict[str, Any]) -> bool:
        """An access log of a load balancer of this environment, by AWS's name of such an object. Facts keep clients'
        addresses and counts of them; what clients asked for isn't kept."""
        found = _ACCESS_LOG.search(str(parameters.get("Key", "")))
        if (service, operation) != ("s3", "GetObject") or found is None:
            return False
        name, own = found["name"], self.environment
        return name == own.load_balancer or name == own.prefix or name.startswith(f"{own.prefix}-")

    def _call(self, service: str, operation: str, parameters: dict[str, Any], send: Any) -> Any:
        if not self.writes and not self._may_send(service, operation, parameters):
            raise WriteRefused(f"{service} {operation} is not a read, and this command may only read. It was not sent.")
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        at, began = datetime.now(UTC), time.monotonic()
        metadata: dict[str, Any] = {}
        code: str | None = None
        try:
            with note_if_slow(FIRST_QUESTION) if service == "sts" else nullcontext():
                answer = send(operation, parameters)
            metadata = answer.get("ResponseMetadata", {})
            return answer
        except OmcError as error:  # the credentials could not be renewed
            code = type(error).__name__
            raise
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            from omc.aws.failures import plain

            response = getattr(error, "response", None) or {}  # None: it got no answer at all
            metadata = response.get("ResponseMetadata", {})
            code = response.get("Error", {}).get("Code", type(error).__name__)
            raise plain(error, service, operation, self._setup(), self.endpoint) from error
        finally:
            requests = 1 + int(metadata.get("RetryAttempts", 0))
            is_next = any(key in parameters for key in ("nextToken", "NextToken", "Marker"))
            record(Call(service, operation, parameters, at, time.monotonic() - began, requests, code, is_next))


def _refuse_cut(**event: Any) -> None:
    """botocore takes a JSON answer that was cut off for an empty one, which would read as "there is nothing", or as
    "it is done" where nothing may have been."""
    http_response, parsed, model = event["http_response"], event["parsed"], event["model"]
    if http_response.status_code != 200 or model.http.get("method") == "HEAD" or model.has_streaming_output:
        return
    headers = http_response.headers
    announced = headers.get("content-length", "")
    if announced.isdigit() and "content-encoding" not in headers and len(http_response.content) < int(announced):
        from botocore.parsers import ResponseParserError

        raise ResponseParserError("cut off")
    if set(parsed) - {"ResponseMetadata"} or not model.output_shape:
        return
    if model.service_model.protocol == "json" and http_response.content:
        try:
            json.loads(http_response.content)
        except ValueError as error:
            from botocore.parsers import ResponseParserError

            raise ResponseParserError("not JSON") from error
