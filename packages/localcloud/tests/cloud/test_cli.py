"""The command as a person uses it: real processes, real state folders."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud.core import addresses
from localcloud.core.lock import StateLock, started_at
from support.commands import CommandResult, run
from support.waiting import eventually

pytestmark = pytest.mark.cloud


def localcloud(*arguments: str | Path) -> CommandResult:
    return run([sys.executable, "-m", "localcloud", *arguments])


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state folder that is left with no process behind it."""
    folder = tmp_path / "state"
    yield folder
    if folder.exists():
        localcloud("reset", "--force", "--state", folder)


def read_cloud_file(state: Path) -> dict[str, Any]:
    held: dict[str, Any] = json.loads((state / "cloud.json").read_text())
    return held


def alive(pid: int) -> bool:
    """A process whose parent never asks for its end stays as a zombie: that one is dead."""
    return started_at(pid) > 0


def kill(state: Path) -> None:
    """End the cloud as a crash does; a process may live on for a moment after it is killed."""
    pid = read_cloud_file(state)["pid"]
    os.kill(pid, signal.SIGKILL)
    eventually("the cloud has ended", lambda: not alive(pid))


def client(state: Path, service: str) -> Any:
    cloud = read_cloud_file(state)
    return boto3.client(  # type: ignore[call-overload]  # the stub wants a literal name
        service,
        endpoint_url=cloud["endpoint"],
        region_name=cloud["region"],
        aws_access_key_id=cloud["access_key_id"],
        aws_secret_access_key=cloud["secret_access_key"],
    )


def test_a_whole_life(state: Path) -> None:
    up = localcloud("up", "--state", state)
    assert up.returncode == 0, up.stderr
    assert up.stdout.strip() == read_cloud_file(state)["endpoint"]
    assert (state / "cloud.json").stat().st_mode & 0o777 == 0o600
    assert (state / "settings.json").stat().st_mode & 0o777 == 0o600
    client(state, "sqs").create_queue(QueueName="kept")

    again = localcloud("up", "--state", state)
    assert (again.returncode, again.stdout) == (0, up.stdout)

    payload = json.loads(localcloud("status", "--json", "--state", state).stdout)
    assert payload["running"]
    assert payload["endpoint"] == up.stdout.strip()
    pid = payload["pid"]

    down = localcloud("down", "--state", state)
    assert down.returncode == 0, down.stderr
    assert not alive(pid)
    assert not (state / "cloud.json").exists()
    assert localcloud("status", "--state", state).returncode == 3

    def again_within_a_minute() -> bool:
        assert localcloud("down", "--state", state).returncode == 0
        began = time.monotonic()
        assert localcloud("up", "--state", state).stdout == up.stdout
        return time.monotonic() - began < 60

    assert any(again_within_a_minute() for _ in range(3)), "not the machine's other work but the start is slow"
    assert "kept" in client(state, "sqs").list_queues()["QueueUrls"][0]


def test_a_killed_cloud_comes_back(state: Path) -> None:
    localcloud("up", "--state", state)
    client(state, "sqs").create_queue(QueueName="kept")

    def saved() -> bool:
        try:
            return b"kept" in (state / "snapshot").read_bytes()
        except FileNotFoundError:
            return False  # not written yet, or just being replaced

    eventually("the queue is in the snapshot", saved)
    kill(state)
    up = localcloud("up", "--state", state)
    assert up.returncode == 0, up.stderr
    assert "kept" in client(state, "sqs").list_queues()["QueueUrls"][0]


def test_down_cleans_up_after_a_kill(state: Path) -> None:
    localcloud("up", "--state", state)
    kill(state)
    down = localcloud("down", "--state", state)
    assert down.returncode == 0
    assert not (state / "cloud.json").exists()


