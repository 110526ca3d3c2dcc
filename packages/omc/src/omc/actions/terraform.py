"""Applying a plan file of Terraform, so that a killed apply is found, understood and finished.

Terraform's own record of what it did is the state, which counts up with each change. Equal to the plan's: nothing was
recorded, and the file still applies. Ahead of it: a new plan says what is left, and only what was approved goes on.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from omc import terraform as tf
from omc.actions.action import Action, Context, Interrupted, Outcome, Verdict, register
from omc.config import Environment
from omc.config.model import LOCAL_ROOT, ROOTS
from omc.errors import OmcError, Refused, Unknown
from omc.facts.infrastructure import given_to
from omc.facts.terraform_json import changes
from omc.infrastructure import plans
from omc.infrastructure.roots import Root, root_of
from omc.judgement.approved_changes import is_rest_of
from omc.model.arguments.terraform import ApplyPlan
from omc.model.plan import Json

LOCK_WAIT = 60.0
"""Seconds to wait for somebody else's lock: their plan takes less, and their apply makes ours stale anyway."""
CLOCK_ERROR = timedelta(seconds=5)


def _is_applied(context: Context, arguments: ApplyPlan) -> bool:
    """Whether all of it is there. What is left of a cut-off apply is planned, and remembered as the file to apply."""
    root = _root(context, arguments)
    _let_others_end(context)
    state = root.state()
    serial, lineage = int(state.get("serial", 0)), str(state.get("lineage", ""))
    began = "began" in context.state
    planned_from = arguments.serial, arguments.lineage
    as_planned = (serial, lineage) == planned_from or not (serial or arguments.serial)
    if as_planned and not (began and context.cancelled()):
        return False  # the file can be applied, also after an apply that was cut off before it wrote its state
    if not began:
        raise Refused(
            f"The state is number {serial} now, and the plan was made from number {arguments.serial}: somebody "
            f"changed it meanwhile. Nothing was applied. "
            f"Plan again: omc infra plan --env {context.environment.name}"
        )
    if context.state.get("applied"):
        return True
    return _nothing_left(context, arguments, root)


def _nothing_left(context: Context, arguments: ApplyPlan, root: Root) -> bool:
    """Plan again after an apply that was cut off."""
    context.report("An apply was cut off; planning what is left of it")

    provided = _given(root, arguments)

    def plan() -> Path:
        return plans.make(root, provided, context.report, destroy=arguments.destroy, mark=context.token)

    try:
        file = _with_lock(context, root, plan)
    except tf.StateLocked as error:
        raise Unknown(error.message) from error
    left = changes(tf.show(root.terraform, root.folder, file, env=root.environment).get("resource_changes"))
    beyond = is_rest_of(left, arguments.approved)
    if not left or (arguments.partial and len(beyond) == len(left)):
        return True  # of a part, what else the code wants is no rest
    if context.cancelled():
        approved = len(arguments.approved)
        raise Interrupted(
            Verdict.CANCELLED,
            f"cancelled. The apply was cut off: of {approved} resources {len(left)} are still to "
            "be changed. "
            f"{_next(context)}",
            {"left": [change.address for change in left]},
        )
    if beyond:
        context.checkpoint({"gave_up": list(beyond)})
        return True
    context.checkpoint({"rest": str(file), "rest_sha256": plans.sha256_of(file), "left": len(left)})
    return False


def _given(root: Root, arguments: ApplyPlan) -> dict[str, Any]:
    """What the plan was made with. The run keeps no secret, so those of its variables are in its file alone."""
    file, kept = Path(arguments.plan), dict(arguments.variables)
    if not file.is_file() or plans.sha256_of(file) != arguments.sha256:
        return kept
    return kept | given_to(tf.show(root.terraform, root.folder, file, env=root.environment))


