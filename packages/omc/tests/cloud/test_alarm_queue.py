"""From an alarm through SNS and SQS to what takes it in: once, whole, and deleted only when that is committed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest

from localcloud.core.cloud import Cloud
from localcloud.front.faults import Faults, fault
from localcloud.front.identity import Identity
from omc.aws.gateway import Access, Gateway
from omc.config import Environment, load
from omc.errors import NotFound, WriteRefused
from omc.responder.intake.envelope import read
from omc.responder.intake.reading import Context
from omc.responder.model import Intake, Notification
from omc.responder.queue import MAX_RECEIVES, Delivery, QueueReader, gateway_to_queue, queue_address
from omc.store.embedded import StoreUnreachable
from support.payload_cases import told
from support.payloads import alarm
from support.running_cloud import smallest_cloud
from support.waiting import eventually

pytestmark = pytest.mark.cloud

_NUMBERS = count(1)
Clients = Callable[[str], Any]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The smallest cloud that has alarms, topics and queues."""
    with smallest_cloud(tmp_path_factory.mktemp("cloud") / "state", "sns", "sqs") as running:
        yield running


@pytest.fixture(scope="module")
def aws(cloud: Cloud) -> Clients:
    identity = cloud.part(Identity)
    session = boto3.Session(identity.access_key_id, identity.secret_access_key, region_name=cloud.settings.region)
    return partial(session.client, endpoint_url=cloud.settings.endpoint)


@pytest.fixture(scope="module")
def environment() -> Environment:
    return load(Path(__file__).parents[4] / "omc.toml").environments["staging"]


@pytest.fixture(scope="module")
def access(cloud: Cloud) -> Access:
    identity = cloud.part(Identity)
    return Access(cloud.settings.endpoint, identity.access_key_id, identity.secret_access_key)