def test_ctrl_c_in_the_foreground_is_an_orderly_stop(state: Path) -> None:
    command = [sys.executable, "-m", "localcloud", "serve", "--state", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as served:

        def serves() -> bool:
            assert served.poll() is None
            return (state / "cloud.json").exists()

        eventually("the cloud serves", serves)
        served.send_signal(signal.SIGINT)
        output, _ = served.communicate(timeout=60)
    assert served.returncode == 0, output
    assert "Traceback" not in output
    assert (state / "snapshot").exists()


def test_env_points_a_shell_here_and_nowhere_else(state: Path) -> None:
    localcloud("up", "--state", state)
    exports = localcloud("env", "--state", state).stdout
    script = f"{exports}\nenv | grep ^AWS_ | sort"
    shell = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"],
        "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "x"},
    )  # fmt: skip
    seen = dict(line.split("=", 1) for line in shell.stdout.splitlines())
    assert seen["AWS_ENDPOINT_URL"] == read_cloud_file(state)["endpoint"]
    assert seen["AWS_ACCESS_KEY_ID"] == read_cloud_file(state)["access_key_id"]
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & set(seen)


def sentence(ended: CommandResult) -> str:
    """The one sentence of a refusal."""
    assert ended.returncode != 0
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("localcloud: ")
    return line


def test_a_taken_port_names_its_owner_and_the_way_out(state: Path) -> None:
    state.mkdir()
    home = addresses.create(state, port=45_660)
    with socket.socket() as taken:
        taken.bind((home.settings.address, 45_660))
        taken.listen()
        message = sentence(localcloud("up", "--state", state))
    assert re.search(rf"Port 45660 .* taken by .*pid {os.getpid()}.*--port", message)
    assert StateLock(state).holder() is None


def test_two_servers_on_one_state_are_refused(state: Path) -> None:
    localcloud("up", "--state", state)
    assert f"pid {read_cloud_file(state)['pid']}" in sentence(localcloud("serve", "--state", state))


def test_a_state_that_can_not_be_saved_is_an_error_of_status_and_of_down(state: Path) -> None:
    localcloud("up", "--state", state)
    obstacle = state / "snapshot.new"
    while not obstacle.is_dir():  # the cloud may be writing just now
        with suppress(FileExistsError):
            obstacle.mkdir()
    client(state, "sqs").create_queue(QueueName="unsaved")

    def status() -> CommandResult:
        return localcloud("status", "--state", state)

    eventually("status says so", lambda: status().returncode == 1, 60)
    assert "Not saved: the whole state: " in status().stdout
    assert json.loads(localcloud("status", "--json", "--state", state).stdout)["parts"]["snapshot"]["unsaved"]
    message = sentence(localcloud("down", "--state", state))
    assert "is down, but not all of its state was saved: the whole state: " in message
    obstacle.rmdir()
    localcloud("up", "--state", state)
    assert status().returncode == 0
    assert localcloud("down", "--state", state).returncode == 0


def test_a_state_folder_is_private_even_where_others_made_it(state: Path) -> None:
    inner = state / "inner"
    inner.mkdir(parents=True)
    files = [state / "notes", inner / "run.sh"]
    for file, mode in zip(files, (0o644, 0o755), strict=True):
        file.write_text("x")
        file.chmod(mode)
    inner.chmod(0o777)
    state.chmod(0o755)
    assert localcloud("up", "--state", state).returncode == 0
    modes = {path.relative_to(state).as_posix(): path.stat().st_mode & 0o777 for path in (state, inner, *files)}
    assert modes == {".": 0o700, "inner": 0o700, "notes": 0o600, "inner/run.sh": 0o700}
    client(state, "sqs").create_queue(QueueName="q")
    localcloud("down", "--state", state)
    others = [path for path in state.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077]
    assert others == []


def test_reset_refuses_what_runs_and_what_is_not_its_own(state: Path, tmp_path: Path) -> None:
    localcloud("up", "--state", state)
    assert "--force" in sentence(localcloud("reset", "--state", state))
    assert localcloud("reset", "--force", "--state", state).returncode == 0
    assert not state.exists()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("irreplaceable")
    assert "isn't a state folder" in sentence(localcloud("reset", "--state", foreign))
    assert (foreign / "thesis.txt").exists()


