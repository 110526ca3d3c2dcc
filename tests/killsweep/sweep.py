"""The kill sweep: omc is killed at every write to its record and in the middle of every call that changes something,
and AWS misbehaves at each of those calls; then another process goes on. Each run must come to a clear end, with every
effect there once.

    python tests/killsweep/sweep.py [--environments N] [--only PROCEDURE]…

The whole takes long; ``--only`` sweeps a part of it, and all parts together are the whole. The last line is JSON:
``{"cases": …, "lost": 0, "doubled": 0, "complete": true}``. *Lost*: no clear end, or an effect that isn't there.
*Doubled*: an effect that took place twice. Exit code 1 with any. Ended by Ctrl-C or SIGTERM it says at once what it has
found so far, with ``"complete": false``, lets the cases under way end, cleans up, and exits with 130.
"""

from __future__ import annotations

import argparse
import json
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

import psycopg

from killsweep.gate import Gate, gate_of, install
from support.commands import clean_env
from support.small import SERVICE, SmallEnvironment, add_fault, faults_of, small_cloud
from support.stack import all_tasks

WITHIN = 300.0
"""Seconds for one process of omc: many times what it needs."""
HOLD = 1.5
"""Seconds that a call is held in which omc is killed."""


@dataclass(frozen=True, slots=True)
class Procedure:
    """A change that is swept."""

    name: str
    arguments: Callable[[SmallEnvironment], Sequence[str]]
    """Of the command, from how the environment is now."""
    effects: Mapping[str, int]
    """Calls that change something, each to how often it is obeyed in a run."""
    deployments: int = 0
    """New deployments of the service."""
    tasks: int = 0
    """Tasks run by themselves."""
    timers: int = 0
    alone: bool = False
    """Environments would be in each other's way."""


def _scale(environment: SmallEnvironment) -> Sequence[str]:
    """One task or two; the minimum stays, so that it is omc and not the autoscaler that changes the count."""
    count, maximum = (1, 3) if environment.service["desiredCount"] == 2 else (2, 2)
    return ["scale", SERVICE, str(count), "--min", "1", "--max", str(maximum), "--for", "14d"]


def _deploy(environment: SmallEnvironment) -> Sequence[str]:
    other = "red" if environment.image == environment.images["blue"] else "blue"
    # The way back of an earlier lap makes it an image that was rolled back from, which needs a reason.
    return ["deploy", "--image", f"{SERVICE}={environment.images[other]}", "--watch", "1s", "--override", "a sweep"]


PROCEDURES = (
    Procedure("scale", _scale, {"RegisterScalableTarget": 1, "UpdateService": 1}, timers=1),
    Procedure("restart", lambda _: ["restart", SERVICE], {"UpdateService": 1}, deployments=1),
    Procedure("deploy", _deploy, {"RegisterTaskDefinition": 1, "RunTask": 1, "UpdateService": 1}, 1, tasks=1),
    Procedure("rollback", lambda _: ["rollback", SERVICE], {"UpdateService": 1}, deployments=1),
)
"""In an order in which each can follow the one before."""


def _database_class(environment: SmallEnvironment) -> Sequence[str]:
    other = "small" if environment.database["DBInstanceClass"] == "db.t4g.micro" else "micro"
    return ["database", "class", f"db.t4g.{other}", "--override", "a sweep"]


def _database_parameter(environment: SmallEnvironment) -> Sequence[str]:
    return ["database", "parameter", f"max_connections={60 + time.time_ns() // 1_000_000 % 100}"]


def _cache_scale(environment: SmallEnvironment) -> Sequence[str]:
    other = "small" if environment.cache["CacheNodeType"] == "cache.t4g.micro" else "micro"
    return ["cache", "scale", f"cache.t4g.{other}"]


