"""What is a secret by its name or shape is masked in any text and value; what only sounds like one is left alone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.procedures.definition_changes import changes as definition_changes
from omc.redaction import CHANGED, REDACTED, compared_without_secrets, mask, without_secrets
from omc.secret_names import is_secret_name
from support.growth import growth

CANARY = "c4n4ry"


def _words(text: str) -> list[str]:
    return text.split()


SECRETS = (
    f"login failed: user=bob pass={CANARY}",
    f'{{"user": "bob", "pass": "{CANARY}"}}',
    f'cut off {{"username":"bob","pass":"{CANARY}',
    f"user: bob, pass: {CANARY}",
    f"postgres://user:{CANARY}@host:5432/db",
    f"postgres://user:{CANARY}/x@y#z%{CANARY}@host/db",
    f"redis://:{CANARY}@cache:6379/0",
    f"amqp://u:p%40{CANARY}@host/vhost and more",
    f"Server=x;User Id=y;Password={CANARY} with {CANARY};Encrypt=1",
    f"jdbc:postgresql://host/db?user=x&password={CANARY}&ssl=true",
    f"host=x user=y password='{CANARY} it\\'s {CANARY}' dbname=z",
    f"eyJhbGciOiJIUzI1NiJ9.{CANARY}abcdef.abc-_",
    "AKIAIOSFODNN7EXAMPLE c4n4ryUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY9z",
    f"Authorization: Bearer {CANARY}",
    f"Authorization: Basic {CANARY} {CANARY}",
    f"the header was Bearer {CANARY}abcdef",
    f"Proxy-Authorization: Negotiate {CANARY}",
    f"Cookie: session={CANARY}; other={CANARY}",
    f"X-Api-Key: {CANARY}",
    f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n{CANARY}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY} that was cut off",
    json.dumps({"password": CANARY}),
    json.dumps({"message": json.dumps({"password": f'{CANARY}"{CANARY}'})}),
    json.dumps({"message": json.dumps({"inner": json.dumps({"api_key": CANARY})})}),
    repr({"password": CANARY, "user": "x"}),
    f"https://host/path?a=1&token={CANARY}&b=2",
    f"url=https://host/path?token={CANARY}",
    f"password='{CANARY}\n{CANARY}'",
    f"msg=password={CANARY}",
    f"password%3D{CANARY}%26user%3Dx",
    f"--db-password {CANARY}",
    f"--token={CANARY}",
    f"export DB_PASS={CANARY}",
    f"secret_key: {CANARY}",
    f"client_secret=[{CANARY}",
    f"password={CANARY},{CANARY};{CANARY}",
    f"password=a'{CANARY}",
    f"pwd={{{CANARY}}}",
    f"ALTER USER x PASSWORD '{CANARY}'",
    f"CREATE USER x IDENTIFIED BY '{CANARY}'",
    f"<Password>{CANARY}</Password>",
    json.dumps([{"name": "SMTP_PASSWORD", "value": CANARY}]),
    "run: '" + json.dumps({"value": CANARY, "name": "SMTP_PASSWORD"}) + "'",
    f"https://hooks.slack.com/services/T0/B0/{CANARY}",
    f"https://discord.com/api/webhooks/1234/{CANARY}",
    f"xoxb-{CANARY}-{CANARY}",
    f"sk_live_{CANARY}abc",
    f"ghp_{CANARY}aaaaaaaaaaaaaaaaaaaa",
    f"github_pat_{CANARY}aaaaaaaaaaaaaaaaaaaa",
    f"glpat-{CANARY}-aaaaaaaaaaaa",
    f"API key: {CANARY}",
    f"9password={CANARY}",
    f"{'x' * 300}_password={CANARY}",
    f"\x1b[36mpassword\x1b[0m=\x1b[35m{CANARY}\x1b[0m",
    f"\x1b[1;36mapi_key\x1b[0m: \x1b[32m'{CANARY} {CANARY}'\x1b[0m",
    f"\x1b[31mtoken={CANARY}\x1b[0m",
    f"password             = {CANARY}",
    f'db_password\t\t=\t"{CANARY} {CANARY}"',
    f"client_secret:              {CANARY}",
    f"user[password]={CANARY}&user[name]=x",
    f'Parameters: {{"user[password]"=>"{CANARY}"}}',
    f"user%5Bpassword%5D={CANARY}&x=y",
    f"<wsse:Password Type='PasswordText'>{CANARY}</wsse:Password>",
    f'<ns1:password xsi:type="xsd:string">{CANARY}</ns1:password>',
    f"run with {[{'name': 'SMTP_PASSWORD', 'value': CANARY}]}",
    f"environment=[{{name=SMTP_PASSWORD,value={CANARY}}},{{name=LEVEL,value=info}}]",
    f"db.host:5432/?Action=connect&DBUser=app&X-Amz-Signature=ab12{'0' * 60} password={CANARY}",
)
HARMLESS = (
    "password reset page",
    "token bucket",
    "bearer token",
    "Basic auth is off",
    "cookie consent",
    "authorization failed for user 7",
    f"backend@sha256:{'ab' * 32}",
    "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:rds!db-abc-AbCdEf",
    "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:db-AbCdEf:password::",
    "backend.secrets.DB_PASSWORD: arn:aws:secretsmanager:ap-southeast-2:1:secret:x → nothing",
    "backend.secrets.DB_PASSWORD: /prod/db/password",
    "backend:41 → backend:42",
    "Plan file, which holds secrets: /tmp/x.tfplan",
    "NextToken=abc",
    "--client-token abc",
    "the credentials lack ecs:DescribeServices",
    "SECRET_ARN=foo",
    "key: value",
    "primary_key=5",
    "kms_key_id=abc",
    "max_tokens=512",
    "tokens: 12",
    "password_min_length = 12",
    "manage_master_user_password: true",
    "password=${DB_PASSWORD}",
    "PGPASSWORD=$SECRET",
    "https://host:8080/a/@scope/pkg",
    "http://127.0.0.1:8080/x",
    "ssh://git@github.com/x/y",
    "mail user@example.com",
    "commit 0123456789abcdef0123456789abcdef01234567",
    "The secret of DB_PASSWORD: AccessDeniedException",
    "12 tests, pass: 11, fail: 1",
    '{"suite": "login", "pass": 11}',
    "JWT token: JsonWebTokenError: signature",
    "ExpiredTokenException: Signature not yet current",
    "NoCredentialsError: Unable to locate credentials",
    "SecretNotFoundFault: backend/db",
    "no secret: botocore.errorfactory.ResourceNotFoundException",
    "PWD=/root",
    f"password={REDACTED}",
)
NAMES_OF_SECRETS = _words(
    "PASSWORD SMTP_PASSWORD db_pass DB_PW PGPASSWORD smtpPassword SecretString SECRET_KEY secret_key_base apiKey "
    "API_KEY STRIPE_KEY ENCRYPTION_KEY AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN auth_token accessToken SENTRY_DSN "
    "CONNECTION_STRING BASIC_AUTH SLACK_WEBHOOK_URL credentials Authorization Set-Cookie client-secret PASSWORD_OLD "
    "GITHUB_TOKEN TOKEN_2 private_key_pem x-api-key JWT_SECRET master_password passphrase PAGERDUTY_KEY"
)
NAMES_OF_NONE = _words(
    "key KEY_ID PRIMARY_KEY foreign_key public_key partition_key cache_key S3_KEY kms_key kms_key_id access_key_id "
    "SECRET_ARN secret_name SecretId PASSWORD_FILE password_min_length token_ttl next_token NextToken clientToken "
    "PWD pass compass monkey turnkey tokenizer_path secretsManagerArn valueFrom credentialsParameter bypass keyboard "
    "DATABASE_URL authorizationConfig secretOptions secret_version password_policy TOKEN_URL sort_key"
)


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_in_a_text_is_masked_and_masking_again_changes_nothing(text: str) -> None:
    masked = mask(text)
    assert CANARY not in masked
    assert REDACTED in masked
    assert mask(masked) == masked


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_masked_wherever_it_stands_in_a_log_line(text: str) -> None:
    assert CANARY not in mask(f'2026-11-29T18:00:00Z ERROR url=https://x/ {text}\n"and" more')
    assert CANARY not in mask(json.dumps({"level": "error", "message": text}))
    assert CANARY not in json.dumps(without_secrets({"log": [text, {"deep": text}]}))


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_sounds_like_a_secret_is_left_alone(text: str) -> None:
    assert mask(text) == text


@pytest.mark.parametrize("text", ["https://b.s3.amazonaws.com/x?X-Amz-Signature=", "https://b.blob.net/c?sv=1&sig="])
def test_the_signature_of_an_address_is_a_right_to_it(text: str) -> None:
    assert mask(f"GET {text}{'0a' * 32} 200") == f"GET {text}{REDACTED} 200"


@pytest.mark.parametrize("name", NAMES_OF_SECRETS)
def test_a_name_of_a_secret(name: str) -> None:
    assert is_secret_name(name)
    assert without_secrets({name: "correct-horse"}) == {name: REDACTED}
    assert without_secrets({"name": name, "value": "correct-horse"}) == {"name": name, "value": REDACTED}


@pytest.mark.parametrize("name", NAMES_OF_NONE)
def test_a_name_of_no_secret(name: str) -> None:
    assert not is_secret_name(name)
    assert without_secrets({name: "value"}) == {name: "value"}


@pytest.mark.parametrize(
    "name", [f"password={CANARY}", f"https://u:{CANARY}@h/", f"Bearer {CANARY}abcdef", f"xoxb-{CANARY}-{CANARY}"]
)
def test_a_fields_own_name_may_hold_a_secret(name: str) -> None:
    masked = without_secrets({"people": {name: "jo"}, name: [{name: 1}]})
    assert CANARY not in json.dumps(masked)
    assert without_secrets(masked) == masked


def test_a_container_keeps_where_its_secrets_are_from_and_loses_what_they_are() -> None:
    container = {
        "name": "backend",
        "image": "backend@sha256:00",
        "environment": [{"name": "DB_PASSWORD", "value": "correct-horse"}, {"name": "LOG_LEVEL", "value": "info"}],
        "secrets": [{"name": "API_KEY", "valueFrom": "/prod/api-key"}],
        "repositoryCredentials": {"credentialsParameter": "arn:aws:secretsmanager:x:1:secret:y"},
        "command": ["serve", "--admin-password", "correct-horse", "--port", "80"],
        "logConfiguration": {"secretOptions": [{"name": "splunk-token", "valueFrom": "/prod/splunk"}]},
    }
    masked = without_secrets(container)
    assert "correct-horse" not in json.dumps(masked)
    assert masked["environment"][0] == {"name": "DB_PASSWORD", "value": REDACTED}
    assert masked["command"] == ["serve", "--admin-password", REDACTED, "--port", "80"]
    for same in ("image", "secrets", "repositoryCredentials", "logConfiguration"):
        assert masked[same] == container[same]


def test_that_a_secret_changed_is_reported_and_not_to_what() -> None:
    def containers(password: str, other: str = "same") -> list[dict[str, object]]:
        values = [{"name": "SMTP_PASSWORD", "value": password}, {"name": "API_KEY", "value": other}]
        return [{"name": "backend", "image": "x", "environment": values}]

    before, after = compared_without_secrets(containers("correct-horse"), containers("battery-staple"))
    assert [one["value"] for one in after[0]["environment"]] == [CHANGED, REDACTED]
    assert "horse" not in json.dumps([before, after])
    assert "staple" not in json.dumps([before, after])
    wire = compared_without_secrets(json.dumps(containers("a", "b")), json.dumps(containers("b", "a")))
    assert wire[0] != wire[1]
    assert definition_changes({"containerDefinitions": containers("a")}, {"containerDefinitions": containers("b")}) == [
        f"backend.environment.SMTP_PASSWORD: {REDACTED} → {CHANGED}"
    ]


@pytest.mark.parametrize("depth", [300, 600, 5_000, 100_000])
def test_json_nested_without_end_is_a_text_like_any_other(depth: int) -> None:
    assert CANARY not in mask('{"a":' * depth + json.dumps({"password": CANARY}) + "}" * depth)
    assert CANARY not in mask("[" * depth + f' "password={CANARY}" ' + "]" * depth)


@given(st.text(max_size=300))
def test_masking_any_text_twice_is_masking_it_once(text: str) -> None:
    once = mask(text)
    assert mask(once) == once


@given(st.sampled_from(SECRETS), st.text(max_size=40), st.text(max_size=40))
def test_masking_a_secret_among_any_text_is_final(secret: str, before: str, after: str) -> None:
    once = mask(f"{before} {secret} {after}")
    assert mask(once) == once


@pytest.mark.parametrize(
    "part",
    [
        *(
            "a=",
            'a="',
            'a=\\"',
            'password="',
            "://a:",
            "password ",
            "aaaa",
            "-----BEGIN PRIVATE KEY-----",
            "\\",
            '"name":"',
        ),
        *("<a>", "--a ", "eyJaaaaaaa.", "bearer ", "password: {", '"value":"', "cookie:", "[", ";password=", "a.", "@"),
        *("password=arn:aws:/", "password=[redacted/", "arn:password=/", "password=→", "\x1b[1mtoken", "user[token]"),
    ],
)
def test_masking_takes_time_in_proportion_to_the_length(part: str) -> None:
    assert growth(mask, part) < 150  # 20 in proportion, 400 by the square


def test_patterns_that_few_texts_need_are_not_compiled_before_one_does() -> None:
    program = (
        "from omc.redaction import mask\nfrom omc.secret_shapes import compiled\n"
        "mask('The service backend runs 2 of 2 tasks (24 findings, all ok).')\n"
        "before = compiled.cache_info().currsize\n"
        "print(before, mask('curl -u me:hunter22 https://x'), compiled.cache_info().currsize > before)"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed == "0 curl -u me:[redacted] https://x True\n"
