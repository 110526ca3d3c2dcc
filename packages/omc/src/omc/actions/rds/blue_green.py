"""``rds.create_green``, ``rds.switch_to_green``, ``rds.delete_green``, ``rds.delete_old_instance``: RDS blue/green.

A deployment is known by its name, which the plan gives. Outputs of the first: ``green``, the copy's ARN.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from omc.actions.action import Action, Context, Interrupted, Outcome, Verdict, register
from omc.actions.rds.described import described
from omc.actions.rds.states import not_yet
from omc.config import Environment
from omc.errors import AwsRefused
from omc.model.arguments.data_stores import CreateGreen, DeleteGreen, DeleteOldInstance, SwitchToGreen
from omc.model.plan import Json

POLL_SECONDS = 10.0
AVAILABLE, SWITCHED = "AVAILABLE", "SWITCHOVER_COMPLETED"
FAILED = ("INVALID_CONFIGURATION", "PROVISIONING_FAILED")
"""Statuses from which a deployment doesn't become available (RDS's model: Status of BlueGreenDeployment)."""
OLD = re.compile(r".+-old\d+")


def deployment(context: Context, name: str) -> Mapping[str, Any] | None:
    """The deployment of this name that isn't being deleted."""
    by_name: Any = [{"Name": "blue-green-deployment-name", "Values": [name]}]
    answer: Any = context.gateway.client("rds").describe_blue_green_deployments(Filters=by_name)
    found = (each for each in answer["BlueGreenDeployments"] if each["Status"] != "DELETING")
    return next(found, None)


# -- create ---------------------------------------------------------------------------------------------------------


def _is_created(context: Context, arguments: CreateGreen) -> bool:
    return deployment(context, arguments.name) is not None


def _create(context: Context, arguments: CreateGreen) -> Mapping[str, Json]:
    try:
        context.gateway.client("rds").create_blue_green_deployment(
            BlueGreenDeploymentName=arguments.name,
            Source=arguments.arn,
            TargetEngineVersion=arguments.version,
            TargetDBParameterGroupName=arguments.parameter_group,
        )
    except AwsRefused as error:
        raise not_yet(error, f"The copy of {arguments.instance}") from error
    return {}


def _watch_created(context: Context, arguments: CreateGreen) -> Outcome | None:
    found = deployment(context, arguments.name)
    if found is None:
        return Outcome(Verdict.FAILED, f"The blue/green deployment {arguments.name} is gone.")
    status = str(found["Status"])
    if status in FAILED:
        why = found.get("StatusDetails") or "RDS gives no reason"
        return Outcome(Verdict.FAILED, f"The copy of {arguments.instance} failed ({status}): {why}.", {"why": why})
    if status != AVAILABLE:
        doing = next((each["Name"] for each in found.get("Tasks", ()) if each["Status"] == "IN_PROGRESS"), "")
        context.report(f"{arguments.name} is {status}" + (f": {doing}" if doing else ""))
        return None
    outputs: dict[str, Json] = {"green": found.get("Target", "")}
    sentence = f"A copy of {arguments.instance} on {arguments.version} is there and follows it."
    return Outcome(Verdict.SUCCEEDED, sentence, {**outputs, "deployment": arguments.name}, outputs)


def _create_by_hand(environment: Environment, arguments: CreateGreen) -> Sequence[str]:
    return [
        f"aws rds create-blue-green-deployment --blue-green-deployment-name {arguments.name} --source {arguments.arn} "
        f"--target-engine-version {arguments.version} "
        f"--target-db-parameter-group-name {arguments.parameter_group} --region {environment.region}"
    ]


# -- switch over ----------------------------------------------------------------------------------------------------


def _is_switched(context: Context, arguments: SwitchToGreen) -> bool:
    found = deployment(context, arguments.name)
    return found is not None and found["Status"] in ("SWITCHOVER_IN_PROGRESS", SWITCHED)


def _switch(context: Context, arguments: SwitchToGreen) -> Mapping[str, Json]:
    found = deployment(context, arguments.name)
    if found is None:
        message = f"There is no blue/green deployment {arguments.name} any more."
        raise Interrupted(Verdict.SUPERSEDED, message, {}, has_begun=False)
    context.checkpoint({"asked": True})
    context.gateway.client("rds").switchover_blue_green_deployment(
        BlueGreenDeploymentIdentifier=found["BlueGreenDeploymentIdentifier"],
        SwitchoverTimeout=arguments.timeout_seconds,
    )
    return {}


def _watch_switched(context: Context, arguments: SwitchToGreen) -> Outcome | None:
    found = deployment(context, arguments.name)
    if found is None:
        return Outcome(Verdict.UNKNOWN, f"The blue/green deployment {arguments.name} is gone: look at its instances.")
    status = str(found["Status"])
    if status == "SWITCHOVER_FAILED":
        why = found.get("StatusDetails") or "RDS gives no reason"
        sentence = f"The switchover of {arguments.instance} failed, and RDS left both as they were: {why}."
        return Outcome(Verdict.FAILED, sentence, {"why": why})
    if status == AVAILABLE and context.state.get("asked") and context.state.get("seen"):
        sentence = f"RDS took the switchover of {arguments.instance} back within {arguments.timeout_seconds} s."
        return Outcome(Verdict.FAILED, sentence, {"status": status})
    if status != SWITCHED:
        if status == "SWITCHOVER_IN_PROGRESS" and not context.state.get("seen"):
            context.checkpoint({"seen": True})
        context.report(f"{arguments.name} is {status}")
        return None
    record = described(context, arguments.instance) or {}
    if record.get("DBInstanceStatus") != "available":
        context.report(f"{arguments.instance} is {record.get('DBInstanceStatus', 'not to be seen')}")
        return None
    version = record.get("EngineVersion", "")
    sentence = f"{arguments.instance} is the copy now, on {version}; what was before is kept with -old in its name."
    return Outcome(Verdict.SUCCEEDED, sentence, {"version": version, "resource": record.get("DbiResourceId", "")})


