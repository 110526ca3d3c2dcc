"""Service Quotas: what the account may run of Fargate. Told, not enforced: no task is refused for it here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.core.registry import Answer, AwsError, Call, operation

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

QUOTAS = {("fargate", "L-3032A538"): ("AWS Fargate", "Fargate On-Demand vCPU resource count", 64.0)}
"""Service and quota code to their names and the account's value. A new account's is 6; AWS raises it with use."""


@operation("service-quotas", "GetServiceQuota")
def get_service_quota(cloud: Cloud, call: Call) -> Answer:
    key = (call.params["ServiceCode"], call.params["QuotaCode"])
    if key not in QUOTAS:
        raise AwsError(
            "NoSuchResourceException",
            f"The request failed because the specified service quota {key[1]} does not exist for {key[0]}.",
        )
    service, name, value = QUOTAS[key]
    settings = cloud.settings
    quota = {
        "ServiceCode": key[0],
        "ServiceName": service,
        "QuotaArn": f"arn:aws:servicequotas:{settings.region}:{settings.account}:{key[0]}/{key[1]}",
        "QuotaCode": key[1],
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }
    return {"Quota": quota}
