"""AWS's calls about what a database could become: versions, classes, maintenance that is announced, blue/green.

RDS makes no blue/green deployment of an instance whose master password it manages (RDS's guide, "Limitations and
considerations for Amazon RDS blue/green deployments"); of others localcloud makes none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from localcloud.core import paging
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.rds.api import find
from localcloud.services.rds.component import Databases
from localcloud.services.rds.model import AURORA, NEWER, VERSIONS, number_of, size_of
from localcloud.services.rds.rules import AUTHORITIES

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

MINORS_BACK: Final = 2
"""Older minor versions of each major one that are known besides the newest."""


def known_versions(engine: str = "postgres") -> dict[str, str]:
    """Each full version to its major one, the oldest first."""
    found: dict[str, str] = {}
    for major, newest in reversed(VERSIONS[engine].items()):
        last = int(newest.partition(".")[2])
        found |= {f"{major}.{minor}": major for minor in range(max(1, last - MINORS_BACK), last + 1)}
        found |= {version: of for version, of in NEWER.items() if of == major}
    return found


@operation("rds", "DescribeDBEngineVersions")
def describe_engine_versions(cloud: Cloud, call: Call) -> Answer:
    """The newest of each major version; with a full version or IncludeAll older ones too."""
    params = call.params
    request = params.get("EngineVersion")
    found = [
        _shown(engine, version, major, every)
        for engine in VERSIONS
        for every in (known_versions(engine),)
        for version, major in every.items()
        if (version == request or (version == VERSIONS[engine][major] and request in (None, major)))
        and params.get("Engine") in (None, engine)
    ]
    return {"DBEngineVersions": found}


def _shown(engine: str, version: str, major: str, every: dict[str, str]) -> dict[str, Any]:
    return {
        "Engine": engine,
        "EngineVersion": version,
        "MajorEngineVersion": major,
        "DBParameterGroupFamily": f"{engine}{major}",
        "DBEngineDescription": "PostgreSQL",
        "DBEngineVersionDescription": f"PostgreSQL {version}",
        "Status": "available",
        "ExportableLogTypes": ["postgresql", "upgrade"],
        "ValidUpgradeTarget": [
            {
                "Engine": engine,
                "EngineVersion": other,
                "Description": f"PostgreSQL {other}",
                "AutoUpgrade": False,
                "IsMajorVersionUpgrade": its != major,
            }
            for other, its in every.items()
            if number_of(other) > number_of(version)
        ],
        "SupportedCACertificateIdentifiers": [each for each in AUTHORITIES if each != "rds-ca-2019"],
        "SupportsCertificateRotationWithoutRestart": True,
    }


@operation("rds", "DescribeOrderableDBInstanceOptions")
def describe_orderable(cloud: Cloud, call: Call) -> Answer:
    """One class, where it is known; AWS lists all of them without one."""
    params, wanted = call.params, call.params.get("DBInstanceClass")
    if params["Engine"] not in VERSIONS or not wanted:
        message = f"localcloud answers for the engines {' and '.join(VERSIONS)} and one DBInstanceClass."
        raise AwsError("InvalidParameterValue", message)
    try:
        size_of(wanted)
    except AwsError:
        return {"OrderableDBInstanceOptions": []}
    option = {
        "Engine": params["Engine"],
        "EngineVersion": params.get("EngineVersion") or VERSIONS[params["Engine"]]["17"],
        "DBInstanceClass": wanted,
        "MultiAZCapable": True,
        "Vpc": True,
        "StorageType": "aurora" if params["Engine"] == AURORA else "gp3",
    }
    return {"OrderableDBInstanceOptions": [option]}


@operation("rds", "DescribePendingMaintenanceActions")
def describe_pending_maintenance(cloud: Cloud, call: Call) -> Answer:
    databases, resource = cloud.part(Databases), call.params.get("ResourceIdentifier")
    filters = [each["Values"] for each in call.params.get("Filters") or () if each["Name"] == "db-instance-id"]
    found = [
        {"ResourceIdentifier": instance.arn, "PendingMaintenanceActionDetails": list(actions)}
        for identifier, actions in sorted(databases.announced.items())
        if (instance := databases.instances.get(identifier)) is not None
        and resource in (None, instance.arn)
        and all(instance.arn in chosen or identifier in chosen for chosen in filters)
    ]
    return paging.marked(found, call.params, "PendingMaintenanceActions")


@operation("rds", "ApplyPendingMaintenanceAction")
def apply_pending_maintenance(cloud: Cloud, call: Call) -> Answer:
    """At once: the instance restarts, and the action is announced no more."""
    databases, params = cloud.part(Databases), call.params
    instance = find(cloud, params["ResourceIdentifier"])
    announced = databases.announced.get(instance.identifier, [])
    action = next((each for each in announced if each["Action"] == params["ApplyAction"]), None)
    if action is None:
        message = f"The resource has no pending maintenance action {params['ApplyAction']}."
        raise AwsError("ResourceNotFoundFault", message, 404)
    if params["OptInType"] != "immediate":
        action["OptInStatus"] = params["OptInType"]
    else:
        if instance.status != "available":
            message = f"Instance {instance.identifier} is not in available state; it is {instance.status}."
            raise AwsError("InvalidDBInstanceState", message)
        announced.remove(action)
        instance.status = "rebooting"
    left = {"ResourceIdentifier": instance.arn, "PendingMaintenanceActionDetails": list(announced)}
    return {"ResourcePendingMaintenanceActions": left}


@operation("rds", "DescribeBlueGreenDeployments")
def describe_blue_green(cloud: Cloud, call: Call) -> Answer:
    if call.params.get("BlueGreenDeploymentIdentifier"):
        raise _no_deployment(call)
    return {"BlueGreenDeployments": []}


@operation("rds", "CreateBlueGreenDeployment")
def create_blue_green(cloud: Cloud, call: Call) -> Answer:
    if "MasterUserSecret" in find(cloud, call.params["Source"]).record:
        message = "You can't create a blue/green deployment: the source has a master password in AWS Secrets Manager."
        raise AwsError("SourceDatabaseNotSupportedFault", message)
    message = "localcloud has one PostgreSQL, of one version, so it makes no blue/green deployment."
    raise AwsError("SourceDatabaseNotSupportedFault", message)


@operation("rds", "SwitchoverBlueGreenDeployment")
def switch_blue_green(cloud: Cloud, call: Call) -> Answer:
    raise _no_deployment(call)


@operation("rds", "DeleteBlueGreenDeployment")
def delete_blue_green(cloud: Cloud, call: Call) -> Answer:
    raise _no_deployment(call)


def _no_deployment(call: Call) -> AwsError:
    name = call.params["BlueGreenDeploymentIdentifier"]
    return AwsError("BlueGreenDeploymentNotFoundFault", f"BlueGreenDeployment {name} not found.", 404)
