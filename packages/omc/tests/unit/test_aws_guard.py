"""The guard over all that botocore can send: what may pass as a read although its model looks otherwise, and why.

The models are searched, not the names that somebody thought of: an operation that a new botocore brings fails a test
here until it is either refused (``NOT_READS``) or written down with the reason why it may pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
import pytest

from omc.aws.reads import ALSO_READS, NOT_READS, SERVICES, is_read

SECRET = re.compile(
    r"secret|password|token|credential|private_?key|plaintext|access_?key|session_?key|pre_?shared|seed|passphrase|cookie"
    r"|user_?data|authoriz|api_?key|(download|upload|presigned|source)_?url",
    re.IGNORECASE,
)
PAGING = re.compile(r"next_?(forward|backward|page|continuation)?_?token|continuation_?token", re.IGNORECASE)
CHANGING = re.compile(
    r"(create|put|delete|update|modif|set|run|start|stop|reboot|terminate|register|deregister|tag|untag|add|remove|attach"
    r"|detach|send|publish|generate|request|cancel|initiate|begin|export|issue|allocat|acquire|download|decrypt|reset"
    r"|enable|disable|accept|reject|associate|disassociate|restore|rotate|purchase|import|invoke|assume)",
    re.IGNORECASE,
)

PASSES: Mapping[str, str] = {
    "an ARN, a name, a state or a date of a secret, never the secret itself": """
        ec2 DescribeInstanceSqlHaHistoryStates, ec2 DescribeInstanceSqlHaStates, ecr DescribePullThroughCacheRules,
        elasticache DescribeCacheClusters, elasticache DescribeReplicationGroups, events ListConnections,
        events ListTargetsByRule, iam GetAccessKeyLastUsed, iam GetAccountPasswordPolicy, iam GetCredentialReport,
        iam ListAccessKeys, iam ListServiceSpecificCredentials, kms DescribeCustomKeyStores,
        rds DescribeDBInstanceAutomatedBackups, rds DescribeDBProxies, rds DescribeDBSnapshots,
        secretsmanager DescribeSecret, secretsmanager ListSecrets, cloudtrail ListInsightsData, cloudtrail LookupEvents,
        ecs DescribeServiceRevisions, ecs DescribeServices, iam GetGroup, iam GetSAMLProvider, iam GetUser,
        iam ListUsers""",
    "a password about to be set is written as asterisks by AWS": """
        rds DescribeDBClusters, rds DescribeDBInstances, rds DescribeTenantDatabases""",
    "it is asked about a telephone number, and changes nothing": "sns CheckIfPhoneNumberIsOptedOut",
    "the secret of an OIDC client is taken by AWS and never answered": "elbv2 DescribeListeners, elbv2 DescribeRules",
    "what runs is compared with what should run; values that are secrets by their name are masked when shown": """
        ecs DescribeTaskDefinition, ecs DescribeTasks, ecs DescribeDaemonTaskDefinition,
        ecs DescribeExpressGatewayService""",
    "leads to an image, which holds no secret; the URL is neither shown nor recorded": "ecr GetDownloadUrlForLayer",
    "a public key or certificate": "cloudtrail ListPublicKeys, kms GetPublicKey, ec2 GetInstanceTpmEkPub",
    "a setting that has such a name (IMDS wants tokens, fields of a firewall's rule)": """
        acm DescribeAcmeEndpoint, acm ListAcmeEndpoints, ec2 DescribeInstances, ec2 GetInstanceMetadataDefaults,
        ec2 DescribeClientVpnConnections, ec2 DescribeClientVpnAuthorizationRules, ec2 GetIpamRouteOriginAuthorizations,
        ce GetReservationPurchaseRecommendation, wafv2 GetLoggingConfiguration, wafv2 GetRuleGroup, wafv2 GetWebACL,
        wafv2 GetWebACLForResource, wafv2 ListLoggingConfigurations""",
    "a lock of the next change, a page, a place in a stream: worth nothing elsewhere": """
        logs DescribeLogStreams, wafv2 GetIPSet, wafv2 GetManagedRuleSet, wafv2 GetRegexPatternSet, wafv2 ListIPSets,
        wafv2 ListManagedRuleSets, wafv2 ListRegexPatternSets, wafv2 ListRuleGroups, wafv2 ListWebACLs,
        ec2 DescribeScheduledInstanceAvailability, ec2 DescribeFleets, ec2 DescribeHosts,
        ec2 DescribeReservedInstancesListings, ec2 DescribeReservedInstancesModifications""",
    "published in DNS to prove that a range is one's own": "ec2 DescribeIpamExternalResourceVerificationTokens",
    "log lines and what was learnt of them: what omc is for": "logs GetLogObject, logs ListAnomalies",
    "where a vulnerability is described": "ecr DescribeImageScanFindings",
    "people's addresses: personal, but no secret": """
        acm DescribeAcmeAccount, acm ListAcmeAccounts, budgets DescribeBudgetAction,
        budgets DescribeBudgetActionHistories, budgets DescribeBudgetActionsForAccount,
        budgets DescribeBudgetActionsForBudget, budgets DescribeSubscribersForNotification, sns ListOriginationNumbers,
        sns ListPhoneNumbersOptedOut, sns ListSMSSandboxPhoneNumbers""",
    "addresses and descriptions of machines and windows": """
        ssm DescribeInstanceInformation, ssm DescribeInstancePatchStates, ssm DescribeInstanceProperties,
        ssm DescribeInstancePatchStatesForPatchGroup, ssm DescribeMaintenanceWindowTargets,
        ssm DescribeMaintenanceWindows, ssm GetMaintenanceWindow, ssm ListNodes""",
    "a query's or a report's own text, or a picture of metrics": """
        cloudwatch GetMetricDataQueryDefinition, cloudwatch GetMetricWidgetImage, pi GetPerformanceAnalysisReport,
        pi ListPerformanceAnalysisReportRecommendations, rds DescribeDBProxyTargetGroups""",
    "the id of a key": """
        s3 GetBucketEncryption, s3 GetBucketInventoryConfiguration, s3 ListBucketInventoryConfigurations,
        s3 HeadObject""",
    "it computes an answer, and nothing of the account's changes": """
        ce GetRightsizingRecommendation, ec2 GetFlowLogsIntegrationTemplate, logs StartQuery, logs StopQuery,
        ssm GetExecutionPreview, ssm ListNodesSummary""",
}
"""Why an operation may pass, to those operations. What none of them says is refused."""


def _passes() -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for reason, operations in PASSES.items():
        for words in operations.split(","):
            service, operation = words.split()
            assert (service, operation) not in found, "it has two reasons"
            found[service, operation] = reason
    return found


@cache
def _model(service: str) -> Any:
    return botocore.session.Session().get_service_model(service)


def _operations() -> Iterator[tuple[str, str]]:
    for service in sorted(SERVICES):
        yield from ((service, operation) for operation in _model(service).operation_names)


def _suspicions(shape: Any, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """What in an answer's shape may be a secret: marked sensitive, named like one, or bytes."""
    if shape is None or shape.name in seen:
        return
    seen |= {shape.name}
    if shape.metadata.get("sensitive") or shape.type_name == "blob":
        yield shape.name
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            if SECRET.search(name) and not PAGING.fullmatch(name) and member.type_name not in ("integer", "boolean"):
                yield name
            yield from _suspicions(member, seen)
    elif shape.type_name == "list":
        yield from _suspicions(shape.member, seen)
    elif shape.type_name == "map":
        yield from _suspicions(shape.value, seen)


