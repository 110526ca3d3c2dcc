"""Whatever credentials the aws CLI takes: each provider of botocore's chain, the guard beside it, what goes wrong."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import botocore.credentials
import botocore.exceptions
import botocore.session
import botocore.tokens
import pytest

from omc import progress
from omc.aws import credentials
from omc.aws.calls import parallel_map
from omc.aws.credential_failures import Setup, explain, settings_at_fault
from omc.aws.gateway import Gateway, access_to
from omc.config import load
from omc.errors import OmcError, Unknown, WriteRefused
from support.credential_sources import NAMED, PAST, ROLE, SOURCES, Giver, Person, giver
from support.waiting import eventually

REPOSITORY = Path(__file__).parents[4]
STAGING = load(REPOSITORY / "omc.toml").environments["staging"]


@pytest.fixture
def gives() -> Iterator[Giver]:
    with giver() as gives:
        yield gives


@pytest.fixture
def person(tmp_path: Path, gives: Giver) -> Person:
    return Person(tmp_path, gives).set(AWS_ENDPOINT_URL_STS=gives.endpoint)


def be(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process in the person's shell."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in person.environment().items():
        monkeypatch.setenv(name, value)
    tokens = str(person.home / ".aws" / "sso" / "cache")  # botocore takes HOME's when it is imported
    monkeypatch.setattr(botocore.credentials.SSOProvider, "_SSO_TOKEN_CACHE_DIR", tokens)
    monkeypatch.setattr(botocore.tokens.SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", tokens)


def who(gateway: Gateway) -> str:
    return gateway.client("sts").get_caller_identity()["Arn"].rpartition("/")[2]


def test_a_program_that_takes_long_is_waited_for_aloud(
    person: Person, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It ends once it has been said that it is waited for."""
    response = person.home / "said"
    person.program(
        "p", f"import os, sys, time\nwhile not os.path.exists({str(response)!r}): time.sleep(0.02)\nsys.exit('over')"
    )
    be(person.set(AWS_PROFILE="p"), monkeypatch)
    monkeypatch.setattr(progress, "SILENT", 0.05)
    gateway = Gateway(STAGING, access_to(STAGING))
    failures: list[Unknown] = []

    def ask() -> None:
        try:
            gateway.credentials()
        except Unknown as error:
            failures.append(error)

    request = threading.Thread(target=ask, daemon=True)
    request.start()
    eventually(
        "it says what it waits for", lambda: "omc waits for the AWS credentials for staging …" in capfd.readouterr().err
    )
    response.touch()
    request.join(60)
    assert "over" in failures[0].message


