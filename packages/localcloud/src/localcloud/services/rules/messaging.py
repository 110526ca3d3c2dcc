"""SNS and SQS: sizes, in bytes (API references, Publish, PublishBatch, SendMessage, SendMessageBatch)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from localcloud.core.registry import AwsError, Call, rule

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

SNS_MOST: Final = 256 << 10
SQS_MOST: Final = 1 << 20
BATCH: Final = 10
FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no message may hold: neither XML nor SQS has it."""
QUEUE: Final = {
    "DelaySeconds": (0, 900),
    "MaximumMessageSize": (1024, SQS_MOST),
    "MessageRetentionPeriod": (60, 1_209_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20),
    "VisibilityTimeout": (0, 43_200),
    "KmsDataKeyReusePeriodSeconds": (60, 86_400),
}


def _size(text: str, attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Bytes of a message with its attributes: names, types and values count."""
    values = (value for each in attributes.values() for value in each.values() if isinstance(value, str | bytes))
    parts = [text, *attributes, *values]
    return sum(len(part.encode() if isinstance(part, str) else part) for part in parts)


@rule("sns", "Publish")
def publish_no_giant(cloud: Cloud, call: Call) -> None:
    params = call.params
    if _size(params["Message"], params.get("MessageAttributes") or {}) > SNS_MOST:
        raise AwsError("InvalidParameter", "Invalid parameter: Message too long")
    if not params["Message"]:
        raise AwsError("InvalidParameter", "Invalid parameter: Empty message")
    if params.get("MessageStructure") not in (None, "", "json"):
        raise AwsError("InvalidParameter", "Invalid parameter: MessageStructure")
    if params.get("MessageStructure") == "json":
        try:
            by_protocol = json.loads(params["Message"])
        except ValueError as error:
            text = "Invalid parameter: Message Structure - JSON message body failed to parse"
            raise AwsError("InvalidParameter", text) from error
        if not isinstance(by_protocol, dict) or "default" not in by_protocol:
            text = "Invalid parameter: Message Structure - No default entry in JSON message body"
            raise AwsError("InvalidParameter", text)


@rule("sns", "PublishBatch")
def publish_no_giant_batch(cloud: Cloud, call: Call) -> None:
    entries = call.params["PublishBatchRequestEntries"]
    _check_batch(entries, "Id", "")
    if sum(_size(each["Message"], each.get("MessageAttributes") or {}) for each in entries) > SNS_MOST:
        text = "The length of all the messages put together is more than the limit."
        raise AwsError("BatchRequestTooLong", text)


@rule("sqs", "SendMessage")
def send_no_giant(cloud: Cloud, call: Call) -> None:
    params = call.params
    if not params["MessageBody"]:
        raise AwsError("MissingParameter", "The request must contain the parameter MessageBody.")
    if _size(params["MessageBody"], params.get("MessageAttributes") or {}) > SQS_MOST:
        text = f"One or more parameters are invalid. Reason: Message must be shorter than {SQS_MOST} bytes."
        raise AwsError("InvalidParameterValue", text)
    if FORBIDDEN.search(params["MessageBody"]):
        raise AwsError("InvalidMessageContents", "Invalid characters found in the message body.")


@rule("sqs", "SendMessageBatch")
def send_no_giant_batch(cloud: Cloud, call: Call) -> None:
    entries = call.params["Entries"]
    _check_batch(entries, "Id", "AWS.SimpleQueueService.")
    if sum(_size(each["MessageBody"], each.get("MessageAttributes") or {}) for each in entries) > SQS_MOST:
        text = f"Batch requests cannot be longer than {SQS_MOST} bytes."
        raise AwsError("AWS.SimpleQueueService.BatchRequestTooLong", text)


@rule("sqs", "DeleteMessageBatch", "ChangeMessageVisibilityBatch")
def send_a_batch(cloud: Cloud, call: Call) -> None:
    _check_batch(call.params["Entries"], "Id", "AWS.SimpleQueueService.")


def _check_batch(entries: list[Mapping[str, Any]], key: str, prefix: str) -> None:
    if not entries:
        raise AwsError(f"{prefix}EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(entries) > BATCH:
        text = f"Maximum number of entries per request are {BATCH}. You have sent {len(entries)}."
        raise AwsError(f"{prefix}TooManyEntriesInBatchRequest", text)
    names = [each[key] for each in entries]
    if len(set(names)) < len(names):
        raise AwsError(f"{prefix}BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id.")


@rule("sqs", "CreateQueue", "SetQueueAttributes")
def set_attributes_in_range(cloud: Cloud, call: Call) -> None:
    for name, value in (call.params.get("Attributes") or {}).items():
        if name in QUEUE:
            least, most = QUEUE[name]
            if not re.fullmatch(r"\d{1,9}", value) or not least <= int(value) <= most:
                raise AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")


@rule("sqs", "ReceiveMessage")
def receive_a_few(cloud: Cloud, call: Call) -> None:
    most = call.params.get("MaxNumberOfMessages")
    if most is not None and not 1 <= most <= BATCH:
        reason = f"Reason: Must be between 1 and {BATCH}, if provided."
        raise AwsError("InvalidParameterValue", f"Value {most} for parameter MaxNumberOfMessages is invalid. {reason}")
