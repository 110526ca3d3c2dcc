"""The command line of the local cloud: start it, ask it, end it. What runs inside the started process is ``program``.

Each failure is one sentence on standard error and exit status 1 (2 for wrong use).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from localcloud.core import addresses, profiles
from localcloud.core.addresses import AddressBlock, AddressError
from localcloud.core.lock import Holder, StateLock

READY_WITHIN = 180.0
"""Seconds for ``up`` to wait: a restart with databases, caches and a few tasks takes 2 to 5 s on an idle machine."""
STOP_WITHIN = 120.0
LOG = "localcloud.log"
DISTRIBUTION = "ecs-localcloud"
CLOUD = "cloud.json"
STOPPED = "stopped.json"
"""What an orderly stop leaves: ``{"unsaved": {name: why}}``."""


OUTSIDE_API = "outside-api"
"""The name of its entry point."""


class Failure(Exception):
    """One sentence for the person at the terminal: what failed, on what, why, and the way out."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of ``python -m localcloud``."""
    provided = _parser().parse_args(arguments)
    if not sys.platform.startswith("linux"):
        _fail("localcloud needs Linux: it gives each task an address of its own in 127.64.0.0/10.")
    try:
        provided.run(provided)
    except (Failure, AddressError, profiles.ProfileError) as problem:
        _fail(str(problem))
    except OSError as problem:
        _fail(f"{problem.filename or provided.state}: {problem.strerror or problem}.")
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(sentence: str) -> None:
    print(f"localcloud: {sentence}", file=sys.stderr)
    sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="localcloud",
        description="An AWS on this machine, for rehearsing what runs on ECS. It answers the AWS API at a local "
        "address; behind it are real processes as tasks, real PostgreSQL and Redis (Valkey) servers, and HAProxy as "
        "the load balancer. Nothing reaches AWS.",
        epilog='First steps: localcloud up; eval "$(localcloud env)"; aws ecs list-clusters; localcloud down. '
        "One state folder is one cloud; several run side by side.",
    )
    parser.add_argument("--version", action="version", version=f"localcloud {_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.add_argument(
            "--state",
            type=Path,
            default=Path(".localcloud"),
            help="folder of the cloud and all that it keeps (default .localcloud)",
        )
        made.set_defaults(run=run)
        return made

    for name, run, text in (
        ("up", up, "Start the cloud in the background, wait until it is ready, and print its endpoint."),
        ("serve", serve, "Run the cloud in the foreground until Ctrl-C or SIGTERM."),
    ):
        starting = command(name, run, text)
        starting.add_argument(
            "--port",
            type=int,
            help=f"port at which AWS answers (default {addresses.DEFAULT_PORT}); fixed for the life of the state",
        )
        starting.add_argument(
            "--region",
            help=f"the region that the cloud plays (default {addresses.DEFAULT_REGION}); also "
            "fixed for the life of the state",
        )
        starting.add_argument(
            "--profile",
            choices=tuple(profiles.CHOSEN),
            help="which AWS services: full, all that are installed (default); minimal, the few that an ECS service "
            "behind a load balancer needs. Fixed for the life of the state folder, as port and region are",
        )
        starting.add_argument(
            "--outside-api",
            type=Path,
            metavar="FILE",
            help="a Python file that answers for an API outside of AWS, which the tasks may call over HTTPS",
        )
    command("down", down, "Stop the cloud and keep its state: the next up continues from it.")
    command(
        "status",
        status,
        "Show whether the cloud runs, where it listens, its profile, and its tasks. Exit status 3: it doesn't run.",
    ).add_argument("--json", action="store_true", help="as one JSON object")
    command("reset", reset, "Delete the cloud's state folder: databases, images, logs and records.").add_argument(
        "--force", action="store_true", help="stop the cloud first, if it runs"
    )
    command("copy", copy, "Copy a stopped cloud to another folder, where it starts beside the first.").add_argument(
        "folder", type=Path, help="the new state folder; it must not exist"
    )
    following = command(
        "logs", logs, "Print the log of the cloud itself, not of your applications (those are in CloudWatch Logs)."
    )
    following.add_argument("--lines", "-n", type=int, default=100, help="how many of the last lines (default 100)")
    following.add_argument("--follow", "-f", action="store_true", help="keep printing as the log grows")
    command("env", env, 'Print shell commands that point every AWS client at this cloud: eval "$(localcloud env)".')
    command(
        "seed",
        seed,
        "Give the running cloud a month that never was, as a TOML or JSON file describes it: costs, CloudTrail's "
        "calls, flow log records, metrics, snapshots. Once in the life of a state folder. See docs/localcloud.md.",
    ).add_argument("file", type=Path, help="the description")
    pushing = command(
        "push",
        push,
        "Push a folder with a Dockerfile to an ECR repository as an image, and print its digest. No Docker is needed: "
        "the folder is the image's file system; start command, environment and ports are read from the Dockerfile.",
    )
    pushing.add_argument("folder", type=Path, help="the folder with the Dockerfile")
    pushing.add_argument("--repository", required=True, help="name of the ECR repository")
    pushing.add_argument("--tag", help="tag of the image (default: one made of the content)")
    command(
        "make",
        make,
        "Make a recorded stack in the running cloud, which must be empty. Its "
        "images are the stand-in's. Prints where it answers, as JSON. See docs/localcloud.md.",
    ).add_argument("file", type=Path, help="the recorded stack")
    pushed = command(
        "stand-in",
        push_stand_in,
        "Push one more release of the stand-in, the program that takes the place of an application whose code isn't "
        "here, to an ECR repository, and print its digest.",
    )
    pushed.add_argument("--repository", required=True, help="name of the ECR repository; made where it isn't there")
    pushed.add_argument("--release", required=True, help="name of the release: another name, another digest")
    pushed.add_argument(
        "--fail", default="", help="what this release does wrong: 5xx, unhealthy, slow:SECONDS, crash:SECONDS"
    )
    return parser


