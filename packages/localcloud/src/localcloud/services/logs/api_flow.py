"""EC2's flow logs in what they say about log groups: moto looks for their groups among its own, which has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.core.registry import Answer, Call, patch_response
from localcloud.services.logs.component import Logs
from localcloud.services.logs.flow_delivery import group_of

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@patch_response("ec2", "DescribeFlowLogs")
def describe_flow_logs(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    """Whether delivery works depends on our groups."""
    logs = cloud.part(Logs)
    for flow in answer.get("FlowLogs", []):
        group = group_of(flow.get("LogGroupName"), flow.get("LogDestination"))
        if group is None:
            continue
        if group in logs.groups:
            flow["DeliverLogsStatus"] = "SUCCESS"
            flow.pop("DeliverLogsErrorMessage", None)
        else:
            flow["DeliverLogsStatus"] = "FAILED"
            flow["DeliverLogsErrorMessage"] = "Access error"
    return answer
