"""Topics and queues: what is published arrives once, where it should; what can't be delivered is tried and counted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud
from localcloud.services import messaging
from support.waiting import eventually

Clients = Callable[..., Any]


def subscribed_queue(aws: Clients, topic: str, name: str, **attributes: str) -> str:
    sqs, sns = aws("sqs"), aws("sns")
    url = str(sqs.create_queue(QueueName=name)["QueueUrl"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    return url


def bodies(aws: Clients, url: str) -> list[str]:
    answer = aws("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


def total(aws: Clients, namespace: str, name: str, dimensions: dict[str, str], statistic: str = "Sum") -> float | None:
    """Of the last minutes, which may lie in two periods."""
    points = aws("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=datetime.now(UTC) - timedelta(minutes=5),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=600,
        Statistics=[statistic],
    )["Datapoints"]
    gather = sum if statistic == "Sum" else max
    return float(gather(point[statistic] for point in points)) if points else None


def test_a_message_reaches_the_queues_whose_filter_it_passes(shared_aws: Clients) -> None:
    sns = shared_aws("sns")
    topic = sns.create_topic(Name="filtered")["TopicArn"]
    everything = subscribed_queue(shared_aws, topic, "everything")
    raw = subscribed_queue(shared_aws, topic, "raw", RawMessageDelivery="true")
    high = subscribed_queue(shared_aws, topic, "high", FilterPolicy=json.dumps({"severity": ["high"]}))
    for severity in ("high", "low"):
        sns.publish(
            TopicArn=topic,
            Subject="Hello",
            Message=f"{severity} message",
            MessageAttributes={"severity": {"DataType": "String", "StringValue": severity}},
        )
    envelopes = [json.loads(body) for body in bodies(shared_aws, everything)]
    assert [envelope["Message"] for envelope in envelopes] == ["high message", "low message"]
    assert envelopes[0]["Subject"] == "Hello"
    assert envelopes[0]["MessageAttributes"] == {"severity": {"Type": "String", "Value": "high"}}
    assert bodies(shared_aws, raw) == ["high message", "low message"]
    assert [json.loads(body)["Message"] for body in bodies(shared_aws, high)] == ["high message"]
    assert total(shared_aws, "AWS/SNS", "NumberOfMessagesPublished", {"TopicName": "filtered"}) == 2
    assert total(shared_aws, "AWS/SNS", "NumberOfNotificationsDelivered", {"TopicName": "filtered"}) == 5


def test_a_topic_that_does_not_exist_is_an_error(shared_aws: Clients, shared_cloud: Cloud) -> None:
    missing = f"arn:aws:sns:ap-southeast-2:{shared_cloud.settings.account}:nobody"
    with pytest.raises(ClientError) as refused:
        shared_aws("sns").publish(TopicArn=missing, Message="x")
    assert refused.value.response["Error"]["Code"] in ("NotFound", "NotFoundException")


def test_the_depth_of_a_queue_is_measured(shared_aws: Clients, shared_cloud: Cloud) -> None:
    sqs = shared_aws("sqs")
    url = sqs.create_queue(QueueName="deep")["QueueUrl"]
    # The cloud measures too, at any of these lines: in this order there are never more of either than at the end.
    sqs.send_message(QueueUrl=url, MessageBody="taken")
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=600)
    for number in range(2):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))
    messaging.measure_queues(shared_cloud)
    measured = {
        name: total(shared_aws, "AWS/SQS", f"ApproximateNumberOfMessages{name}", {"QueueName": "deep"}, "Maximum")
        for name in ("Visible", "NotVisible")
    }
    assert measured == {"Visible": 2, "NotVisible": 1}


def test_the_oldest_message_says_how_long_nobody_has_dealt_with_it(shared_aws: Clients, shared_cloud: Cloud) -> None:
    """In flight or not; but one that was received again and again is nobody's measure any more."""
    sqs = shared_aws("sqs")
    url = sqs.create_queue(QueueName="waiting")["QueueUrl"]

    def age() -> int:
        messaging.measure_queues(shared_cloud)
        return messaging.age_of_oldest(shared_cloud.moto("sqs").queues["waiting"])

    assert age() == 0
    sqs.send_message(QueueUrl=url, MessageBody="old")
    [message] = shared_cloud.moto("sqs").queues["waiting"]._messages
    message.sent_timestamp -= 90_000
    assert age() in (90, 91)
    for _ in range(messaging.RECEIPTS):
        sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    assert age() in (90, 91)
    assert (
        total(shared_aws, "AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "waiting"}, "Maximum") or 0
    ) >= 90
    sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
    assert age() == 0


def test_what_is_done_with_a_queue_is_counted(
    shared_aws: Clients, shared_cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs, sns = shared_aws("sqs"), shared_aws("sns")
    topic = sns.create_topic(Name="counted")["TopicArn"]
    url = subscribed_queue(shared_aws, topic, "counted")

    def counted() -> dict[str, float | None]:
        messaging.measure_queues(shared_cloud)
        return {name: total(shared_aws, "AWS/SQS", name, {"QueueName": "counted"}) for name in messaging.COUNTED}

    sqs.receive_message(QueueUrl=url)
    sns.publish(TopicArn=topic, Message="by a topic")
    sqs.send_message(QueueUrl=url, MessageBody="x" * 50)
    entries = [{"Id": str(number), "MessageBody": "batch"} for number in range(3)]
    sqs.send_message_batch(QueueUrl=url, Entries=entries)
    handles: list[str] = []
    while len(handles) < 5:
        taken = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        handles += [each["ReceiptHandle"] for each in taken]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=handles[0])
    sqs.delete_message_batch(
        QueueUrl=url, Entries=[{"Id": str(place), "ReceiptHandle": handle} for place, handle in enumerate(handles[1:3])]
    )
    assert counted() == {
        "NumberOfMessagesSent": 5,
        "NumberOfMessagesReceived": 5,
        "NumberOfEmptyReceives": 1,
        "NumberOfMessagesDeleted": 3,
    }
    assert (total(shared_aws, "AWS/SQS", "SentMessageSize", {"QueueName": "counted"}) or 0) > 50 + 3 * 5
    sent = shared_cloud.part(messaging.Topics).uses
    sqs.purge_queue(QueueUrl=url)
    sent["counted"].used_at -= messaging.ACTIVE_SECONDS + 60
    sent["counted"].counts["NumberOfMessagesSent"] = 7
    assert counted()["NumberOfMessagesSent"] == 5, "of a queue that nobody uses there is nothing"


class Flaky(HTTPServer):
    """Refuses the first so many messages."""

    def __init__(self, refusals: int) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.refusals = refusals
        self.accepted: list[str] = []


class Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert isinstance(self.server, Flaky)
        refused = self.server.refusals > 0
        self.server.refusals -= refused
        if not refused:
            self.server.accepted.append(body)
        self.send_response(503 if refused else 200)
        self.end_headers()

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Nothing: the test looks at what arrived, not at a log."""


@pytest.fixture
def flaky() -> Iterator[Flaky]:
    server = Flaky(2)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_an_http_subscriber_that_refuses_is_tried_again(
    shared_aws: Clients, shared_cloud: Cloud, flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messaging, "PAUSE", 0.1)
    sns = shared_aws("sns")
    topic = sns.create_topic(Name="flaky")["TopicArn"]
    with shared_cloud.lock:
        shared_cloud.moto("sns").subscribe(topic, f"http://127.0.0.1:{flaky.server_port}/", "http")
    sns.publish(TopicArn=topic, Message="hello")
    (body,) = eventually("the message is accepted", lambda: flaky.accepted)
    assert json.loads(body)["Message"] == "hello"
    flaky.refusals = 100
    sns.publish(TopicArn=topic, Message="lost")
    assert (
        eventually(
            "the failure is counted",
            lambda: total(shared_aws, "AWS/SNS", "NumberOfNotificationsFailed", {"TopicName": "flaky"}),
        )
        == 1
    )
    assert len(flaky.accepted) == 1
    assert flaky.refusals == 100 - messaging.ATTEMPTS


@pytest.mark.parametrize("name", ["All", "SentTimestamp", "ApproximateReceiveCount", "SenderId"])
def test_a_messages_attributes_are_asked_for_by_the_older_parameter_too(shared_aws: Any, name: str) -> None:
    sqs = shared_aws("sqs")
    queue = sqs.create_queue(QueueName=f"older-{name}")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="m")
    [message] = sqs.receive_message(QueueUrl=queue, AttributeNames=[name])["Messages"]
    assert name == "All" or name in message["Attributes"]
    with pytest.raises(sqs.exceptions.InvalidAttributeName):
        sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["Size"])
