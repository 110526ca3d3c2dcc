"""A local cloud with the stack in it: start the cloud, push the images, apply the Terraform that AWS gets, wait.

The first ``up`` applies; a later one finds everything in the cloud's own state and only waits until it is healthy.
An apply that was killed left a cloud that nobody can vouch for, so it is started over; one that was interrupted in
an orderly way continues where it was.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omc import terraform as tf
from omc.aws.gateway import Gateway, access_to
from omc.checks.alarms import alarms
from omc.checks.cache import cache_items
from omc.checks.finding import Level
from omc.checks.freshness import metrics_fresh
from omc.checks.load_balancing import targets
from omc.checks.run import CheckList, run_checks
from omc.checks.services import services_running
from omc.config import Environment
from omc.config.model import LOCAL_ROOT
from omc.errors import WrongUse
from omc.facts.scope import Scope
from omc.facts.source import Facts
from omc.infrastructure.copies import copy_sources
from omc.infrastructure.own_roots import copy_own, own_root, own_var_files, require_own
from omc.infrastructure.roots import SOURCES, backend, endpoint_of, locked, state_bucket
from omc.interrupts import reraise_interrupts
from omc.local import cloud
from omc.local import recorded as recorded_stacks
from omc.local.migration import EarlyMigration
from omc.store import embedded
from omc.store.location import LOCAL_FOLDER

if TYPE_CHECKING:
    from omc.config import Stack
    from omc.progress import Progress

SETTLE_TIMEOUT = 300.0
"""Seconds for the tasks of a started cloud to become healthy: start, two passed health checks, with room."""
ALARMS_TIMEOUT = 60.0
"""Seconds that the alarms get: they ring while the stack comes up, and their periods here are of ten seconds."""
METRICS_TIMEOUT = 60.0
"""Seconds until CloudWatch has a first figure of each service and of the cache; the local cloud measures each 10 s."""
RUNNING = CheckList("Services and targets", (services_running, targets))
ALARMS = CheckList("Alarms", (alarms,))
METRICS = CheckList("Metrics", (metrics_fresh, cache_items))

SPACE = 500 * 2**20
"""Bytes that a local cloud may need: two database clusters' files, logs and metrics of a day (seen: about 200 MiB)."""


NEEDED_OF_BOOTSTRAP = {"aws_s3_bucket_versioning", "aws_ecr_repository"}
"""Resource types of bootstrap that the images and the environment's root build on."""


class Phase(StrEnum):
    """How far the stack in a local cloud has come."""

    NEW = "new"
    APPLYING = "applying"
    INTERRUPTED = "interrupted"
    APPLIED = "applied"


@dataclass(frozen=True, slots=True)
class Record:
    """What omc keeps of a local cloud, beside the cloud's own state."""

    phase: Phase = Phase.NEW
    mirror: str | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    recorded: str | None = None
    """The recorded stack that was made, as SHA-256 of its file; None for one that Terraform applied."""


@dataclass(frozen=True, slots=True)
class LocalStack:
    """One local cloud of one project: where its sources and its state are."""

    project: Path
    environment: Environment
    """`local` of the stack file, with the state folder that is meant."""

    @property
    def state(self) -> Path:
        if self.environment.local_state is None:
            raise WrongUse(f"The environment {self.environment.name} is not a local one.")
        return self.environment.local_state

    @property
    def record_file(self) -> Path:
        return self.state / "stack.json"

    @property
    def sources(self) -> Path:
        """The copy of the Terraform in which it is applied, so that nothing is written into the checkout."""
        return self.state / SOURCES

    @property
    def root(self) -> Path:
        if not self.is_usual:
            return own_root(self.environment.terraform, self.state)
        return self.sources / "environments" / LOCAL_ROOT

    @property
    def is_usual(self) -> bool:
        """Whether its Terraform is this project's own, with bootstrap and images; else it is a root by itself."""
        return self.environment.own_root is None

    def read(self) -> Record:
        try:
            payload = json.loads(self.record_file.read_text())
        except FileNotFoundError:
            return Record()
        except ValueError:
            return Record(phase=Phase.APPLYING)
        return Record(
            Phase(payload["phase"]), payload["mirror"], payload["images"], payload["outputs"], payload.get("recorded")
        )

    def write(self, record: Record) -> None:
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.record_file.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(record), indent=1))
        fresh.replace(self.record_file)


