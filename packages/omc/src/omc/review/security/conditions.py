"""When a call matters, by its parameters: conditions of the table in ``concerns``. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from omc.facts.security.trail_event import TrailEvent, text_of
from omc.facts.trail import texts_of
from omc.review.security.policies import document, foreign_accounts, is_everything, is_open_to_world, is_world

Condition = Callable[[TrailEvent], bool]
WEEK = 7
"""Days: logs that are gone before the next review were never reviewed."""
SCHEDULED = ("automated", "awsbackup")
"""What RDS calls the type of these."""
GRANTS = ("launchPermission", "createVolumePermission")
"""Attributes of an image and of a snapshot that say who may use it."""
AWS_SNAPSHOTS = ("rds:", "awsbackup:")
"""How RDS and AWS Backup begin the names of the snapshots that they make by schedule."""


def says(name: str, *values: str) -> Condition:
    return lambda event: event.text(name).lower() in values


def gives(name: str) -> Condition:
    return lambda event: bool(event.text(name))


def shares(event: TrailEvent) -> bool:
    """It adds an account, an organization or everybody to those who may restore a snapshot or launch an image."""
    return any(one != event.account and _is_party(one) for one in _added(event))


def _added(event: TrailEvent) -> list[str]:
    granted = [item for kind in GRANTS for item in _within(event.parameters, kind)]
    return [*texts_of(_within(granted, "add")), *_list(event.parameters.get("valuesToAdd"))]


def _is_party(text: str) -> bool:
    return text == "all" or (text.isdigit() and len(text) == 12) or text.startswith("arn:")


def is_shared_with_all(event: TrailEvent) -> bool:
    """With everybody: whoever has an account of AWS."""
    return "all" in _added(event)


def _within(value: Any, key: str) -> list[Any]:
    """Everything that stands under this key, however deep."""
    found: list[Any] = []
    if isinstance(value, Mapping):
        for name, item in value.items():
            found += [item] if name == key else _within(item, key)
    elif isinstance(value, list):
        for item in value:
            found += _within(item, key)
    return found


def _list(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []


POLICY_KEYS = frozenset(
    {
        *("policy", "policytext", "bucketpolicy", "policydocument", "accesspolicies", "resourcepolicy"),
        *("assumerolepolicydocument", "attributevalue", "repositorypolicytext"),
    }
)
"""Names, in small letters, under which services take a resource's policy."""


def _policies(event: TrailEvent) -> list[Any]:
    found = [value for key, value in _pairs(event.parameters) if key.lower() in POLICY_KEYS]
    return [one for one in found if document(one)]


