"""SQS: long polls. moto waits for a message inside its backend, under the cloud's lock, and so would stop everything."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from localcloud.core.registry import Answer, AwsError, Call, operation
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