def site_of(stack: Stack, state: Path | None, name: str = "local") -> LocalStack:
    """The local cloud of a stack file; with ``state``, one in another folder than the file says."""
    environment = stack.environments.get(name)
    if environment is None or environment.local_state is None:
        raise WrongUse(f"{stack.file} has no environment `{name}` with a `local_state` folder.")
    return LocalStack(
        stack.file.parent, replace(environment, local_state=(state or environment.local_state).absolute())
    )


def up(site: LocalStack, progress: Progress, *, apply: bool = False, recorded: Path | None = None) -> Record:
    """Bring up the cloud and the stack in it; returns what is there. ``apply`` applies again where it was applied.
    ``recorded``: the stack is that of this file, not Terraform's."""
    cloud.require_installed()
    with _alone(site):
        record = site.read()
        wanted = recorded_stacks.read(recorded) if recorded else None
        if wanted is not None:
            recorded_stacks.require_alike(wanted, site.environment)
        _require_same(site, record, recorded, apply=apply)
        if record.phase is Phase.NEW:
            require_space(site.state)
        terraform = None
        if wanted is None and record.recorded is None and (record.phase is not Phase.APPLIED or apply):
            require_sources(site)
            cloud.require_installed(applications=site.is_usual)
            terraform = tf.find_terraform({"mirror": record.mirror} if record.mirror else None)
        if record.phase is Phase.APPLYING:
            progress.note("The first apply was cut off half-way, so this local cloud is started over.")
            reset(site)
            record = Record(mirror=record.mirror)
        site.write(record)
        began = time.monotonic()
        cloud.ask(site.state, "up", "--region", site.environment.region, *_played(site))
        reach = cloud.local_endpoint(site.state)
        progress.note(f"The AWS endpoint answers on {reach.endpoint} ({time.monotonic() - began:.1f} s)")
        if recorded is not None and record.phase is not Phase.APPLIED:
            record = _make(site, record, recorded, progress)
        elif terraform is not None:
            record = _apply(site, record, terraform, reach, progress)
        with progress.step("Waiting for healthy tasks"):
            settle(site.environment, progress)
        with progress.step("Waiting for quiet alarms"):
            quiet(site.environment, progress)
        with progress.step("Waiting for first metrics"):
            measured(site.environment, progress)
        return record


def _require_same(site: LocalStack, record: Record, recorded: Path | None, *, apply: bool) -> None:
    """Refuse to make another stack than the one that is in the cloud. Raises ``WrongUse``."""
    if record.recorded is not None and apply:
        raise WrongUse(
            f"The stack in {site.state} was made of a recorded one, so there is no Terraform to apply. To deploy "
            "another release of the stand-in: omc local stand-in SERVICE --release 2"
        )
    if recorded is None and record.recorded is not None and record.phase is not Phase.APPLIED:
        raise WrongUse(
            f"Making the recorded stack in {site.state} was cut off half-way. Say again which one it is: "
            "omc local up --from FILE; or drop it: omc local reset"
        )
    if recorded is None or record.phase is Phase.NEW:
        return
    if record.recorded != recorded_stacks.digest(recorded):
        raise WrongUse(
            f"The local cloud in {site.state} has another stack than {recorded}. Drop it with `omc local reset`, or "
            "use another folder: --state DIR"
        )


def _make(site: LocalStack, record: Record, recorded: Path, progress: Progress) -> Record:
    """Have localcloud make the recorded stack. One that was cut off half-way is started over by the next ``up``."""
    record = replace(record, recorded=recorded_stacks.digest(recorded))
    site.write(replace(record, phase=Phase.APPLYING))
    with progress.step(f"Making the stack of {recorded.name}"):
        made = json.loads(cloud.ask(site.state, "make", str(recorded.absolute())))
    done = replace(record, phase=Phase.APPLIED, images=made["images"], outputs={"load_balancer": {"url": made["url"]}})
    site.write(done)
    return done


def url(site: LocalStack) -> str:
    """Where a browser reaches the stack that was applied; empty where it has no load balancer, or doesn't say."""
    shift = cloud.local_endpoint(site.state).port_shift
    message = str((site.read().outputs.get("load_balancer") or {}).get("url") or "")
    if not message or message.count(":") > 1:
        return message
    return f"{message}:{80 + shift}" if shift else message