def _pairs(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [pair for key, item in value.items() for pair in ((str(key), item), *_pairs(item))]
    if isinstance(value, list):
        return [pair for item in value for pair in _pairs(item)]
    return []


def opens_to_world(event: TrailEvent) -> bool:
    return any(is_open_to_world(one) for one in _policies(event)) or _grants_all(event)


def _grants_all(event: TrailEvent) -> bool:
    """An ACL, or Lambda's own way of naming a principal."""
    named = {text for text in texts_of(event.parameters) if "/groups/global/" in text or text in ACLS}
    return bool(named) or event.text("principal") == "*"


ACLS = frozenset({"public-read", "public-read-write", "authenticated-read"})


def lets_in_others(event: TrailEvent) -> bool:
    """A policy names the world or another account, or a permission does."""
    if opens_to_world(event) or any(foreign_accounts(one, event.account) for one in _policies(event)):
        return True
    principal = event.text("principal")
    return principal.isdigit() and principal != event.account


def opens_range(event: TrailEvent) -> bool:
    """A rule of a security group or a network ACL lets in from the internet."""
    if event.text("egress") == "true" or event.text("ruleAction") == "deny":
        return False
    return any(is_world(text) for text in texts_of(event.parameters) if "/" in text)


def ends_versions(event: TrailEvent) -> bool:
    texts = [text.lower() for key, value in _pairs(event.parameters) if _is_versioning(key) for text in texts_of(value)]
    return any(text in ("suspended", "disabled") for text in texts)


def _is_versioning(key: str) -> bool:
    return key.lower() in ("versioningconfiguration", "status", "mfadelete")


def ends_logging(event: TrailEvent) -> bool:
    names = {key for key, _ in _pairs(event.parameters)}
    return "BucketLoggingStatus" in names and "LoggingEnabled" not in names


def opens_access_block(event: TrailEvent) -> bool:
    keys = [(key.lower(), value) for key, value in _pairs(event.parameters)]
    return any(str(value).lower() == "false" for key, value in keys if key.startswith(("blockpublic", "ignorepublic",
                                                                                     "restrictpublic")))  # fmt: skip


def records_less(event: TrailEvent) -> bool:
    """Management events are left out of a trail, or some of them."""
    selectors = [value for key, value in _pairs(event.parameters) if key == "includeManagementEvents"]
    kinds = [str(value) for key, value in _pairs(event.parameters) if key == "readWriteType"]
    left_out = [value for key, value in _pairs(event.parameters) if key == "excludeManagementEventSources" and value]
    advanced = "advancedEventSelectors" in event.parameters and "Management" not in list(texts_of(event.parameters))
    return (
        any(value is False for value in selectors) or any(kind != "All" for kind in kinds) or bool(left_out) or advanced
    )


def keeps_little(event: TrailEvent) -> bool:
    """Objects of a bucket of logs go within a week."""
    if not any(word in event.text("bucketName").lower() for word in ("trail", "log", "audit")):
        return False
    named = _pairs(event.parameters)
    is_on = any(key == "Status" and value == "Enabled" for key, value in named)
    return is_on and any(key == "Days" and str(value).isdigit() and int(value) < WEEK for key, value in named)


def is_switched_off(name: str) -> Condition:
    return lambda event: any(
        str(value).lower() in ("false", "0", "disabled", "none")
        for key, value in _pairs(event.parameters)
        if key.lower() == name.lower()
    )


def gives_all_rights(event: TrailEvent) -> bool:
    """The managed policy of that name, or a policy of all rights."""
    arn = event.text("policyArn")
    return arn.endswith(("/AdministratorAccess", "/IAMFullAccess", "/PowerUserAccess")) or any(
        is_everything(one) for one in _policies(event)
    )


def is_quarantine(event: TrailEvent) -> bool:
    """AWS found a key published, and takes rights from its user."""
    return any("AWSCompromisedKeyQuarantine" in text or "AWSExposedCredential" in text
               for text in texts_of(event.parameters))  # fmt: skip


def is_for_another(event: TrailEvent) -> bool:
    """Somebody makes a key or a login for a user that isn't himself, and not one to be changed at first use."""
    user = event.text("userName")
    is_login = event.operation in ("CreateAccessKey", "CreateLoginProfile", "UpdateLoginProfile")
    is_other = bool(user) and event.principal != f"user {user}"
    return is_login and is_other and event.text("passwordResetRequired") != "true"


def is_public_database(event: TrailEvent) -> bool:
    """A new database tells in its answer whether it got a public address: RDS decides where nobody says."""
    is_new = event.operation.startswith(("Create", "Restore"))
    named = event.text("publiclyAccessible") or (text_of(event.answer, "publiclyAccessible") if is_new else "")
    return named == "true"


def is_by_hand(event: TrailEvent) -> bool:
    """Of a snapshot: none that AWS makes by a schedule."""
    name = event.text("dBSnapshotIdentifier", "dBClusterSnapshotIdentifier")
    return not name.startswith(AWS_SNAPSHOTS) and text_of(event.answer, "snapshotType") not in SCHEDULED


def is_not_the_portal(event: TrailEvent) -> bool:
    """Identity Center's portal does it at each login."""
    return "AWSReservedSSO" not in event.principal


def copies_to_another_region(event: TrailEvent) -> bool:
    source = event.text("sourceRegion") or _region_of(event.text("sourceDBSnapshotIdentifier",
                                                                 "sourceDBClusterSnapshotIdentifier"))  # fmt: skip
    return bool(source) and source != event.region


def _region_of(arn: str) -> str:
    parts = arn.split(":")
    return parts[3] if len(parts) > 5 else ""
