"""The master user's password, kept by RDS in Secrets Manager where the instance asks for it.

moto keeps the secret; here it is made, filled with the server's true password, rotated and deleted with its instance.
"""

from __future__ import annotations

import json
import secrets
import string
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud
    from localcloud.services.rds.model import Instance

_LETTERS = string.ascii_letters + string.digits + "!#$%&()*+,-.:;<=>?[]^_{|}~"
"""RDS allows printable ASCII but ``/``, ``"``, ``@`` and space; quotes and backslash are left out for shells' sake."""


def new_password() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(28))


def manage(cloud: Cloud, instance: Instance, kms_key: str | None) -> None:
    """Make the secret with a new password, which the server is told next. Under the cloud's lock."""
    instance.password = new_password()
    manager = cloud.moto("secretsmanager")
    made = manager.create_managed_secret(
        service_name="rds",
        secret_id=f"rds!db-{uuid.uuid4()}",
        secret_string=_content(instance),
        description=f"The secret associated with the primary RDS DB instance: {instance.arn}",
        kms_key_id=kms_key,
        tags=[{"Key": "aws:rds:primaryDBInstanceArn", "Value": instance.arn}],
    )
    settings = cloud.settings
    default = f"arn:aws:kms:{settings.region}:{settings.account}:alias/aws/secretsmanager"
    instance.record["MasterUserSecret"] = {
        "SecretArn": made.arn,
        "SecretStatus": "creating",
        "KmsKeyId": kms_key or default,
    }


def rotate(cloud: Cloud, instance: Instance) -> None:
    """A new password in the secret, which the server is told next. Under the cloud's lock."""
    instance.password = new_password()
    instance.record["MasterUserSecret"]["SecretStatus"] = "rotating"
    cloud.moto("secretsmanager").put_secret_value(
        secret_id=instance.record["MasterUserSecret"]["SecretArn"],
        secret_string=_content(instance),
        secret_binary="",
        client_request_token=str(uuid.uuid4()),
        version_stages=["AWSCURRENT"],
    )


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
