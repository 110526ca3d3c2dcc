"""SNS deliveries and the metrics of topics and queues. moto keeps the topics, subscriptions and queues themselves.

Queues are served inside moto, under the cloud's lock. HTTP subscribers are served by a loop of its own, outside of
every lock, with AWS's headers, retries and a signature over the fields that AWS documents. An HTTP subscription counts
as confirmed at once.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from localcloud.core.interfaces import MetricSink, QueueMeter, TopicPublisher
from localcloud.core.registry import AwsError, Call, component, operation

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

HTTP_SECONDS = 5.0
"""Longer than a healthy subscriber on this machine ever takes; shorter than what would hold up the other deliveries."""
ATTEMPTS = 4
PAUSE = 20.0
"""Seconds between attempts; with ``ATTEMPTS`` this is SNS's default delivery policy for HTTP."""
SEND_EVERY = 0.2
RECEIPTS = 3
"""A message that was received more often is taken for one that nobody can handle."""
MEASURE_EVERY = 10.0
"""SQS publishes each minute; ten seconds serve alarms with the shortest period."""
ACTIVE_SECONDS = 6 * 3600.0
"""SQS publishes nothing of a queue that holds no message and that nobody has used for so long (SQS's guide,
"Monitoring Amazon SQS queues using CloudWatch")."""
COUNTED = ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfEmptyReceives", "NumberOfMessagesDeleted")


@dataclass(frozen=True, slots=True)
class Post:
    """One message that waits for an HTTP subscriber."""

    topic: str
    endpoint: str
    body: str
    headers: Mapping[str, str]
    attempts: int = 0
    due: float = 0.0


@dataclass(slots=True)
class QueueUse:
    """What was done with a queue since it was measured last."""

    used_at: float
    counts: Counter[str] = field(default_factory=Counter)
    sizes: list[float] = field(default_factory=list)
    """Bytes of each message that was sent."""


@component(order=5)
class Topics(TopicPublisher, QueueMeter):
    """The component: HTTP deliveries that wait, and the metrics."""

    name = "messaging"

    def __init__(self) -> None:
        self._waiting: list[Post] = []
        self.uses: dict[str, QueueUse] = {}
        """By a queue's name. Under the cloud's lock; of the region's own queues only, as all metrics are."""
        self._cloud: Cloud | None = None

    def start(self, cloud: Cloud) -> None:
        self._cloud = cloud
        cloud.loop("sns-http", SEND_EVERY, self.send)
        cloud.loop("sqs-metrics", MEASURE_EVERY, lambda: measure_queues(cloud))

    def dump(self) -> object:
        return [{part.name: getattr(post, part.name) for part in dataclasses.fields(post)} for post in self._waiting]

    def load(self, state: Any) -> None:
        self._waiting = [Post(**fields) for fields in state]

    def stop(self) -> None:
        """Nothing runs outside of the loops."""

    def publish(self, topic_arn: str, message: str, *, subject: str | None = None) -> str | None:
        if self._cloud is None:
            raise RuntimeError("topics are not started")
        return publish(self._cloud, topic_arn, message, subject=subject)

    def note_use(self, queue: str, *, sent: Sequence[str] = (), **counts: int) -> None:
        now = time.time()
        use = self.uses.setdefault(queue.replace(":", "/").rpartition("/")[2], QueueUse(now))
        use.used_at = now
        use.sizes.extend(len(body.encode()) for body in sent)
        use.counts.update({"NumberOfMessagesSent": len(sent)} | counts)

    def queue(self, post: Post) -> None:
        """Have it sent soon. Call under the cloud's lock."""
        self._waiting.append(post)

    def send(self) -> None:
        """Send what is due; what fails is tried again, and counted as failed after the last attempt."""
        cloud, now = self._cloud, time.time()
        if cloud is None:
            return
        for post in [post for post in self._waiting if post.due <= now]:
            problem = _send(post)
            with cloud.lock:
                self._waiting.remove(post)
                if problem and post.attempts + 1 < ATTEMPTS:
                    self._waiting.append(dataclasses.replace(post, attempts=post.attempts + 1, due=now + PAUSE))
                    continue
                cloud.touch()
            if problem:
                log.warning("a message of %s was not delivered to %s", post.topic, problem)
            count(cloud, post.topic, delivered=int(problem is None), failed=int(problem is not None))


