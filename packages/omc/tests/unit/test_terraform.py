"""Finding and running Terraform, with small programs in its place that answer as it does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from omc import terraform as tf
from support.waiting import eventually


@pytest.fixture
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Terraform, mirror or registry: an empty PATH, an empty home, no roots to search."""
    home = tmp_path / "home"
    (home / "bin").mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{home / 'bin'}:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path / "data"))
    for name in ("OMC_TERRAFORM", "OMC_TERRAFORM_MIRROR", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tf, "ROOTS", ())
    monkeypatch.setattr(tf, "HOSTS", {"terraform": "registry.invalid", "tofu": "registry.invalid"})
    return home


def program(folder: Path, body: str, name: str = "terraform") -> Path:
    path = folder / name
    path.write_text(f"#!{sys.executable}\nimport json, sys, time\n{textwrap.dedent(body)}")
    path.chmod(0o755)
    return path


def terraform_that_is(version: str) -> str:
    return f"print(json.dumps({{'terraform_version': '{version}'}}))"


def mirror(folder: Path) -> Path:
    (folder / "registry.invalid" / tf.PROVIDER / tf.PROVIDER_VERSION / tf._platform()).mkdir(parents=True)
    return folder


def test_without_terraform_it_says_what_to_install(empty_machine: Path) -> None:
    with pytest.raises(tf.TerraformError, match=r"Terraform isn't installed: install Terraform 1\.11 or newer"):
        tf.find_terraform()


def test_an_old_terraform_is_refused(empty_machine: Path) -> None:
    program(empty_machine / "bin", terraform_that_is("1.9.8"))
    with pytest.raises(tf.TerraformError, match=r"Terraform 1\.9\.8 at .* is too old: 1\.11"):
        tf.find_terraform()


def test_a_program_that_is_not_terraform_is_named(empty_machine: Path) -> None:
    program(empty_machine / "bin", "print('hello')")
    with pytest.raises(tf.TerraformError, match="doesn't answer `version -json`"):
        tf.find_terraform()