def _apply(context: Context, arguments: ApplyPlan) -> Mapping[str, Json]:
    """Apply the file that was approved, or the one with what is left of it."""
    root = _root(context, arguments)
    file = Path(context.state.get("rest") or arguments.plan)
    expected = context.state.get("rest_sha256") or arguments.sha256
    if not file.is_file():
        raise Refused(
            f"The plan file {file} is not on this machine ({socket.gethostname()}): it holds secrets, so it stays "
            f"where it was made. Continue there, or plan again: omc infra plan --env {context.environment.name}"
        )
    if plans.sha256_of(file) != expected:
        raise Refused(
            f"The plan file {file} is not the one that was approved; nothing was applied. "
            f"Plan again: omc infra plan --env {context.environment.name}"
        )
    if "began" not in context.state:
        context.checkpoint({"began": datetime.now(UTC).isoformat(), "who": _who()})
    events = _Events(context, root)
    command = ["apply", "-input=false", f"-parallelism={plans.PARALLELISM}", str(file)]
    marked = replace(root, extra={"OMC_STEP": context.token})

    def apply() -> None:
        if context.cancelled():  # while somebody else's lock was waited for
            raise _cancelled(context, events)
        marked.run(command, events, events.stop)

    try:
        _with_lock(context, root, apply)
    except tf.StateLocked:
        raise
    except tf.TerraformKilled as error:
        raise Unknown(error.message) from error
    except tf.TerraformError as error:
        raise (_cancelled if events.stopping else _failed)(context, events, error) from error
    context.checkpoint({"applied": True})
    for path in {file, Path(arguments.plan)}:
        if path.parent == root.plans:
            with suppress(OSError):
                path.unlink()
    return {"counts": dict(events.counts), "state": int(root.state().get("serial", 0))}


def _poll(context: Context, arguments: ApplyPlan) -> Outcome:
    """Terraform has waited for each resource itself."""
    if beyond := context.state.get("gave_up"):
        shown = ", ".join(beyond[:3]) + (f" and {len(beyond) - 3} more" if len(beyond) > 3 else "")
        return Outcome(
            Verdict.FAILED,
            "The apply was cut off, and what is left of it is more than was approved: "
            f"{shown}. What it did stays. Look at it and approve it: omc infra plan --env {context.environment.name}",
            dict(context.state),
        )
    counts = context.state.get("counts")
    if counts is None:
        return Outcome(
            Verdict.SUCCEEDED,
            f"All of the plan is done: an apply that was cut off did it.{_rest_of_code(context, arguments)}",
            dict(context.state),
        )
    did = f"{counts.get('add', 0)} added, {counts.get('change', 0)} changed, {counts.get('remove', 0)} destroyed"
    did += f", {arguments.unseen}" if arguments.unseen else ""
    rest = " (the rest of an apply that was cut off)" if context.state.get("rest") else ""
    message = f"Terraform applied the plan: {did}{rest}.{_rest_of_code(context, arguments)}"
    return Outcome(Verdict.SUCCEEDED, message, dict(context.state))


def _rest_of_code(context: Context, arguments: ApplyPlan) -> str:
    """What is said of a plan that was only a part of the change."""
    if not arguments.partial:
        return ""
    return f" It was ONLY A PART of the change. See the rest: omc infra plan --env {context.environment.name}"


def _commands(environment: Environment, arguments: ApplyPlan) -> Sequence[str]:
    name = LOCAL_ROOT if environment.is_local else environment.name
    folder = environment.own_root or ROOTS / name
    lines = [] if not environment.is_local else ['eval "$(omc local env --terraform)"']
    bucket = "" if environment.is_local else f' -backend-config="bucket={arguments.stack}-{name}-tfstate-$ACCOUNT"'
    return [
        *lines,
        f"terraform -chdir={folder} init{bucket}",
        f"terraform -chdir={folder} apply {arguments.plan}",
    ]


register(Action(ApplyPlan, _apply, _is_applied, _poll, _commands))


