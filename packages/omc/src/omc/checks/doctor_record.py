"""What omc itself runs on: its store and workers, the places outside, the clocks, Terraform's state, local tools."""

from __future__ import annotations

from collections.abc import Iterator

from omc.checks.doctor_finding import by_terraform, finding, listed
from omc.checks.finding import Finding, Level
from omc.checks.runbook import FIRST_DAY
from omc.checks.spec import check
from omc.config import Environment
from omc.facts.account import AwsClock
from omc.facts.record_places import RecordBucket
from omc.facts.record_store import RecordStore
from omc.facts.scope import Scope
from omc.facts.state_file import StateFile
from omc.facts.tools import WANTED, Tools
from omc.output.text import counted
from omc.times import format_duration, format_time

CLOSE = 5.0
"""Seconds by which clocks may differ without a report: a date in HTTP has whole seconds."""
FAR = 60.0
"""From here on expiries and windows are judged wrongly; AWS refuses signatures from five minutes on."""
VERIFIED = frozenset({"verify-full"})


@check(
    "store",
    title="omc's store",
    question="Can everyone who makes changes reach omc's store over a verified connection, and does its schema fit?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def store(record: RecordStore, environment: Environment) -> Iterator[Finding]:
    if record.has_begun:
        behind = record.schema != record.newest_schema
        sentence = (
            f"It has schema {record.schema}, and this omc knows {record.newest_schema}: the next change upgrades it."
            if behind and record.schema < record.newest_schema
            else f"It was written by a newer omc (schema {record.schema}, this one knows {record.newest_schema})."
            if behind
            else "It answers, and its schema is this omc's."
        )
        level = Level.OK if not behind else Level.WARN if record.schema < record.newest_schema else Level.FAIL
        yield finding("store", level, "reachable", sentence, record.reading, record.label, do="Update omc")
        if record.not_ours:
            yield finding("store", Level.FAIL, "own", record.not_ours, record.reading, record.label)
    else:
        yield finding(
            "store",
            Level.WARN,
            "reachable",
            "Nothing has been recorded there yet; the first change creates it.",
            record.reading,
            record.label,
            do="Make a first plan: omc restart --dry-run",
        )
    if environment.is_local:
        yield finding(
            "store", Level.OK, "shared", "A local cloud has a store of its own.", record.reading, record.label
        )
        return
    if not record.shared:
        yield finding(
            "store",
            Level.FAIL,
            "shared",
            "It is on this machine only: nobody else sees a run.",
            record.reading,
            record.label,
            do="Give omc.toml a [store] url (a PostgreSQL, sslmode=verify-full), or set OMC_STORE_URL",
        )
        return
    yield finding("store", Level.OK, "shared", "Others can reach it.", record.reading, record.label)
    checked = record.sslmode in VERIFIED
    sentence = (
        "Its certificate is verified."
        if checked
        else ("Its URL doesn't require the server's certificate to be verified.")
    )
    yield finding(
        "store",
        Level.OK if checked else Level.WARN,
        "TLS",
        sentence,
        record.reading,
        f"sslmode={record.sslmode or 'not given'}",
        do="Add sslmode=verify-full to the store's URL",
    )


@check(
    "worker",
    title="omc worker",
    question="Does a worker run that finishes what another process began?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def worker(record: RecordStore, environment: Environment, scope: Scope) -> Iterator[Finding]:
    alive = [each for each in record.workers if each.is_alive]
    if alive:
        yield finding(
            "worker",
            Level.OK,
            "omc worker",
            f"{counted(len(alive), 'worker')} alive.",
            record.reading,
            *(f"{one.actor} on {one.host}, since {format_duration(scope.now - one.started)}" for one in alive),
        )
        return
    yield finding(
        "worker",
        Level.WARN if environment.is_local else Level.FAIL,
        "omc worker",
        "None is alive: a run whose process dies waits until somebody resumes it, and no timer fires.",
        record.reading,
        *(f"{one.actor} on {one.host} was one, and has gone" for one in record.workers[:3]),
        do="Keep a worker running somewhere",
        command=f"omc worker --env {environment.name}",
    )


@check(
    "record-kept-outside",
    title="Audit bucket",
    question="Is the head of omc's record kept where nobody can rewrite it?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def record_kept_outside(bucket: RecordBucket, environment: Environment) -> Iterator[Finding]:
    check, subject = "record-kept-outside", f"bucket {bucket.name}" if bucket.name else "audit bucket"
    if not bucket.wanted:
        yield finding(
            check,
            Level.WARN,
            subject,
            "omc.toml names none, so a rewritten record wouldn't be noticed.",
            bucket.reading,
            do=f"Set audit_bucket in [environments.{environment.name}]",
        )
        return
    if bucket.missing:
        yield finding(
            check,
            Level.FAIL,
            subject,
            "It does not exist: no head is kept.",
            bucket.reading,
            **by_terraform(
                environment, "Make it, with object lock", command=f"omc infra plan --env {environment.name}"
            ),
        )
        return
    if bucket.object_lock is None:
        level, sentence = Level.UNKNOWN, "S3 doesn't say whether objects are locked in it."
    elif not bucket.object_lock:
        level, sentence = Level.FAIL, "Objects can't be locked in it: whoever owns it can rewrite the heads."
    else:
        level, sentence = Level.OK, "Objects are locked in it."
    yield finding(
        check, level, subject, sentence, bucket.reading, do="Turn on Object Lock for the bucket: apply the Terraform"
    )
    kept = "A head of this environment's record is kept there."
    none = "No head of this environment's record is there yet; the next run keeps one."
    yield finding(
        check,
        Level.OK if bucket.holds_heads else Level.WARN,
        f"{subject}, heads",
        kept if bucket.holds_heads else none,
        bucket.reading,
        do="Make a change, or keep a worker running; then compare",
        command=f"omc audit verify --env {environment.name}",
    )


@check(
    "clocks",
    title="Clocks",
    question="Do the clocks of this machine, of AWS and of the store agree?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def clocks(clock: AwsClock, record: RecordStore, environment: Environment) -> Iterator[Finding]:
    their_name = "the local cloud's" if environment.is_local else "AWS's"
    for name, ahead, reading in (
        (their_name, clock.ahead_seconds, clock.reading),
        *((("the store's", record.ahead_seconds, record.reading),) if record.has_begun else ()),
    ):
        if ahead is None:
            yield finding(
                "clocks",
                Level.UNKNOWN,
                name,
                f"{name[0].upper()}{name[1:]} answer had no time.",
                reading,
                do="Run this again; a proxy in between may remove the date",
            )
            continue
        off = abs(ahead)
        level = Level.OK if off <= CLOSE else Level.WARN if off <= FAR else Level.FAIL
        way = "ahead of" if ahead > 0 else "behind"
        far = f"{name[0].upper()}{name[1:]} clock is {off:.0f} s {way} this machine's."
        yield finding(
            "clocks",
            level,
            name,
            far if level is not Level.OK else f"{name[0].upper()}{name[1:]} clock agrees.",
            reading,
            f"{ahead:+.1f} s",
            do="Set this machine's clock by NTP: AWS refuses signatures that are five minutes off",
        )


@check(
    "terraform-state",
    title="State and lock",
    question="Is Terraform's state there, encrypted, versioned, and not locked?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def terraform_state(state: StateFile, scope: Scope, environment: Environment) -> Iterator[Finding]:
    if not environment.has_terraform:
        return
    check, where = "terraform-state", f"s3://{state.bucket}/{state.key}"
    if state.bucket_missing:
        yield finding(
            check,
            Level.FAIL,
            "bucket",
            f"The bucket {state.bucket} does not exist.",
            state.reading,
            do="Apply infrastructure/terraform/bootstrap in this account",
        )
        return
    yield _state(state, where, scope, environment)
    versions = state.versions
    yield finding(
        check,
        Level.UNKNOWN if versions is None else Level.OK if versions == "Enabled" else Level.FAIL,
        "versions",
        "Replaced states are kept." if versions == "Enabled" else "Replaced states are not kept: there is no way back.",
        state.reading,
        f"versioning of {state.bucket}: {versions or 'never turned on'}",
        do="Apply infrastructure/terraform/bootstrap in this account",
    )
    if state.locked is None:
        yield finding(check, Level.OK, "lock", "Nobody holds it.", state.reading, f"there is no {where}.tflock")
        return
    yield finding(
        check,
        Level.WARN,
        "lock",
        f"Somebody has held it since {format_time(state.locked, environment.time_zone)}.",
        state.reading,
        f"{where}.tflock, {format_duration(scope.now - state.locked)} old",
        do="Wait for whoever works on it; a plan says who holds it, and how to release a lock whose holder is dead",
        command=f"omc infra plan --env {environment.name}",
    )


def _state(state: StateFile, where: str, scope: Scope, environment: Environment) -> Finding:
    check, subject = "terraform-state", "state"
    if state.written is None:
        return finding(
            check,
            Level.FAIL,
            subject,
            "There is none: nothing has been applied from here yet.",
            state.reading,
            where,
            **by_terraform(environment, "", command=f"omc infra plan --env {environment.name}"),
        )
    written = f"{where}, written {format_duration(scope.now - state.written)} ago"
    if state.encryption is None:
        level, sentence = Level.UNKNOWN, "S3 doesn't say how it is encrypted."
    elif not state.encryption.startswith("aws:kms"):
        level, sentence = Level.FAIL, f"It is encrypted by {state.encryption}, not under bootstrap's key."
    elif state.bucket_key and not _same_key(state.kms_key, state.bucket_key):
        level, sentence = (
            Level.FAIL,
            f"It is encrypted under {state.kms_key}, and the bucket's own is {state.bucket_key}.",
        )
    else:
        level, sentence = Level.OK, "It can be read, and is encrypted under the bucket's key."
    return finding(
        check,
        level,
        subject,
        sentence,
        state.reading,
        written,
        do="Take `encrypt` out of the backend, apply bootstrap, and apply once more, which writes the state",
    )


def _same_key(first: str, second: str) -> bool:
    """By the id: an ARN on one side may be an id on the other. An alias can't be compared, and is believed."""
    return ":alias/" in second or first.rpartition("/")[2] == second.rpartition("/")[2]


@check(
    "tools",
    title="Tools of this machine",
    question="Are the programs that commands need installed on this machine?",
    severity=Level.FAIL,
    runbook=FIRST_DAY,
)
def tools(tools: Tools) -> Iterator[Finding]:
    if tools.terraform:
        yield finding("tools", Level.OK, "terraform", "It is there, and new enough.", tools.reading, tools.terraform)
    else:
        yield finding(
            "tools",
            Level.FAIL,
            "terraform",
            tools.terraform_problem or "Its version is unknown.",
            tools.reading,
            do="Install Terraform 1.11 or newer, or set OMC_TERRAFORM",
        )
    for name in tools.missing:
        yield finding(
            "tools",
            Level.WARN,
            name,
            f"It isn't installed. What needs it: {WANTED[name]}.",
            tools.reading,
            do=f"Install {name}",
        )
    there = [name for name in WANTED if name not in tools.missing]
    if there:
        yield finding("tools", Level.OK, listed(there, 9), "Installed.", tools.reading)