def test_a_stopped_cloud_is_copied_and_both_run_side_by_side(state: Path, tmp_path: Path) -> None:
    """The copy has what the first had, at addresses of its own; what either does then, the other doesn't see."""
    copied = tmp_path / "copy"
    assert "to copy" in sentence(localcloud("copy", copied, "--state", state))
    localcloud("up", "--state", state)
    assert "`down`" in sentence(localcloud("copy", copied, "--state", state))
    sqs = client(state, "sqs")
    address = sqs.create_queue(QueueName="orders")["QueueUrl"]
    sqs.send_message(QueueUrl=address, MessageBody="bought")
    assert localcloud("down", "--state", state).returncode == 0
    (state / "stack.json").write_text(json.dumps({"queue": address}))
    try:
        made = localcloud("copy", copied, "--state", state)
        assert made.returncode == 0, made.stderr
        assert "exists already" in sentence(localcloud("copy", copied, "--state", state))
        for folder in (state, copied):
            assert localcloud("up", "--state", folder).returncode == 0
        first, second = read_cloud_file(state), read_cloud_file(copied)
        assert first["endpoint"] != second["endpoint"]
        assert first["account"] == second["account"]
        queues = [client(folder, "sqs").list_queues()["QueueUrls"] for folder in (state, copied)]
        assert [url[0].startswith(each["endpoint"]) for url, each in zip(queues, (first, second), strict=True)] == [
            True,
            True,
        ]
        assert json.loads((copied / "stack.json").read_text()) == {"queue": queues[1][0]}
        other = client(copied, "sqs")
        [message] = other.receive_message(QueueUrl=queues[1][0])["Messages"]
        assert message["Body"] == "bought"
        other.delete_queue(QueueUrl=queues[1][0])
        assert client(state, "sqs").list_queues()["QueueUrls"] == queues[0]
    finally:
        localcloud("reset", "--force", "--state", copied)


def test_a_state_of_another_version_is_refused(state: Path) -> None:
    state.mkdir()
    addresses.create(state)
    settings = json.loads((state / "settings.json").read_text())
    (state / "settings.json").write_text(json.dumps({**settings, "format": 99}))
    assert "`reset`" in sentence(localcloud("up", "--state", state))


def test_the_region_of_a_state_does_not_change(state: Path) -> None:
    state.mkdir()
    addresses.create(state)
    assert "ap-southeast-2" in sentence(localcloud("up", "--region", "eu-west-1", "--state", state))


def test_without_the_extra_it_says_what_to_install(state: Path) -> None:
    script = "import sys; sys.modules['cheroot'] = None; from localcloud.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", script, "serve", "--state", str(state)]
    assert "pip install ecs-localcloud" in sentence(run(command))


def test_a_full_disk_is_noticed_before_anything_is_written(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import sys; from localcloud.core import addresses; addresses.LEAST_FREE_BYTES = 1 << 60; "
        "from localcloud.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", script, "up", "--state", str(state)]
    assert "MB are free" in sentence(run(command))
    assert not (state / "settings.json").exists()


def test_a_block_is_its_owners_until_the_owner_is_gone(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    blocks = [addresses.create(folder).settings.block for folder in (first, second)]
    assert blocks[0] != blocks[1]
    assert addresses.load(first) is not None
    addresses.release(first)
    addresses.release(second)

    def owners() -> Iterator[Path]:
        for link in addresses.registry().iterdir():
            with suppress(OSError):  # the lock, which is no link; or a block that another process gave back just now
                yield link.readlink()

    assert not [owner for owner in owners() if tmp_path in owner.parents]


def test_its_help_speaks_to_somebody_who_has_never_heard_of_it() -> None:
    def output_of(*arguments: str) -> str:
        command = [sys.executable, "-m", "localcloud", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return " ".join(ended.stdout.split())

    assert re.fullmatch(r"localcloud \d+\.\d+\.\d+", output_of("--version"))
    assert "aws ecs list-clusters" in output_of("--help")
    assert "Nothing reaches AWS." in output_of("--help")
    for command in ("up", "serve", "down", "status", "reset", "logs", "env", "push"):
        assert f"{command} " in output_of("--help")
    assert "--profile {full,minimal}" in output_of("up", "--help")
    assert "No Docker is needed" in output_of("push", "--help")
