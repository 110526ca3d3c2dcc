"""SQS: long polls, which moto waits for inside its backend, under the cloud's lock; and policies as AWS writes them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

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
            return answer


def _queue_wait(cloud: Cloud, call: Call) -> int:
    names = {"QueueUrl": call.params["QueueUrl"], "AttributeNames": ["ReceiveMessageWaitTimeSeconds"]}
    held = moto_calls.ask(cloud, "sqs", "GetQueueAttributes", names, call.region)
    return int(held.get("Attributes", {}).get("ReceiveMessageWaitTimeSeconds", 0))


@patch_response("sqs", "GetQueueAttributes")
def get_queue_attributes(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    """AWS gives these documents without blanks; Terraform takes a blank for a change."""
    attributes = answer.get("Attributes", {})
    for name in ("RedrivePolicy", "RedriveAllowPolicy"):
        if name in attributes:
            attributes[name] = json.dumps(json.loads(attributes[name]), separators=(",", ":"))
    return answer
