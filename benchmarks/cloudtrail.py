"""The security review's judgement of single calls, held against labelled events that others wrote.

    OMC_PUBLIC_CLOUDTRAIL=FOLDER python benchmarks/cloudtrail.py

FOLDER holds copies of panther-labs/panther-analysis (``rules/aws_cloudtrail_rules/*.yml``) and of
DataDog/stratus-red-team (``docs/detonation-logs/*.json``). Nothing of them is kept here. A positive event of a rule
must be found by what ``APPLY`` names for it. A negative must not be: not by that, and of the table of operations
not by a row that finds one of the rule's positives. An event that was written without a time gets one, since all of
CloudTrail's have it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from omc.facts.security.trail_event import TrailEvent, event_of
from omc.review.security import conditions, signs
from omc.review.security.concerns import concerns_of

FOLDER = "OMC_PUBLIC_CLOUDTRAIL"
Judge = Callable[[TrailEvent], bool]


def _when(condition: Judge) -> Judge:
    """A condition that makes one of the table's calls worse."""
    return lambda event: bool(concerns_of(event)) and condition(event)


JUDGES: Mapping[str, Judge] = {
    "root": signs.is_root_use,
    "failed-root-login": signs.is_failed_root_login,
    "failed-login": signs.is_failed_login,
    "login-without-mfa": signs.is_login_without_mfa,
    "denied": signs.is_denied,
    "opens-to-world": _when(conditions.opens_to_world),
    "all-rights": _when(conditions.gives_all_rights),
    "quarantine": _when(conditions.is_quarantine),
    "for-another": _when(conditions.is_for_another),
    "opens-range": _when(conditions.opens_range),
}
ATTACKS_LEFT_OUT: Mapping[str, str] = {
    "aws.credential-access.secretsmanager-retrieve-secrets": "reads of single secrets are what services do",
    "aws.credential-access.ssm-retrieve-securestring-parameters": "reads of Parameter Store, which this stack hasn't",
    "aws.impact.bedrock-invoke-model": "Bedrock, which this stack hasn't",
}


APPLY: Mapping[str, str] = {
    # what single calls are
    "AWS.Root.Activity": "root",
    "AWS.Console.RootLogin": "root",
    "AWS.CloudTrail.RootAccessKeyCreated": "root",
    "AWS.CloudTrail.RootPasswordChanged": "root",
    "AWS.Console.RootLoginFailed": "failed-root-login",
    "AWS.Console.LoginWithoutMFA": "login-without-mfa",
    "AWS.Unsuccessful.MFA.attempt": "failed-login",
    "AWS.CloudTrail.UnauthorizedAPICall": "denied",
    "AWS.IAMUser.ReconAccessDenied": "denied",
    # what is recorded
    "AWS.CloudTrail.Stopped": "recording",
    "AWS.CloudTrail.Created": "recording",
    "AWS.CloudTrail.EventSelectorsDisabled": "recording",
    "AWS.CloudTrail.ShortLifecycle": "recording",
    "AWS.CloudTrail.DNSLogsDeleted": "recording",
    "AWS.VPCFlow.LogsDeleted": "recording",
    "AWS.ConfigService.Created": "recording",
    "AWS.ConfigService.DisabledDeleted": "recording",
    "AWS.RDS.ActivityStreamStopped": "recording",
    "AWS.S3.DisableBucketLogging": "recording",
    "AWS.SecurityHub.Finding.Evasion": "recording",
    "AWS.Macie.Evasion": "recording",
    "AWS.CloudTrail.SecurityConfigurationChange": "recording data sharing",
    # what is given to others
    "AWS.RDS.SnapshotShared": "sharing",
    "AWS.CloudTrail.SnapshotMadePublic": "sharing",
    "AWS.CloudTrail.AMIModifiedForPublicAccess": "sharing",
    "AWS.RDS.InstanceMadePublic": "sharing",
    "AWS.RDS.PublicRestore": "sharing",
    "AWS.RDS.SnapshotExport": "sharing",
    "AWS.RDS.SnapshotCopiedCrossRegion": "sharing",
    "AWS.RDS.LogFileDownloaded": "sharing",
    "AWS.CloudTrail.ResourceMadePublic": "opens-to-world",
    "AWS.CloudTrail.CodebuildProjectMadePublic": "sharing",
    "AWS.S3.DeletePublicAccessBlock": "sharing",
    "AWS.EC2.Monitoring": "sharing",
    "AWS.EC2.Traffic.Mirroring": "sharing",
    # who may do what
    "AWS.CloudTrail.IAMAnythingChanged": "rights",
    "AWS.IAM.AttachAdminRolePolicy": "all-rights",
    "AWS.IAM.AttachAdminUserPolicy": "all-rights",
    "AWS.IAM.BackdoorRole": "opens-to-world",
    "AWS.CloudTrail.IAMCompromisedKeyQuarantine": "quarantine",
    "AWS.IAM.AccessKeyCompromised": "quarantine",
    "AWS.IAM.CreateRole": "rights",
    "AWS.IAM.CreateUser": "rights",
    "AWS.IAM.PolicyModified": "rights",
    "AWS.IAM.Backdoor.User.Keys": "for-another",
    "AWS.IAM.CredentialsUpdated": "rights",
    "AWS.User.Login.Profile.Modified": "for-another",
    "AWS.CloudTrail.LoginProfileCreatedOrModified": "for-another",
    "AWS.Suspicious.SAML.Activity": "rights",
    "AWS.Console.GetSigninToken.Abuse": "rights",
    "AWS.CloudTrail.AttemptToLeaveOrg": "rights denied",
    "AWS.CloudTrail.EnableRegion": "rights",
    "AWS.RDS.IAMRoleAdded": "rights",
    # ways in
    "AWS.EC2.SecurityGroupModified": "network",
    "AWS.EC2.NetworkACLModified": "network",
    "AWS.CloudTrail.NetworkACLPermissiveEntry": "opens-range",
    "AWS.EC2.RouteTableModified": "network",
    "AWS.EC2.GatewayModified": "network",
    "AWS.EC2.VPCModified": "network",
    "AWS.RDS.SecurityGroupIngressAuthorized": "network",
    "AWS.WAF.Disassociation": "network",
    "AWS.IPSet.Modified": "network",
    # data
    "AWS.RDS.AutomatedBackupDeleted": "data",
    "AWS.RDS.DeletionProtectionDisabled": "data",
    "AWS.RDS.InstanceDeletion": "data",
    "AWS.RDS.InstanceRebooted": "data",
    "AWS.RDS.ClusterFailover": "data",
    "AWS.RDS.ManualSnapshotCreated": "data",
    "AWS.RDS.SnapshotDeleted": "data",
    "AWS.S3.BucketDeleted": "data",
    "AWS.S3.BucketPolicyModified": "data",
    "AWS.S3.DeleteBucketEncryption": "data",
    "AWS.S3.DeleteBucketReplication": "data",
    "AWS.S3.DisableMfaDelete": "data",
    "AWS.S3.SuspendVersioning": "data",
    "AWS.S3.SecurityControlDisabling": "data recording sharing",
    "AWS.EC2.EBS.Encryption.Disabled": "data",
    # keys, secrets, code
    "AWS.KMS.CustomerManagedKeyLoss": "keys",
    "AWS.RDS.MasterPasswordUpdated": "secrets",
    "AWS.SecretsManager.BatchRetrieveSecrets": "secrets",
}
"""A rule to what of the review must find its events: the names of ``JUDGES``, any of which will do."""