def _seems_to_change(service: str, operation: str) -> bool:
    """By its name, by the first word that AWS says of it, by a token that makes it happen once, by HTTP's method."""
    model = _model(service).operation_model(operation)
    message = re.sub("<[^>]+>", "", model.documentation).strip()
    members = model.input_shape.members.values() if model.input_shape else ()
    by_path = _model(service).metadata["protocol"].startswith("rest") and service != "pi"
    return bool(
        (CHANGING.match(operation) and not re.match(r"Get|List|Describe", operation))
        or CHANGING.match(message)
        or any(member.metadata.get("idempotencyToken") for member in members)
        or (by_path and model.http["method"] not in ("GET", "HEAD"))
    )


def _suspect() -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for service, operation in _operations():
        if is_read(service, operation):
            why = sorted(set(_suspicions(_model(service).operation_model(operation).output_shape)))
            why += ["it seems to change something"] if _seems_to_change(service, operation) else []
            if why:
                found[service, operation] = why
    return found


def test_what_passes_and_looks_like_a_secret_or_a_change_has_a_reason() -> None:
    suspect, passes = _suspect(), _passes()
    unsaid = {name: why for name, why in suspect.items() if name not in passes}
    assert not unsaid, f"refuse these (NOT_READS) or say here why they may pass: {unsaid}"
    idle = sorted(set(passes) - set(suspect))
    assert not idle, f"these need no reason any more: {idle}"


def test_what_is_refused_or_let_through_by_name_exists() -> None:
    known = set(_operations())
    assert known >= NOT_READS, "a name that no operation has"
    assert known >= ALSO_READS
    assert sum(is_read(*name) for name in known) > 500


@pytest.mark.parametrize(
    "name",
    [
        *(
            "sts GetScopedCredentials",
            "sts GetSessionToken",
            "sts GetFederationToken",
            "sts AssumeRole",
            "sts AssumeRoot",
        ),
        *(
            "sts AssumeRoleWithSAML",
            "sts AssumeRoleWithWebIdentity",
            "sts GetWebIdentityToken",
            "sso GetRoleCredentials",
        ),
        *("sso-oidc CreateToken", "signin CreateOAuth2Token", "ecr GetAuthorizationToken", "ec2 GetPasswordData"),
        *(
            "secretsmanager GetSecretValue",
            "secretsmanager BatchGetSecretValue",
            "ssm GetParameter",
            "ssm GetParameters",
        ),
        *(
            "ssm GetParametersByPath",
            "ssm GetParameterHistory",
            "ssm GetCommandInvocation",
            "ec2 GetLaunchTemplateData",
        ),
        *("ec2 GetConsoleOutput", "ec2 GetInstanceUefiData", "s3 GetObject", "s3 GetObjectTorrent", "kms Decrypt"),
        *("kms GenerateDataKey", "acm ExportCertificate", "rds GenerateDBAuthToken", "ecs ExecuteCommand"),
        *("s3 CreateSession", "sqs ReceiveMessage", "logs StartLiveTail", "ecs UpdateService", "iam CreateAccessKey"),
    ],
)
def test_what_hands_out_or_changes_is_never_a_read(name: str) -> None:
    assert not is_read(*name.split())
