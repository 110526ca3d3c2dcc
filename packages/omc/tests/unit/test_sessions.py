"""The doors' judgement: each precondition of ECS Exec, the task that is chosen, what is refused, where it leads."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from omc.config.door_tables import DoorsTable
from omc.errors import Refused, Unknown, WrongUse
from omc.facts.data_doors import Login, login_of, secret_place
from omc.facts.exec_access import CHANNEL_ACTIONS, ExecAccess, ExecContainer, ExecTask, Network, Transcript
from omc.model.events import Event
from omc.sessions.authorities import bundle_url
from omc.sessions.cache import READS, CacheConnection, ServerError, refuse_unread, shown
from omc.sessions.checks import Door, choose_task, closing, conditions, transcript_sentence
from omc.sessions.command_open import has_desktop
from omc.sessions.consoles import console_url, match
from omc.sessions.data import read_secret
from omc.sessions.database import Target, arguments_of, execute, options_of, run_psql
from omc.sessions.model import DoorRequest, Ended, Opened, replay
from omc.sessions.places import Wanted, wanted_of
from support import release_facts as example
from support.fake_gateway import FakeGateway

AT = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)
TASK = ExecTask(
    id="0123456789abcdef0123456789abcdef",
    arn="arn:aws:ecs:ap-southeast-2:123456789012:task/shop/0123456789abcdef0123456789abcdef",
    service="backend",
    definition="shop-backend:7",
    status="RUNNING",
    health="HEALTHY",
    launch="FARGATE",
    platform="1.4.0",
    family="Linux",
    is_enabled=True,
    containers=(ExecContainer("backend", "RUNNING", "HEALTHY", "0123-9", "RUNNING"),),
    subnet="subnet-1",
    started=AT,
)
ROLE = "arn:aws:iam::123456789012:role/shop-backend-task"
LOGGED = Transcript("OVERRIDE", "/ecs/shop/exec")
OPEN = ExecAccess(
    task=TASK,
    container="backend",
    service_enabled=True,
    definition={"taskRoleArn": ROLE, "containerDefinitions": [{"name": "backend"}]},
    transcript=LOGGED,
    caller="arn:aws:iam::123456789012:role/omc-operator",
    decisions={"ecs:ExecuteCommand": "allowed"},
    role=ROLE,
    role_decisions=dict.fromkeys(CHANNEL_ACTIONS, "allowed"),
    network=Network(True, frozenset()),
)


def task(**changes: Any) -> ExecAccess:
    return replace(OPEN, task=replace(TASK, **changes))


def container(**changes: Any) -> ExecAccess:
    return task(containers=(replace(TASK.containers[0], **changes),))


def defined(whole: dict[str, Any] | None = None, **part: Any) -> ExecAccess:
    definition = {"taskRoleArn": ROLE, "containerDefinitions": [{"name": "backend", **part}], **(whole or {})}
    return replace(OPEN, definition=definition)


def denied(*actions: str) -> dict[str, str]:
    return dict.fromkeys(CHANNEL_ACTIONS, "allowed") | dict.fromkeys(actions, "implicitDeny")


KEYED = replace(LOGGED, key="alias/sessions")
AGENT_FOLDERS = [{"containerPath": path} for path in ("/managed-agents", "/var/lib/amazon", "/var/log/amazon/ssm")]
NO_WAY = Network(False, frozenset({"ecr.api"}))
CASES: list[tuple[ExecAccess, str, Door, str]] = [
    (task(status="PENDING"), "task", Door.CLOSED, "is PENDING"),
    (task(is_enabled=False), "enableExecuteCommand", Door.CLOSED, "was started before that. | omc restart backend"),
    (
        replace(task(is_enabled=False), service_enabled=False),
        "enableExecuteCommand",
        Door.CLOSED,
        "is off in the service",
    ),
    (task(is_enabled=None), "enableExecuteCommand", Door.UNKNOWN, "doesn't say"),
    (task(platform="1.3.0"), "platform", Door.CLOSED, "is 1.3.0; ECS Exec needs 1.4.0"),
    (task(platform="1.0.0", family="Windows_Server_2022_Core"), "platform", Door.OPEN, "1.0.0"),
    (task(platform="LATEST"), "platform", Door.UNKNOWN, "LATEST"),
    (task(launch="EC2", platform=""), "platform", Door.UNKNOWN, "1.50.2"),
    (task(launch="EXTERNAL", platform=""), "platform", Door.UNKNOWN, "outside of AWS"),
    (task(family="Windows_Server_2022_Core"), "Windows", Door.WARNING, "exit code isn't told. | --bare"),
    (container(status="STOPPED"), "container", Door.CLOSED, "is STOPPED"),
    (container(health="UNHEALTHY"), "container", Door.WARNING, "may replace the task"),
    (container(name="other"), "container", Door.CLOSED, "has no container backend"),
    (container(agent="PENDING"), "agent", Door.CLOSED, "still starting"),
    (
        container(agent="STOPPED", agent_reason="no room"),
        "agent",
        Door.CLOSED,
        "has stopped: no room. ECS doesn't start",
    ),
    (container(agent=""), "agent", Door.CLOSED, "names no agent"),
    (defined(readonlyRootFilesystem=True), "readonlyRootFilesystem", Door.CLOSED, "must write to it"),
    (
        defined(readonlyRootFilesystem=True, mountPoints=AGENT_FOLDERS),
        *("readonlyRootFilesystem", Door.WARNING, "writes to volumes"),
    ),
    (
        defined(readonlyRootFilesystem=True, mountPoints=[{"containerPath": "/", "readOnly": True}]),
        *("readonlyRootFilesystem", Door.CLOSED, "must write to it"),
    ),
    (defined({"pidMode": "task"}), "pidMode", Door.WARNING, "in one container of the task. | Choose"),
    (defined(environment=[{"name": "AWS_ACCESS_KEY_ID"}]), "AWS keys", Door.WARNING, "has AWS_ACCESS_KEY_ID"),
    (defined(secrets=[{"name": "AWS_SECRET_ACCESS_KEY"}]), "AWS keys", Door.WARNING, "has AWS_SECRET_ACCESS_KEY"),
    (replace(OPEN, role="", role_decisions=None), "task role", Door.CLOSED, "has no task role"),
    (
        replace(OPEN, role_decisions=denied("ssmmessages:OpenDataChannel")),
        *("task role", Door.CLOSED, "shop-backend-task lacks ssmmessages:OpenDataChannel"),
    ),
    (
        replace(OPEN, transcript=KEYED, role_decisions=denied("kms:Decrypt")),
        *(
            "task role",
            Door.CLOSED,
            "encrypted with alias/sessions, and the task role shop-backend-task lacks kms:Decrypt",
        ),
    ),
    (
        replace(OPEN, role_decisions=None, unread={"role_decisions": "AccessDenied on iam:Simulate."}),
        *("task role", Door.UNKNOWN, "AccessDenied on iam:Simulate."),
    ),
    (
        replace(OPEN, decisions={"ecs:ExecuteCommand": "explicitDeny"}),
        *("your right", Door.CLOSED, "role/omc-operator lacks ecs:ExecuteCommand"),
    ),
    (
        replace(OPEN, transcript=KEYED, decisions={"kms:GenerateDataKey": "implicitDeny"}),
        *("your right", Door.CLOSED, "needs it of you too"),
    ),
    (replace(OPEN, caller="", decisions=None), "your right", Door.UNKNOWN, "you are neither"),
    (replace(OPEN, network=NO_WAY), "network", Door.CLOSED, "no interface endpoint for ssmmessages, logs"),
    (
        replace(OPEN, transcript=replace(KEYED, logging="NONE"), network=Network(False, frozenset({"ssmmessages"}))),
        *("network", Door.CLOSED, "no interface endpoint for kms"),
    ),
    (replace(OPEN, network=Network(False, frozenset({"ssmmessages", "logs"}))), "network", Door.OPEN, "has a way"),
    (replace(OPEN, network=None, unread={"network": "Throttled."}), "network", Door.UNKNOWN, "Throttled."),
    (replace(OPEN, transcript=Transcript("NONE")), "transcript", Door.WARNING, "No transcript is kept"),
    (
        replace(OPEN, role_decisions=denied("logs:PutLogEvents")),
        *("transcript", Door.WARNING, "the task role lacks logs:PutLogEvents"),
    ),
]


def test_a_door_with_nothing_in_the_way_is_open() -> None:
    found = conditions(OPEN)
    assert {each.door for each in found} == {Door.OPEN}
    assert len({each.name for each in found}) == len(found)


@pytest.mark.parametrize(
    ("access", "name", "door", "words"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_each_precondition_is_named(access: ExecAccess, name: str, door: Door, words: str) -> None:
    [found] = [each for each in conditions(access) if each.name == name]
    assert found.door is door
    sentence, _, remedy = words.partition(" | ")
    assert sentence in found.sentence
    assert remedy in found.remedy
    if door is Door.CLOSED:
        assert found in closing(conditions(access))


def test_every_precondition_has_a_story() -> None:
    assert {each.name for each in conditions(OPEN)} == {name for _, name, _, _ in CASES}


def test_the_task_with_the_best_prospects_is_chosen() -> None:
    def made(name: str, **changes: Any) -> ExecTask:
        return replace(TASK, id=name, **changes)

    no_agent = (ExecContainer("backend", "RUNNING", "HEALTHY", "1-1", "STOPPED"),)
    tasks = [
        made("a1", status="PENDING"),
        made("b2", health="UNHEALTHY"),
        made("c3", containers=no_agent),
        made("d4", started=datetime(2026, 11, 30, 16, 59, tzinfo=UTC)),
        made("e5"),
    ]
    found = choose_task(tasks)
    assert found is not None
    assert found.id == "d4"
    assert choose_task(tasks, "c") is tasks[2]
    assert choose_task(tasks, "zz") is None


def test_what_is_kept_of_a_session_is_said_as_it_is() -> None:
    assert transcript_sentence(LOGGED) == "A transcript is kept in the log group /ecs/shop/exec."
    assert "bucket shop-audit" in transcript_sentence(Transcript("OVERRIDE", "", "shop-audit"))
    assert "among the container's own log lines" in transcript_sentence(Transcript(""))
    assert transcript_sentence(Transcript("NONE")).startswith("No transcript is kept")


def test_doors_of_production_want_a_reason() -> None:
    staging = example.environment()
    assert not staging.is_guarded
    assert replace(staging, name="production").is_guarded


def test_events_say_who_opened_what_and_how_it_ended() -> None:
    request = DoorRequest("exec", "backend", TASK.id, "backend", "incident 12", "ls")
    events: list[Event[Any]] = [
        Event(AT, "jo", request),
        Event(AT, "jo", Opened("ecs-execute-command-1", "A transcript is kept.")),
        Event(AT, "jo", Ended("after 3 s", 7)),
    ]
    assert replay("1", []) is None
    begun = replay("1", events[:1])
    assert begun is not None
    assert (begun.by, begun.request, begun.ended_at) == ("jo", request, None)
    over = replay("1", events)
    assert over is not None
    assert (over.sessions, over.exit_code, over.how) == (("ecs-execute-command-1",), 7, "after 3 s")


# -- the database and the cache


def test_a_login_is_found_by_the_address_that_the_service_connects_to() -> None:
    found = {
        "environment": [
            *({"name": name, "value": value} for name, value in (("REDIS_HOST", "cache.example"), ("PORT", "8000"))),
            *(
                {"name": f"POSTGRES_{name}", "value": value}
                for name, value in (("SERVER", "db.example"), ("DB", "shop"))
            ),
            {"name": "POSTGRES_USER", "value": "shop_app"},
        ],
        "secrets": [
            {"name": "POSTGRES_PASSWORD", "valueFrom": "arn:aws:secretsmanager:r:1:secret:shop-a1b2c3:password::"}
        ],
    }
    login = login_of(found, "db.example")
    assert login == Login("shop_app", "arn:aws:secretsmanager:r:1:secret:shop-a1b2c3:password::", "shop")
    assert secret_place(login.secret) == ("arn:aws:secretsmanager:r:1:secret:shop-a1b2c3", "password")
    assert login_of(found, "cache.example") == Login("", "")
    assert login_of(found, "other.example") is None
    assert secret_place("arn:aws:secretsmanager:r:1:secret:shop-a1b2c3")[1] == ""
    with pytest.raises(Refused, match="Secrets Manager"):
        secret_place("arn:aws:ssm:r:1:parameter/plain")


def test_the_database_is_told_to_let_nothing_be_changed_and_nothing_last() -> None:
    doors = DoorsTable(statement_seconds=30, idle_seconds=900)
    assert options_of(doors, writes=False) == (
        "-c default_transaction_read_only=on -c statement_timeout=30s "
        "-c idle_in_transaction_session_timeout=180s -c idle_session_timeout=900s"
    )
    assert "default_transaction_read_only=off" in options_of(doors, writes=True)
    assert arguments_of(["SELECT 1"]) == ["-c", "SELECT 1"]
    assert arguments_of(["-f", "repair.sql"]) == ["-f", "repair.sql"]
    assert arguments_of([]) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("KEYS *", "SCAN 0 MATCH"),
        ("flushall", "deletes everything"),
        ("CONFIG GET maxmemory", "parameter group"),
        ("SET a b", "--write"),
        ("CLIENT KILL 1.2.3.4:5", "CLIENT KILL isn't"),
        ("SLOWLOG RESET", "SLOWLOG RESET isn't"),
        ("MEMORY", "MEMORY  isn't"),
        ("EVAL return", "--write"),
        ("DEBUG SLEEP 9", "--write"),
        ("scan 0 count 1000000", "SCAN with a COUNT above 10000 holds up"),
        ("HSCAN key 0 MATCH * COUNT 10001", "HSCAN with a COUNT above"),
    ],
)
def test_a_command_that_does_not_only_read_is_refused(words: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        refuse_unread(words.split())
    assert said in refused.value.message


def test_commands_that_only_read_pass() -> None:
    for words in ("ping", "GET a", "SCAN 0 MATCH a:* COUNT 10", "slowlog get 5", "INFO", "memory usage a"):
        refuse_unread(words.split())
    assert not {"KEYS", "SORT", "MONITOR", "EVAL", "CONFIG", "DEBUG", "GETDEL", "GETEX", "MIGRATE"} & set(READS)


def test_answers_of_redis_are_shown_as_its_own_client_does() -> None:
    assert list(shown([b"0", [b"a\nb", 3, None], []])) == [
        *("1) 0", "2) 1) a", "      b", "   2) (integer) 3", "   3) (nil)", "3) (empty)"),
    ]
    assert list(shown(ServerError("ERR no"))) == ["(error) ERR no"]
    assert list(shown(b"\x1b[2J")) == [r"\x1b[2J"]
    assert list(shown(ServerError("ERR no such \x1b[2J"))) == [r"(error) ERR no such \x1b[2J"]


def test_a_word_of_a_command_may_be_any_bytes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = CacheConnection(listener.getsockname()[1], "cache", None)
        there, _ = listener.accept()
        with there:
            there.sendall(b"$-1\r\n")
            assert connection.ask(["GET", os.fsdecode(b"\xff")]) is None
            assert there.recv(100) == b"*2\r\n$3\r\nGET\r\n$1\r\n\xff\r\n"
        connection.close()


def test_ctrl_c_is_psqls_own_and_its_exit_code_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "psql"
    program.write_text('#!/bin/sh\nkill -INT "$PPID"\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    target = Target("db", 1, "shop", "reader", "hidden", tmp_path / "a.pem", writes=False, doors=DoorsTable())
    assert run_psql(target, ["SELECT 1"], os.environ) == 3
    program.write_text('#!/bin/sh\nkill -TERM "$$"\n')
    assert run_psql(target, ["SELECT 1"], os.environ) == 143


def test_psqls_password_is_in_a_file_of_this_user_alone_that_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, seen = tmp_path / "psql", tmp_path / "seen"
    program.write_text(
        f'#!/bin/sh\nenv > "{seen}"\nstat -c %a "$PGPASSFILE" >> "{seen}"\ncp "$PGPASSFILE" "{tmp_path}/kept"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    target = Target("db", 1, "shop", "reader", r"hid:d\en", tmp_path / "a.pem", writes=False, doors=DoorsTable())
    assert run_psql(target, ["SELECT 1"], os.environ) == 0
    assert (tmp_path / "kept").read_text() == r"db:1:shop:reader:hid\:d\\en" + "\n"
    lines = seen.read_text().splitlines()
    assert "600" in lines
    assert not [line for line in lines if "hid:d" in line], "not in the environment, which psql's children inherit"
    [named] = [line.partition("=")[2] for line in lines if line.startswith("PGPASSFILE=")]
    assert not Path(named).exists()


@dataclass
class Database:
    """A connection whose server refuses a statement."""

    closed: bool

    def execute(self, statement: str) -> None:
        raise psycopg.errors.QueryCanceled(f"canceling statement due to statement timeout: {statement}")


def test_a_statement_that_takes_too_long_ends_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(Database(closed=False), "SELECT pg_sleep(99)") == 1
    assert "QueryCanceled: canceling statement due to statement timeout" in capsys.readouterr().err
    with pytest.raises(psycopg.OperationalError):
        execute(Database(closed=True), "SELECT 1")


def test_a_secret_of_bytes_has_no_password() -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:login-AbCdEf"
    aws: Any = FakeGateway({("secretsmanager", "get_secret_value"): {"ARN": arn, "SecretBinary": b"x"}})
    with pytest.raises(Unknown, match="The secret login-AbCdEf holds bytes"):
        read_secret(aws, arn)


def test_ports_are_read_as_they_are_written() -> None:
    known = ["backend", "frontend"]
    assert wanted_of(["database", "15432:5432", "cache", "backend", "8000", "9000"], known) == [
        Wanted("database", 15432, 5432),
        Wanted("cache"),
        Wanted("backend", None, 8000),
        Wanted("backend", None, 9000),
    ]
    for words, said in (
        ("", "Say where to"),
        ("5432", "before it"),
        ("databse", 'Did you mean "database"?'),
        ("database 70000", "no port"),
        ("database 1:2 cache 1:3", "one place only"),
    ):
        with pytest.raises(WrongUse) as wrong:
            wanted_of(words.split(), known)
        assert said in wrong.value.message


# -- consoles


@pytest.mark.parametrize(
    ("kind", "name", "region", "expected"),
    [
        ("dashboard", "shop-a b", "ap-southeast-2", "https://ap-southeast-2.console.aws.amazon.com/cloudwatch/home?region=ap-southeast-2#dashboards/dashboard/shop-a%20b"),
        ("logs", "/ecs/shop/backend", "us-gov-west-1", "https://us-gov-west-1.console.amazonaws-us-gov.com/cloudwatch/home?region=us-gov-west-1#logsV2:log-groups/log-group/$252Fecs$252Fshop$252Fbackend"),
        ("alarm", "shop/5xx", "cn-north-1", "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1#alarmsV2:alarm/shop%2F5xx"),
        ("trace", "Root=1-5f84c7a1-0123456789abcdef01234567", "eu-west-1", "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#xray:traces/1-5f84c7a1-0123456789abcdef01234567"),
        ("alarm", "", "eu-west-1", "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:"),
    ],
)  # fmt: skip
def test_consoles_are_where_they_are_today(kind: str, name: str, region: str, expected: str) -> None:
    assert console_url(kind, name, region) == expected


def test_names_need_no_prefix_and_a_trace_must_be_one() -> None:
    assert match("infrastructure", ["shop-infrastructure"], "shop") == "shop-infrastructure"
    assert match("other", ["shop-infrastructure"], "shop") is None
    with pytest.raises(WrongUse, match="no trace's id"):
        console_url("trace", "javascript:1", "eu-west-1")
    assert bundle_url("eu-west-1").startswith("https://truststore.pki.rds.amazonaws.com/eu-west-1/")
    assert ".amazonaws.com.cn/" in bundle_url("cn-north-1")


def test_a_browser_is_opened_for_people_at_a_desktop_only() -> None:
    assert has_desktop("darwin", {})
    assert has_desktop("linux", {"WAYLAND_DISPLAY": "wayland-0"})
    assert not has_desktop("linux", {"DISPLAY": "", "SSH_CONNECTION": "x"})