LEFT_OUT: Mapping[str, str] = {
    "it is about machines, which this stack has none of": """
        AWS.EC2.DownloadInstanceUserData AWS.EC2.LaunchUnusualEC2Instances AWS.EC2.ManyPasswordReadAttempts
        AWS.EC2.MultiInstanceConnect AWS.EC2.Startup.Script.Change AWS.EC2.StopInstances
        AWS.EC2.Vulnerable.XZ.Image.Launched AWS.CloudTrail.IMDSCredentialExfiltration
        AWS.Modify.Cloud.Compute.Infrastructure AWS.SSM.DistributedCommand""",
    "it is about Lambda, Bedrock, SES or Parameter Store, which this stack has none of": """
        AWS.Lambda.UpdateFunctionConfiguration AWS.Lambda.UpdateFunctionCode AWS.LAMBDA.CRUD
        AWS.Potential.Backdoor.Lambda AWS.Bedrock.DeleteModelInvocationLoggingConfiguration
        AWS.Bedrock.GuardrailUpdateDelete AWS.CloudTrail.SES.CheckIdentityVerifications
        AWS.CloudTrail.SES.CheckSendQuota AWS.CloudTrail.SES.CheckSESSendingEnabled
        AWS.CloudTrail.SES.SESEnumeration AWS.CloudTrail.SES.ListIdentities AWS.SSM.DecryptSSMParams""",
    "its events are data or network events, which LookupEvents hasn't": """
        AWS.S3.CopyObject.CrossAccount.Encryption.KMS AWS.S3.CopyObjectToExternalAccountBucket
        AWS.S3.CopyObjectWithClientSideEncryption AWS.S3.DeleteObject AWS.S3.DeleteObjects
        AWS.S3.RansomwareNoteUpload AWS.CloudTrail.VPCE.AccessDenied AWS.CloudTrail.VPCE.ExternalPrincipal
        AWS.CloudTrail.VPCE.S3ExternalIP AWS.CloudTrail.VPCE.SensitiveAPICalls""",
    "it finds reads that succeed; the review looks up writes, logins, root's calls and refusals": """
        AWS.CloudTrail.Account.Discovery AWS.CloudTrail.Password.Policy.Discovery AWS.IAM.Group.Read.Only.Events
        AWS.RDS.SnapshotEnumeration AWS.Software.Discovery AWS.SecretsManager.RetrieveSecrets
        AWS.SecretsManager.BatchRetrieveSecretsCatchAll AWS.SecretsManager.RetrieveSecretsMultiRegion
        AWS.STS.GetCallerIdentity.TruffleHog AWS.STS.GetSessionToken.Misuse AWS.CloudTrail.UserAccessKeyAuth""",
    "it is half of a rule over several events, or feeds another of Panther's": """
        AWS.CloudTrail.PasswordSpraying AWS.Console.Login AWS.Console.Sign-In Retrieve.SSO.access.token
        Sign-in.with.AWS.CLI.prompt Role.Assumed.by.AWS.Service Role.Assumed.by.User""",
    "it depends on names of one customer": """
        AWS.ECR.CRUD AWS.ECR.EVENTS AWS.Console.LoginWithoutSAML AWS.EC2.ManualSecurityGroupChange
        AWS.CloudTrail.IAMAssumeRoleBlacklistIgnored AWS.CloudTrail.IAMEntityCreatedWithoutCloudFormation
        AWS.UnusedRegion""",
}
"""A reason to the rules that it leaves out."""


