"""Finding Terraform and running it: the one place that shells out to it.

The provider may not be available from its registry (a laptop on a train, a build machine without internet), so omc
looks for a local mirror first: where Terraform itself looks, then once under the usual roots for optional software.
What was found is remembered by the caller. What a plan means is not judged here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import IO, Any

from omc import exact_json, procfs
from omc.errors import OmcError
from omc.interrupts import deferred_signals

NAMES = ("terraform", "tofu")
MINIMUM = (1, 11)
"""Write-only arguments and the S3 backend's own lock need Terraform 1.11."""

PROVIDER = "hashicorp/aws"
PROVIDER_VERSION = "5.100.0"
HOSTS = {"terraform": "registry.terraform.io", "tofu": "registry.opentofu.org"}
ROOTS = (Path("/opt"), Path("/usr/local"), Path("/srv"), Path.home())
"""Where a mirror may stand that Terraform itself would not look for."""

SEARCH_DEPTH = 4
REGISTRY_TIMEOUT = 3.0
POLL_INTERVAL = 0.05
"""Seconds between two looks at what Terraform has printed."""
ASK = 1.0
"""Seconds between two questions whether Terraform is to stop."""
STOP_TIMEOUT = 120.0
"""Seconds for Terraform to finish the resources under way after an interrupt; then nothing more can be saved."""
LAUNCH = 'exec 3<&0; (read -r _ <&3; kill -INT $$) 2>/dev/null & exec "$@" </dev/null 3<&-'
"""Becomes Terraform, and leaves a process beside it that waits for the end of its stdin and then interrupts it once.

We close that stdin to interrupt Terraform, and so does the kernel when we die: whoever comes second does nothing, where
a second SIGINT would make Terraform give up at once. The process is one of Terraform's group, and ends with it."""


_RUNNING: list[subprocess.Popen[str]] = []
"""What runs just now. More than one only where a caller runs Terraform in threads."""


class TerraformError(OmcError):
    """Terraform is missing, or it said no. The message carries its own first diagnostic."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds the lock of a state, as Terraform writes it into the lock; empty where that could not be read."""

    id: str
    operation: str
    """``OperationTypeApply``, ``OperationTypePlan``."""
    who: str
    """``user@host``."""
    created: datetime | None
    """UTC, by the clock of that host."""

    @property
    def words(self) -> str:
        """``alice@laptop holds since 09:00:00 UTC``, to follow "the lock, which"."""
        since = f" since {self.created:%Y-%m-%d %H:%M:%S} UTC" if self.created else ""
        return f"{self.who or 'somebody'} holds{since}" if self.id else "somebody holds or has just let go"


class TerraformKilled(TerraformError):
    """Terraform was killed: it wrote no state since the last time it did, and left its lock."""


class StateLocked(TerraformError):
    """Somebody works on the state just now, or ended without releasing it."""

    def __init__(self, lock: Lock) -> None:
        doing = lock.operation.removeprefix("OperationType").lower() or "it doesn't say what for"
        since = f" since {lock.created:%Y-%m-%d %H:%M:%S} UTC" if lock.created else ""
        super().__init__(
            f"The state is locked by {lock.who or 'somebody'}{since} ({doing}, lock {lock.id}). "
            "Wait for them, or ask them; a lock whose holder is known to be dead is released by "
            f"`terraform force-unlock {lock.id}`."
            if lock.id
            else "The state was locked by somebody else, and who could not be read: they may have just released it. "
            "Try again, or wait for it: --lock-wait SECONDS."
        )
        self.lock = lock


@dataclass(frozen=True, slots=True)
class Terraform:
    """A Terraform that can run here, and where its provider comes from."""

    executable: Path
    mirror: Path | None
    """A folder for ``-plugin-dir``; ``None`` takes the provider from the registry."""

    def init_arguments(self) -> list[str]:
        return [f"-plugin-dir={self.mirror}"] if self.mirror else []


