"""Carries out alarm actions: SNS topics to their subscribers, other ARNs to whoever registered for them.

SQS subscribers are served inside moto under the cloud's lock; HTTP subscribers outside of every lock, with a signature
over the same fields as AWS's. Why an action is due is ``alarms``' business.
"""

from __future__ import annotations

import base64
import json
import logging
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

log = logging.getLogger(__name__)

HTTP_SECONDS = 5.0
"""Longer than a healthy subscriber on this machine ever takes; shorter than what would hold up the other actions."""


@dataclass(frozen=True, slots=True)
class Published:
    """What became of one message to a topic."""

    message_id: str
    delivered: int
    failed: int
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Post:
    endpoint: str
    subscription: str
    body: str
    headers: Mapping[str, str]


def publish(cloud: Cloud, topic_arn: str, subject: str, message: str) -> Published | None:
    """Publish to a topic and its subscribers; None where the topic doesn't exist. Hold no lock while calling."""
    message_id = str(uuid.uuid4())
    delivered, problems, posts = 0, [], []
    with cloud.lock:
        topic = cloud.moto("sns").topics.get(topic_arn)
        if topic is None:
            return None
        subscriptions, _ = topic.sns_backend.list_subscriptions_by_topic(topic_arn)
        for subscription in subscriptions:
            matcher = subscription._filter_policy_matcher
            if matcher is not None and not matcher.matches(None, message):
                continue
            if subscription.protocol in ("http", "https"):
                posts.append(_post(subscription, message_id, subject, message))
                continue
            try:
                _hand_over(cloud, subscription, message_id, subject, message)
                delivered += 1
            except Exception as error:  # noqa: BLE001 -- moto raises what it likes; each is a failed delivery
                problems.append(f"{subscription.endpoint}: {type(error).__name__}: {error}")
        topic.sent_notifications.append((message_id, message, subject, None, None))
        cloud.touch()
    for post in posts:
        problem = _send(post)
        delivered += problem is None
        if problem:
            problems.append(problem)
    for problem in problems:
        log.warning("a message of %s was not delivered to %s", topic_arn, problem)
    return Published(message_id, delivered, len(problems), tuple(problems))


def _envelope(subscription: Any, message_id: str, subject: str, message: str) -> dict[str, Any]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    envelope: dict[str, Any] = subscription.get_post_data(message, message_id, subject)
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


def _raw(subscription: Any) -> bool:
    return str(subscription.attributes.get("RawMessageDelivery", "false")).lower() == "true"


def _hand_over(cloud: Cloud, subscription: Any, message_id: str, subject: str, message: str) -> None:
    if subscription.protocol == "sqs":
        region, queue = subscription.endpoint.split(":")[3], subscription.endpoint.split(":")[-1]
        body = message if _raw(subscription) else json.dumps(_envelope(subscription, message_id, subject, message))
        cloud.moto("sqs", region).send_message(queue, body, validate_group_id=False)
    elif subscription.protocol not in ("email", "email-json", "sms"):
        raise NotImplementedError(f"localcloud delivers to no {subscription.protocol} subscriber")


def _post(subscription: Any, message_id: str, subject: str, message: str) -> _Post:
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-message-id": message_id,
        "x-amz-sns-topic-arn": subscription.topic.arn,
        "x-amz-sns-subscription-arn": subscription.arn,
    }
    if _raw(subscription):
        return _Post(subscription.endpoint, subscription.arn, message, {**headers, "x-amz-sns-rawdelivery": "true"})
    body = json.dumps(_envelope(subscription, message_id, subject, message))
    return _Post(subscription.endpoint, subscription.arn, body, headers)


def _send(post: _Post) -> str | None:
    """What went wrong, or None."""
    if not post.endpoint.startswith(("http://", "https://")):
        return f"{post.endpoint}: not an HTTP address"
    request = urllib.request.Request(post.endpoint, post.body.encode(), dict(post.headers), method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=HTTP_SECONDS):  # noqa: S310 -- checked to be HTTP
            return None
    except (OSError, urllib.error.HTTPError) as error:
        return f"{post.endpoint}: {error}"
