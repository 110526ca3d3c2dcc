"""What moto forgets of Secrets Manager: whoever asks for the current version gets the one that AWSCURRENT moved to, and
a secret that its service rotates has no function and may have a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from localcloud.core.registry import Answer, Call, patch_response

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@patch_response("secretsmanager", "UpdateSecretVersionStage")
def update_secret_version_stage(cloud: Cloud, call: Call, answer: Answer) -> Answer:
    secret = cloud.moto("secretsmanager").secrets[call.params["SecretId"]]
    for version, held in secret.versions.items():
        if "AWSCURRENT" in held["version_stages"]:
            secret.default_version_id = version
    return answer


@patch_response("secretsmanager", "DescribeSecret")
def describe_secret(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    if not answer.get("RotationLambdaARN"):
        answer.pop("RotationLambdaARN", None)
    secret = cloud.moto("secretsmanager").secrets.get(call.params["SecretId"])
    expression = getattr(secret, "rotation_expression", None)
    if expression and "RotationRules" in answer:
        answer["RotationRules"] = {"ScheduleExpression": expression}
    return answer
