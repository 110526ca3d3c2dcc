"""Processes are started, measured and ended whole; a killed run's orphans are ended, and nothing else."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.processes import Supervisor, read_entry
from support.waiting import eventually

ENV = {"PATH": os.environ["PATH"]}


def lives(pid: int) -> bool:
    entry = read_entry(pid)
    return entry is not None and not entry.zombie


def number_in(path: Path) -> int:
    eventually("the number is written", lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(tmp_path / "state")
    yield supervisor
    supervisor.stop()


def test_a_process_says_its_output_and_its_exit_code(supervisor: Supervisor, tmp_path: Path) -> None:
    log = tmp_path / "out"
    process = supervisor.spawn("one", ["sh", "-c", "echo hello; exit 3"], env=ENV, cwd=tmp_path, output=log)
    eventually("the process has ended", lambda: process.poll() is not None)
    assert process.poll() == 3
    assert log.read_text() == "hello\n"
    assert supervisor.running() == []


def test_output_can_go_to_a_pipe(supervisor: Supervisor, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    process = supervisor.spawn("one", ["echo", "through the pipe"], env=ENV, cwd=tmp_path, output=writer)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "through the pipe\n"
    eventually("the process has ended", lambda: process.poll() == 0)


def test_a_missing_program_is_an_error_and_leaves_no_record(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        supervisor.spawn("none", ["no-such-program"], env=ENV, cwd=tmp_path, output=tmp_path / "out")
    assert supervisor.running() == []


def test_ending_asks_first_and_insists_then(supervisor: Supervisor, tmp_path: Path) -> None:
    polite = supervisor.spawn("polite", ["sleep", "100"], env=ENV, cwd=tmp_path, output=tmp_path / "a")
    stubborn_code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(99)"
    stubborn = supervisor.spawn(
        "stubborn", [sys.executable, "-c", stubborn_code], env=ENV, cwd=tmp_path, output=tmp_path / "b"
    )
    eventually("the stubborn process is ready", lambda: (tmp_path / "b").read_text())
    supervisor.end_all([polite, stubborn], grace=5.0)  # time enough for the polite one on a busy machine
    assert polite.poll() == 128 + signal.SIGTERM
    assert stubborn.poll() == 128 + signal.SIGKILL


def test_children_end_with_their_parent_even_those_with_a_session_of_their_own(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    script = f"setsid sh -c 'echo $$ > {tmp_path}/child; sleep 100' & sleep 100 & echo $! > {tmp_path}/other; sleep 100"
    process = supervisor.spawn("parent", ["sh", "-c", script], env=ENV, cwd=tmp_path, output=tmp_path / "out")
    child, other = number_in(tmp_path / "child"), number_in(tmp_path / "other")
    supervisor.end(process, grace=2.0)
    eventually("both children have ended", lambda: not lives(child) and not lives(other))


def test_children_of_a_process_that_died_by_itself_are_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    script = f"setsid sh -c 'echo $$ > {tmp_path}/child; sleep 100' & sleep 0.3; exit 1"
    process = supervisor.spawn("parent", ["sh", "-c", script], env=ENV, cwd=tmp_path, output=tmp_path / "out")
    child = number_in(tmp_path / "child")
    eventually("the process has ended", lambda: process.poll() == 1)
    eventually("the child has ended", lambda: not lives(child))


def test_cpu_and_memory_are_those_of_the_whole_family(supervisor: Supervisor, tmp_path: Path) -> None:
    burn = "x = bytearray(80_000_000)\nwhile True: pass"
    process = supervisor.spawn(
        "burn", ["sh", "-c", f"{sys.executable} -c '{burn}'; true"], env=ENV, cwd=tmp_path, output=tmp_path / "out"
    )
    eventually(
        "the child's time and memory are counted",
        lambda: process.cpu_seconds() > 0.3 and process.memory_bytes() > 80_000_000,
    )
    assert process.memory_bytes() < 160_000_000
    supervisor.end(process, grace=0.1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives up its user id")
def test_an_unprivileged_process_is_not_root(supervisor: Supervisor, tmp_path: Path) -> None:
    code = supervisor.run("id", ["id", "-u"], env=ENV, cwd=tmp_path, output=tmp_path / "out", timeout=60)
    assert code == 0
    assert (tmp_path / "out").read_text() == "1000\n"


def test_a_killed_runs_orphans_are_ended_and_nothing_else(tmp_path: Path) -> None:
    state, pids = tmp_path / "state", tmp_path / "pids"
    program = f"""