def find_terraform(remembered: Mapping[str, str] | None = None) -> Terraform:
    """The Terraform to use: ``OMC_TERRAFORM`` and ``OMC_TERRAFORM_MIRROR`` first, then ``remembered``, then a look.

    Raises ``TerraformError`` with what to install where there is none, it is too old, or no provider can be had.
    """
    executable = find_executable()
    kind = "tofu" if executable.name.startswith("tofu") else "terraform"
    chosen = os.environ.get("OMC_TERRAFORM_MIRROR") or (remembered or {}).get("mirror")
    if chosen and _holds_provider(Path(chosen), kind):
        return Terraform(executable, Path(chosen))
    for place in _places():
        if _holds_provider(place, kind):
            return Terraform(executable, place)
    host = HOSTS[kind]
    try:
        socket.create_connection((host, 443), timeout=REGISTRY_TIMEOUT).close()
    except OSError as error:
        raise TerraformError(
            f"The AWS provider {PROVIDER_VERSION} for Terraform is not available: the registry {host} can't be reached "
            "and no mirror was found. Set OMC_TERRAFORM_MIRROR to a folder that holds "
            f"{host}/{PROVIDER}/{PROVIDER_VERSION}."
        ) from error
    return Terraform(executable, None)


def find_executable() -> Path:
    """The Terraform alone, wherever its provider comes from. ``TerraformError`` where there is none, or it is too
    old."""
    executable = _executable()
    _require_version(executable)
    return executable


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment to run Terraform in: this process's, quiet, without settings that point to nothing."""
    merged = dict(os.environ)
    config = merged.get("TF_CLI_CONFIG_FILE")
    if config and not Path(config).exists():
        del merged["TF_CLI_CONFIG_FILE"]
    for name in list(merged):
        if name.startswith(("TF_CLI_ARGS", "TF_VAR_")) or name in {"TF_DATA_DIR", "TF_WORKSPACE", "AWS_PROFILE"}:
            del merged[name]
    return merged | {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"} | dict(extra)


def run(
    terraform: Terraform,
    folder: Path,
    arguments: Sequence[str],
    *,
    env: Mapping[str, str],
    event: Callable[[Mapping[str, Any]], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> str:
    """Run one Terraform command in ``folder`` and return what it printed.

    With ``event`` the command is run with ``-json`` and each line that it prints is handed over as it comes. ``stop``
    is asked about once a second; at its first yes Terraform is interrupted, and takes as long as it needs to finish
    what is under way. An interrupt of this process is passed on too, and is raised once Terraform has written its
    state. It is never interrupted twice, which would make it give up at once: it runs in a session of its own, where
    the terminal's Ctrl-C doesn't reach it. If this process dies, it is interrupted as well. Raises ``TerraformError``
    with Terraform's own first error.
    """
    verb, *rest = arguments
    command = [str(terraform.executable), verb, *(["-json"] if event else []), *rest]
    lines: list[str] = []
    failures: list[str] = []
    with deferred_signals() as interrupted:
        process, printed = _spawn(command, folder, environment(env))
        _RUNNING.append(process)
        try:
            for line in _lines(process, printed, stop, interrupted):
                lines.append(line)
                if event:
                    for record in _events(line):
                        if record.get("@level") == "error":
                            failures.append(_diagnostic(record))
                        event(record)
            code = process.wait()
        except BaseException:
            _let_finish(process)
            raise
        finally:
            printed.close()
            _RUNNING.remove(process)
            is_reported = _is_interrupted(process)
            _end_session(process.pid)
            _interrupt(process)  # closes what is open; nobody is there any more to be interrupted
    if code < 0:
        name = signal.Signals(-code).name
        how = "after it was told to stop" if is_reported else "not by omc"
        raise TerraformKilled(f"terraform {verb} was killed in {folder.name} ({name}), {how}.")
    if code != 0:
        reason = failures[0] if failures else _first_error("".join(lines))
        if lock := _lock_in(reason) or _lock_in("".join(lines)):
            raise StateLocked(lock)
        raise TerraformError(f"terraform {verb} failed in {folder.name}: {reason}")
    return "".join(lines)


def marked(marker: str) -> list[int]:
    """Terraforms of this machine that were given ``OMC_STEP=marker`` to know them by and that still run.

    A provider outlives a Terraform that was killed, for ever and doing nothing: where none is left, it is ended.
    """
    wanted = f"OMC_STEP={marker}".encode()
    found: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found[int(entry.name)] = (entry / "comm").read_text(errors="replace").strip()
    running = [pid for pid, name in found.items() if name in NAMES]
    for pid in () if running else found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return running


def working_in(folder: Path) -> list[int]:
    """Terraforms of this machine, whoever started them, that work in ``folder`` itself."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            name = (entry / "comm").read_text(errors="replace").strip()
            if name in NAMES and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
    return found


def end_leftovers(folder: Path) -> None:
    """End Terraforms and providers that work in or below ``folder`` for a process that was killed.

    Only those whose session's leader was started by ``run`` are meant: they carry ``TF_IN_AUTOMATION``, work in that
    folder, and belong to no terminal. A person's own Terraform or shell in that folder is left alone.
    """
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            place = str((entry / "cwd").readlink()).removesuffix(" (deleted)")
            ours = Path(place).is_relative_to(folder) and b"TF_IN_AUTOMATION=1" in (entry / "environ").read_bytes()
            terminal = procfs.stat(entry.name)[4]
            if ours and terminal == "0" and entry.name != str(os.getpid()):
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue  # it ended meanwhile, or is somebody else's


def interrupt() -> None:
    """Tell every Terraform that other threads of this process run to stop; each ``run`` returns once its own has."""
    for process in _RUNNING:
        _interrupt(process)


def outputs(terraform: Terraform, folder: Path, *, env: Mapping[str, str]) -> dict[str, Any]:
    """The root's outputs as plain values."""
    payload = json.loads(run(terraform, folder, ["output", "-json"], env=env))
    return {name: value["value"] for name, value in payload.items()}


def state(terraform: Terraform, folder: Path, *, env: Mapping[str, str]) -> dict[str, Any]:
    """The state as the backend holds it, secrets and all; an empty mapping where nothing was ever applied."""
    message = run(terraform, folder, ["state", "pull"], env=env)
    pulled: dict[str, Any] = json.loads(message) if message.strip() else {}
    return pulled


def show(terraform: Terraform, folder: Path, plan: Path, *, env: Mapping[str, str]) -> dict[str, Any]:
    """A plan file as Terraform's JSON, secrets and all."""
    shown: dict[str, Any] = exact_json.loads(run(terraform, folder, ["show", "-json", str(plan)], env=env))
    return shown


def release(terraform: Terraform, folder: Path, lock: Lock, *, env: Mapping[str, str]) -> None:
    """Take away a lock whose holder is dead. Terraform refuses when the lock has become another one meanwhile."""
    run(terraform, folder, ["force-unlock", "-force", lock.id], env=env)


def _spawn(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> tuple[subprocess.Popen[str], IO[str]]:
    """Start it by ``LAUNCH`` with its output in a file that has no name any more, and give the file for reading.

    Not in a pipe: were this process killed, the next word that Terraform prints into it would kill Terraform too, in
    the middle of what it does and without its state.
    """
    with tempfile.NamedTemporaryFile("w") as out:
        printed = Path(out.name).open(encoding="utf-8", errors="replace")  # noqa: SIM115 - closed by the caller
        process = subprocess.Popen(
            ["/bin/sh", "-c", LAUNCH, "sh", *command],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    return process, printed


def _lines(
    process: subprocess.Popen[str],
    printed: IO[str],
    stop: Callable[[], bool] | None,
    interrupted: Callable[[], bool],
) -> Iterator[str]:
    """What the process prints, line by line as it comes, until it has ended.

    It is interrupted when it is to ``stop``, and when we are; in our hurry it is ended after ``STOP_TIMEOUT``.
    """
    rest, requested = "", time.monotonic()
    patience = None
    while True:
        ended = process.poll() is not None
        now = time.monotonic()
        if stop is not None and not ended and now - requested >= ASK:
            if stop():
                _interrupt(process)
                stop = None
            requested = now
        if interrupted():
            if patience is None:
                _interrupt(process)
                patience = now + STOP_TIMEOUT
            if now > patience:
                process.kill()
        new = printed.read()
        *whole, rest = (rest + new).split("\n")
        yield from (f"{line}\n" for line in whole)
        if ended:
            if rest:
                yield rest
            return
        if not new:
            time.sleep(POLL_INTERVAL)


def _let_finish(process: subprocess.Popen[str]) -> None:
    """Tell Terraform to stop, if nobody has, and let it finish what it began; end it where it doesn't."""
    _interrupt(process)
    try:
        process.wait(timeout=STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _interrupt(process: subprocess.Popen[str]) -> None:
    """Tell a Terraform to stop. Only the first time does anything."""
    assert process.stdin is not None  # it was asked for  # noqa: S101
    process.stdin.close()


def _is_interrupted(process: subprocess.Popen[str]) -> bool:
    return process.stdin is not None and process.stdin.closed


def _end_session(leader: int) -> None:
    """End what Terraform left of its session: who would interrupt it, and a provider that outlived it."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _events(line: str) -> Iterator[Mapping[str, Any]]:
    try:
        payload = json.loads(line)
    except ValueError:
        return
    if isinstance(payload, dict):
        yield payload


def _diagnostic(record: Mapping[str, Any]) -> str:
    diagnostic = record.get("diagnostic") or {}
    words = [diagnostic.get("summary") or str(record.get("@message", "")), diagnostic.get("detail") or ""]
    where = diagnostic.get("address")
    sentence = ": ".join(" ".join(word.split()) for word in words if word)
    return f"{sentence} ({where})" if where else sentence


def _first_error(printed: str) -> str:
    """The first error that Terraform printed for people, on one line and without its box."""
    lines = [line.strip("│╷╵ ") for line in _COLOUR.sub("", printed).splitlines()]
    starts = [number for number, line in enumerate(lines) if line.startswith("Error:")]
    if not starts:
        return " ".join(" ".join(lines).split())[-400:] or "it said nothing"
    following = [line for line in lines[starts[0] : starts[0] + 12] if line]
    return " ".join(following)[:600]


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_BOX = str.maketrans("│╷╵", "   ")
_LABELS = ("ID", "Path", "Operation", "Who", "Version", "Created", "Info")
"""Of a lock, in the order in which Terraform's ``LockInfo`` prints them."""
_TAKEN = re.compile(
    r"PreconditionFailed|StatusCode: 412|ConditionalRequestConflict|ConditionalCheckFailedException|lock already exists"
)
"""What S3 and DynamoDB answer to who wants a lock that is there: also when it is gone before Terraform has read whose
it is, as between its PutObject and its GetObject."""


def _lock_in(message: str) -> Lock | None:
    """The lock because of which Terraform could not begin; its fields are empty where Terraform doesn't know them."""
    text = " ".join(_COLOUR.sub("", message).translate(_BOX).split())
    if "acquiring the state lock" not in text:
        return None  # also not where it was had and could not be released: then Terraform has done its work
    _, found, info = text.partition("Lock Info:")
    fields = _fields(info.partition("Terraform acquires")[0]) if found else {}
    if not fields.get("ID"):
        return Lock("", "", "", None) if _TAKEN.search(text) else None
    return Lock(fields["ID"].split()[0], fields["Operation"], fields["Who"], _created(fields["Created"]))


def _fields(info: str) -> dict[str, str]:
    """The fields of a lock's description on one line. A name may hold spaces and backslashes, and any may be empty."""
    places = []
    at = 0
    for label in _LABELS:
        found = re.compile(rf"(?<!\S){label}:").search(info, at)
        if found:
            places.append((label, found.start(), found.end()))
            at = found.end()
    ends = [start for _, start, _ in places[1:]] + [len(info)]
    fields = {label: info[begin:end].strip() for (label, _, begin), end in zip(places, ends, strict=True)}
    return dict.fromkeys(_LABELS, "") | {
        label: "".join(char if char.isprintable() else "?" for char in value) for label, value in fields.items()
    }


def _created(words: str) -> datetime | None:
    """``2026-11-29 16:00:00.1234 +0000 UTC``, as Go prints a time."""
    found = re.match(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)?(?: ([+-]\d{4}))?", words)
    if found is None or found[1].startswith("0001"):
        return None
    with suppress(ValueError):
        return datetime.strptime(f"{found[1]} {found[2]} {found[3] or '+0000'}", "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    return None


def _executable() -> Path:
    named = os.environ.get("OMC_TERRAFORM")
    if named:
        if not os.access(named, os.X_OK):
            raise TerraformError(f"OMC_TERRAFORM names {named}, which can't be run.")
        return Path(named)
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise TerraformError(
        "Terraform isn't installed: install Terraform 1.11 or newer (developer.hashicorp.com/terraform/install), "
        "or set OMC_TERRAFORM to its path."
    )


def _require_version(executable: Path) -> None:
    version = _version(executable, executable.stat().st_mtime_ns)
    numbers = tuple(int(part) for part in version.split("-")[0].split(".")[:2])
    if numbers < MINIMUM:
        raise TerraformError(f"Terraform {version} at {executable} is too old: 1.11 or newer is needed.")


@cache
def _version(executable: Path, changed: int) -> str:  # noqa: ARG001 - a file that was exchanged is asked again
    response = subprocess.run(
        [str(executable), "version", "-json"], env=environment({}), capture_output=True, text=True, check=False
    )
    try:
        version = str(json.loads(response.stdout)["terraform_version"])
        tuple(int(part) for part in version.split("-")[0].split(".")[:2])
    except (ValueError, KeyError) as error:
        raise TerraformError(f"{executable} doesn't answer `version -json` as Terraform does.") from error
    return version


def _holds_provider(place: Path, kind: str) -> bool:
    base = place / HOSTS[kind] / PROVIDER
    packed = base / f"terraform-provider-aws_{PROVIDER_VERSION}_{_platform()}.zip"
    return (base / PROVIDER_VERSION / _platform()).is_dir() or packed.is_file()


def _platform() -> str:
    system, machine = os.uname().sysname.lower(), os.uname().machine
    return f"{system}_{'arm64' if machine in {'arm64', 'aarch64'} else 'amd64'}"


def _places() -> Iterator[Path]:
    """Folders that may be a mirror: Terraform's implied ones, then a bounded look under the usual roots."""
    data_home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    data_roots = (os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share").split(":")
    yield Path.home() / ".terraform.d/plugins"
    yield data_home / "terraform/plugins"
    yield from (Path(root) / "terraform/plugins" for root in data_roots)
    for root in ROOTS:
        for folder in _folders(root, SEARCH_DEPTH):
            if folder.name in HOSTS.values():
                yield folder.parent


def _folders(root: Path, depth: int) -> Iterator[Path]:
    """Folders below ``root``, nearest first, links not followed, without those that never hold a mirror."""
    level = [root]
    for _ in range(depth):
        below: list[Path] = []
        for folder in level:
            try:
                inside = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue
            below += [path for path in inside if path.name not in {"node_modules", ".git", "site-packages"}]
        yield from below
        level = below