def down(site: LocalStack) -> str:
    """Stop the cloud and whatever still works on it; returns what the cloud's command says.

    omc's own database for it is ended too, unless a command uses it: then that one ends it.
    """
    tf.end_leftovers(site.sources)
    embedded.end(site.state / LOCAL_FOLDER)
    return cloud.ask(site.state, "down")


def reset(site: LocalStack) -> str:
    """Delete all of the cloud, running or not, and omc's record of it; returns what the cloud's command says."""
    tf.end_leftovers(site.sources)
    embedded.remove(site.state / LOCAL_FOLDER)
    return cloud.ask(site.state, "reset", "--force")


def push_image(site: LocalStack, folder: Path, repository: str) -> str:
    """Push an app's folder as an image; returns its reference, pinned by digest."""
    reach = cloud.local_endpoint(site.state)
    digest = cloud.ask(site.state, "push", str(folder), "--repository", repository)
    return f"{reach.account}.dkr.ecr.{reach.region}.amazonaws.com/{repository}@{digest.strip()}"


def terraform_arguments(site: LocalStack, reach: cloud.LocalEndpoint) -> dict[str, str]:
    """The environment with which a plain ``terraform init`` and ``plan`` work in the environment's root."""
    record = site.read()
    if not site.is_usual:
        raise WrongUse(
            f"Plain Terraform in {site.environment.terraform} would use that root's own backend. "
            f"omc works in a copy of it: omc infra plan --env {site.environment.name}"
        )
    mirror = [f"-plugin-dir={record.mirror}"] if record.mirror else []
    images = json.dumps(dict(record.images), separators=(",", ":"))
    return {
        "TF_CLI_ARGS_init": " ".join([*mirror, *_backend(reach)]),
        **{f"TF_CLI_ARGS_{verb}": " ".join(_variables(reach)) for verb in ("plan", "apply", "destroy")},
        "TF_VAR_images": images,
    }