import os, pathlib, time
from localcloud.core.processes import Supervisor
supervisor = Supervisor(pathlib.Path({str(state)!r}))
script = "setsid sleep 100 & echo $! $$ > {pids}; sleep 100"
root, output = pathlib.Path("/"), pathlib.Path({str(pids)!r} + ".out")
supervisor.spawn("parent", ["sh", "-c", script], env=dict(os.environ), cwd=root, output=output)
time.sleep(100)
"""
    run = subprocess.Popen([sys.executable, "-c", program])
    bystander = subprocess.Popen(["sleep", "100"])
    try:
        eventually("both process ids are written", lambda: pids.exists() and len(pids.read_text().split()) == 2)
        run.kill()
        run.wait()
        orphans = [int(word) for word in pids.read_text().split()]
        assert all(lives(pid) for pid in orphans)
        # A process that has the id of one of ours, but another start time, is somebody else's.
        with (state / "processes.jsonl").open("a") as records:
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            records.write(f'{{"marker": "m", "boot": "{boot}", "pid": {bystander.pid}, "started_at": 1}}\n{{"mark')
        later = Supervisor(state)
        assert later.reap_orphans() >= 2
        eventually("the orphans have ended", lambda: not any(lives(pid) for pid in orphans))
        assert bystander.poll() is None
        assert later.reap_orphans() == 0
    finally:
        for process in (run, bystander):
            process.kill()
            process.wait()


def test_one_started_in_the_instant_before_the_kill_is_found_by_its_marker(tmp_path: Path) -> None:
    state, marker = tmp_path / "state", secrets.token_hex(12)  # nobody else's on this machine
    state.mkdir()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    # The run wrote what it was about to do and was killed before it could write the process id.
    (state / "processes.jsonl").write_text(f'{{"marker": "{marker}", "name": "n", "boot": "{boot}", "signal": 15}}\n')
    orphan = subprocess.Popen(["sleep", "100"], env={**ENV, "LOCALCLOUD_PROCESS": marker})
    try:
        assert Supervisor(state).reap_orphans(grace=60.0) == 1
        assert orphan.wait(timeout=60) == -signal.SIGTERM
    finally:
        orphan.kill()
        orphan.wait()


def test_the_records_stay_short(supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localcloud.core.processes._COMPACT_AFTER", 5)
    stays = supervisor.spawn("stays", ["sleep", "100"], env=ENV, cwd=tmp_path, output=tmp_path / "out")

    def run_to_its_end() -> None:
        process = supervisor.spawn("short", ["true"], env=ENV, cwd=tmp_path, output=tmp_path / "out")
        eventually("the process has ended", lambda: process.poll() == 0)

    for _ in range(12):
        run_to_its_end()
    lines = (tmp_path / "state" / "processes.jsonl").read_text().splitlines()
    assert len(lines) < 20
    assert any(str(stays.pid) in line for line in lines)


def test_what_is_started_while_all_is_being_stopped_is_ended_too(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[int] = []

    class Late(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **more: Any) -> None:
            supervisor.stop()
            super().__init__(*arguments, **more)
            started.append(self.pid)

    monkeypatch.setattr(subprocess, "Popen", Late)
    with pytest.raises(OSError, match="going down"):
        supervisor.spawn("late", ["sleep", "300"], env=ENV, cwd=tmp_path, output=tmp_path / "out")
    assert not lives(started[0])