STORES = (
    Procedure("database reboot", lambda _: ["database", "reboot"], {"RebootDBInstance": 1}, alone=True),
    Procedure("database class", _database_class, {"ModifyDBInstance": 1}, alone=True),
    Procedure(
        "database parameter", _database_parameter, {"ModifyDBParameterGroup": 1, "RebootDBInstance": 1}, alone=True
    ),
    Procedure("cache scale", _cache_scale, {"ModifyReplicationGroup": 1}, alone=True),
    Procedure(
        "cache reboot",
        lambda environment: ["cache", "reboot", f"{environment.name}-redis-001"],
        {"RebootCacheCluster": 1},
        alone=True,
    ),
)
"""Of the database and the cache, which one environment has. No call of theirs has a token: asked twice, it is done
twice."""
TERRAFORM = Procedure(
    "infra apply",
    lambda _: ["infra", "apply", "--var", f"note={time.time_ns()}"],
    {"PutParameter": 1},
    alone=True,
)
"""Terraform makes the calls, and asks again by itself where an answer is lost: omc is killed beside it."""


@dataclass(frozen=True, slots=True)
class Case:
    """One run, and what happens to it."""

    procedure: Procedure
    write: int = 0
    """Killed at this write to the record."""
    call: str = ""
    """Something happens to this call …"""
    fault: str = ""
    """… of localcloud's kinds of faults."""
    kill: bool = False
    """Killed while the call is held."""
    perhaps: bool = False
    """A run that succeeds before that write is no case: which lock Terraform holds is written down only where it can be
    read before Terraform gives it back."""

    def __str__(self) -> str:
        if self.write:
            return f"{self.procedure.name}: killed at write {self.write}"
        return f"{self.procedure.name}: {self.call} {self.fault}" + (", killed in it" if self.kill else "")


def cases(writes: Mapping[str, int]) -> Iterator[Case]:
    """All of them. ``writes``: how many each procedure makes when nobody disturbs it."""
    if TERRAFORM.name in writes:
        last = writes[TERRAFORM.name]
        yield from (Case(TERRAFORM, write=number, perhaps=number == last) for number in range(1, last + 1))
        yield Case(TERRAFORM, call="PutParameter", fault="slow", kill=True)
    for procedure in (each for each in (*PROCEDURES, *STORES) if each.name in writes):
        yield from (Case(procedure, write=number) for number in range(1, writes[procedure.name] + 1))
        for call in procedure.effects:
            yield Case(procedure, call=call, fault="timeout", kill=True)
            yield Case(procedure, call=call, fault="lost", kill=True)
            yield from (
                Case(procedure, call=call, fault=kind) for kind in ("throttle", "500", "timeout", "lost", "truncate")
            )


@dataclass(slots=True)
class Result:
    """What a sweep has found."""

    cases: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    verdicts: Counter[str] = field(default_factory=Counter)
    complete: bool = False
    _reported: bool = False

    def report(self) -> None:
        """Print it, once."""
        if self._reported:
            return
        self._reported = True
        for line in self.lost + self.doubled:
            print(line, file=sys.stderr)
        print(dict(self.verdicts), file=sys.stderr)
        counts = {"cases": self.cases, "lost": len(self.lost), "doubled": len(self.doubled)}
        print(json.dumps(counts | {"complete": self.complete}), flush=True)