def _version() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "(run from its source, not installed)"


def up(provided: argparse.Namespace) -> None:
    """Start the server as a process of its own and wait until it answers."""
    state = _state(provided, make=True)
    holder = StateLock(state).holder()
    if holder is not None:
        _await_ready(state, None, 0)
        print(_running(state)["endpoint"])
        return
    _home(provided, state)
    log = state / LOG
    before = log.stat().st_size if log.exists() else 0
    command = [sys.executable, "-m", "localcloud", "serve", "--state", str(state)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd="/"
        )
    _await_ready(state, process, before)
    print(_running(state)["endpoint"])


def _await_ready(state: Path, process: subprocess.Popen[bytes] | None, log_offset: int) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        if _answers(_cloud_file(state)):
            return
        if process is not None and process.poll() is not None:
            if StateLock(state).holder() is not None:  # another `up` was quicker
                process = None
                continue
            raise Failure(_last_words(state, log_offset, process.returncode))
        time.sleep(0.02)
    raise Failure(f"The cloud in {state} isn't ready after {READY_WITHIN:.0f} s; look at `localcloud logs`.")


def _last_words(state: Path, offset: int, status: int) -> str:
    """Why the server ended: its own last sentence."""
    with (state / LOG).open("rb") as log:
        log.seek(offset)
        lines = log.read().decode(errors="replace").splitlines()
    messages = [line for line in lines if line.startswith("localcloud: ")]
    if messages:
        return messages[-1].removeprefix("localcloud: ")
    return f"The cloud in {state} ended during its start with status {status}; its log is {state / LOG}."


def serve(provided: argparse.Namespace) -> None:
    """Run the cloud in this process."""
    state = _state(provided, make=True)
    home = _home(provided, state)
    lock = StateLock(state)
    holder = lock.take()
    if holder is not None:
        raise Failure(_held(state, holder))
    try:
        from localcloud import program
    except ModuleNotFoundError as problem:
        missing = str(problem.name)
        raise Failure(f"The package {missing} is missing: pip install ecs-localcloud") from problem
    try:
        program.run(home, state / CLOUD, state / STOPPED)
    except program.CannotStart as problem:
        raise Failure(str(problem)) from problem
    finally:
        lock.release()


def down(provided: argparse.Namespace) -> None:
    """Stop the server, in order if it listens; end what a killed server left behind. A state that wasn't saved, or not
    whole, is an error."""
    state = _state(provided)
    ran, ended = _stop(state)
    if ran:
        _require_saved(state)
        print(f"The cloud in {state} is down.")
    elif ended:
        print(f"No cloud ran in {state}; {ended} processes that a killed one had left behind were ended.")
    else:
        print(f"No cloud runs in {state}.")