def _switch_by_hand(environment: Environment, arguments: SwitchToGreen) -> Sequence[str]:
    return [
        "aws rds switchover-blue-green-deployment --blue-green-deployment-identifier "
        f"{_identifier(environment, arguments.name)} --switchover-timeout {arguments.timeout_seconds} "
        f"--region {environment.region}"
    ]


def _identifier(environment: Environment, name: str) -> str:
    query = "--query 'BlueGreenDeployments[0].BlueGreenDeploymentIdentifier' --output text"
    wanted = f"--filters Name=blue-green-deployment-name,Values={name}"
    return f'"$(aws rds describe-blue-green-deployments {wanted} {query} --region {environment.region})"'


# -- delete ---------------------------------------------------------------------------------------------------------


def _is_deleted(context: Context, arguments: DeleteGreen) -> bool:
    return deployment(context, arguments.name) is None


def _delete(context: Context, arguments: DeleteGreen) -> Mapping[str, Json]:
    found = deployment(context, arguments.name)
    if found is None:
        return {}
    wire: Any = {"BlueGreenDeploymentIdentifier": found["BlueGreenDeploymentIdentifier"]}
    if found["Status"] != SWITCHED:  # after a switchover RDS takes no DeleteTarget: the target is what serves
        wire["DeleteTarget"] = True
    try:
        context.gateway.client("rds").delete_blue_green_deployment(**wire)
    except AwsRefused as error:
        raise not_yet(error, f"Deleting {arguments.name}") from error
    return {}


def _watch_deleted(context: Context, arguments: DeleteGreen) -> Outcome | None:
    if deployment(context, arguments.name) is not None:
        context.report(f"{arguments.name} is being deleted")
        return None
    return Outcome(Verdict.SUCCEEDED, f"The blue/green deployment {arguments.name} is deleted.")


def _delete_by_hand(environment: Environment, arguments: DeleteGreen) -> Sequence[str]:
    return [
        "aws rds delete-blue-green-deployment --blue-green-deployment-identifier "
        f"{_identifier(environment, arguments.name)} --region {environment.region}"
    ]


# -- the old instance -----------------------------------------------------------------------------------------------


def _is_old_gone(context: Context, arguments: DeleteOldInstance) -> bool:
    found = described(context, arguments.instance)
    return found is None or found["DBInstanceStatus"] == "deleting"


def _delete_old(context: Context, arguments: DeleteOldInstance) -> Mapping[str, Json]:
    name = arguments.instance
    found = described(context, name)
    if found is None or found["DbiResourceId"] != arguments.resource or not OLD.fullmatch(name):
        message = f"{name} isn't what the switchover put aside: it was left alone."
        raise Interrupted(Verdict.FAILED, message, {}, has_begun=False)
    rds = context.gateway.client("rds")
    try:
        if found.get("DeletionProtection"):
            rds.modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
        rds.delete_db_instance(
            DBInstanceIdentifier=name, SkipFinalSnapshot=False, FinalDBSnapshotIdentifier=_last(context, name)
        )
    except AwsRefused as error:
        raise not_yet(error, f"Deleting {name}") from error
    return {}


def _last(context: Context, name: str) -> str:
    return f"{name}-last-{context.token[:8]}"


def _watch_old(context: Context, arguments: DeleteOldInstance) -> Outcome | None:
    found = described(context, arguments.instance)
    if found is not None:
        context.report(f"{arguments.instance} is {found['DBInstanceStatus']}")
        return None
    kept = _last(context, arguments.instance)
    return Outcome(Verdict.SUCCEEDED, f"{arguments.instance} is deleted; a last snapshot of it is kept: {kept}.")


def _delete_old_by_hand(environment: Environment, arguments: DeleteOldInstance) -> Sequence[str]:
    name = arguments.instance
    return [
        f"aws rds delete-db-instance --db-instance-identifier {name} --final-db-snapshot-identifier {name}-last "
        f"--region {environment.region}"
    ]


register(Action(CreateGreen, _create, _is_created, _watch_created, _create_by_hand, poll_interval=POLL_SECONDS))
register(Action(SwitchToGreen, _switch, _is_switched, _watch_switched, _switch_by_hand, poll_interval=POLL_SECONDS))
register(Action(DeleteGreen, _delete, _is_deleted, _watch_deleted, _delete_by_hand, poll_interval=POLL_SECONDS))
register(
    Action(DeleteOldInstance, _delete_old, _is_old_gone, _watch_old, _delete_old_by_hand, poll_interval=POLL_SECONDS)
)
