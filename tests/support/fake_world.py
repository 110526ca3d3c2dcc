"""A world for the engine's tests: a folder with a few values, actions that change them and write down each effect, and
ways to make any call fail or the process die at any moment. `python -m support.fake_world …` is omc with this world.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import click

from omc.actions import action as actions
from omc.actions.action import Action, Context, Interrupted, Outcome, Verdict
from omc.cli import main as cli
from omc.cli.change import carry_out, change_options, override_option
from omc.cli.lazy import LazyCommand
from omc.config import Environment
from omc.errors import AccessDenied, AwsRefused, BadAnswer, BadCredentials, Throttled, Unreachable
from omc.facts.collector import NO_READING, Reading, reads
from omc.maintenance import facts as maintenance_facts
from omc.maintenance.checks import Verdict as MaintenanceVerdict
from omc.maintenance.figures import Figures
from omc.model.arguments.base import Arguments, Late, output_of
from omc.model.plan import Plan, Risk, step, undo_by
from omc.procedures import catalogue
from omc.procedures.preflight import Refusal, kept_or_overridden

ERRORS: Mapping[str, Exception] = {
    "throttled": Throttled("fake Set: too many requests."),
    "unreachable": Unreachable("The fake world does not answer."),
    "cut": BadAnswer("fake Set: the answer was cut off."),
    "refused": AwsRefused("fake Set was refused: ValidationException.", "ValidationException"),
    "denied": AccessDenied("fake Set is not allowed.", "fake:Set"),
    "expired": BadCredentials("The credentials have expired."),
    "odd": AwsRefused("fake Set said \0 and \ud800 and password=hunter2.", "Odd"),
    "bug": ZeroDivisionError("division by zero"),
}


def world() -> Path:
    return Path(os.environ["FAKE_WORLD"])


def values() -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((world() / "values.json").read_text())
    except FileNotFoundError:
        return {}
    return found


def effects() -> list[str]:
    try:
        return (world() / "effects").read_text().splitlines()
    except FileNotFoundError:
        return []


def put(key: str, value: Any) -> None:
    fresh = world() / f"values.{os.getpid()}"
    fresh.write_text(json.dumps({**values(), key: value}))
    fresh.replace(world() / "values.json")


def trouble(moment: str) -> str | None:
    """The next trouble that the test has put here for this moment, such as ``perform one``; each happens once."""
    file = world() / f"trouble {moment}"
    try:
        first, *rest = file.read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    file.write_text(" ".join(rest))
    return first


def stumble(moment: str) -> None:
    word = trouble(moment)
    if word == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif word == "stop":
        (world() / "stopped").write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGSTOP)
    elif word:
        raise ERRORS[word]


_reached = 0


def point() -> None:
    """A moment at which the test may have the process killed: ``FAKE_DIE_AT`` counts them from 1."""
    global _reached
    if threading.current_thread() is not threading.main_thread():
        return
    _reached += 1
    if os.environ.get("FAKE_DIE_AT") == str(_reached):
        os.kill(os.getpid(), signal.SIGKILL)
    (world() / "points").write_text(str(_reached))


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeSet(Arguments):
    """Which value is set to what."""

    ACTION: ClassVar[str] = "fake.set"
    key: str
    value: Late[Any]
    password: str = ""


def _look(context: Context, arguments: FakeSet) -> bool:
    point()
    stumble(f"look {context.step}")
    return bool(values().get(arguments.key) == arguments.value)


def _perform(context: Context, arguments: FakeSet) -> Mapping[str, Any]:
    context.checkpoint({"before": values().get(arguments.key)})
    stumble(f"perform {context.step}")
    point()
    with (world() / "effects").open("a") as file:
        file.write(f"{context.step} {arguments.key}={arguments.value}\n")
    put(arguments.key, arguments.value)
    while (world() / f"long {context.step}").exists():
        if not (world() / "deaf").exists() and context.cancelled():
            raise Interrupted(Verdict.CANCELLED, f"cancelled; {arguments.key} is half set.", {"half": True})
        time.sleep(0.02)
    point()
    context.report(f"{arguments.key} is {arguments.value}")
    stumble(f"after {context.step}")
    return {"arn": f"arn:fake:{arguments.key}"}


def _watch(context: Context, arguments: FakeSet) -> Outcome | None:
    point()
    stumble(f"watch {context.step}")
    word = trouble(f"outcome {context.step}")
    if word == "wait":
        return None
    if (world() / f"hold {context.step}").exists() and arguments.value is not None:  # undoing is never held
        (world() / f"held {context.step}").touch()
        return None
    if word:
        return Outcome(Verdict(word.replace("-", " ")), f"{arguments.key} {word}.", {"events": ["it broke"]})
    return Outcome(
        Verdict.SUCCEEDED,
        f"{arguments.key} is {values()[arguments.key]}.",
        {"value": values()[arguments.key], "password": "hunter2"},
        {"was": context.state.get("before")},
    )


def _goes_on(context: Context, arguments: FakeSet) -> str:
    return f"{arguments.key} goes on." if (world() / f"goes on {context.step}").exists() else ""


def _commands(environment: Environment, arguments: FakeSet) -> Sequence[str]:
    return [f"fake set --in {environment.name} {arguments.key}={arguments.value}"]


@dataclass(frozen=True)
class Asked:
    """Which values are wanted, and what the plan should be like."""

    values: dict[str, Any]
    risk: str = "low"
    undo: bool = True
    deadline: float = 60.0
    chained: bool = False
    secret: str = ""
    override: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Values:
    """What there is."""

    now: dict[str, Any]
    reading: Reading = NO_READING


@reads
def read_values(environment: Environment) -> Values:
    stumble("facts")
    return Values(values())


def plan(request: Asked, environment: Environment, there: Values) -> Plan:
    broken = [Refusal(f"{key} must not be broken.", True) for key, value in request.values.items() if value == "broken"]
    kept, overridden = kept_or_overridden(broken, request.override)
    refusals = tuple(kept) if request.override else tuple(one.sentence for one in broken)
    steps = [
        step(
            key,
            FakeSet(key=key, value=value, password=request.secret),
            title=f"Set {key} to {value}",
            before=str(there.now.get(key)),
            after=str(value),
            undo=undo_by(FakeSet(key=key, value=there.now.get(key)), f"{key} back to {there.now.get(key)}"),
            deadline=request.deadline,
        )
        for key, value in request.values.items()
    ]
    if request.chained:
        first = steps[0].name
        steps.append(step("copy", FakeSet(key="copy", value=output_of(first, "arn")), f"Copy what {first} is called"))
    return Plan(
        procedure="fake",
        environment=environment.name,
        request={
            "values": request.values,
            "risk": request.risk,
            "undo": request.undo,
            "deadline": request.deadline,
            "chained": request.chained,
            "secret": request.secret,
            "override": request.override,
            "tags": dict(request.tags),
        },
        title=f"Set {', '.join(request.values)}",
        risk=Risk(request.risk),
        steps=tuple(steps),
        preconditions={key: there.now.get(key) for key in request.values},
        notes=("This world is not real.", *overridden, *(f"tag {key}: {value}" for key, value in request.tags.items())),
        refusals=refusals,
        undo_on_failure=request.undo,
    )


@click.command()
@click.argument("pairs", nargs=-1)
@click.option("--risk", default="low")
@click.option("--undo/--no-undo", default=True)
@click.option("--deadline", type=float, default=60.0)
@click.option("--chained", is_flag=True)
@click.option("--secret", default="")
@click.option("--tag", "tags", multiple=True)
@override_option
@change_options
@click.pass_context
def fake(
    context: click.Context,
    /,
    pairs: Sequence[str],
    risk: str,
    undo: bool,
    deadline: float,
    chained: bool,
    secret: str,
    tags: Sequence[str],
    override: str,
    **how: Any,
) -> None:
    """Set values of the fake world.

    omc fake one=1 two=2
    """
    wanted = {key: value for key, _, value in (pair.partition("=") for pair in pairs)}
    tagged = {key: value for key, _, value in (tag.partition("=") for tag in tags)}
    request = Asked(wanted, risk, undo, deadline, chained, secret, override, tagged)
    context.exit(carry_out(context, "fake", request, **how))


def read_figures(aws: Any, begin: datetime, end: datetime) -> Figures:
    """A thousand answers, as bad as the test says in ``errors``."""
    stumble("figures")
    file = world() / "errors"
    errors = float(file.read_text()) if file.exists() else 0.0
    return Figures(begin, end, 1000.0, errors, 0.1, {"backend": 2}, {"backend": 2})


def read_health(site: Any, since: timedelta) -> MaintenanceVerdict:
    """Well, unless the test says otherwise in ``unhealthy``."""
    stumble("health")
    file = world() / "unhealthy"
    return MaintenanceVerdict(False, file.read_text()) if file.exists() else MaintenanceVerdict(True, "All is well.")


def install(every: float = 0.02) -> None:
    """Let this process know the world."""
    maintenance_facts.WORLD = maintenance_facts.Readings(read_figures, read_health)
    catalogue.PLANNERS.add("fake", "support.fake_world:plan")
    cli.COMMANDS.add("fake", LazyCommand("support.fake_world", "Set values of the fake world."))
    if "fake.set" not in actions.ACTIONS:
        actions.register(Action(FakeSet, _perform, _look, _watch, _commands, every, _goes_on))


def uninstall() -> None:
    """Let this process forget it: other tests count what omc itself has."""
    maintenance_facts.WORLD = maintenance_facts.Readings()
    catalogue.PLANNERS.remove("fake")
    cli.COMMANDS.remove("fake")
    actions.ACTIONS.remove("fake.set")


def count_transactions() -> None:
    """Every commit is a point before and a point after it."""
    from sqlalchemy import event
    from sqlalchemy.orm import Session

    event.listen(Session, "before_commit", lambda session: point())
    event.listen(Session, "after_commit", lambda session: point())


def serve() -> None:
    """Fork a process of omc for each line of JSON on stdin: quick, since everything is imported already."""
    import omc.cli.audit
    import omc.cli.runs
    import omc.engine.execution
    import omc.engine.run_document
    import omc.engine.worker
    import omc.maintenance.command
    import omc.maintenance.desk
    import omc.maintenance.document
    import omc.maintenance.run
    import omc.store.database  # noqa: F401

    for line in sys.stdin:
        payload = json.loads(line)
        if "poll" in payload:
            pid, status = os.waitpid(payload["poll"], os.WNOHANG)
            print(os.waitstatus_to_exitcode(status) if pid else "running", flush=True)
            continue
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        _become(payload)


def _become(record: Mapping[str, Any]) -> None:
    """The forked process: one command of omc, then its end."""
    os.setsid()
    os.environ.update(record["env"])
    for number, name in ((0, os.devnull), (1, record["out"]), (2, record["err"])):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in ((0, "r"), (1, "w"), (2, "w")))
    if "FAKE_POINTS" in os.environ:
        count_transactions()
    code: Any = 70
    try:
        cli.main(record["argv"])
    except SystemExit as error:
        code = error.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    from support import fake_world  # noqa: PLW0406 - the one that the catalogue imports, not this __main__

    fake_world.install()
    if sys.argv[1:] == ["--serve"]:
        fake_world.serve()
    else:
        cli.main()
