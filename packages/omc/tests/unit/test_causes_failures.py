"""Why a task failed: a table over ECS's reasons, exit codes, images' labels, and last words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from omc.checks.causes import failures as why
from omc.checks.causes.failures import Failure, failure_of, inherited
from omc.checks.causes.tasks import denied_role
from omc.checks.causes.words import Kind
from omc.facts.followup.last_words import LastWords, RevisionDetails
from omc.facts.image_labels import codes_of
from omc.facts.tasks import Container, StoppedTask
from omc.judgement.task_causes import exit_meaning

NOW = datetime(2026, 11, 23, 21, 15, tzinfo=UTC)
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api@sha256:" + "ab12" * 16
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop/key-AbCdEf"
PULL = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "


def task(**more: Any) -> StoppedTask:
    provided: dict[str, Any] = {
        "id": "1" * 32,
        "service": "backend",
        "task_definition": "backend:8",
        "stop_code": "EssentialContainerExited",
        "reason": "Essential container in task exited",
        "containers": (Container("api", 1, ""),),
        "started": NOW - timedelta(minutes=1),
        "stopped": NOW,
    }
    return StoppedTask(**(provided | more))


def unstarted(reason: str) -> StoppedTask:
    return task(stop_code="TaskFailedToStart", reason=reason, containers=(Container("api", None, ""),), started=None)


FETCH = f"{PULL}unable to retrieve secret from asm: failed to fetch secret {SECRET} from secrets manager: "
PULLED = "CannotPullContainerError: pull image manifest has been retried 5 time(s): "
NO_SECRET = "ResourceNotFoundException: Secrets Manager can't find the specified secret."
DENIED = "AccessDeniedException: User is not authorized to perform: secretsmanager:GetSecretValue"
NO_COMMAND = 'CannotStartContainerError: runc create failed: exec: "uvicornn": executable file not found in $PATH'
NO_KEY = "unable to retrieve secret from asm: retrieved secret from Secrets Manager did not contain json key password"
LOGGER = "ResourceInitializationError: failed to validate logger args: "
STARTS = [
    (
        f"{PULLED}{IMAGE}: not found",
        why.IMAGE,
        IMAGE,
        "image shop/api@sha256:ab12ab12ab12… can't be pulled: it does not",
    ),
    (f"CannotPullContainerError: pull access denied for {IMAGE}: 403 Forbidden", why.IMAGE, IMAGE, "access is denied"),
    (f"{PULLED}dial tcp 1.2.3.4:443: i/o timeout", why.IMAGE, IMAGE, "is the way there open?"),
    (FETCH + NO_SECRET, why.SECRET, "shop/key", "the secret shop/key can't be read: it does not exist"),
    (f"{FETCH}InvalidRequestException: marked for deletion.", why.SECRET, "shop/key", "scheduled for deletion"),
    (FETCH + DENIED, why.SECRET, "shop/key", "access is denied"),
    (PULL + NO_KEY, why.SECRET, " password", "has no key password"),
    (f"{PULL}from ssm: Invalid ssm parameters: /shop/key", why.SECRET, "/shop/key", "the parameter /shop/key"),
    (f"{LOGGER}The specified log group does not exist.", why.LOG_GROUP, "", "log group"),
    (f"{LOGGER}log group /ecs/shop does not exist", why.LOG_GROUP, "/ecs/shop", "log group /ecs/shop"),
    (NO_COMMAND, why.COMMAND, "uvicornn", "its start command uvicornn"),
    ("CannotStartContainerError: exec /app/run: exec format error", why.PROCESSOR, "", "another processor"),
    ("Timeout waiting for network interface provisioning to complete.", why.ADDRESS, "", "network interface"),
    ("Capacity is unavailable at this time. Please try again later", why.CAPACITY, "", "Capacity"),
    ("ECS was unable to assume the role 'arn:aws:iam::123456789012:role/x'", why.ROLE, "", "unable to assume"),
    ("ResourceInitializationError: something new", why.START, "", "something new"),
]


@pytest.mark.parametrize(("reason", "kind", "what", "text"), STARTS)
def test_a_task_that_never_ran_failed_for_what_ecs_says(reason: str, kind: str, what: str, text: str) -> None:
    words = LastWords(revisions={"backend:8": RevisionDetails(images={"api": IMAGE})})
    found = failure_of(unstarted(reason), words)
    assert (found.kind, found.what) == (kind, what)
    assert text in found.text


@pytest.mark.parametrize(
    "line",
    [
        "exec /usr/local/bin/python: exec format error",
        "standard_init_linux.go:228: exec user process caused: exec format error",
        '{"log": "exec /docker-entrypoint.sh: exec format error"}',
    ],
)
def test_a_program_for_another_processor_is_known_by_what_the_runtime_writes_into_its_log(line: str) -> None:
    ended = task(containers=(Container("api", 1, ""),))
    found = failure_of(ended, LastWords({ended.id: (line,)}))
    assert found.kind == why.PROCESSOR
    assert "built for another processor" in found.text


def test_a_manifest_without_the_processor_is_the_same_trouble() -> None:
    reason = f"{PULLED}image Manifest does not contain descriptor matching platform 'linux/amd64'"
    assert failure_of(unstarted(reason), None).kind == why.PROCESSOR


@pytest.mark.parametrize("line", ["exec /usr/local/bin/python", "could not read the export: format error"])
def test_other_words_of_formats_say_nothing_of_the_processor(line: str) -> None:
    ended = task(containers=(Container("api", 1, ""),))
    assert failure_of(ended, LastWords({ended.id: (line,)})).kind == why.EXIT


def test_memory_is_the_containers_or_the_tasks() -> None:
    killed = task(containers=(Container("api", 137, "OutOfMemoryError: Container killed due to memory usage"),))
    own = LastWords(revisions={"backend:8": RevisionDetails(memory={"api": 256}, task_memory=1024)})
    assert failure_of(killed, own).kind == why.MEMORY_OF_CONTAINER
    assert "more memory than its 256 MiB" in failure_of(killed, own).text
    whole = LastWords(revisions={"backend:8": RevisionDetails(task_memory=1024)})
    assert failure_of(killed, whole).kind == why.MEMORY_OF_TASK
    assert "than the task's 1,024 MiB" in failure_of(killed, whole).text
    assert failure_of(killed, None).kind == why.MEMORY_OF_TASK, "without its definition"
    by_hand = task(containers=(Container("api", 137, ""),))
    assert failure_of(by_hand, own).kind == why.EXIT, "a kill is not memory by itself"
    assert "it was killed, SIGKILL" in failure_of(by_hand, own).text


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (0, ""), (1, ""), (2, ""), (42, ""), (126, "can't be executed"), (127, "not found"), (134, "SIGABRT"),
        (137, "SIGKILL"), (139, "SIGSEGV"), (143, "SIGTERM"), (150, "signal 22"), (255, "out of range"),
    ],
)  # fmt: skip
def test_exit_codes_mean_what_shells_mean(code: int, meaning: str) -> None:
    assert meaning in exit_meaning(code)
    assert bool(meaning) == bool(exit_meaning(code))


def test_an_image_documents_its_own_exit_codes_which_go_before_all() -> None:
    revision_told = RevisionDetails(
        exit_codes={"api": {2: "its settings are wrong or missing", 137: "its licence has run out"}}
    )
    words = LastWords(revisions={"backend:8": revision_told})
    assert (
        "api exited with 2 (its settings are wrong or missing)"
        in failure_of(task(containers=(Container("api", 2, ""),)), words).text
    )
    assert "its licence has run out" in failure_of(task(containers=(Container("api", 137, ""),)), words).text
    assert failure_of(task(containers=(Container("api", 3, ""),)), words).text == "api exited with 3"


@pytest.mark.parametrize(
    ("labels", "codes"),
    [
        ({"exit-code.2": "bad settings."}, {2: "bad settings"}),
        ({"org.example.exit-code.64": "wrong\n use", "version": "1"}, {64: "wrong use"}),
        ({"exit-code.x": "no", "exit-code.": "no", "exit-code.2000": "no", "exit-code.3": ""}, {}),
        (None, {}), ({}, {}), ([], {}),
    ],
)  # fmt: skip
def test_labels_of_exit_codes(labels: object, codes: dict[int, str]) -> None:
    assert codes_of(json.dumps({"config": {"Labels": labels}}).encode()) == codes


def test_labels_that_cant_be_read_document_nothing() -> None:
    for text in (b"", b"[]", b"{}", b"not json", b'{"config": null}'):
        assert codes_of(text) == {}


def test_last_words_go_before_health_checks_and_exit_codes() -> None:
    ill = task(
        stop_code="ServiceSchedulerInitiated",
        reason="Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:x)",
        containers=(Container("api", 0, ""),),
    )
    assert failure_of(ill, None).kind == why.HEALTH
    words = LastWords(lines={ill.id: ('{"level": "ERROR", "message": "could not resolve host: db.x.internal"}',)})
    found = failure_of(ill, words)
    assert (found.kind, found.what) == (Kind.HOST, "db.x.internal")
    crashed = LastWords(lines={ill.id: ("licence has run out",)})
    assert failure_of(task(), crashed).text == 'api exited with 1; it said last: "licence has run out"'


@pytest.mark.parametrize(
    ("reason", "kind", "text"),
    [
        ("Task failed ELB health checks in (target-group x) due to (reason Request timed out)", why.HANGS, "no answer"),
        (
            "Task failed ELB health checks (reason Health checks failed with these codes: [503])",
            why.HEALTH,
            "503",
        ),
        ("Task failed container health checks", why.HEALTH, "its container's own health check"),
    ],
)
def test_health_checks(reason: str, kind: str, text: str) -> None:
    found = failure_of(task(stop_code="ServiceSchedulerInitiated", reason=reason, containers=()), None)
    assert found.kind == kind
    assert text in found.text


def test_tasks_whose_words_were_not_read_fail_as_those_that_stopped_about_then() -> None:
    spoke = task(id="a" * 32, stopped=NOW)
    mute = task(id="b" * 32, stopped=NOW - timedelta(minutes=1))
    earlier = task(id="c" * 32, stopped=NOW - timedelta(minutes=30))
    other = task(id="d" * 32, task_definition="backend:7")
    words = LastWords(lines={spoke.id: ("could not resolve host: db.x",)})
    tasks = [spoke, mute, earlier, other]
    found = inherited({each.id: failure_of(each, words) for each in tasks}, tasks)
    assert [found[each.id].kind for each in tasks] == [Kind.HOST, Kind.HOST, why.EXIT, why.EXIT]


def test_different_failures_are_never_one() -> None:
    reasons = [failure_of(unstarted(reason), None) for reason, _, _, _ in STARTS]
    kinds = {(each.kind, each.what, each.text) for each in reasons}
    assert len(kinds) == len(STARTS)
    assert all(isinstance(each, Failure) for each in reasons)


SERVING = '{"level": "INFO", "message": "Uvicorn running on http://127.67.11.14:80"}'
BROKEN = '{"level": "ERROR", "message": "the ledger is out of order"}'


@pytest.mark.parametrize("code", [137, 139, 143, 134])
@pytest.mark.parametrize(("line", "is_told"), [(SERVING, False), (BROKEN, True)])
def test_that_a_task_served_until_it_was_killed_says_nothing(code: int, line: str, *, is_told: bool) -> None:
    killed = task(containers=(Container("api", code, ""),))
    found = failure_of(killed, LastWords({killed.id: (line,)}))
    assert ("it said last" in found.text) is is_told
    assert bool(found.line) is is_told


@pytest.mark.parametrize(
    ("reason", "role"),
    [
        ("AccessDenied: arn:aws:sts::1:assumed-role/shop-execution/0a is not authorized", "shop-execution"),
        ("User: arn:aws-cn:sts::1:assumed-role/a.b+c=d,e@f_g-h/0a is not authorized to perform: x", "a.b+c=d,e@f_g-h"),
        ("ECS was unable to assume the role 'arn:aws:iam::1:role/shop-task' that was provided.", "shop-task"),
        ("ECS was unable to assume the role 'arn:aws:iam::1:role/team/app/shop-task' that was", "shop-task"),
        ("AccessDenied: arn:aws-us-gov:iam::1:role/shop-task may not", "shop-task"),
        ("AccessDeniedException: User is not authorized to perform: secretsmanager:GetSecretValue", ""),
        ("CannotPullContainerError: pull access denied: 403 Forbidden", ""),
        ("ResourceNotFoundException: arn:aws:sts::1:assumed-role/shop-execution/0a can't find it", ""),
        ("Essential container in task exited", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_the_role_that_was_refused(reason: str, role: str) -> None:
    assert denied_role(unstarted(reason)) == role