def test_every_provider_of_botocores_chain_is_among_the_sources() -> None:
    """A provider that a new botocore brings has to be thought of: given a source here, tried with each command."""
    chain = botocore.credentials.create_credential_resolver(botocore.session.Session())
    assert {provider.METHOD for provider in chain.providers} == {method for method, _ in SOURCES.values()}
    assume_role: Any = chain.get_provider("assume-role")
    named = assume_role._credential_sourcer._providers
    assert {provider.CANONICAL_NAME for provider in named} == {"Environment", "Ec2InstanceMetadata", "EcsContainer"}


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_gives_credentials_and_no_fact_can_do_what_it_did(
    source: str, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, set_up = SOURCES[source]
    if method == "login":
        pytest.importorskip("awscrt", reason="aws login needs botocore[crt], which makes every start 0.3 s slower")
    be(set_up(person), monkeypatch)
    environment = replace(STAGING, profile=person.env["AWS_PROFILE"]) if source in NAMED else STAGING
    gateway = Gateway(environment, access_to(environment))
    assert who(gateway) == person.gives.keys.access_key
    assert credentials.shared_credentials(environment).method == method
    before = list(person.gives.requests)
    sts: Any = gateway.client("sts")
    for operation in ("AssumeRole", "AssumeRoleWithWebIdentity", "GetScopedCredentials"):
        with pytest.raises(WriteRefused, match="was not sent"):
            sts._make_api_call(operation, {})
    client: Any = gateway.client
    for service in ("sso", "sso-oidc", "signin"):
        with pytest.raises(OmcError):
            client(service).get_role_credentials(roleName="r", accountId="1", accessToken="t")
    assert person.gives.requests == before


def test_eleven_threads_and_both_gateways_ask_once(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    be(person.with_keys("base").role("r", source_profile="base"), monkeypatch)
    gateways = [Gateway(STAGING, access_to(STAGING), writes=bool(n % 2)) for n in range(11)]
    parallel_map(who, gateways)
    assert person.gives.requests.count("AssumeRole") == 1
    assert person.gives.requests.count("GetCallerIdentity") == 11


def test_credentials_that_end_soon_are_renewed_once(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    person.gives.life = timedelta(minutes=12)  # botocore renews in the last fifteen
    be(person.in_a_container(), monkeypatch)
    gateway = Gateway(STAGING, access_to(STAGING))
    gateway.client("sts")
    person.gives.life = timedelta(hours=1)
    person.gives.requests.clear()
    parallel_map(lambda _: who(gateway), range(11))
    assert person.gives.requests.count("metadata") == 1


def test_a_person_is_asked_for_a_code_once_and_the_aws_cli_knows_the_session(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[str] = []

    def type_code(prompt: str) -> str:
        requested.append(prompt)
        assert threading.current_thread() is threading.main_thread(), "Ctrl-C reaches only the main thread"
        return "123456"

    monkeypatch.setattr(credentials, "ask_for_code", type_code)
    person.set(AWS_ENDPOINT_URL_STS="")
    be(person.with_keys("base").role("m", source_profile="base", mfa_serial="arn:aws:iam::1:mfa/jo"), monkeypatch)
    monkeypatch.setattr(credentials, "_cache", lambda: credentials._CliCache(str(person.home / ".aws/cli/cache")))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", person.gives.endpoint)
    for _ in range(2):
        gateway: Any = Gateway(STAGING, access_to(STAGING))
        gateway.log_in()
        parallel_map(lambda service: gateway.client(service).meta, ["ecs", "logs", "rds", "elbv2"])  # noqa: B023
        credentials._SHARED.clear()  # the next command
    assert requested == ["Enter MFA code for arn:aws:iam::1:mfa/jo: "]
    kept = list((person.home / ".aws/cli/cache").iterdir())
    assert [file.stat().st_mode & 0o777 for file in kept] == [0o600]
    assert json.loads(kept[0].read_text())["Credentials"]["AccessKeyId"] == person.gives.keys.access_key


def test_a_failure_is_the_answer_to_all_who_ask_at_once_and_tried_again_later(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    be(person.with_keys("base").role("r", source_profile="base"), monkeypatch)
    person.gives.refusals["AssumeRole"] = (
        403,
        b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
    )
    gateway = Gateway(STAGING, access_to(STAGING))

    def ask(_: int) -> str:
        with pytest.raises(Unknown) as raised:
            who(gateway)
        return raised.value.message

    assert len(set(parallel_map(ask, range(11)))) == 1
    assert person.gives.requests == ["AssumeRole"]
    del person.gives.refusals["AssumeRole"]
    later = time.monotonic() + credentials.FAILURE_STAYS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert who(gateway) == person.gives.keys.access_key


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"Credentials": {}}', '{"Credentials": {"Expiration": 5}}', "\0"])
def test_a_damaged_session_of_the_aws_cli_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "key.json").write_text(content)
    cache = credentials._CliCache(str(tmp_path))
    assert "key" not in cache
    cache = credentials._CliCache("/proc/nowhere")
    cache["key"] = {}  # a disk that can't be written to


def test_the_local_cloud_heeds_nothing_of_the_persons_own_settings(
    tmp_path: Path, gives: Giver, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = Person(tmp_path, gives).set(AWS_PROFILE="nowhere", AWS_USE_FIPS_ENDPOINT="true")
    person.config = "not even a configuration"
    be(person, monkeypatch)
    (tmp_path / "cloud.json").write_text(
        json.dumps(
            {
                "endpoint": gives.endpoint,
                "region": "ap-southeast-2",
                "account": "1",
                "port_shift": 0,
                "access_key_id": "LOCAL",
                "secret_access_key": "local",
            }
        )
    )
    local = replace(STAGING, local_state=tmp_path)
    assert who(Gateway(local, access_to(local))) == "LOCAL"


@pytest.mark.parametrize(
    ("region", "variables", "host"),
    [
        ("ap-southeast-2", {}, "ecs.ap-southeast-2.amazonaws.com"),
        ("us-east-1", {"AWS_USE_FIPS_ENDPOINT": "true"}, "ecs-fips.us-east-1.amazonaws.com"),
        ("eu-west-1", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "ecs.eu-west-1.api.aws"),
        ("us-gov-west-1", {}, "ecs.us-gov-west-1.amazonaws.com"),
        ("us-gov-west-1", {"AWS_USE_FIPS_ENDPOINT": "true"}, "ecs-fips.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", {}, "ecs.cn-north-1.amazonaws.com.cn"),
        ("us-iso-east-1", {}, "ecs.us-iso-east-1.c2s.ic.gov"),
        ("us-isob-east-1", {}, "ecs.us-isob-east-1.sc2s.sgov.gov"),
        ("eu-isoe-west-1", {}, "ecs.eu-isoe-west-1.cloud.adc-e.uk"),
        ("us-isof-south-1", {}, "ecs.us-isof-south-1.csp.hci.ic.gov"),
        ("eusc-de-east-1", {}, "ecs.eusc-de-east-1.amazonaws.eu"),
        ("mx-central-1", {}, "ecs.mx-central-1.amazonaws.com"),
    ],
)
def test_every_partition_and_kind_of_endpoint(
    region: str, variables: dict[str, str], host: str, person: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be(person.with_keys("default").set(**variables), monkeypatch)
    text = (REPOSITORY / "omc.toml").read_text()
    (tmp_path / "omc.toml").write_text(
        text.replace(
            '[environments.staging]\nregion = "ap-southeast-2"', f'[environments.staging]\nregion = "{region}"'
        )
    )
    environment = load(tmp_path / "omc.toml").environments["staging"]
    client = Gateway(environment, access_to(environment)).client("ecs")
    assert client.meta.endpoint_url == f"https://{host}"


def denied(code: str, message: str = "no") -> tuple[int, bytes]:
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return 403, body.encode()


def role(person: Person, **answers: tuple[int, bytes]) -> Person:
    """A role over long-lived keys, of which STS says so."""
    person.gives.refusals.update(answers)
    return person.with_keys("s").role("r", source_profile="s")


def in_turn(*steps: Callable[[], object]) -> None:
    for step in steps:
        step()


def empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def variables(person: Person, until: str) -> Person:
    return person.set(AWS_ACCESS_KEY_ID="A", AWS_SECRET_ACCESS_KEY="b", AWS_CREDENTIAL_EXPIRATION=until)


HALF: dict[str, tuple[Callable[[Person], object], str]] = {
    "nothing at all": (
        lambda p: None,
        r"no AWS credentials for staging\. Log in first \(aws configure, or AWS_PROFILE\)",
    ),
    "a profile that isn't there": (
        lambda p: p.profile("dev").set(AWS_PROFILE="prod"),
        r"no profile prod in ~/\.aws/config \(there: dev\)\. Set AWS_PROFILE .*aws configure sso --profile prod",
    ),
    "no login to Identity Center yet": (
        lambda p: in_turn(lambda: p.identity_center("s"), lambda: empty(p.home / ".aws/sso/cache")),
        r"login to IAM Identity Center is missing or has expired\. Log in again \(aws sso login --profile s\)",
    ),
    "an old login to Identity Center": (
        lambda p: p.identity_center("s", is_old=True, until=PAST),
        r"Log in again \(aws sso login --profile s\)",
    ),
    "a login that can't be renewed": (
        lambda p: [p.identity_center("s", until=PAST), p.gives.refusals.update(CreateToken=(400, b"{}"))],
        r"Log in again \(aws sso login --profile s\)",
    ),
    "a login that Identity Center takes no more": (
        lambda p: [
            p.identity_center("s"),
            p.gives.refusals.update(GetRoleCredentials=(401, b'{"__type": "UnauthorizedException"}')),
        ],
        r"Log in again \(aws sso login --profile s\)",
    ),
    "a role of Identity Center that one hasn't": (
        lambda p: [
            p.identity_center("s"),
            p.gives.refusals.update(GetRoleCredentials=(403, b'{"__type": "ForbiddenException", "message": "None"}')),
        ],
        r"no credentials of role Deployer for staging: GetRoleCredentials was refused: .*None.*aws sso login",
    ),
    "Identity Center's answer without keys": (
        lambda p: [p.identity_center("s"), p.gives.refusals.update(GetRoleCredentials=(200, b"{}"))],
        r"isn't in AWS's form .*aws sso login --profile s",
    ),
    "a role over a login that has expired": (
        lambda p: p.identity_center("s", is_old=True, until=PAST).role("r", source_profile="s"),
        r"Log in again \(aws sso login --profile s\)",
    ),
    "a session of Identity Center that isn't there": (
        lambda p: p.profile("s", sso_session="gone", sso_account_id="1", sso_role_name="R").set(AWS_PROFILE="s"),
        r'sso-session does not exist: "gone"\. Correct it in ~/\.aws/config',
    ),
    "half of Identity Center's settings": (
        lambda p: p.profile("s", sso_account_id="1", sso_start_url="https://x").set(AWS_PROFILE="s"),
        r"missing required configuration: .*Correct it",
    ),
    "a damaged token of Identity Center": (
        lambda p: [
            p.identity_center("s"),
            [f.write_text('{"accessToken": 5}') for f in (p.home / ".aws/sso/cache").iterdir()],
        ],
        r"aws sso login --profile s",
    ),
    "a program that isn't there": (
        lambda p: p.profile("p", credential_process="/nonexistent/tool get --secret hidden").set(AWS_PROFILE="p"),
        r"credential_process of profile p \(/nonexistent/tool\) can't be run: No such file",
    ),
    "a program that may not be run": (
        lambda p: [
            (p.home / "x").write_text(""),
            p.profile("p", credential_process=str(p.home / "x")).set(AWS_PROFILE="p"),
        ],
        r"credential_process of profile p .* can't be run: Permission denied",
    ),
    "a program that fails": (
        lambda p: p.program("p", "import sys; sys.exit('Your \\x1b[31msession\\x1b[0m has ended')").set(
            AWS_PROFILE="p"
        ),
        r"credential_process of profile p .* failed: Your \[31msession",
    ),
    "a program that fails and says too much": (
        lambda p: p.program("p", "import sys; sys.exit('x' * 190 + ' password=' + 'hidden' * 9)").set(AWS_PROFILE="p"),
        r"credential_process of profile p .* failed: x{150,}(?!.*hid)",
    ),
    "a program that fails with its own call": (
        lambda p: p.program("p", 'import sys; sys.exit(\'curl -u me:hidden7 failed: {"token": "hidden"}\')').set(
            AWS_PROFILE="p"
        ),
        r"credential_process of profile p .* failed: curl -u me:\[redacted\] failed",
    ),
    "a program that fails without a word": (
        lambda p: p.program("p", "import sys; sys.exit(3)").set(AWS_PROFILE="p"),
        r"failed: it said nothing\. Log in again",
    ),
    "a program that gives old ones": (
        lambda p: p.prints("p", until=PAST).set(AWS_PROFILE="p"),
        r"credential_process of profile p .* gave credentials that have expired\. Log in again",
    ),
    "a program that prints prose": (
        lambda p: p.program("p", "print('hello')").set(AWS_PROFILE="p"),
        r"printed something that isn't credentials",
    ),
    "a program that prints a list": (
        lambda p: p.program("p", "print('[]')").set(AWS_PROFILE="p"),
        r"printed something that isn't credentials",
    ),
    "a program that prints bytes": (
        lambda p: p.program("p", "import os; os.write(1, b'\\xff\\xfe')").set(AWS_PROFILE="p"),
        r"printed something that isn't credentials",
    ),
    "a program of another version": (
        lambda p: p.program("p", "print('{\"Version\": 7}')").set(AWS_PROFILE="p"),
        r"failed: Unsupported version '7'",
    ),
    "a program without a key": (
        lambda p: p.program("p", "print('{\"Version\": 1}')").set(AWS_PROFILE="p"),
        r"failed: Missing required key",
    ),
    "a program with no date for an end": (
        lambda p: p.prints("p", until="tomorrow, maybe").set(AWS_PROFILE="p"),
        r"printed something that isn't credentials",
    ),
    "a program whose words don't end": (
        lambda p: p.profile("p", credential_process="tool 'open").set(AWS_PROFILE="p"),
        r"credential_process of profile p",
    ),
    "no token of a web identity": (
        lambda p: in_turn(p.web_identity, (p.home / "token").unlink),
        r"web identity token file .*/token can't be read",
    ),
    "a token of a web identity that isn't text": (
        lambda p: [p.web_identity(), (p.home / "token").write_bytes(b"\xff\xfe")],
        r"web identity token file .*/token can't be read",
    ),
    "a web identity without a role": (
        lambda p: p.web_identity().set(AWS_ROLE_ARN=""),
        r"no role ARN configured",
    ),
    "a web identity that AWS doesn't take": (
        lambda p: [p.web_identity(), p.gives.refusals.update(AssumeRoleWithWebIdentity=denied("InvalidIdentityToken"))],
        rf"no credentials of role {ROLE} for staging: AssumeRoleWithWebIdentity was refused: InvalidIdentityToken",
    ),
    "a web identity that has expired": (
        lambda p: [
            p.web_identity(),
            p.gives.refusals.update(AssumeRoleWithWebIdentity=denied("ExpiredTokenException")),
        ],
        r"have expired or are not valid",
    ),
    "a role's source that isn't there": (
        lambda p: p.role("r", source_profile="gone"),
        r'source_profile "gone" referenced in the profile "r" does not exist\. Correct it',
    ),
    "a role's source that has nothing": (
        lambda p: p.profile("s", region="eu-west-1").role("r", source_profile="s"),
        r'source profile "s" must have credentials',
    ),
    "roles in a circle": (
        lambda p: p.role("a", source_profile="b").role("b", source_profile="a"),
        r"[Ii]nfinite loop",
    ),
    "a role without a source": (lambda p: p.role("r"), r"lacks source_profile or credential_source"),
    "a role with two sources": (
        lambda p: p.with_keys("s").role("r", source_profile="s", credential_source="Environment"),
        r"contains both source_profile and credential_source",
    ),
    "a source that botocore doesn't know": (
        lambda p: p.role("r", credential_source="Toaster"),
        r'credential source "Toaster" referenced in profile "r" is not valid',
    ),
    "a source that has nothing": (
        lambda p: p.role("r", credential_source="Environment"),
        r"No credentials found in credential_source",
    ),
    "a role that one may not be": (
        lambda p: role(p, AssumeRole=denied("AccessDenied")),
        rf"no credentials of role {ROLE} for staging: AssumeRole was refused: AccessDenied",
    ),
    "a role over keys that have expired": (
        lambda p: role(p, AssumeRole=denied("ExpiredToken")),
        r"have expired or are not valid",
    ),
    "a role whose name is none": (
        lambda p: p.with_keys("s").role("r", source_profile="s", role_arn="x"),
        r"STS rejected the settings of profile r",
    ),
    "a wrong code": (
        lambda p: role(p, AssumeRole=denied("AccessDenied", "MultiFactorAuthentication failed with invalid code.")),
        r"did not accept the MFA code for staging: .*Run the command again, with the next code",
    ),
    "half of the variables": (lambda p: p.set(AWS_ACCESS_KEY_ID="A"), r"the shell lacks AWS_SECRET_ACCESS_KEY"),
    "variables that have ended": (
        lambda p: variables(p, PAST),
        r"have already expired\. Log in again \(new values for AWS_ACCESS_KEY_ID",
    ),
    "an end that is no time": (
        lambda p: variables(p, "x"),
        r"isn't in AWS's form",
    ),
    "half a pair of keys in a file": (
        lambda p: setattr(p.set(AWS_PROFILE="own"), "credentials", "[own]\naws_access_key_id = A\n"),
        r"profile own lacks aws_secret_access_key",
    ),
    "a file that can't be understood": (
        lambda p: setattr(p, "config", "role_arn = x\n[prof"),
        r"configuration can't be read",
    ),
    "a file that is a folder": (
        lambda p: in_turn((p.home / "d").mkdir, lambda: p.set(AWS_CONFIG_FILE=str(p.home / "d"))),
        r"no AWS credentials|can't be read",
    ),
    "an instance without a role": (
        lambda p: [p.on_an_instance(), p.gives.refusals.update({"metadata role": (404, b"")})],
        r"no AWS credentials for staging",
    ),
    "an instance that doesn't answer": (
        lambda p: p.on_an_instance().set(AWS_EC2_METADATA_SERVICE_ENDPOINT="http://127.0.0.1:9"),
        r"no AWS credentials for staging",
    ),
    "an instance's address that is none": (
        lambda p: p.on_an_instance().set(AWS_EC2_METADATA_SERVICE_ENDPOINT="not a url"),
        r"Invalid endpoint|no AWS credentials|valid",
    ),
    "a kind of address that is none": (
        lambda p: p.on_an_instance().set(AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE="ipv5"),
        r"ipv5",
    ),
    "a container that doesn't answer": (
        lambda p: p.set(AWS_CONTAINER_CREDENTIALS_FULL_URI="http://127.0.0.1:9/x"),
        r"gives them to this container or machine failed",
    ),
    "a container that says no": (
        lambda p: [p.in_a_container(), p.gives.refusals.update(metadata=(403, b"AccessDenied"))],
        r"gives them to this container or machine failed: .*403",
    ),
    "a container that says something else": (
        lambda p: [p.in_a_container(), p.gives.refusals.update(metadata=(200, b"{}"))],
        r"isn't in AWS's form",
    ),
    "a container at an address that may not be": (
        lambda p: p.set(AWS_CONTAINER_CREDENTIALS_FULL_URI="http://8.8.8.8/x"),
        r"Unsupported host|isn't in AWS's form",
    ),
    "a container's token that isn't there": (
        lambda p: p.in_a_container().set(AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE="/nonexistent/token"),
        r"/nonexistent/token",
    ),
    "STS that can't be reached": (
        lambda p: p.with_keys("s").role("r", source_profile="s").set(AWS_ENDPOINT_URL_STS="http://127.0.0.1:9"),
        r"The source of the credentials for staging can't be reached: .*127\.0\.0\.1:9",
    ),
    "an endpoint that is none": (
        lambda p: p.with_keys("default").set(AWS_ENDPOINT_URL_STS="nowhere"),
        r"Invalid endpoint: nowhere",
    ),
    "a count that is none": (lambda p: p.with_keys("default").set(AWS_METADATA_SERVICE_TIMEOUT="soon"), r"soon"),
    "a way of retrying that is none": (
        lambda p: p.profile("d", sts_regional_endpoints="sometimes").with_keys("d").set(AWS_PROFILE="d"),
        r"sometimes",
    ),
}


@pytest.mark.parametrize("what", HALF)
def test_half_of_it_is_one_sentence(what: str, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    break_it, sentence = HALF[what]
    break_it(person)
    be(person, monkeypatch)
    with pytest.raises(Unknown) as raised:
        who(Gateway(STAGING, access_to(STAGING)))
    assert re.search(sentence, raised.value.message), raised.value.message
    assert "\n" not in raised.value.message
    assert raised.value.message.isprintable()
    assert "hidden" not in raised.value.message
    assert raised.value.exit_code == 3


def _exceptions() -> list[type[Exception]]:
    return sorted(
        (
            each
            for each in vars(botocore.exceptions).values()
            if isinstance(each, type) and issubclass(each, botocore.exceptions.BotoCoreError)
        ),
        key=lambda each: each.__name__,
    )


@pytest.mark.parametrize("kind", _exceptions(), ids=lambda kind: kind.__name__)
def test_whatever_botocore_raises_is_a_sentence(kind: type[Exception]) -> None:
    """All of botocore's exceptions, also those that no provider raises today."""
    fields = {
        *re.findall(r"{(\w+)", getattr(kind, "fmt", "")),
        *(("last_response",) if "Waiter" in kind.__name__ else ()),
    }
    error = kind(**dict.fromkeys(fields, "thing\x1b[0m"))
    for omc_error in (explain(error, Setup(STAGING)), settings_at_fault(error, "ecs", Setup(STAGING))):
        assert isinstance(omc_error, Unknown)
        assert "staging" in omc_error.message
        assert omc_error.message.isprintable()
        assert omc_error.message.endswith(".")
        assert len(omc_error.message) < 600


def test_terraforms_sdk_knows_each_provider_or_is_served() -> None:
    from omc.aws.handover import NATIVE, SERVED

    assert {method for method, _ in SOURCES.values()} == NATIVE | SERVED


def test_terraform_is_told_where_credentials_come_from_and_served_those_that_it_cannot_find(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omc.aws.handover import KEYS, identity

    be(person.identity_center("s").set(AWS_ACCESS_KEY_ID="another", AWS_SECRET_ACCESS_KEY="one"), monkeypatch)
    named = replace(STAGING, profile="s")
    record = identity(Gateway(named, access_to(named)))
    assert record["AWS_PROFILE"] == "s"
    assert [record[name] for name in KEYS] == ["", "", "", ""], "Go would take the shell's keys before the profile"

    monkeypatch.setattr(credentials, "ask_for_code", lambda prompt: "123456")
    person.set(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_USE_FIPS_ENDPOINT="true")
    be(person.with_keys("base").role("m", source_profile="base", mfa_serial="arn:aws:iam::1:mfa/jo"), monkeypatch)
    gateway = Gateway(STAGING, access_to(STAGING))
    record = identity(gateway)
    assert record == identity(gateway), "one server for as long as omc runs"
    assert record["AWS_USE_FIPS_ENDPOINT"] == "true"
    assert person.gives.keys.secret_key not in record.values()
    for name, value in record.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    request = Gateway(STAGING, access_to(STAGING))
    assert who(request) == person.gives.keys.access_key
    assert credentials.shared_credentials(STAGING).method == "container-role"
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "guessed")
    with pytest.raises(Unknown, match="403"):
        who(Gateway(STAGING, access_to(STAGING)))
