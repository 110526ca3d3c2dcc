"""Who holds a state's lock, in all the words that Terraform has for it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from omc import terraform as tf
from omc.infrastructure.plans import held

ACQUIRING = "Error acquiring the state lock: Error message: "
AT = datetime(2026, 11, 29, 16, 0, tzinfo=UTC)
EXISTS = (
    "operation error S3: PutObject, https response error StatusCode: 412, RequestID: 4Q, HostID: x, api error "
    "PreconditionFailed: At least one of the pre-conditions you specified did not hold"
)
GONE = (
    "unable to retrieve file from S3 bucket 'b' with key 'staging/terraform.tfstate.tflock': operation error S3: "
    "GetObject, https response error StatusCode: 404, api error NoSuchKey: The specified key does not exist."
)
DENIED = "operation error S3: PutObject, https response error StatusCode: 403, api error AccessDenied: Access Denied"


def info(**fields: str) -> str:
    provided = {
        "ID": "0f0",
        "Path": "b/staging/terraform.tfstate",
        "Operation": "OperationTypeApply",
        "Who": "jo@pc",
        "Version": "1.11.4",
        "Created": "2026-11-29 16:00:00.123456789 +0000 UTC",
        "Info": "",
    } | fields
    return "Lock Info:\n" + "".join(
        f"  {f'{name}:':<11}{value}\n" for name, value in provided.items() if value != "LEFT OUT"
    )


def boxed(text: str) -> str:
    lines = "".join(f"\x1b[31m│\x1b[0m {line}\n" for line in text.splitlines())
    return f"\x1b[31m╷\x1b[0m\n{lines}\x1b[31m╵\x1b[0m\n"


@pytest.mark.parametrize(
    ("expected", "who", "created"),
    [
        (info(), "jo@pc", AT.replace(second=0)),
        (info(Who="CORP\\jo bloggs@PC-12"), "CORP\\jo bloggs@PC-12", AT),
        (info(Who="Åsa Öberg@host.example"), "Åsa Öberg@host.example", AT),
        (info(Who="@ip-10-0-0-1"), "@ip-10-0-0-1", AT),
        (info(Who=""), "", AT),
        (info(Who="runner@fv-az1", Info="by hand, see ID: 7"), "runner@fv-az1", AT),
        (info(Who="a\x1b]0;owned\x07b@c"), "a?]0;owned?b@c", AT),
        (info(Operation=""), "jo@pc", AT),
        (info(Path="bucket with spaces/x"), "jo@pc", AT),
        (info(Created="2026-11-30 03:00:00 +1100 AEDT"), "jo@pc", AT),
        (info(Created="2026-11-29 16:00:00 +0000 UTC m=+0.5"), "jo@pc", AT),
        (info(Created="0001-01-01 00:00:00 +0000 UTC"), "jo@pc", None),
        (info(Created=""), "jo@pc", None),
        (info(Created="LEFT OUT", Version="LEFT OUT", Info="LEFT OUT"), "jo@pc", None),
    ],
)
def test_the_holder_is_read_in_every_form(expected: str, who: str, created: datetime | None) -> None:
    for text in (expected, boxed(expected), " ".join(expected.split())):
        printed = f"Error: Error acquiring the state lock\n\nError message: {EXISTS}\n{text}\nTerraform acquires a lock"
        lock = tf._lock_in(printed)
        assert lock is not None
        assert (lock.id, lock.who, lock.created) == ("0f0", who, created)
        assert str(who) in tf.StateLocked(lock).message


@pytest.mark.parametrize(
    "expected",
    [
        f"2 errors occurred:\n\t* {EXISTS}\n\t* {GONE}\n",
        EXISTS,
        f"2 errors occurred: * {EXISTS} * {DENIED}",
        "operation error S3: PutObject, StatusCode: 409, api error ConditionalRequestConflict: A conflicting operation",
        "2 errors occurred: * operation error DynamoDB: PutItem, StatusCode: 400, ConditionalCheckFailedException: The "
        "conditional request failed * unexpected end of JSON input",
        "ConditionalCheckFailedException: The conditional request failed\nLock Info:\n  ID:        \n",
        "lock already exists <nil>",
    ],
)
def test_a_lock_that_is_gone_before_its_holder_was_read_is_one_to_wait_for(expected: str) -> None:
    for text in (ACQUIRING + expected, boxed(f"Error: {ACQUIRING}{expected}")):
        assert tf._lock_in(text) == tf.Lock("", "", "", None)
    message = tf.StateLocked(tf.Lock("", "", "", None)).message
    assert "--lock-wait" in message
    assert "force-unlock" not in message


@pytest.mark.parametrize(
    "expected",
    [
        f"{ACQUIRING}{DENIED}",
        f"{ACQUIRING}2 errors occurred: * {DENIED} * {GONE}",
        f"{ACQUIRING}operation error S3: PutObject, StatusCode: 404, NoSuchBucket: The specified bucket does not exist",
        f"Error releasing the state lock: Error message: lock ID does not match existing lock\n{info()}",
        f'Failed to unlock state: failed to retrieve lock info for lock ID "0f0": {GONE}',
        f"Error: creating RDS instance: api error PreconditionFailed (state lock)\n{info()}",
        "",
    ],
)
def test_what_is_no_lock_of_somebody_else_is_not_waited_for(expected: str) -> None:
    assert tf._lock_in(expected) is None


def test_a_lock_that_was_let_go_in_between_is_had_at_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omc.infrastructure.plans.time.sleep", lambda _: None)
    messages: list[str] = []
    answers = [tf.StateLocked(tf.Lock("", "", "", None)), tf.StateLocked(tf.Lock("1", "", "jo b@pc", AT)), None]

    def work() -> str:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return "done"

    assert held(work, 600, messages.append) == "done"
    assert messages == [
        "Waiting for the state's lock, which somebody holds or has just let go",
        "Waiting for the state's lock, which jo b@pc holds since 2026-11-29 16:00:00 UTC",
    ]
