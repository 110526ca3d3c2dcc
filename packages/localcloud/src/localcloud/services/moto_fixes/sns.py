"""SNS: topic attributes that moto stores and then doesn't show, and subscriptions that nobody has confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.core.utils import camelcase_to_underscores

from localcloud.core.registry import Answer, Call, patch_response

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

KINDS = ("Application", "Firehose", "HTTP", "Lambda", "SQS")
SHOWN = (
    "SignatureVersion",
    "TracingConfig",
    *(f"{kind}{suffix}" for kind in KINDS for suffix in ("SuccessFeedbackRoleArn", "FailureFeedbackRoleArn")),
    *(f"{kind}SuccessFeedbackSampleRate" for kind in KINDS),
)


@patch_response("sns", "GetTopicAttributes")
def get_topic_attributes(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    topic = cloud.moto("sns", call.region).topics[call.params["TopicArn"]]
    for name in SHOWN:
        value = getattr(topic, camelcase_to_underscores(name), None)
        if value is not None:
            answer["Attributes"][name] = str(value)
    return answer


MAILED = frozenset({"email", "email-json"})
"""Subscriptions that wait until somebody follows the link in a mail. None is sent here, so they wait for ever."""
PENDING = "PendingConfirmation"


def _unconfirmed(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    for subscription in answer.get("Subscriptions", ()):
        if subscription.get("Protocol") in MAILED:
            subscription["SubscriptionArn"] = PENDING
    return answer


for _name in ("ListSubscriptions", "ListSubscriptionsByTopic"):
    patch_response("sns", _name)(_unconfirmed)


@patch_response("sns", "GetSubscriptionAttributes")
def get_subscription_attributes(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    if answer["Attributes"].get("Protocol") in MAILED:
        answer["Attributes"][PENDING] = "true"
    return answer