class _Events:
    """Terraform's events as a line of progress; remembers the lock as soon as it is ours, and sees a cancel."""

    def __init__(self, context: Context, root: Root) -> None:
        self.context, self.root = context, root
        self.done: set[str] = set()
        self.errored: set[str] = set()
        self.total = 0
        self.counts: Mapping[str, int] = {}
        self.under_way: dict[str, datetime] = {}
        self.stopping = False

    def __call__(self, record: Mapping[str, Any]) -> None:
        kind = record.get("type")
        address = str(record.get("hook", {}).get("resource", {}).get("addr", ""))
        if kind == "planned_change":
            self.total += 1
        elif kind == "change_summary" and record["changes"].get("operation") == "apply":
            self.counts = {name: int(record["changes"].get(name, 0)) for name in ("add", "change", "remove")}
        elif kind == "apply_start":
            self._remember_lock()
            self.under_way[address] = datetime.now(UTC)
            self.done.discard(address)  # one that is replaced is begun twice
        elif kind in {"apply_complete", "apply_errored"}:
            self.under_way.pop(address, None)
            (self.done if kind == "apply_complete" else self.errored).add(address)
        if self.under_way:
            self._say()

    def stop(self) -> bool:
        """Whether Terraform is to stop, for ``tf.run``."""
        self.stopping = self.context.cancelled()
        if self.stopping:
            self._say()
        return self.stopping

    @property
    def counted(self) -> str:
        """``2 of 5 resources``."""
        return f"{len(self.done)} of {max(self.total, len(self.done))} resources"

    @property
    def summary(self) -> str:
        """How far it came, for a sentence."""
        rest = " (of the rest of an apply that was cut off)" if self.context.state.get("rest") else ""
        return f"{self.counted} were changed{rest}, and the state knows them"

    @property
    def broken(self) -> list[str]:
        """What was begun and did not come to its end."""
        return sorted(self.errored | set(self.under_way))

    @property
    def evidence(self) -> Mapping[str, Json]:
        return {"changed": sorted(self.done), "not_finished": self.broken}

    def _say(self) -> None:
        parts = [self.counted]
        if self.under_way:
            oldest = min(self.under_way, key=self.under_way.__getitem__)
            parts.append(f"{(datetime.now(UTC) - self.under_way[oldest]).total_seconds():.0f} s on {oldest}")
        if self.stopping:
            parts.insert(0, "cancelled: Terraform was asked to stop and finishes what is under way")
        self.context.report("; ".join(parts))

    def _remember_lock(self) -> None:
        """So that, if we are killed, this very lock is known to be ours. Reading it is no condition for going on."""
        if "lock" in self.context.state:
            return
        with suppress(OmcError, ValueError, KeyError):
            import json

            answer = self.context.gateway.client("s3").get_object(
                Bucket=self.root.bucket, Key=f"{self.root.name}/terraform.tfstate.tflock"
            )
            self.context.checkpoint({"lock": str(json.loads(answer["Body"].read())["ID"])})


def _failed(context: Context, events: _Events, error: tf.TerraformError) -> OmcError:
    """What an apply comes to that Terraform could not finish."""
    if not events.done:
        return error
    message = f"{error.message.rstrip('.')}. Before that {events.summary}. {_next(context)}"
    return Interrupted(Verdict.FAILED, message, events.evidence)


def _cancelled(context: Context, events: _Events, error: tf.TerraformError | None = None) -> Interrupted:
    """What an apply comes to that was cancelled before Terraform had finished."""
    started = bool(events.done or events.broken or context.state.get("rest"))
    middle = f" Not finished: {', '.join(events.broken)} ({error.message})." if events.broken and error else ""
    message = f"cancelled while Terraform applied.{middle} {events.summary}. {_next(context)}"
    return Interrupted(
        Verdict.CANCELLED,
        message if started else "cancelled before Terraform changed anything.",
        events.evidence,
        has_begun=started,
    )


def _next(context: Context) -> str:
    return f"See what is left: omc infra plan --env {context.environment.name}"


def _with_lock(context: Context, root: Root, work: Callable[[], Any]) -> Any:
    """Do ``work``, after releasing a lock that a dead Terraform of this very step has left."""

    def attempt() -> Any:
        try:
            return work()
        except tf.StateLocked as error:
            if not _is_left_by_us(context, root, error.lock):
                raise
            context.report(f"Releasing the lock {error.lock.id}, which this run's own killed Terraform left")
            tf.release(root.terraform, root.folder, error.lock, env=root.environment)
            return work()

    return plans.held(attempt, LOCK_WAIT, context.report)


def _is_left_by_us(context: Context, root: Root, lock: tf.Lock) -> bool:
    """Whether a Terraform of this step, which no longer lives, took the lock.

    By its id where that was written down in time; else by its host and time, if nothing runs in that folder any more.
    """
    began = context.state.get("began")
    if began is None or lock.who != context.state.get("who") or lock.who != _who() or tf.marked(context.token):
        return False
    if context.state.get("lock") == lock.id:
        return True
    since = datetime.fromisoformat(began) - CLOCK_ERROR
    return lock.created is not None and lock.created >= since and not tf.working_in(root.folder)


def _let_others_end(context: Context) -> None:
    """A Terraform that outlived its runner is finishing what it began, and must be let do so."""
    if pids := tf.marked(context.token):
        raise Unknown(
            "Terraform, which this run started before it was cut off, is still finishing what it began "
            f"(process {min(pids)} on {socket.gethostname()})."
        )


def _root(context: Context, arguments: ApplyPlan) -> Root:
    root = root_of(context.gateway, Path(arguments.project), Path(arguments.work), arguments.stack)
    root.ensure()
    return root


def _who() -> str:
    """This user and host as Terraform writes them into a lock."""
    return f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