def publish(
    cloud: Cloud,
    topic_arn: str,
    message: str,
    *,
    subject: str | None = None,
    attributes: Mapping[str, Mapping[str, str]] | None = None,
    structure: str | None = None,
) -> str | None:
    """Publish to a topic and its subscribers: the message's id, or None where the topic doesn't exist.

    ``attributes`` are in moto's shape (``{"name": {"Type": "String", "Value": "x"}}``).
    """
    message_id = str(uuid.uuid4())
    delivered, failed = 0, 0
    with cloud.lock:
        topic = cloud.moto("sns").topics.get(topic_arn)
        if topic is None:
            return None
        subscriptions, _ = topic.sns_backend.list_subscriptions_by_topic(topic_arn)
        for subscription in subscriptions:
            matcher = subscription._filter_policy_matcher
            if matcher is not None and not matcher.matches(attributes, message):
                continue
            text = subscription._parse_message_structure(message, subscription.protocol) if structure else message
            try:
                delivered += _hand_over(cloud, subscription, message_id, subject, text, attributes)
            except Exception as error:  # noqa: BLE001 -- moto raises what it likes; each is a failed delivery
                failed += 1
                log.warning("a message of %s was not delivered to %s: %s", topic_arn, subscription.endpoint, error)
        topic.sent_notifications.append((message_id, message, subject, attributes, None))
        cloud.touch()
    count(cloud, topic_arn, published=len(message.encode()), delivered=delivered, failed=failed)
    return message_id


def _hand_over(
    cloud: Cloud,
    subscription: Any,
    message_id: str,
    subject: str | None,
    message: str,
    attributes: Mapping[str, Mapping[str, str]] | None,
) -> int:
    """How many deliveries this made: 1, or 0 where the delivery waits for the loop."""
    raw = str(subscription.attributes.get("RawMessageDelivery", "false")).lower() == "true"
    if subscription.protocol in ("http", "https"):
        if not cloud.has(Topics):
            raise NotImplementedError("this cloud has no HTTP deliveries")
        body = message if raw else json.dumps(_envelope(subscription, message_id, subject, message, attributes))
        headers = _headers(subscription, message_id, raw=raw)
        cloud.part(Topics).queue(Post(subscription.topic.arn, subscription.endpoint, body, headers))
        return 0
    if subscription.protocol == "sqs" and not raw:
        region, queue = subscription.endpoint.split(":")[3], subscription.endpoint.split(":")[-1]
        body = json.dumps(_envelope(subscription, message_id, subject, message, attributes))
        cloud.moto("sqs", region).send_message(queue, body, validate_group_id=False)
        _note_sent(cloud, subscription.endpoint, body)
    elif subscription.protocol == "sqs":
        subscription.publish(message, message_id, subject=subject, message_attributes=attributes)
        _note_sent(cloud, subscription.endpoint, message)
    elif subscription.protocol not in ("email", "email-json", "sms"):
        raise NotImplementedError(f"localcloud delivers to no {subscription.protocol} subscriber")
    return 1


def _note_sent(cloud: Cloud, queue: str, body: str) -> None:
    if cloud.has(QueueMeter):
        cloud.part(QueueMeter).note_use(queue, sent=[body])


def _envelope(
    subscription: Any,
    message_id: str,
    subject: str | None,
    message: str,
    attributes: Mapping[str, Mapping[str, str]] | None,
) -> dict[str, Any]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    envelope: dict[str, Any] = subscription.get_post_data(message, message_id, subject, attributes)
    # moto leaves the subject out of what it signs; a client that verifies as AWS documents would refuse it.
    signed = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    text = "".join(f"{key}\n{envelope[key]}\n" for key in signed if key in envelope)
    signature = subscription.private_key().sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    envelope["Signature"] = base64.b64encode(signature).decode()
    envelope["UnsubscribeURL"] = (
        f"https://sns.{subscription.topic.sns_backend.region_name}.amazonaws.com/"
        f"?Action=Unsubscribe&SubscriptionArn={subscription.arn}"
    )
    return envelope


def _headers(subscription: Any, message_id: str, *, raw: bool) -> dict[str, str]:
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-message-id": message_id,
        "x-amz-sns-topic-arn": subscription.topic.arn,
        "x-amz-sns-subscription-arn": subscription.arn,
    }
    return {**headers, "x-amz-sns-rawdelivery": "true"} if raw else headers


def _send(post: Post) -> str | None:
    """What went wrong, or None."""
    if not post.endpoint.startswith(("http://", "https://")):
        return f"{post.endpoint}: not an HTTP address"
    request = urllib.request.Request(post.endpoint, post.body.encode(), dict(post.headers), method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=HTTP_SECONDS):  # noqa: S310 -- checked to be HTTP
            return None
    except (OSError, urllib.error.HTTPError) as error:
        return f"{post.endpoint}: {error}"