@dataclass(frozen=True)
class Score:
    """Of one rule."""

    rule: str
    by: str
    found: int
    missed: tuple[str, ...]
    wrong: tuple[str, ...]
    quiet: int


def scores(folder: Path) -> Iterator[Score]:
    """Panther's rules that apply, with what was missed and what was wrongly found."""
    for path in sorted((folder / "rules/aws_cloudtrail_rules").glob("*.yml")):
        rule = yaml.safe_load(path.read_text())
        name = rule.get("RuleID", "")
        if name not in APPLY:
            if not any(name in names.split() for names in LEFT_OUT.values()):
                raise SystemExit(f"{name} is neither applied nor left out with a reason: benchmarks/cloudtrail.py")
            continue
        found, quiet, missed, wrong = 0, 0, list[str](), list[str]()
        tests = [(test, _matches(test.get("Log") or {}, APPLY[name].split())) for test in rule.get("Tests", [])]
        rows = {row for test, matches in tests if test["ExpectedResult"] for row in matches}
        for test, matches in tests:
            if test["ExpectedResult"]:
                found, missed = (found + 1, missed) if matches else (found, [*missed, test["Name"]])
            else:
                quiet, wrong = (quiet, [*wrong, test["Name"]]) if matches & rows else (quiet + 1, wrong)
        yield Score(name, APPLY[name], found, tuple(missed), tuple(wrong), quiet)


def _matches(record: Mapping[str, Any], by: list[str]) -> set[Any]:
    """What tells it: names of judges, and rows of the table whose subject is among ``by``."""
    event = event_of({"eventTime": "2026-01-01T00:00:00Z", **record})
    if event is None:
        return set()
    rows = {one for one in concerns_of(event) if one.subject in by}
    return rows | {name for name in by if name in JUDGES and JUDGES[name](event)}


def attacks(folder: Path) -> Iterator[tuple[str, int, int]]:
    """Each detonation, its calls, and how many of them the review tells."""
    for path in sorted((folder / "docs/detonation-logs").glob("aws.*.json")):
        records: list[Mapping[str, Any]] = json.loads(path.read_text())
        events = [event for record in records if (event := event_of(record))]
        matching = [
            one for one in events if concerns_of(one) or signs.is_login_without_mfa(one) or signs.is_denied(one)
        ]
        yield path.stem, len(events), len(matching)


def page(folder: Path) -> Iterator[str]:
    every = list(scores(folder))
    found, missed = sum(one.found for one in every), sum(len(one.missed) for one in every)
    wrong, quiet = sum(len(one.wrong) for one in every), sum(one.quiet for one in every)
    yield "| rule of Panther's | found by | found | missed | rightly quiet | wrongly found |"
    yield "|---|---|---|---|---|---|"
    for one in every:
        yield f"| {one.rule} | {one.by} | {one.found} | {len(one.missed)} | {one.quiet} | {len(one.wrong)} |"
    yield ""
    yield (
        f"{len(every)} rules, {found + missed + wrong + quiet} events: recall {found / (found + missed):.3f} "
        f"({found} of {found + missed}), precision {found / (found + wrong):.3f} ({found} of {found + wrong})."
    )
    if "--why" in sys.argv:
        for one in every:
            yield from (f"missed: {one.rule}: {name}" for name in one.missed)
            yield from (f"wrong: {one.rule}: {name}" for name in one.wrong)
    yield ""
    tried = [one for one in attacks(folder) if one[0] not in ATTACKS_LEFT_OUT]
    seen = [name for name, _, count in tried if count]
    yield f"Stratus Red Team: {len(seen)} of {len(tried)} attacks have a call that is told."
    yield from (f"Not told: {name} ({calls} calls)." for name, calls, count in tried if not count)
    yield from (f"Left out: {name}: {why}." for name, why in ATTACKS_LEFT_OUT.items())


def main() -> None:
    folder = os.environ.get(FOLDER, "")
    if not folder or not (Path(folder) / "rules/aws_cloudtrail_rules").is_dir():
        print(f"Skipped: {FOLDER} names no folder with panther-labs/panther-analysis and DataDog/stratus-red-team.")
        return
    print("\n".join(page(Path(folder))))


if __name__ == "__main__":
    main()