@dataclass(slots=True)
class Sweeper:
    """One environment at work."""

    environment: SmallEnvironment
    gate: Gate
    store: psycopg.Connection[Any]
    folder: Path
    result: Result
    _turn: int = 0

    def undisturbed(self, procedure: Procedure) -> int:
        """How many writes a run of it makes."""
        self._give_way_back(procedure)
        self.gate.close_at(-1)
        process = self._start(procedure)
        code = process.wait(WITHIN)
        assert code == 0, f"{procedure.name}, undisturbed, ended with {code}: {self._log_tail()}"
        self.environment.settled()
        return self.gate.open()

    def try_case(self, case: Case) -> None:
        """Run it, disturb it, go on with it, and judge."""
        self._give_way_back(case.procedure)
        before = self._last_run()[0]
        since = datetime.now(UTC)
        deployments, tasks = set(self.environment.deployments()), self._tasks()
        self.gate.close_at(case.write or -1)
        if case.call:
            seconds = HOLD if case.kill else 0.2
            add_fault(
                self.environment.stack,
                operation=case.call,
                kind=case.fault,
                containing=self.environment.name,
                count=1,
                seconds=seconds,
            )
        met = self._disturb(case)
        self.gate.open()
        run = self._last_run()[0]
        state, verdict = ("ended", "nothing begun") if run == before else self._go_on(run)
        self._judge(case, met, state, verdict, run, since, deployments, tasks)

    def _give_way_back(self, procedure: Procedure) -> None:
        """A rollback takes a deployment back."""
        if procedure.name == "rollback" and self._last_run()[1] != "deploy":
            self.undisturbed(next(each for each in PROCEDURES if each.name == "deploy"))

    def _disturb(self, case: Case) -> bool:
        """Whether the run met what was prepared for it."""
        process = self._start(case.procedure)
        deadline = time.monotonic() + WITHIN
        while process.poll() is None and time.monotonic() < deadline:
            held = bool(case.kill and not faults_of(self.environment.stack, self.environment.name))
            if held or (case.write and self.gate.somebody_waits()):
                process.send_signal(signal.SIGKILL)
                process.wait(60)
                return True
            time.sleep(0.01 if case.write else 0.03)
        process.kill()
        process.wait(60)
        return not case.write and not faults_of(self.environment.stack, self.environment.name)

    def _go_on(self, run: str) -> tuple[str, str]:
        """Another process takes the run to its end: by name, or a worker that finds it."""
        for _ in range(3):
            if self._state(run)[0] == "ended":
                break
            self._turn += 1
            arguments = (
                ["runs", "resume", run] if self._turn % 2 else ["work", "--once", "--env", self.environment.name]
            )
            self._run(arguments)
        return self._state(run)

    def _judge(
        self,
        case: Case,
        met: bool,
        state: str,
        verdict: str,
        run: str,
        since: datetime,
        deployments: set[str],
        tasks: set[str],
    ) -> None:
        if case.perhaps and not met and verdict == "succeeded":
            print(f"{self.environment.name}: {case}: the run made fewer writes; no case", file=sys.stderr, flush=True)
            return
        self.result.cases += 1
        self.result.verdicts[verdict] += 1
        self.environment.settled()
        procedure = case.procedure
        found = {call: self._obeyed(call, since) for call in procedure.effects}
        found["deployments"] = len(set(self.environment.deployments()) - deployments)
        found["tasks"] = len(self._tasks() - tasks)
        found["timers"] = self._timers(run)
        wanted = dict(procedure.effects) | {
            "deployments": procedure.deployments,
            "tasks": procedure.tasks,
            "timers": procedure.timers,
        }
        if verdict == "nothing begun":
            wanted = dict.fromkeys(wanted, 0) | {"timers": found["timers"]}
        message = f"{self.environment.name}: {case} → {state}, {verdict}"
        if "RunTask" in found:  # asked again with the same token it starts no second task: those are counted
            found["RunTask"] = min(found["RunTask"], 1)
        if not met:
            self.result.lost.append(f"{message}: the run never came to what was prepared for it: {self._log_tail()}")
        elif state != "ended" or verdict not in ("succeeded", "nothing begun"):
            self.result.lost.append(f"{message}: {self._log_tail()}")
        if more := {what: found[what] for what in wanted if found[what] > wanted[what]}:
            self.result.doubled.append(f"{message}: {more} instead of {wanted}")
        elif less := {what: found[what] for what in wanted if found[what] < wanted[what]}:
            self.result.lost.append(f"{message}: {less} instead of {wanted}")
        print(message, found, file=sys.stderr, flush=True)

    # -- omc as a process

    def _start(self, procedure: Procedure) -> subprocess.Popen[bytes]:
        return self._spawn([*procedure.arguments(self.environment), "--env", self.environment.name, "--yes"])

    def _run(self, arguments: Sequence[str]) -> int:
        return self._spawn(arguments).wait(WITHIN)

    def _spawn(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{self.environment.name}.log").open("wb") as log:
            return subprocess.Popen(
                self.environment.command(*arguments),
                env=clean_env(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C is meant for the sweep
            )

    def _log_tail(self) -> str:
        return (self.folder / f"{self.environment.name}.log").read_text(errors="replace")[-600:]

    # -- what is written down, and what happened

    def _last_run(self) -> tuple[str, str]:
        row = self.store.execute(
            "SELECT id, procedure FROM runs WHERE environment = %s ORDER BY created_at DESC LIMIT 1",
            (self.environment.name,),
        ).fetchone()
        return (str(row[0]), str(row[1])) if row else ("", "")

    def _state(self, run: str) -> tuple[str, str]:
        row = self.store.execute("SELECT state, verdict FROM runs WHERE id = %s", (run,)).fetchone()
        return (str(row[0]), str(row[1])) if row else ("gone", "")

    def _timers(self, run: str) -> int:
        row = self.store.execute("SELECT count(*) FROM timers WHERE made_by = %s", (run,)).fetchone()
        return int(row[0]) if row else 0

    def _obeyed(self, call: str, since: datetime) -> int:
        """How often AWS did it, as CloudTrail has it."""
        trail = self.environment.stack.client("cloudtrail")
        events = trail.lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": call}],
            StartTime=since - timedelta(seconds=1),
        )["Events"]
        records = [json.loads(event["CloudTrailEvent"]) for event in events if event["EventTime"] >= since]
        return sum(
            self.environment.name in str(each["requestParameters"]) and "errorCode" not in each for each in records
        )

    def _tasks(self) -> set[str]:
        """Tasks that no service started."""
        return {
            task["taskArn"]
            for desired in ("RUNNING", "STOPPED")
            for task in all_tasks(self.environment.stack, self.environment.name, desired)
            if not task["group"].startswith("service:")
        }


@contextmanager
def environments_ready(folder: Path, count: int, result: Result, *, stores: bool = False) -> Iterator[list[Sweeper]]:
    """A small cloud with omc's store held open and the gate in it. ``stores``: as ``small_cloud`` has it."""
    from omc.config import load
    from omc.store.database import open_store
    from omc.store.location import locate_store

    with ExitStack() as stack:
        environments = stack.enter_context(small_cloud(folder, count, stores=stores))
        loaded = load(environments[0].file)
        store = stack.enter_context(open_store(locate_store(loaded, loaded.environments[environments[0].name])))
        dsn = store.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        install(dsn)
        sweepers = []
        for environment in environments:
            gate = stack.enter_context(gate_of(dsn, environment.name))
            rows = stack.enter_context(psycopg.connect(dsn, autocommit=True))
            sweepers.append(Sweeper(environment, gate, rows, folder, result))
        yield sweepers


def sweep(sweepers: Sequence[Sweeper], work: Sequence[Case]) -> None:
    """All cases, the environments side by side. A case whose check itself breaks counts as lost."""
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in work:
        waiting.put(case)

    def go(sweeper: Sweeper) -> None:
        while True:
            try:
                case = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                sweeper.try_case(case)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must be in the result
                sweeper.result.lost.append(f"{sweeper.environment.name}: {case}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=go, args=(sweeper,)) for sweeper in sweepers]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        sweepers[0].result.report()  # at once: whoever ends a sweep may not wait for long
        with suppress(queue.Empty):
            while True:
                waiting.get_nowait()
        for thread in threads:
            thread.join()
        raise


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    every = (*PROCEDURES, *STORES, TERRAFORM)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=int, default=3, help="how many changes side by side (default: 3)")
    parser.add_argument(
        "--only",
        action="append",
        choices=[each.name for each in every],
        metavar="PROCEDURE",
        help=f"sweep this one, and whichever else is named: {', '.join(each.name for each in every)}",
    )
    provided = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupted)
    result = Result()
    wanted = [each for each in every if provided.only is None or each.name in provided.only]
    try:
        with (
            tempfile.TemporaryDirectory(prefix="omc-sweep-") as folder,
            environments_ready(
                Path(folder), provided.environments, result, stores=bool(set(wanted) & set(STORES))
            ) as sweepers,
        ):
            writes = {each.name: sweepers[0].undisturbed(each) for each in wanted}
            print(f"writes of an undisturbed run: {writes}", file=sys.stderr)
            work = list(cases(writes))
            sweep(sweepers, [case for case in work if not case.procedure.alone])
            sweep(sweepers[:1], [case for case in work if case.procedure.alone])
            result.complete = True
    except KeyboardInterrupt:
        return 130
    finally:
        result.report()
    return 1 if result.lost or result.doubled else 0


if __name__ == "__main__":
    sys.exit(main())