def count(cloud: Cloud, topic_arn: str, *, published: int | None = None, delivered: int = 0, failed: int = 0) -> None:
    """The metrics of a topic, as AWS/SNS has them; ``published`` is the size of a message in bytes."""
    if not cloud.has(MetricSink):
        return
    metrics, topic = cloud.part(MetricSink), {"TopicName": topic_arn.rsplit(":", 1)[-1]}
    if published is not None:
        metrics.put("AWS/SNS", "NumberOfMessagesPublished", topic, 1, unit="Count")
        metrics.put("AWS/SNS", "PublishSize", topic, published, unit="Bytes")
    for name, number in (("NumberOfNotificationsDelivered", delivered), ("NumberOfNotificationsFailed", failed)):
        if number:
            metrics.put("AWS/SNS", name, topic, number, unit="Count")


def measure_queues(cloud: Cloud) -> None:
    """Of every active queue, its depth, how long its oldest message has been in it and what was done with it, as
    AWS/SQS has them."""
    if not cloud.has(MetricSink) or not cloud.has(Topics):
        return
    now, uses = time.time(), cloud.part(Topics).uses
    with cloud.lock:
        queues = cloud.moto("sqs").queues
        for name in [name for name in uses if name not in queues]:
            del uses[name]
        depths, used = [], []
        for name, queue in queues.items():
            use = uses.setdefault(name, QueueUse(now))
            visible, in_flight = len(queue.messages), int(queue.approximate_number_of_messages_not_visible)
            if visible or in_flight or now - use.used_at < ACTIVE_SECONDS:
                depths.append((name, visible, in_flight, age_of_oldest(queue)))
                used.append((name, use.counts, use.sizes))
            use.counts, use.sizes = Counter(), []
    metrics = cloud.part(MetricSink)
    for name, counts, sizes in used:
        for metric in COUNTED:
            metrics.put("AWS/SQS", metric, {"QueueName": name}, counts[metric], unit="Count")
        if sizes:
            metrics.put_values("AWS/SQS", "SentMessageSize", {"QueueName": name}, sizes, unit="Bytes")
    for name, visible, in_flight, age in depths:
        for metric, number in (("Visible", visible), ("NotVisible", in_flight)):
            metrics.put("AWS/SQS", f"ApproximateNumberOfMessages{metric}", {"QueueName": name}, number, unit="Count")
        metrics.put("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": name}, age, unit="Seconds")


def age_of_oldest(queue: Any) -> int:
    """Seconds since the oldest message was sent, whether it is in flight or not; 0 of an empty queue. One that was
    received more than three times doesn't count (SQS's guide, "Available CloudWatch metrics for Amazon SQS")."""
    sent = [message.sent_timestamp for message in queue._messages if message.approximate_receive_count <= RECEIPTS]
    return int(time.time() - min(sent) / 1000) if sent else 0


@operation("sns", "Publish", locked=False)
def sns_publish(cloud: Cloud, call: Call) -> Mapping[str, Any]:
    """To a topic through ``publish``; to phones, devices and FIFO topics as moto does it."""
    params = call.params
    arn = params.get("TopicArn") or params.get("TargetArn")
    attributes = _attributes(params.get("MessageAttributes") or {})
    subject, structure = params.get("Subject"), params.get("MessageStructure")
    if subject is not None and len(subject) > 100:
        raise AwsError("InvalidParameter", "Invalid parameter: Subject")
    if not arn and not params.get("PhoneNumber"):
        reason = "Reason: no value for required parameter"
        raise AwsError("InvalidParameter", f"Invalid parameter: TopicArn or TargetArn {reason}")
    if arn and not arn.endswith(".fifo"):
        message_id = publish(
            cloud, arn, params["Message"], subject=subject, attributes=attributes or None, structure=structure
        )
        if message_id is not None:
            return {"MessageId": message_id}
    with cloud.lock:
        message_id = cloud.moto("sns").publish(
            params["Message"],
            arn=arn,
            phone_number=params.get("PhoneNumber"),
            subject=subject,
            message_attributes=attributes,
            group_id=params.get("MessageGroupId"),
            deduplication_id=params.get("MessageDeduplicationId"),
            message_structure=structure,
        )
    return {"MessageId": message_id}


def _attributes(provided: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    attributes = {}
    for name, attribute in provided.items():
        value = attribute.get("StringValue")
        if value is None:
            value = base64.b64encode(attribute.get("BinaryValue") or b"").decode()
        attributes[name] = {"Type": attribute["DataType"], "Value": value}
    return attributes