def test_a_chosen_program_that_cannot_run_is_named(empty_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMC_TERRAFORM", "/nowhere/terraform")
    with pytest.raises(tf.TerraformError, match="OMC_TERRAFORM names /nowhere/terraform"):
        tf.find_terraform()


def test_without_a_provider_it_says_where_one_is_looked_for(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[tuple[tuple[str, int], float]] = []

    def unreachable(address: tuple[str, int], timeout: float) -> socket.socket:
        requested.append((address, timeout))
        raise TimeoutError

    program(empty_machine / "bin", terraform_that_is("1.11.4"))
    monkeypatch.setattr(socket, "create_connection", unreachable)
    with pytest.raises(tf.TerraformError, match=r"registry\.invalid can't be reached .* Set OMC_TERRAFORM_MIRROR"):
        tf.find_terraform()
    assert requested == [(("registry.invalid", 443), tf.REGISTRY_TIMEOUT)]


def test_a_mirror_in_terraforms_own_place_is_found(empty_machine: Path) -> None:
    program(empty_machine / "bin", terraform_that_is("1.12.0"))
    place = mirror(empty_machine / ".terraform.d/plugins")
    assert tf.find_terraform().init_arguments() == [f"-plugin-dir={place}"]


def test_a_mirror_under_the_usual_roots_is_found_a_few_folders_deep(
    empty_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(empty_machine / "bin", terraform_that_is("1.12.0"))
    place = mirror(tmp_path / "software/plugins/terraform")
    monkeypatch.setattr(tf, "ROOTS", (tmp_path / "software",))
    assert tf.find_terraform().mirror == place


def test_what_was_remembered_is_used_and_the_environment_overrides_it(
    empty_machine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(empty_machine / "bin", terraform_that_is("1.12.0"))
    remembered, chosen = mirror(tmp_path / "remembered"), mirror(tmp_path / "chosen")
    assert tf.find_terraform({"mirror": str(remembered)}).mirror == remembered
    monkeypatch.setenv("OMC_TERRAFORM_MIRROR", str(chosen))
    assert tf.find_terraform({"mirror": str(remembered)}).mirror == chosen


def test_settings_that_point_to_nothing_or_elsewhere_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", "/nowhere/terraformrc")
    monkeypatch.setenv("TF_VAR_images", "someone else's")
    monkeypatch.setenv("AWS_PROFILE", "production")
    env = tf.environment({"AWS_REGION": "ap-southeast-2"})
    assert not {"TF_CLI_CONFIG_FILE", "TF_VAR_images", "AWS_PROFILE"} & env.keys()
    assert env["AWS_REGION"] == "ap-southeast-2"


def test_the_first_diagnostic_becomes_the_error(tmp_path: Path) -> None:
    record = {
        "@level": "error",
        "@message": "Error: no",
        "diagnostic": {"summary": "creating RDS", "detail": "quota\nexceeded", "address": "aws_db_instance.this"},
    }
    executable = program(tmp_path, f"print({json.dumps(record)!r}); sys.exit(1)")
    events: list[object] = []
    with pytest.raises(tf.TerraformError, match=r"apply failed in .*: creating RDS: quota exceeded \(aws_db_inst"):
        tf.run(tf.Terraform(executable, None), tmp_path, ["apply"], env={}, event=events.append)
    assert len(events) == 1


def test_an_error_printed_for_people_is_put_on_one_line(tmp_path: Path) -> None:
    executable = program(tmp_path, "print('╷\\n│ Error: Failed to get state\\n│ \\n│ no such bucket\\n╵'); sys.exit(1)")
    with pytest.raises(tf.TerraformError, match="Error: Failed to get state no such bucket"):
        tf.run(tf.Terraform(executable, None), tmp_path, ["init"], env={})


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_terraform_writes_its_state_when_we_are_stopped(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C in a terminal signals the whole group, kill -9 only us: either way Terraform is interrupted once."""
    executable = program(
        tmp_path,
        """
        import signal
        def stop(*_):
            signal.signal(signal.SIGINT, lambda *_: sys.exit(2))  # a second one: Terraform gives up at once
            time.sleep(0.5)
            print("Interrupt received", flush=True)  # which must not kill it when nobody reads any more
            open("state-written", "w").close()
            sys.exit(1)
        signal.signal(signal.SIGINT, stop)
        print("{}", flush=True)
        open("started", "w").close()
        time.sleep(200)
        """,
    )
    caller = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, pathlib; from omc import terraform as tf\n"
            "tf.run(tf.Terraform(pathlib.Path(sys.argv[1]), None), pathlib.Path(sys.argv[2]), ['apply'], env={})",
            str(executable),
            str(tmp_path),
        ],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually("the stand-in starts", (tmp_path / "started").exists)
    if how is signal.SIGINT:
        os.killpg(caller.pid, how)
    else:
        os.kill(caller.pid, how)
    caller.wait(60)
    eventually("Terraform is let finish", (tmp_path / "state-written").exists)


NOTES_INTERRUPTS = """
    import os, pathlib, signal
    def note(*_):
        with open("interrupts", "a") as file:
            file.write("SIGINT ")
    signal.signal(signal.SIGINT, note)
    pathlib.Path("pid").write_text(str(os.getpid()))
    pathlib.Path("started").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.02)
    pathlib.Path("state-written").touch()
"""
STOPS = """
import pathlib, sys
from omc import terraform as tf
interrupt = tf._interrupt
def noted(process):
    interrupt(process)
    with open("told", "a") as file:
        file.write("x")
tf._interrupt = noted
here = pathlib.Path.cwd()
tf.run(tf.Terraform(here / "terraform", None), here, ["apply"], env={}, stop=(here / "started").exists)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_terraform_that_was_told_to_stop_is_not_told_again(tmp_path: Path, how: signal.Signals) -> None:
    """The caller sees the cancel, and then it ends itself: a second SIGINT would end Terraform without its state."""
    program(tmp_path, NOTES_INTERRUPTS)
    response = tmp_path / "told"
    response.touch()
    caller = subprocess.Popen(
        [sys.executable, "-c", STOPS], cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        eventually("Terraform is interrupted", lambda: response.read_text() and (tmp_path / "interrupts").exists())
        if how is signal.SIGINT:
            os.killpg(caller.pid, how)
            eventually("the caller passes it on", lambda: response.read_text() == "xx")
        else:
            caller.kill()
            caller.wait(60)
        pid = int((tmp_path / "pid").read_text())
        eventually("nobody is left to interrupt it", lambda: group_of(pid) == [pid])
        (tmp_path / "go").touch()
        caller.wait(60)
        eventually("Terraform writes its state", (tmp_path / "state-written").exists)
        assert (tmp_path / "interrupts").read_text() == "SIGINT "
    finally:
        (tmp_path / "go").touch()
        caller.kill()
        caller.wait()


def group_of(leader: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (OSError, psutil.NoSuchProcess):
            continue
    return found


def test_a_silent_terraform_is_asked_about_all_the_time(tmp_path: Path) -> None:
    """It says nothing between its start and its end, and is interrupted nevertheless; then nobody is asked any more."""
    executable = program(tmp_path, NOTES_INTERRUPTS.replace('"go"', '"interrupts"'))
    requested: list[bool] = []

    def stop() -> bool:
        requested.append((tmp_path / "started").exists())
        return requested[-1]

    tf.run(tf.Terraform(executable, None), tmp_path, ["apply"], env={}, event=lambda _: None, stop=stop)
    assert (tmp_path / "interrupts").read_text() == "SIGINT "
    assert requested.count(True) == 1


def test_nothing_is_left_of_a_terraform_that_has_ended(tmp_path: Path) -> None:
    executable = program(tmp_path, "import os; print(os.getpid())")
    pid = int(tf.run(tf.Terraform(executable, None), tmp_path, ["version"], env={}, stop=lambda: False))
    eventually("its group is gone", lambda: group_of(pid) == [])


@pytest.mark.terraform
def test_the_real_terraform_stops_after_what_is_under_way(tmp_path: Path) -> None:
    """Its state is written, its lock released, and what depends on the one under way isn't begun."""
    (tmp_path / "main.tf").write_text(
        """
        resource "terraform_data" "first" {}
        resource "terraform_data" "second" {
          depends_on = [terraform_data.first]
          provisioner "local-exec" {
            command = "touch started; while [ ! -e never ]; do sleep 0.05; done"
          }
        }
        resource "terraform_data" "third" {
          depends_on = [terraform_data.second]
        }
        """
    )
    terraform = tf.Terraform(tf._executable(), None)
    tf.run(terraform, tmp_path, ["init"], env={})
    messages: list[str] = []
    with pytest.raises(tf.TerraformError, match="terraform apply failed in"):
        tf.run(
            terraform,
            tmp_path,
            ["apply", "-auto-approve"],
            env={},
            event=lambda event: messages.append(f"{event.get('type')} {event['@message']}"),
            stop=(tmp_path / "started").exists,
        )
    assert len([line for line in messages if "Interrupt received" in line]) == 1
    assert not [line for line in messages if "Two interrupts" in line]
    there = [resource["name"] for resource in tf.state(terraform, tmp_path, env={})["resources"]]
    assert there == ["first", "second"]
    assert not (tmp_path / ".terraform.tfstate.lock.info").exists()


def test_somebody_elses_process_may_be_called_what_it_likes(tmp_path: Path) -> None:
    """Linux cuts a long name in the middle of a character; every process of the machine is looked at."""
    odd = os.fsencode(tmp_path) + b"/fourteen-chars\xc3"
    shutil.copy("/bin/sleep", os.fsdecode(odd))
    process = subprocess.Popen([odd, "60"])
    try:
        eventually("it has its name", lambda: b"fourteen" in Path(f"/proc/{process.pid}/comm").read_bytes())
        with pytest.raises(UnicodeDecodeError):
            Path(f"/proc/{process.pid}/comm").read_text()
        assert tf.marked("no such step") == []
        assert tf.working_in(tmp_path) == []
        tf.end_leftovers(tmp_path)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