def _stop(state: Path) -> tuple[bool, int]:
    """Whether one ran, and how many processes of one that was killed were ended."""
    lock = StateLock(state)
    holder = lock.holder()
    if holder is not None:
        holder.send(signal.SIGTERM)
        if not _wait_until(lambda: lock.holder() is None and not holder.alive(), STOP_WITHIN):
            holder.send(signal.SIGKILL)
            _wait_until(lambda: lock.holder() is None and not holder.alive(), 5.0)
    ended = _end_orphans(state)
    (state / CLOUD).unlink(missing_ok=True)
    return holder is not None, ended


def _require_saved(state: Path) -> None:
    """Raises ``Failure`` unless the cloud that has just ended said that it saved all of its state."""
    try:
        unsaved = json.loads((state / STOPPED).read_text())["unsaved"]
    except (OSError, ValueError, KeyError):
        raise Failure(
            f"The cloud in {state} is down, but it ended without saving its state: changes of its last second or more "
            f"are lost. Its log says why: {state / LOG}"
        ) from None
    if unsaved:
        raise Failure(
            f"The cloud in {state} is down, but not all of its state was saved: {_listed(unsaved)}. "
            f"The next `up` starts from what was; the log says more: {state / LOG}"
        )


def _listed(unsaved: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in unsaved.items())


def _end_orphans(state: Path) -> int:
    from localcloud.core.processes import Supervisor

    return Supervisor(state).reap_orphans()


def status(provided: argparse.Namespace) -> None:
    """Exit status 0 where it runs and answers, 1 where some of its state can't be saved, else 3."""
    state = _state(provided)
    cloud = _cloud_file(state)
    holder = StateLock(state).holder()
    record: dict[str, Any] = {"running": holder is not None, "state": str(state)}
    if holder is not None:
        record.update({"pid": holder.pid, **_asked(cloud)})
    unsaved = record.get("parts", {}).get("snapshot", {}).get("unsaved", {})
    if provided.json:
        print(json.dumps(record, indent=2))
    elif holder is None:
        print(f"No cloud runs in {state}. Start one: python -m localcloud up --state {state}")
    else:
        print(
            f"Running at {record.get('endpoint', '(not answering)')}, account {record.get('account')}, "
            f"profile {record.get('profile')}, pid {holder.pid}."
        )
        failing = [name for name, loop in record.get("loops", {}).items() if loop["failures"]]
        print("All loops run." if not failing else f"Loops that failed at least once: {', '.join(failing)}.")
        for task in record.get("parts", {}).get("ecs", {}).get("tasks", ()):
            pids = " ".join(str(pid) for pid in task["pids"])
            print(f"{task['service']:<10} {task['revision']:<24} {task['status']:<9} {task['address']}  pid {pids}")
        if unsaved:
            print(f"Not saved: {_listed(unsaved)}. A restart would lose it; the log says more: {state / LOG}")
    if holder is None or "endpoint" not in record:
        sys.exit(3)
    if unsaved:
        sys.exit(1)


def reset(provided: argparse.Namespace) -> None:
    """Delete the state folder, and give its address block back."""
    state = _state(provided)
    if StateLock(state).holder() is not None:
        if not provided.force:
            raise Failure(f"A cloud runs in {state}; stop it first with `down`, or use --force.")
        _stop(state)
    if not state.exists():
        print(f"There is no state in {state}.")
        return
    entries = {path.name for path in state.iterdir()}
    if entries and not entries & {addresses.SETTINGS, LOG, "lock"}:
        raise Failure(f"{state} isn't a state folder of localcloud (no {addresses.SETTINGS}); nothing was deleted.")
    _end_orphans(state)
    addresses.release(state)
    shutil.rmtree(state)
    print(f"The state in {state} is gone.")


def copy(provided: argparse.Namespace) -> None:
    """Copy the state folder; the copy has the same account, keys and ids, and addresses of its own."""
    from localcloud.core import copying

    state, target = _state(provided), provided.folder.absolute()
    if StateLock(state).holder() is not None:
        raise Failure(
            f"A cloud runs in {state}; stop it first with `down`, else its copy would lack what it still does."
        )
    home = addresses.load(state)
    if home is None:
        raise Failure(f"There is no cloud in {state} to copy; `up` makes one.")
    if target.exists():
        raise Failure(f"{target} exists already; name a folder that doesn't, or `reset` that one.")
    _end_orphans(state)
    made = copying.copy(home, target)
    print(f"{target} is a copy of {state}, at {made.settings.endpoint} once it is up.")


