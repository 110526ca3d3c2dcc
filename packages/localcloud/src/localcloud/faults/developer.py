"""Who does to the stack what people do: a developer with a session of a role, whose calls the audit trail shows.

The role is put into the account as its owners would have set it up before; what is done with it goes through the AWS
API at the cloud's own endpoint, like anybody's calls.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

ROLE = "AWSReservedSSO_Developer_5f1c0ffee0123456"
SESSION = "developer"
"""The session's name, which CloudTrail gives as the user."""
HOURS = 1


def client(cloud: Cloud, service: str) -> Any:
    """A boto3 client of the developer's, in a new session."""
    import boto3
    from botocore.config import Config

    settings = cloud.settings
    with cloud.lock:
        role = _role(cloud)
        session = cloud.moto("sts", "aws").assume_role(settings.region, SESSION, role, None, 3600 * HOURS, None)
    person = boto3.Session(
        aws_access_key_id=session.access_key_id,
        aws_secret_access_key=session.secret_access_key,
        aws_session_token=session.session_token,
        region_name=settings.region,
    )
    config = Config(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5, read_timeout=20)
    return person.client(service, endpoint_url=settings.endpoint, config=config)  # type: ignore[call-overload]


def _role(cloud: Cloud) -> str:
    """The ARN of the developers' role."""
    iam = cloud.moto("iam", "aws")
    for role in iam.roles.values():
        if role.name == ROLE:
            return str(role.arn)
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
                "Principal": {
                    "Federated": cloud.settings.arn("iam", "saml-provider/AWSSSO_DO_NOT_DELETE", is_global=True)
                },
            }
        ],
    }
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    made = iam.create_role(ROLE, json.dumps(trust), "/aws-reserved/sso.amazonaws.com/", "", "Developers", [], "43200")
    iam.put_role_policy(ROLE, "developer", json.dumps(allowed))
    return str(made.arn)