@contextmanager
def _alone(site: LocalStack) -> Iterator[None]:
    """Only one ``up`` at a time works on a state folder; the lock ends with its process."""
    site.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (site.state / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise cloud.LocalCloudError(
                f"Another `omc local up` is working on {site.state}. Wait for it, or use another folder: --state DIR"
            ) from error
        yield


def _apply(
    site: LocalStack, record: Record, terraform: tf.Terraform, reach: cloud.LocalEndpoint, progress: Progress
) -> Record:
    if not site.is_usual:
        return _apply_own(site, record, terraform, reach, progress)
    record = replace(record, mirror=str(terraform.mirror) if terraform.mirror else None)
    first = record.phase is not Phase.APPLIED
    site.write(replace(record, phase=Phase.APPLYING) if first else record)
    try:
        with reraise_interrupts():
            copy_sources(site.project / SOURCES, site.sources)
            with _bootstrap(site, terraform, reach, progress):
                with progress.step("Pushing the images"):
                    images = {
                        service.name: push_image(
                            site, site.project / "apps" / service.name, f"ohmycoins/{service.name}"
                        )
                        for service in site.environment.services
                    }
                with EarlyMigration(site.environment) as migration:
                    with progress.step(f"Applying infrastructure/terraform/environments/{LOCAL_ROOT}"):
                        outputs = apply_root(site, terraform, reach, images, progress, migration.note)
                    with progress.step("Migrating the database"):
                        migration.finish()
    except (KeyboardInterrupt, tf.TerraformError):
        site.write(replace(record, phase=Phase.INTERRUPTED) if first else record)
        raise
    done = replace(record, phase=Phase.APPLIED, images=images, outputs=outputs)
    site.write(done)
    return done


def _apply_own(
    site: LocalStack, record: Record, terraform: tf.Terraform, reach: cloud.LocalEndpoint, progress: Progress
) -> Record:
    """Apply the root that the environment names, alone, in a copy whose state is beside the cloud's."""
    first = record.phase is not Phase.APPLIED
    record = replace(record, mirror=str(terraform.mirror) if terraform.mirror else None)
    site.write(replace(record, phase=Phase.APPLYING) if first else record)
    shown = os.path.relpath(site.environment.terraform, site.project)
    try:
        with reraise_interrupts(), progress.step(f"Applying {shown}"):
            root = copy_own(site.environment.terraform, site.state)
            env = endpoint_of(reach) | reach.environment()
            tf.run(terraform, root, ["init", "-no-color", "-reconfigure", *terraform.init_arguments()], env=env)
            arguments = [
                "apply",
                "-auto-approve",
                "-parallelism=20",
                *(f"-var-file={each}" for each in own_var_files(root)),
            ]
            tf.run(terraform, root, arguments, env=env, event=_reporter(progress))
    except (KeyboardInterrupt, tf.TerraformError):
        site.write(replace(record, phase=Phase.INTERRUPTED) if first else record)
        raise
    done = replace(record, phase=Phase.APPLIED)
    site.write(done)
    return done


@contextmanager
def _bootstrap(
    site: LocalStack, terraform: tf.Terraform, reach: cloud.LocalEndpoint, progress: Progress
) -> Iterator[None]:
    """Apply bootstrap, and run the block as soon as the state bucket and the image repositories stand.

    Terraform goes on watching the bucket's last settings for most of a minute, which nothing here has to wait for.
    Bootstrap's own state can't be in the bucket that it makes: it stays beside the cloud.
    """
    folder = site.sources / "bootstrap"
    env = reach.environment()
    needed: set[str] = set()
    planned = threading.Event()

    def note(record: Mapping[str, Any]) -> None:
        match record:
            case {"type": "planned_change", "change": {"resource": {"resource_type": kind, "addr": address}}}:
                if kind in NEEDED_OF_BOOTSTRAP:
                    needed.add(address)
            case {"type": "change_summary"}:
                planned.set()
            case {"type": "apply_complete", "hook": {"resource": {"addr": address}}}:
                needed.discard(address)

    tf.run(terraform, folder, ["init", "-no-color", *locked(terraform, folder)], env=env)
    arguments = ["apply", "-auto-approve", f"-state={site.state / 'bootstrap.tfstate'}"]
    arguments += [f"-var=environment={LOCAL_ROOT}", "-var=github_repository=example/oh-my-coins"]
    arguments += ["-var=github_owner_id=1", "-var=github_repository_id=2"]
    with ThreadPoolExecutor(1) as pool:
        applied = pool.submit(tf.run, terraform, folder, arguments, env=env, event=note)
        try:
            with progress.step("Applying infrastructure/terraform/bootstrap until repositories and state bucket exist"):
                while not applied.done() and (needed or not planned.is_set()):
                    time.sleep(0.1)
            if applied.done():
                applied.result()
            yield
            with progress.step("Waiting for the rest of infrastructure/terraform/bootstrap"):
                applied.result()
        except BaseException:
            tf.interrupt()
            raise


def apply_root(
    site: LocalStack,
    terraform: tf.Terraform,
    reach: cloud.LocalEndpoint,
    images: Mapping[str, str],
    progress: Progress,
    event: Callable[[Mapping[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Apply the stack alone, where bootstrap and images stand; its outputs. ``event`` hears what Terraform does."""
    report = _reporter(progress)

    def hear(record: Mapping[str, Any]) -> None:
        report(record)
        if event is not None:
            event(record)

    env = reach.environment() | {"TF_VAR_images": json.dumps(dict(images))}
    tf.run(
        terraform,
        site.root,
        ["init", "-no-color", "-reconfigure", *locked(terraform, site.root), *_backend(reach)],
        env=env,
    )
    arguments = ["apply", "-auto-approve", "-parallelism=20", *_variables(reach)]
    tf.run(terraform, site.root, arguments, env=env, event=hear)
    stack: dict[str, Any] = tf.outputs(terraform, site.root, env=env)["stack"]
    return stack


def _played(site: LocalStack) -> list[str]:
    """What the local cloud's API outside of AWS answers: the project's exchange, where it has one."""
    quotes = site.project / "apps/exchange/quotes.py"
    return ["--outside-api", str(quotes)] if quotes.is_file() else []


def _variables(reach: cloud.LocalEndpoint) -> list[str]:
    """What differs from staging in AWS: the timing, and an exchange that this machine plays."""
    return ["-var-file=local.tfvars", f"-var=exchange_url={reach.exchange_url}"]


def _backend(reach: cloud.LocalEndpoint) -> list[str]:
    return backend(state_bucket("ohmycoins", LOCAL_ROOT, reach.account))


def _reporter(progress: Progress) -> Callable[[Mapping[str, Any]], None]:
    """Terraform's events as one waiting line: how many resources stand, and which one is waited for."""
    done = 0
    total = 0
    under_way: dict[str, float] = {}

    def report(record: Mapping[str, Any]) -> None:
        nonlocal done, total
        kind = record.get("type")
        address = str(record.get("hook", {}).get("resource", {}).get("addr", ""))
        if kind == "change_summary" and record.get("changes", {}).get("operation") == "plan":
            total = sum(int(record["changes"].get(what, 0)) for what in ("add", "change", "remove"))
        elif kind == "apply_start":
            under_way[address] = time.monotonic()
        elif kind in {"apply_complete", "apply_errored"}:
            under_way.pop(address, None)
            done += 1
        else:
            if not address:
                return
        if under_way:
            oldest = min(under_way, key=under_way.__getitem__)
            waited = time.monotonic() - under_way[oldest]
            progress.waiting(f"{done} of {total} resources; waiting {waited:.0f} s for {oldest}")

    return report


def settle(environment: Environment, progress: Progress) -> None:
    """Wait until each service runs what it wants and every target is healthy, or say what is not."""
    missing = _wait_until(lambda level: level is Level.OK, RUNNING, environment, SETTLE_TIMEOUT, progress)
    if missing:
        raise cloud.LocalCloudError(
            f"The stack is up but not healthy after {SETTLE_TIMEOUT:.0f} s. {' '.join(missing)} "
            "See why: omc check morning --env local"
        )


def quiet(environment: Environment, progress: Progress) -> None:
    """Wait until every alarm of the environment has its data and none rings; name those that do when the time is up.

    They may ring for a reason, as after the start of a cloud in which a fault is in force, so this refuses nothing.
    """
    loud = _wait_until(lambda level: level is Level.OK, ALARMS, environment, ALARMS_TIMEOUT, progress)
    if loud:
        progress.note(f"After {ALARMS_TIMEOUT:.0f} s: {' '.join(loud)} Ask why: omc check morning --env local")


def measured(environment: Environment, progress: Progress) -> None:
    """Wait until CloudWatch has figures of what runs, so that a morning check right after this has nothing unknown."""
    late = _wait_until(lambda level: level is not Level.UNKNOWN, METRICS, environment, METRICS_TIMEOUT, progress)
    if late:
        progress.note(f"After {METRICS_TIMEOUT:.0f} s: {' '.join(late)} Ask why: omc check morning --env local")


def _wait_until(
    is_reached: Callable[[Level], bool],
    checks: CheckList,
    environment: Environment,
    timeout: float,
    progress: Progress,
) -> list[str]:
    """Ask the same again and again: nothing once all is as wanted, or what isn't after so many seconds."""
    gateway = Gateway(environment, access_to(environment))
    deadline = time.monotonic() + timeout
    while True:
        report = run_checks(checks, Facts(gateway, Scope(datetime.now(UTC), timedelta(hours=1))))
        missing = [f"{one.subject}: {one.sentence}" for one in report.findings if not is_reached(one.level)]
        if not missing or time.monotonic() > deadline:
            return missing
        progress.waiting(" ".join(missing))
        time.sleep(0.5)


def require_sources(site: LocalStack) -> None:
    """Refuse to begin where there is nothing to apply: Terraform and applications come from the project's folder."""
    if not site.is_usual:
        require_own(site.environment, site.project)
        return
    wanted = [f"{SOURCES}/bootstrap", f"{SOURCES}/environments/{LOCAL_ROOT}"]
    wanted += [f"apps/{service.name}" for service in site.environment.services]
    missing = [name for name in wanted if not (site.project / name).is_dir()]
    if missing:
        raise cloud.LocalCloudError(
            f"There is no {' and no '.join(missing)} beside {site.project / 'omc.toml'}, and the stack is applied "
            "from there. Use the omc.toml of the project's own checkout (--stack FILE); name a Terraform root of yours "
            f"([environments.{site.environment.name}] terraform); copy an environment that runs: omc local clone "
            "--from NAME; or take the sample stack: omc local sample FOLDER"
        )


def require_space(folder: Path) -> None:
    """Refuse to begin what the disk can't hold."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    if free < SPACE:
        raise cloud.LocalCloudError(
            f"A local cloud needs {SPACE // 2**20} MiB of disk and {place} has {free // 2**20} MiB free. "
            "Free some, or use another folder: --state DIR"
        )