@dataclass
class Alarms:
    """A topic, the queue that it feeds, and what became of its messages."""

    aws: Clients
    gateway: Gateway
    topic: str
    url: str
    taken: list[Delivery] = field(default_factory=list)
    groups: list[list[int]] = field(default_factory=list)
    """How often the messages of each group that was given had been received."""
    reports: list[str] = field(default_factory=list)

    def take(self, deliveries: Sequence[Delivery]) -> None:
        self.groups.append([one.receives for one in deliveries])
        self.taken += deliveries

    def reader(self, take: Callable[[Sequence[Delivery]], None] | None = None, visibility: int = 60) -> QueueReader:
        return QueueReader(
            self.gateway, self.url, take or self.take, self.reports.append, wait=1, visibility=visibility
        )

    def publish(self, *texts: str) -> None:
        for text in texts:
            self.aws("sns").publish(TopicArn=self.topic, Message=text)

    def counts(self) -> tuple[int, int]:
        """Messages that wait, and messages in somebody's hand."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.aws("sqs").get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def texts(self) -> list[str]:
        return [str(json.loads(one.body)["Message"]) for one in self.taken]


@pytest.fixture
def alarms(aws: Clients, environment: Environment, access: Access) -> Alarms:
    name = f"alerts-{next(_NUMBERS)}"
    topic = str(aws("sns").create_topic(Name=name)["TopicArn"])
    url = make_queue(aws, name)
    aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn_of(aws, url))
    return Alarms(aws, gateway_to_queue(environment, access), topic, url)


def make_queue(aws: Clients, name: str, **attributes: str) -> str:
    return str(aws("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])


def arn_of(aws: Clients, url: str) -> str:
    found = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(found["Attributes"]["QueueArn"])


def test_an_alarm_of_cloudwatch_arrives_as_a_notification(alarms: Alarms, aws: Clients) -> None:
    aws("cloudwatch").put_metric_alarm(
        AlarmName="backend-no-healthy",
        Namespace="AWS/ApplicationELB",
        MetricName="HealthyHostCount",
        Dimensions=[{"Name": "TargetGroup", "Value": "targetgroup/backend/1"}],
        Statistic="Minimum",
        Period=60,
        EvaluationPeriods=5,
        Threshold=1,
        ComparisonOperator="LessThanThreshold",
        TreatMissingData="breaching",
        AlarmActions=[alarms.topic],
        OKActions=[alarms.topic],
    )
    for value in ("ALARM", "OK"):
        aws("cloudwatch").set_alarm_state(AlarmName="backend-no-healthy", StateValue=value, StateReason="a test")
    reader = alarms.reader()
    both = {"ended backend-no-healthy", "firing backend-no-healthy"}

    def found() -> list[Intake]:
        return [one for delivery in alarms.taken for one in read(delivery.body, Context("staging", delivery.sent))]

    # Its own evaluation, to which nothing is a breach, may let it ring once more.
    eventually("both changes were taken", lambda: reader.run_once() < 0 or set(told(found())) >= both)
    assert set(told(found())) == both
    for one in found():
        assert isinstance(one, Notification)
        assert one.labels["topic"] == alarms.topic
        assert one.labels["dimension.TargetGroup"] == "targetgroup/backend/1"
        assert abs((datetime.now(UTC) - one.at).total_seconds()) < 600
    aws("cloudwatch").delete_alarms(AlarmNames=["backend-no-healthy"])


def test_a_message_is_deleted_after_it_was_taken_and_not_before(alarms: Alarms) -> None:
    seen: list[tuple[int, int]] = []

    def take(deliveries: Sequence[Delivery]) -> None:
        alarms.take(deliveries)
        seen.append(alarms.counts())

    alarms.publish("one", "two")
    reader = alarms.reader(take)
    assert reader.run_once() == 2
    assert seen == [(0, 2)]
    assert alarms.counts() == (0, 0)
    assert reader.taken == 2
    assert alarms.reports == []


def test_an_empty_queue_is_waited_for(alarms: Alarms) -> None:
    assert alarms.reader().run_once() == 0
    assert queue_address(alarms.gateway, alarms.url.rpartition("/")[2]) == alarms.url
    with pytest.raises(NotFound):
        queue_address(alarms.gateway, "none-of-this-name")


def test_many_messages_in_any_order_some_of_them_twice_are_all_taken(alarms: Alarms) -> None:
    texts = [json.dumps(alarm(f"alarm-{at}")) for at in range(25)]
    sent = texts + texts[::3]
    random.Random(7).shuffle(sent)
    alarms.publish(*sent)
    reader = alarms.reader()
    eventually("all were taken", lambda: reader.run_once() < 0 or len(alarms.taken) >= len(sent))
    assert sorted(alarms.texts()) == sorted(sent)
    ids = {
        one.id
        for delivery in alarms.taken
        for one in read(delivery.body, Context("staging", delivery.sent))
        if isinstance(one, Notification)
    }
    assert len(ids) == 25
    assert max(len(group) for group in alarms.groups) <= 10
    assert alarms.counts() == (0, 0)


def test_a_message_that_cannot_be_taken_comes_again_and_stops_no_other(alarms: Alarms) -> None:
    def take(deliveries: Sequence[Delivery]) -> None:
        if any("poison" in one.body and one.receives < 2 for one in deliveries):
            raise ValueError("not this one")
        alarms.take(deliveries)

    alarms.publish("a", "poison", "b")
    reader = alarms.reader(take, visibility=5)
    eventually("all were taken", lambda: reader.run_once() < 0 or len(alarms.taken) == 3)
    assert alarms.texts() == ["a", "b", "poison"]
    assert alarms.taken[-1].receives == 2
    assert reader.failed == 1
    assert "It will come again" in alarms.reports[0]
    assert alarms.counts() == (0, 0)


def test_what_was_received_before_is_taken_alone(alarms: Alarms, aws: Clients) -> None:
    """It may be what ended the process that had it."""
    alarms.publish("killer")
    [received] = aws("sqs").receive_message(QueueUrl=alarms.url, WaitTimeSeconds=5)["Messages"]
    handle = {"QueueUrl": alarms.url, "ReceiptHandle": received["ReceiptHandle"]}
    aws("sqs").change_message_visibility(**handle, VisibilityTimeout=0)
    alarms.publish("a", "b")
    assert alarms.reader().run_once() == 3
    assert alarms.groups == [[1, 1], [2]]


def test_a_message_that_can_never_be_taken_moves_to_the_dead_letter_queue(alarms: Alarms, aws: Clients) -> None:
    dead = make_queue(aws, f"dead-{next(_NUMBERS)}")
    redrive = json.dumps({"deadLetterTargetArn": arn_of(aws, dead), "maxReceiveCount": MAX_RECEIVES})
    aws("sqs").set_queue_attributes(QueueUrl=alarms.url, Attributes={"RedrivePolicy": redrive})

    def take(_deliveries: Sequence[Delivery]) -> None:
        raise ValueError("never")

    alarms.publish("poison")
    reader = alarms.reader(take, visibility=1)

    def buried() -> list[Any]:
        reader.run_once()
        return list(aws("sqs").receive_message(QueueUrl=dead).get("Messages", []))

    [message] = eventually("it is in the dead-letter queue", buried, within=60)
    assert json.loads(message["Body"])["Message"] == "poison"
    assert reader.failed == MAX_RECEIVES
    assert "It is left to the dead-letter queue" in alarms.reports[-1]


def test_a_message_is_kept_from_others_for_as_long_as_it_is_worked_on(alarms: Alarms, aws: Clients) -> None:
    others: list[Any] = []

    def take(deliveries: Sequence[Delivery]) -> None:
        others.append(aws("sqs").receive_message(QueueUrl=alarms.url, WaitTimeSeconds=3).get("Messages", []))
        alarms.take(deliveries)

    alarms.publish("long")
    assert alarms.reader(take, visibility=2).run_once() == 1
    assert others == [[]]
    assert alarms.counts() == (0, 0)


def test_while_the_store_is_away_messages_wait_in_hand(alarms: Alarms) -> None:
    tries = count(1)

    def take(deliveries: Sequence[Delivery]) -> None:
        if next(tries) == 1:
            raise StoreUnreachable("The store is gone.")
        alarms.take(deliveries)

    alarms.publish("one", "two")
    assert alarms.reader(take).run_once() == 2
    assert alarms.groups == [[1, 1]]
    assert alarms.reports == ["The store is gone. 2 messages wait for it."]
    assert alarms.counts() == (0, 0)


def test_who_stops_while_the_store_is_away_gives_back_what_he_has(alarms: Alarms) -> None:
    def take(_deliveries: Sequence[Delivery]) -> None:
        reader.stopping.set()
        raise StoreUnreachable("The store is gone.")

    alarms.publish("one")
    reader = alarms.reader(take)
    reader.run_forever()
    assert alarms.counts() == (1, 0)
    assert alarms.reader().run_once() == 1
    assert alarms.groups == [[2]]


def test_a_deletion_that_fails_is_tried_again(alarms: Alarms, cloud: Cloud) -> None:
    """The gateway itself tries three times a call; the reader has more patience than that."""
    alarms.publish("one", "two")
    rule = {"service": "sqs", "operation": "DeleteMessageBatch", "kind": "500", "count": 4}
    cloud.part(Faults).replace([fault(rule)])
    try:
        assert alarms.reader().run_once() == 2
    finally:
        cloud.part(Faults).replace([])
    assert alarms.counts() == (0, 0)
    assert alarms.reports == []


def test_a_receipt_that_is_no_longer_good_is_reported_and_stops_no_other_deletion(alarms: Alarms) -> None:
    alarms.publish("one")
    reader = alarms.reader()
    received = reader._receive()
    reader._delete([replace(received[0], receipt="of another time"), *received])
    assert alarms.counts() == (0, 0)
    assert alarms.reports == [f"Message {received[0].id} can't be deleted: ReceiptHandleIsInvalid."]


def test_a_queue_that_cannot_be_read_is_reported_and_waited_for(alarms: Alarms, cloud: Cloud) -> None:
    def report(text: str) -> None:
        alarms.reports.append(text)
        cloud.part(Faults).replace([])

    reader = alarms.reader()
    reader.report = report
    alarms.publish("one")
    cloud.part(Faults).replace([fault({"service": "sqs", "operation": "ReceiveMessage", "kind": "500"})])
    thread = threading.Thread(target=reader.run_forever)
    thread.start()
    try:
        eventually("it was taken", lambda: alarms.taken)
    finally:
        reader.stopping.set()
        thread.join(30)
    assert not thread.is_alive()
    assert "can't be read" in alarms.reports[0]


def test_two_readers_share_a_queue(alarms: Alarms) -> None:
    texts = [f"m{at}" for at in range(40)]
    alarms.publish(*texts)
    readers = [alarms.reader(), alarms.reader()]
    threads = [threading.Thread(target=one.run_forever) for one in readers]
    for thread in threads:
        thread.start()
    try:
        eventually("all were taken", lambda: len(alarms.taken) >= 40)
    finally:
        for one in readers:
            one.stopping.set()
        for thread in threads:
            thread.join(30)
    assert sorted(alarms.texts()) == sorted(texts)
    assert sum(one.taken for one in readers) == 40


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from omc.aws.gateway import Access
    from omc.config import load
    from omc.responder.queue import QueueReader, gateway_to_queue

    stack, url, committed, *access = sys.argv[1:]

    def take(deliveries):
        with open(committed, "a") as file:
            file.writelines(f"{one.id}\\n" for one in deliveries)
            file.flush()
            os.fsync(file.fileno())
        os.kill(os.getpid(), signal.SIGKILL)

    gateway = gateway_to_queue(load(Path(stack)).environments["staging"], Access(*access))
    QueueReader(gateway, url, take, print, wait=5, visibility=2).run_forever()
"""


