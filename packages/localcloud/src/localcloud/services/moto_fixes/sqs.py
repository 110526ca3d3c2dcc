"""SQS: long polls, which moto waits for inside its backend, under the cloud's lock; policies as AWS writes them; and
what the metrics count."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from localcloud.core.interfaces import QueueMeter
from localcloud.core.registry import Answer, AwsError, Call, operation, patch_response
from localcloud.front import moto_calls

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

EVERY = 0.1
"""Seconds between looks at an empty queue."""


@operation("sqs", "ReceiveMessage", locked=False)
def receive_message(cloud: Cloud, call: Call) -> Answer:
    """moto without waiting, again and again until there is a message or the time is over."""
    params = {**call.params, "WaitTimeSeconds": 0}
    with cloud.lock:
        wait = call.params.get("WaitTimeSeconds")
        if wait is None:
            wait = _queue_wait(cloud, call)
    if not 0 <= int(wait) <= 20:
        raise AwsError("InvalidParameterValue", "WaitTimeSeconds must be between 0 and 20.")
    deadline = time.monotonic() + int(wait)
    while True:
        with cloud.lock:
            answer = moto_calls.ask(cloud, "sqs", "ReceiveMessage", params, call.region)
        if answer.get("Messages") or time.monotonic() >= deadline or cloud.stopping.wait(EVERY):
            break
    received = len(answer.get("Messages") or [])
    with cloud.lock:
        _note(cloud, call, NumberOfMessagesReceived=received, NumberOfEmptyReceives=int(not received))
    return answer


def _queue_wait(cloud: Cloud, call: Call) -> int:
    names = {"QueueUrl": call.params["QueueUrl"], "AttributeNames": ["ReceiveMessageWaitTimeSeconds"]}
    held = moto_calls.ask(cloud, "sqs", "GetQueueAttributes", names, call.region)
    return int(held.get("Attributes", {}).get("ReceiveMessageWaitTimeSeconds", 0))


def _note(cloud: Cloud, call: Call, sent: Sequence[str] = (), **counts: int) -> None:
    """For the queue's metrics."""
    if cloud.has(QueueMeter):
        cloud.part(QueueMeter).note_use(call.params["QueueUrl"], sent=sent, **counts)


@patch_response("sqs", "SendMessage")
def send_message(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    _note(cloud, call, [call.params["MessageBody"]])
    return answer


@patch_response("sqs", "SendMessageBatch")
def send_message_batch(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    taken = {each["Id"] for each in answer.get("Successful") or []}
    bodies = [each["MessageBody"] for each in call.params["Entries"] if each["Id"] in taken]
    _note(cloud, call, bodies)
    return answer


@patch_response("sqs", "DeleteMessage")
def delete_message(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    _note(cloud, call, NumberOfMessagesDeleted=1)
    return answer


@patch_response("sqs", "DeleteMessageBatch")
def delete_message_batch(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    _note(cloud, call, NumberOfMessagesDeleted=len(answer.get("Successful") or []))
    return answer


@patch_response("sqs", "GetQueueAttributes")
def get_queue_attributes(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    """AWS gives these documents without blanks; Terraform takes a blank for a change."""
    _note(cloud, call)
    attributes = answer.get("Attributes", {})
    for name in ("RedrivePolicy", "RedriveAllowPolicy"):
        if name in attributes:
            attributes[name] = json.dumps(json.loads(attributes[name]), separators=(",", ":"))
    return answer
