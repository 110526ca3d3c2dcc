"""The master user's password, kept by RDS in Secrets Manager where the instance asks for it.

moto keeps the secret; here it is made, filled with the server's true password, rotated and deleted with its instance.
As on AWS it is rotated every seven days, unless RotateSecret has set another rhythm.
"""

from __future__ import annotations

import json
import re
import secrets
import string
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from localcloud.core.registry import AwsError
from localcloud.services.rds.model import OF_CLUSTER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from localcloud.core.cloud import Cloud
    from localcloud.services.rds.model import Instance

_LETTERS = string.ascii_letters + string.digits + "!#$%&()*+,-.:;<=>?[]^_{|}~"
"""RDS allows printable ASCII but ``/``, ``"``, ``@`` and space; quotes and backslash are left out for shells' sake."""


ROTATION_DAYS = 7
_RATE = re.compile(r"rate\((\d+) (hours?|days?)\)")


def new_password() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(28))


def manage(cloud: Cloud, instance: Instance, kms_key: str | None) -> None:
    """Make the secret with a new password, which the server is told next. Under the cloud's lock."""
    instance.password = new_password()
    kind, kind_name = ("cluster", "cluster") if instance.identifier.startswith(OF_CLUSTER) else ("db", "instance")
    manager = cloud.moto("secretsmanager")
    made = manager.create_managed_secret(
        service_name="rds",
        secret_id=f"rds!{kind}-{uuid.uuid4()}",
        secret_string=_content(instance),
        description=f"The secret associated with the primary RDS DB {kind_name}: {instance.arn}",
        kms_key_id=kms_key,
        tags=[{"Key": f"aws:rds:primaryDB{kind_name.capitalize()}Arn", "Value": instance.arn}],
    )
    made.rotation_requested = made.rotation_enabled = True
    made.auto_rotate_after_days = ROTATION_DAYS
    _schedule(cloud, made)
    settings = cloud.settings
    default = settings.arn("kms", "alias/aws/secretsmanager")
    instance.record["MasterUserSecret"] = {
        "SecretArn": made.arn,
        "SecretStatus": "creating",
        "KmsKeyId": kms_key or default,
    }


def rotate(cloud: Cloud, instance: Instance, token: str | None = None) -> str:
    """A new password in the secret, which the server is told next; its version's id, which is the caller's token where
    there is one. Under the cloud's lock.

    Who is logged in stays; whoever logs in from now on needs the new one.
    """
    instance.password = new_password()
    instance.record["MasterUserSecret"]["SecretStatus"] = "rotating"
    arn, version = instance.record["MasterUserSecret"]["SecretArn"], token or str(uuid.uuid4())
    manager = cloud.moto("secretsmanager")
    manager.put_secret_value(
        secret_id=arn,
        secret_string=_content(instance),
        secret_binary="",
        client_request_token=version,
        version_stages=["AWSCURRENT"],
    )
    held = manager.secrets[arn]
    held.last_rotation_date = int(cloud.now().timestamp())
    _schedule(cloud, held)
    return version


def set_rules(cloud: Cloud, instance: Instance, rules: Mapping[str, Any]) -> None:
    """How often it is rotated from now on. Under the cloud's lock. Raises ``AwsError`` for what isn't understood."""
    days, expression = rules.get("AutomaticallyAfterDays"), rules.get("ScheduleExpression")
    hours = int(days or 0) * 24
    if (days is None) == (expression is None):
        message = "Specify either AutomaticallyAfterDays or ScheduleExpression in RotationRules."
        raise AwsError("InvalidParameterException", message)
    if expression is not None:
        found = _RATE.fullmatch(expression)
        if found is None:
            raise AwsError(
                "InvalidParameterException", f"localcloud takes rate(N hours) or rate(N days), not {expression}"
            )
        hours = int(found[1]) * (24 if found[2].startswith("day") else 1)
        if not 4 <= hours <= 24 * 999:
            raise AwsError(
                "InvalidParameterException", "A secret is rotated every 4 hours at most, every 999 days at least."
            )
    held = cloud.moto("secretsmanager").secrets[instance.record["MasterUserSecret"]["SecretArn"]]
    held.auto_rotate_after_days = int(days or 0)
    held.rotation_hours = hours
    held.rotation_expression = expression
    _schedule(cloud, held)


def is_due(cloud: Cloud, instance: Instance) -> bool:
    """Whether its time to be rotated has come. Under the cloud's lock."""
    record = instance.record.get("MasterUserSecret")
    held = cloud.moto("secretsmanager").secrets.get(record["SecretArn"]) if record else None
    return bool(held and held.next_rotation_date and held.next_rotation_date <= cloud.now().timestamp())


def _schedule(cloud: Cloud, held: Any) -> None:
    hours = getattr(held, "rotation_hours", None) or held.auto_rotate_after_days * 24
    due: datetime = cloud.now().astimezone(UTC) + timedelta(hours=hours)
    held.next_rotation_date = int(due.timestamp())


def activate(instance: Instance) -> None:
    if "MasterUserSecret" in instance.record:
        instance.record["MasterUserSecret"]["SecretStatus"] = "active"


def delete(cloud: Cloud, instance: Instance) -> None:
    """The secret goes with its instance, at once. Under the cloud's lock."""
    if record := instance.record.pop("MasterUserSecret", None):
        manager = cloud.moto("secretsmanager")
        if manager.secrets.get(record["SecretArn"]):
            manager.delete_secret(record["SecretArn"], recovery_window_in_days=None, force_delete_without_recovery=True)


def _content(instance: Instance) -> str:
    return json.dumps({"username": instance.record["MasterUsername"], "password": instance.password})
