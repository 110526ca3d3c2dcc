"""Service Quotas: what the account may run of Fargate. Told, not enforced: no task is refused for it here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import Answer, AwsError, Call, operation

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@dataclass(frozen=True, slots=True)
class Quota:
    service: str
    name: str
    default: float
    """A new account's."""
    value: float
    """This account's. AWS raises it with use."""


QUOTAS = {("fargate", "L-3032A538"): Quota("AWS Fargate", "Fargate On-Demand vCPU resource count", 6.0, 64.0)}
"""By service and quota code."""


@operation("service-quotas", "GetServiceQuota")
def get_service_quota(cloud: Cloud, call: Call) -> Answer:
    quota = _quota(call)
    return {"Quota": _shown(cloud, call, quota, quota.value) | {"QuotaAppliedAtLevel": "ACCOUNT"}}


@operation("service-quotas", "GetAWSDefaultServiceQuota")
def get_default_service_quota(cloud: Cloud, call: Call) -> Answer:
    quota = _quota(call)
    shown = _shown(cloud, call, quota, quota.default)
    place, key = cloud.settings, f"{call.params['ServiceCode']}/{call.params['QuotaCode']}"
    arn = f"arn:{place.partition}:servicequotas:{place.region}::{key}"  # it is no account's
    return {"Quota": shown | {"QuotaArn": arn}}


def _quota(call: Call) -> Quota:
    code, quota = call.params["ServiceCode"], call.params["QuotaCode"]
    found = QUOTAS.get((code, quota))
    if found is None:
        raise AwsError(
            "NoSuchResourceException",
            f"The request failed because the specified service quota {quota} does not exist for {code}.",
        )
    return found


def _shown(cloud: Cloud, call: Call, quota: Quota, value: float) -> dict[str, Any]:
    settings, code, name = cloud.settings, call.params["ServiceCode"], call.params["QuotaCode"]
    return {
        "ServiceCode": code,
        "ServiceName": quota.service,
        "QuotaArn": settings.arn("servicequotas", f"{code}/{name}"),
        "QuotaCode": name,
        "QuotaName": quota.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