def test_who_is_killed_between_commit_and_deletion_leaves_messages_that_come_again(
    alarms: Alarms, access: Access, tmp_path: Path
) -> None:
    alarms.publish("one", "two", "three")
    committed, stack = tmp_path / "committed", Path(__file__).parents[4] / "omc.toml"
    given = [
        str(stack),
        alarms.url,
        str(committed),
        str(access.endpoint),
        str(access.access_key),
        str(access.secret_key),
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), *given], env=clean, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    first = set(committed.read_text().split())
    assert first
    reader = alarms.reader()
    eventually("all came again", lambda: reader.run_once() < 0 or len(alarms.taken) >= 3)
    assert {one.id for one in alarms.taken} >= first  # the same ids: whoever takes them in once takes them in once
    assert sorted(alarms.texts()) == ["one", "three", "two"]
    assert alarms.counts() == (0, 0)


def test_the_gateway_to_a_queue_empties_it_and_does_nothing_else(
    alarms: Alarms, environment: Environment, access: Access
) -> None:
    sqs = alarms.gateway.client("sqs")
    for send in (
        lambda: sqs.send_message(QueueUrl=alarms.url, MessageBody="x"),
        lambda: sqs.purge_queue(QueueUrl=alarms.url),
        lambda: alarms.gateway.client("sns").publish(TopicArn=alarms.topic, Message="x"),
    ):
        with pytest.raises(
            (WriteRefused, AttributeError)
        ):  # operations that omc doesn't send aren't even in its client
            send()
    with pytest.raises(WriteRefused):
        Gateway(environment, access).client("sqs").receive_message(QueueUrl=alarms.url)