def seed(provided: argparse.Namespace) -> None:
    """Read the description and hand it to the running cloud."""
    cloud = _running(_state(provided))
    text = provided.file.read_bytes()
    try:
        described = json.loads(text) if provided.file.suffix == ".json" else tomllib.loads(text.decode())
    except ValueError as problem:
        raise Failure(f"{provided.file} can't be read: {problem}.") from problem
    answer = _asked_page(cloud, "seed", json.dumps(described, default=str).encode())
    counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in answer.items() if name != "anomalies")
    print(f"Seeded: {counts}.")
    print(f"Anomalies: {', '.join(answer['anomalies']) or 'none'}.")


def logs(provided: argparse.Namespace) -> None:
    """The last lines of the server's log."""
    path = _state(provided) / LOG
    if not path.exists():
        raise Failure(f"There is no log {path}; the cloud was never started there with `up`.")
    with path.open(errors="replace") as log:
        for line in log.readlines()[-provided.lines :]:
            print(line, end="")
        while provided.follow:
            print(log.read(), end="", flush=True)
            time.sleep(0.2)


def env(provided: argparse.Namespace) -> None:
    """Shell exports; a profile or a session of another account must not mix in."""
    cloud = _running(_state(provided))
    exports = {
        "AWS_ENDPOINT_URL": cloud["endpoint"],
        "AWS_REGION": cloud["region"],
        "AWS_DEFAULT_REGION": cloud["region"],
        "AWS_ACCESS_KEY_ID": cloud["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": cloud["secret_access_key"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
    }
    for name, value in exports.items():
        print(f"export {name}={value}")
    print("unset AWS_PROFILE AWS_SESSION_TOKEN AWS_SECURITY_TOKEN")


def push(provided: argparse.Namespace) -> None:
    """Print the digest under which ECR holds the image now, alone on standard output, for scripts."""
    from botocore.exceptions import ClientError

    from localcloud.core.images import ImageError
    from localcloud.services.ecr import images as ecr

    state = _state(provided)
    cloud = _running(state)
    if not (provided.folder / "Dockerfile").exists():
        raise Failure(f"{provided.folder} has no Dockerfile; localcloud reads from it how the application starts.")
    client = _clients(cloud)("ecr")
    try:
        pushed = ecr.push(
            client,
            state,
            provided.folder,
            provided.repository,
            provided.tag,
            say=lambda line: print(line, file=sys.stderr),
        )
    except ClientError as problem:
        raise Failure(
            f"ECR refused the image for {provided.repository}: {problem.response['Error']['Message']}"
        ) from problem
    except ImageError as problem:
        raise Failure(str(problem)) from problem
    print(pushed.digest)


def make(provided: argparse.Namespace) -> None:
    """Print ``{"url", "images"}``."""
    from botocore.exceptions import ClientError

    from localcloud import recorded

    state = _state(provided)
    cloud = _running(state)
    try:
        stack = recorded.read(provided.file)
        if stack["region"] != cloud["region"]:
            raise Failure(
                f"{provided.file} is of {stack['region']} and the cloud in {state} plays {cloud['region']}. Start one "
                f"in another folder: localcloud up --state FOLDER --region {stack['region']}"
            )
        clients = _clients(cloud)
        if clients("ecs").list_clusters()["clusterArns"]:
            raise Failure(f"The cloud in {state} has a stack already. Use another folder, or `localcloud reset` first.")
        made = recorded.make(stack, clients, state, cloud["account"])
    except recorded.MakingFailed as problem:
        raise Failure(str(problem)) from problem
    except (KeyError, TypeError, AttributeError) as problem:
        raise Failure(f"{provided.file} isn't a whole recorded stack ({problem!r}); record it again.") from problem
    except ClientError as problem:
        error, call = problem.response["Error"], problem.operation_name
        raise Failure(
            f"The stack of {provided.file} can't be made: {call} was refused with {error['Code']}: {error['Message']}"
        ) from problem
    print(json.dumps(made))


def push_stand_in(provided: argparse.Namespace) -> None:
    """Print the digest alone."""
    from localcloud import recorded

    state = _state(provided)
    try:
        made = recorded.push_release(
            _clients(_running(state)), state, provided.repository, provided.release, provided.fail
        )
    except ValueError as problem:
        raise Failure(str(problem)) from problem
    print(made.partition("@")[2])


def _clients(cloud: Mapping[str, Any]) -> Any:
    """What makes boto3 clients of a running cloud."""
    import boto3

    def client(service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload]  # the stub wants a literal name
            service,
            endpoint_url=cloud["endpoint"],
            region_name=cloud["region"],
            aws_access_key_id=cloud["access_key_id"],
            aws_secret_access_key=cloud["secret_access_key"],
        )

    return client


def _state(provided: argparse.Namespace, *, make: bool = False) -> Path:
    state: Path = provided.state.resolve()
    if make:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make_private(state)
    provided.state = state
    return state


def _make_private(state: Path) -> None:
    """Keys, passwords and data are in it: nobody else on this machine reads it, whoever made the folder and how."""
    os.umask(0o077)
    if state.stat().st_mode & 0o077 == 0:
        return
    state.chmod(0o700)
    for folder, _, files in os.walk(state):  # what was readable once may be open elsewhere, or hard-linked
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            with suppress(OSError):
                if not path.is_symlink():
                    path.chmod(path.stat().st_mode & 0o700)


def _home(provided: argparse.Namespace, state: Path) -> AddressBlock:
    """The settings of the state folder, made if it has none; refused where there is no room."""
    free = shutil.disk_usage(state).free
    if free < addresses.LEAST_FREE_BYTES:
        least = addresses.LEAST_FREE_BYTES >> 20
        raise Failure(f"Only {free >> 20} MB are free where {state} is; localcloud needs {least} MB. Make room first.")
    home = addresses.load(state)
    if home is None:
        home = addresses.create(
            state,
            port=provided.port or addresses.DEFAULT_PORT,
            region=provided.region or addresses.DEFAULT_REGION,
            profile=provided.profile or profiles.FULL,
        )
    settings = home.settings
    for name, wanted, has in (
        ("port", provided.port, settings.port),
        ("region", provided.region, settings.region),
        ("profile", provided.profile, settings.profile),
    ):
        if wanted is not None and wanted != has:
            raise Failure(
                f"The cloud in {state} has {name} {has} for the life of its state. "
                f"For {name} {wanted}, delete it with `reset` or use another --state."
            )
    if provided.outside_api is None:
        return home
    if OUTSIDE_API in profiles.profile(settings.profile).left_out:
        raise Failure(f"The profile {settings.profile} has no API outside of AWS: --outside-api needs --profile full.")
    if not provided.outside_api.is_file():
        raise Failure(f"There is no file {provided.outside_api} to say what the API outside of AWS answers.")
    return addresses.play(state, provided.outside_api)


def _held(state: Path, holder: Holder) -> str:
    return f"A cloud already runs in {state} (pid {holder.pid}); stop it with `down` or use another --state."


def _cloud_file(state: Path) -> Mapping[str, Any]:
    try:
        held: Mapping[str, Any] = json.loads((state / CLOUD).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return held


def _running(state: Path) -> Mapping[str, Any]:
    cloud = _cloud_file(state)
    if not cloud or StateLock(state).holder() is None:
        raise Failure(f"No cloud runs in {state}. Start one: python -m localcloud up --state {state}")
    return cloud


def _asked(cloud: Mapping[str, Any]) -> dict[str, Any]:
    """What the running cloud says of itself; empty where it doesn't answer."""
    if not cloud:
        return {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        page = f"{cloud['endpoint']}/_localcloud/status"
        request = urllib.request.Request(page, headers={"X-Localcloud-Token": cloud["token"]})  # noqa: S310 — our own
        with opener.open(request, timeout=5) as answer:
            payload: dict[str, Any] = json.loads(answer.read())
            return payload
    except (urllib.error.URLError, OSError, ValueError, KeyError):
        return {}


def _asked_page(cloud: Mapping[str, Any], name: str, body: bytes) -> dict[str, Any]:
    """What a private page of the running cloud answers; its refusal as a failure."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {"X-Localcloud-Token": cloud["token"]}
    request = urllib.request.Request(f"{cloud['endpoint']}/_localcloud/{name}", body, headers)  # noqa: S310 — our own
    try:
        with opener.open(request, timeout=120) as answer:
            payload: dict[str, Any] = json.loads(answer.read())
            return payload
    except urllib.error.HTTPError as refused:
        raise Failure(str(json.loads(refused.read()).get("message", refused))) from refused


def _answers(cloud: Mapping[str, Any]) -> bool:
    return bool(_asked(cloud).get("ready")) and _alive(cloud)


def _alive(cloud: Mapping[str, Any]) -> bool:
    try:
        os.kill(cloud["pid"], 0)
    except ProcessLookupError:
        return False
    return True


def _wait_until(condition: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
