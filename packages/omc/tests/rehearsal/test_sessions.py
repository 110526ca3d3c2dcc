"""The operator's doors on the whole stack: commands, the database, the cache and ports, each really through a task."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.commands import clean_env
from support.stack import CLUSTER, Stack
from support.waiting import eventually

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(600)]

REPOSITORY = Path(__file__).parents[4]


def started(stack: Stack, *words: str, **pipes: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "omc", *words],
        cwd=REPOSITORY,
        env=clean_env(OMC_LOCAL_STATE=str(stack.state)),
        stdout=pipes.get("stdout", subprocess.PIPE),
        stderr=pipes.get("stderr", subprocess.PIPE),
        stdin=pipes.get("stdin", subprocess.DEVNULL),
    )


@contextmanager
def fault(stack: Stack, name: str, **settings: str) -> Iterator[None]:
    chosen = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    done = stack.omc("local", "fault", "start", name, *chosen)
    assert done.returncode == 0, done.stderr
    try:
        yield
    finally:
        done = stack.omc("local", "fault", "stop", name)
        assert done.returncode == 0, done.stderr


def test_a_command_has_its_exit_code_and_its_bytes_both_ways(healthy: Stack) -> None:
    done = healthy.omc("exec", "--env", "local", "backend", "--", "sh", "-c", "echo $ENVIRONMENT; echo no >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "staging\nno\n")
    assert "A transcript is kept in the log group" in done.stderr

    sent = os.urandom(1_000_000)
    process = started(healthy, "exec", "--env", "local", "backend", "--", "cat", stdin=subprocess.PIPE)
    output, errors = process.communicate(sent, timeout=240)
    assert process.returncode == 0, errors.decode()
    assert output == sent


def test_ctrl_c_reaches_the_command(healthy: Stack) -> None:
    script = "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.2; done"
    process = started(healthy, "exec", "--env", "local", "backend", "--", "sh", "-c", script)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (9, b"caught\n"), errors.decode()


def test_at_a_terminal_there_is_a_shell_with_a_terminal(healthy: Stack) -> None:
    main, other = pty.openpty()
    process = started(healthy, "exec", "--env", "local", "backend", stdin=other, stdout=other, stderr=other)
    os.close(other)
    os.write(main, b"stty size; tty; exit 5\n")  # typed ahead: a terminal keeps it
    seen = b""
    try:
        while data := os.read(main, 4096):
            seen += data
    except OSError:  # the command has ended
        pass
    os.close(main)
    assert process.wait(60) == 5
    assert re.search(rb"\d+ \d+\r\n/dev/pts/\d+\r\n", seen), seen


def test_a_closed_door_says_what_closes_it(healthy: Stack) -> None:
    with fault(healthy, "exec-agent-stopped", service="backend"):
        for door in (("exec", "--env", "local", "backend", "--", "true"), ("db", "--env", "local", "--", "SELECT 1")):
            done = healthy.omc(*door)
            assert done.returncode == 3
            assert "agent: ECS Exec's agent in backend has stopped" in done.stderr, done.stderr
            assert "omc restart backend" in done.stderr
        shown = healthy.omc("exec", "--env", "local", "--check", "--output", "json")
        assert shown.returncode == 1
        assert shown.json["door"] == "closed"
        assert [each["name"] for each in shown.json["conditions"] if each["door"] == "closed"] == ["agent"]
    assert healthy.omc("exec", "--env", "local", "--check").returncode == 0


def test_a_missing_right_is_named(healthy: Stack) -> None:
    iam = healthy.client("iam")
    iam.create_user(UserName="onlooker")
    allowed = ["ecs:Describe*", "ecs:List*", "ec2:Describe*", "iam:Simulate*", "iam:Get*", "rds:Describe*", "ssm:None"]
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": allowed, "Resource": "*"}}
    iam.put_user_policy(UserName="onlooker", PolicyName="looks", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="onlooker")["AccessKey"]
    keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    try:
        for door, action in ((("exec",), "ecs:ExecuteCommand"), (("db",), "ssm:StartSession")):
            done = healthy.omc(*door, "--env", "local", "--", "true", env=healthy.reach() | keys)
            assert done.returncode == 3
            assert f"your right: user/onlooker lacks {action}" in done.stderr, done.stderr
    finally:
        iam.delete_access_key(UserName="onlooker", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="onlooker", PolicyName="looks")
        iam.delete_user(UserName="onlooker")


def test_the_database_is_read_and_not_written(healthy: Stack, tmp_path: Path) -> None:
    found = healthy.omc("db", "--env", "local", "--", "SELECT 'rows ' || count(*) FROM pg_tables")
    assert found.returncode == 0, found.stderr
    assert re.search(r"rows \d+", found.stdout)
    refused = healthy.omc("db", "--env", "local", "--", "CREATE TABLE never (a int)")
    assert refused.returncode == 1
    assert "read-only transaction" in refused.stderr
    listed = healthy.omc("doors", "--env", "local", "--output", "json").json[:2]
    assert [(each["door"], each["exit_code"]) for each in listed] == [("db", 1), ("db", 0)]

    if unshare := shutil.which("unshare"):  # the record's own PostgreSQL wants it where this is root
        (tmp_path / "unshare").symlink_to(unshare)
    own = healthy.omc("db", "--env", "local", "--", "SELECT 40 + 2 AS sum", env={"PATH": str(tmp_path)})
    assert own.returncode == 0, own.stderr
    assert "42" in own.stdout
    own = healthy.omc("db", "--env", "local", "--", "CREATE TABLE never (a int)", env={"PATH": str(tmp_path)})
    assert own.returncode == 1
    assert "read-only transaction" in own.stderr


def test_the_cache_answers_and_keeps_what_it_has(healthy: Stack) -> None:
    done = healthy.omc("redis", "--env", "local", "--", "PING")
    assert (done.returncode, done.stdout) == (0, "PONG\n"), done.stderr
    refused = healthy.omc("redis", "--env", "local", "--", "FLUSHALL")
    assert refused.returncode == 1
    assert "FLUSHALL isn't among the commands that only read: it deletes everything" in refused.stderr


def test_ports_lead_there_side_by_side_and_a_cut_is_survived(healthy: Stack) -> None:
    with fault(healthy, "session-idle-cut", seconds="6"):
        idle = healthy.omc("exec", "--env", "local", "backend", "--", "sleep", "100")
        assert idle.returncode == 3
        assert "timed out due to inactivity" in idle.stderr, idle.stderr

        process = started(healthy, "forward", "--env", "local", "backend", "8000", "frontend", "80")
        assert process.stderr is not None
        ports: list[str] = []
        for line in process.stderr:
            ports += re.findall(r"127\.0\.0\.1:(\d+) leads to", line.decode())
            if b"Ctrl-C" in line:
                break
        assert len(ports) == 2
        assert _status(ports[0], "/health/live") == 200
        assert _status(ports[1], "/") == 200
        told = eventually("the session is cut and opened again", lambda: _again(process, ports[0]), within=60)
        assert "timed out due to inactivity" in told
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


def _again(process: subprocess.Popen[bytes], port: str) -> str:
    """What is told once a connection has found the session over."""
    time.sleep(7)  # nothing may move: that is what is tested
    assert process.stderr is not None
    assert _status(port, "/health/live") == 200
    return process.stderr.readline().decode()


def _status(port: str, path: str) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return int(answer.status)


def test_a_guarded_door_wants_a_reason_and_tells_the_channel(healthy: Stack, tmp_path: Path) -> None:
    file = tmp_path / "omc.toml"
    file.write_text((REPOSITORY / "omc.toml").read_text() + "\n[approvals.local]\ntype_name = true\n")
    word = ("--stack", str(file), "exec", "--env", "local", "backend")
    refused = healthy.omc(*word, "--", "true")
    assert refused.returncode == 2
    assert "needs a reason: --reason" in refused.stderr
    write = healthy.omc("--stack", str(file), "db", "--env", "local", "--reason", "incident 12", "--write")
    assert "Writing in local needs its name too" in write.stderr

    done = healthy.omc(*word, "--reason", "incident 12", "--", "sh", "-c", "exit 4")
    assert done.returncode == 4, done.stderr
    listed = healthy.omc("doors", "--env", "local", "--output", "json").json[0]
    assert (listed["door"], listed["place"], listed["reason"], listed["exit_code"]) == (
        *("exec", "backend", "incident 12"),
        4,
    )
    assert listed["sessions"][0].startswith("ecs-execute-command-")
    transcript = healthy.client("logs").describe_log_streams(
        logGroupName=f"/ecs/{CLUSTER}/exec", logStreamNamePrefix=listed["sessions"][0]
    )
    assert transcript["logStreams"]
    pages = healthy.omc("--stack", str(file), "notify", "outbox", "--env", "local", "--output", "json")
    assert f"door:local:{listed['id']}:opened" in pages.stdout
    assert f"door:local:{listed['id']}:ended" in pages.stdout

    detach = ("--stack", str(file), "exec", "--env", "local", "--detach", "backend", "--yes", "--confirm", "local")
    detached = healthy.omc(*detach, "--reason", "incident 12", "--", "true", timeout=600)
    assert detached.returncode == 0, detached.stdout + detached.stderr
    [newest, *_] = healthy.omc("doors", "--env", "local", "--output", "json").json
    assert {name: newest[name] for name in ("door", "place", "what", "reason", "exit_code", "how")} == {
        "door": "exec --detach",
        "place": "backend",
        "what": "true",
        "reason": "incident 12",
        "exit_code": 0,
        "how": "the run succeeded",
    }
    pages = healthy.omc("--stack", str(file), "notify", "outbox", "--env", "local", "--output", "json")
    assert f"door:local:{newest['id']}:opened" in pages.stdout
