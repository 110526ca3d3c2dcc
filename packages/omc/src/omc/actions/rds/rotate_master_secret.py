"""``rds.rotate_master_secret``: a new master password, by the rotation that RDS manages. It can't be undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from omc.actions.action import Action, Context, Outcome, Verdict, register
from omc.actions.rds.described import described
from omc.actions.rds.states import not_yet
from omc.config import Environment
from omc.errors import AwsRefused
from omc.facts.secrets import current_version
from omc.model.arguments.data_stores import RotateMasterSecret
from omc.model.plan import Json

POLL_SECONDS = 2.0


def _secret_status(context: Context, arguments: RotateMasterSecret) -> str:
    record = described(context, arguments.instance) or {}
    return str(record.get("MasterUserSecret", {}).get("SecretStatus", "gone"))


def _is_applied(context: Context, arguments: RotateMasterSecret) -> bool:
    """Another version is current than when the plan was made, or RDS is at it."""
    now = current_version(context.gateway, arguments.secret)
    return now != arguments.version or _secret_status(context, arguments) == "rotating"


def _apply(context: Context, arguments: RotateMasterSecret) -> Mapping[str, Json]:
    try:
        context.gateway.client("secretsmanager").rotate_secret(
            SecretId=arguments.secret, ClientRequestToken=context.token, RotateImmediately=True
        )
    except AwsRefused as error:
        raise not_yet(error, f"The rotation of {arguments.instance}'s master password") from error
    return {}


def _poll(context: Context, arguments: RotateMasterSecret) -> Outcome | None:
    status, now = _secret_status(context, arguments), current_version(context.gateway, arguments.secret)
    if status in ("impaired", "gone"):
        sentence = f"The secret of {arguments.instance}'s master password is {status}: RDS couldn't rotate it."
        return Outcome(Verdict.FAILED, sentence, {"secret_status": status})
    if status != "active" or now == arguments.version:
        context.report(f"the secret of {arguments.instance} is {status}")
        return None
    sentence = f"The master password of {arguments.instance} is rotated."
    return Outcome(Verdict.SUCCEEDED, sentence, {"version": now}, {"version": now})


def _commands(environment: Environment, arguments: RotateMasterSecret) -> Sequence[str]:
    return [f"aws secretsmanager rotate-secret --secret-id {arguments.secret} --region {environment.region}"]


register(Action(RotateMasterSecret, _apply, _is_applied, _poll, _commands, poll_interval=POLL_SECONDS))
