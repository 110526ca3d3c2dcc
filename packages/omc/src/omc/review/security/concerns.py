"""What calls are worth a look in a security review, and why: one table of operations. Pure.

A row says services, names of operations or how they begin, and what makes such a call matter; where only some of
these calls do, a condition on their parameters. What is a finding, and how bad, is said by the checks beside.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from omc.facts.security.trail_event import TrailEvent
from omc.review.security.conditions import (
    Condition,
    copies_to_another_region,
    ends_logging,
    ends_versions,
    gives,
    gives_all_rights,
    is_by_hand,
    is_for_another,
    is_not_the_portal,
    is_public_database,
    is_quarantine,
    is_shared_with_all,
    is_switched_off,
    keeps_little,
    lets_in_others,
    opens_access_block,
    opens_range,
    opens_to_world,
    records_less,
    says,
    shares,
)


class Subject(StrEnum):
    """What such a call is about: the finding's place."""

    RECORDING = "recording"
    SHARING = "sharing"
    RIGHTS = "rights"
    NETWORK = "network"
    DATA = "data"
    KEYS = "keys"
    CODE = "code"
    SECRETS = "secrets"


@dataclass(frozen=True, slots=True)
class Concern:
    """A row: calls that matter."""

    services: str
    """Event sources, separated by blanks."""
    operations: str
    """Names, separated by blanks; ``*`` stands for any letters."""
    subject: Subject
    why: str
    """Completes "it …"."""
    when: Condition | None = None
    is_read: bool = False
    """CloudTrail calls it a read."""

    def takes(self, event: TrailEvent) -> bool:
        if event.service not in self.services.split() or (event.is_read and not self.is_read):
            return False
        if not any(fnmatchcase(event.operation, name) for name in self.operations.split()):
            return False
        return self.when is None or self.when(event)


R, S, N, D, K, C = Subject.RECORDING, Subject.SHARING, Subject.NETWORK, Subject.DATA, Subject.KEYS, Subject.CODE
RIGHTS, SECRETS = Subject.RIGHTS, Subject.SECRETS

CONCERNS: tuple[Concern, ...] = (
    # what is recorded
    Concern("cloudtrail", "StopLogging DeleteTrail", R, "ends the record of calls"),
    Concern("cloudtrail", "CreateTrail UpdateTrail StartLogging", R, "changes what is recorded of calls, and where"),
    Concern("cloudtrail", "PutEventSelectors", R, "leaves calls out of the record", records_less),
    Concern("cloudtrail", "PutInsightSelectors DeleteEventDataStore", R, "changes what the trail tells"),
    Concern("ec2", "DeleteFlowLogs", R, "ends the record of connections"),
    Concern("route53resolver", "DeleteResolverQueryLogConfig DisassociateResolverQueryLogConfig", R,
            "ends the record of DNS queries"),
    Concern("config", "StopConfigurationRecorder DeleteConfigurationRecorder DeleteDeliveryChannel DeleteConfigRule", R,
            "ends what AWS Config records"),
    Concern("config", "PutDeliveryChannel PutConfigurationRecorder", R, "changes what AWS Config records, and where"),
    Concern("logs", "DeleteLogGroup DeleteLogStream DeleteDestination DeleteMetricFilter DeleteSubscriptionFilter", R,
            "deletes logs, or what reads them"),
    Concern("logs", "PutRetentionPolicy", R, "changes how long logs are kept"),
    Concern("monitoring", "DeleteAlarms DisableAlarmActions", R, "silences alarms"),
    Concern("guardduty", "Delete* Disassociate* StopMonitoringMembers CreateFilter UpdateFilter", R,
            "makes GuardDuty see less"),
    Concern("guardduty", "UpdateDetector", R, "switches GuardDuty off", is_switched_off("enable")),
    Concern("guardduty wafv2 waf waf-regional", "CreateIPSet UpdateIPSet DeleteIPSet", N,
            "changes which addresses are trusted or refused"),
    Concern("securityhub", "Delete* Disable* BatchDisable* UpdateFindings BatchUpdateFindings UpdateInsight", R,
            "makes Security Hub tell less"),
    Concern("macie2 macie", "Disable* Delete* UpdateMacieSession UpdateClassificationJob CreateFindingsFilter "
            "PutFindingsPublicationConfiguration ArchiveFindings", R, "makes Macie tell less"),
    Concern("events", "DeleteRule DisableRule RemoveTargets", R, "ends what events set off"),
    Concern("sns", "Unsubscribe DeleteTopic", R, "ends the delivery of alerts"),
    Concern("rds", "StopActivityStream", R, "ends the database's activity stream"),
    Concern("s3", "PutBucketLogging", R, "ends a bucket's access log", ends_logging),
    Concern("s3", "PutBucketLifecycle PutBucketLifecycleConfiguration", R, "deletes logs within days", keeps_little),
    # what is given to others
    Concern("ec2", "ModifySnapshotAttribute ModifyImageAttribute", S, "gives a copy of a disk to others", shares),
    Concern("rds", "ModifyDBSnapshotAttribute ModifyDBClusterSnapshotAttribute", S,
            "gives a copy of the database to others", shares),
    Concern("rds", "StartExportTask", S, "writes a snapshot's data into a bucket"),
    Concern("rds", "CopyDBSnapshot CopyDBClusterSnapshot", S, "takes a copy of the database to another region",
            copies_to_another_region),
    Concern("rds", "DownloadDBLogFilePortion DownloadCompleteDBLogFile", S, "downloads the database's log",
            is_read=True),
    Concern("ec2", "CreateImage CopyImage ImportImage CopyFpgaImage CreateFpgaImage CreateRestoreImageTask "
            "CreateStoreImageTask CreateInstanceExportTask", S, "makes a copy of a disk"),
    Concern("rds", "ModifyDBInstance ModifyDBCluster RestoreDBInstanceFromDBSnapshot CreateDBInstance "
            "CreateDBInstanceReadReplica RestoreDBInstanceToPointInTime CreateDBCluster", S,
            "gives the database a public address", is_public_database),
    Concern("s3 sqs sns kms ecr es secretsmanager backup elasticfilesystem glacier events lambda iam logs",
            "Put*Policy Set*Policy PutBucketPolicy PutBucketAcl PutObjectAcl SetQueueAttributes SetTopicAttributes "
            "AddPermission PutKeyPolicy PutImage* CreateElasticsearchDomain UpdateElasticsearchDomainConfig "
            "PutResourcePolicy CreateQueue CreateTopic CreateKey PutVaultAccessPolicy", S,
            "lets in the world or another account", lets_in_others),
    Concern("s3", "DeleteBucketPublicAccessBlock DeletePublicAccessBlock DeleteAccountPublicAccessBlock", S,
            "takes away what keeps a bucket from being public"),
    Concern("s3", "PutBucketPublicAccessBlock PutPublicAccessBlock PutAccountPublicAccessBlock", S,
            "takes away what keeps a bucket from being public", opens_access_block),
    Concern("codebuild", "UpdateProjectVisibility", S, "shows builds to the world",
            says("projectVisibility", "public_read")),
    Concern("ec2", "CreateTrafficMirror* ModifyTrafficMirror* DeleteTrafficMirror*", S, "copies network traffic"),
    # who may do what
    Concern("iam", "CreateUser DeleteUser UpdateUser CreateAccessKey UpdateAccessKey DeleteAccessKey "
            "CreateLoginProfile UpdateLoginProfile DeleteLoginProfile ChangePassword AddUserToGroup "
            "RemoveUserFromGroup UploadSSHPublicKey UploadSigningCertificate CreateServiceSpecificCredential "
            "ResetServiceSpecificCredential", RIGHTS, "changes a user, or what he logs in with"),
    Concern("iam", "DeactivateMFADevice DeleteVirtualMFADevice DeleteAccountPasswordPolicy "
            "UpdateAccountPasswordPolicy", RIGHTS, "weakens logins"),
    Concern("iam", "CreateRole DeleteRole UpdateRole UpdateAssumeRolePolicy CreateInstanceProfile "
            "AddRoleToInstanceProfile RemoveRoleFromInstanceProfile", RIGHTS, "changes a role, or who may be it"),
    Concern("iam", "CreateSAML* UpdateSAML* DeleteSAML* CreateOpenID* UpdateOpenID* DeleteOpenID* AddClientID* "
            "RemoveClientID*", RIGHTS, "changes which logins from elsewhere count"),
    Concern("iam", "Attach* Detach* Put* DeleteGroupPolicy DeleteRolePolicy DeleteUserPolicy CreatePolicy* "
            "DeletePolicy* SetDefaultPolicyVersion DeleteRolePermissionsBoundary DeleteUserPermissionsBoundary",
            RIGHTS, "changes what somebody may do"),
    Concern("iam", "CreateGroup DeleteGroup UpdateGroup CreateAccountAlias DeleteAccountAlias "
            "UpdateServerCertificate UploadServerCertificate DeleteServerCertificate", RIGHTS,
            "changes groups, names or certificates"),
    Concern("signin", "PasswordUpdated EmailUpdated PasswordRecoveryCompleted", RIGHTS, "changes root's login"),
    Concern("sts", "GetFederationToken", RIGHTS, "makes a session that outlives its key", is_read=True),
    Concern("signin", "GetSigninToken", RIGHTS, "makes a console login of a role's keys",
            is_not_the_portal, is_read=True),
    Concern("organizations", "LeaveOrganization RemoveAccountFromOrganization DisablePolicyType DetachPolicy "
            "DeletePolicy", RIGHTS, "ends what the organization forbids"),
    Concern("account", "EnableRegion DisableRegion PutAlternateContact DeleteAlternateContact", RIGHTS,
            "changes the account itself"),
    Concern("rolesanywhere", "Create* Enable* Update*", RIGHTS, "lets in whoever has a certificate"),
    Concern("sso sso-directory identitystore", "Create* Attach* Put* Delete* Update*", RIGHTS,
            "changes who may do what"),
    Concern("rds", "AddRoleToDBInstance AddRoleToDBCluster", RIGHTS, "gives the database a role"),
    # ways in
    Concern("ec2", "AuthorizeSecurityGroup* RevokeSecurityGroup* ModifySecurityGroupRules CreateSecurityGroup "
            "DeleteSecurityGroup", N, "changes who may connect"),
    Concern("rds elasticache redshift", "AuthorizeDBSecurityGroupIngress AuthorizeCacheSecurityGroupIngress "
            "AuthorizeClusterSecurityGroupIngress", N, "changes who may connect"),
    Concern("ec2", "CreateNetworkAcl* DeleteNetworkAcl* ReplaceNetworkAcl*", N, "changes which packets pass"),
    Concern("ec2", "CreateRoute* DeleteRoute* ReplaceRoute* AssociateRouteTable DisassociateRouteTable", N,
            "changes where packets go"),
    Concern("ec2", "AttachInternetGateway DetachInternetGateway "
            "CreateInternetGateway DeleteInternetGateway CreateCustomerGateway DeleteCustomerGateway "
            "CreateNatGateway DeleteNatGateway CreateEgressOnlyInternetGateway DeleteEgressOnlyInternetGateway", N,
            "opens or closes a way to the internet"),
    Concern("ec2", "CreateVpc* DeleteVpc* ModifyVpc* AcceptVpcPeeringConnection RejectVpcPeeringConnection "
            "AttachClassicLinkVpc DetachClassicLinkVpc EnableVpcClassicLink DisableVpcClassicLink "
            "AssociateAddress AllocateAddress", N, "changes the network's borders"),
    Concern("wafv2 waf waf-regional elasticloadbalancing", "DisassociateWebACL DeleteWebACL UpdateWebACL", N,
            "changes what is kept from the load balancer"),
    Concern("elasticloadbalancing", "DeleteListener CreateListener ModifyListener SetSecurityGroups", N,
            "changes the way in for users"),
    Concern("ec2", "EnableSerialConsoleAccess", N, "opens machines' serial consoles"),
    Concern("ec2-instance-connect", "SendSSHPublicKey SendSerialConsoleSSHPublicKey", N, "logs in to a machine"),
    Concern("ssm", "StartSession SendCommand ResumeSession", N, "runs commands in machines"),
    Concern("ecs", "ExecuteCommand", N, "runs commands in a task"),
    # what data is kept by
    Concern("rds", "DeleteDBInstance DeleteDBCluster", D, "deletes the database"),
    Concern("rds", "DeleteDBSnapshot DeleteDBClusterSnapshot DeleteDBInstanceAutomatedBackup "
            "DeleteDBClusterAutomatedBackup", D, "deletes the database's backup"),
    Concern("rds", "ModifyDBInstance ModifyDBCluster", D, "takes away the protection from deletion",
            is_switched_off("deletionProtection")),
    Concern("rds", "ModifyDBInstance ModifyDBCluster", D, "ends backups", is_switched_off("backupRetentionPeriod")),
    Concern("rds", "ModifyDBInstance ModifyDBCluster", SECRETS, "changes the master password",
            gives("masterUserPassword")),
    Concern("rds", "CreateDBSnapshot CreateDBClusterSnapshot", D, "makes a copy of the database", is_by_hand),
    Concern("rds", "RestoreDBInstanceFromDBSnapshot RestoreDBInstanceToPointInTime RestoreDBClusterFromSnapshot "
            "RestoreDBClusterToPointInTime", D, "makes a second database of a copy"),
    Concern("rds", "RebootDBInstance RebootDBCluster FailoverDBCluster FailoverGlobalCluster StopDBInstance "
            "StopDBCluster", D, "stops the database for a while"),
    Concern("elasticache", "DeleteReplicationGroup DeleteCacheCluster DeleteSnapshot DeleteUser ModifyUser", D,
            "deletes the cache, or changes who may use it"),
    Concern("s3", "DeleteBucket", D, "deletes a bucket"),
    Concern("s3", "DeleteBucketPolicy PutBucketPolicy PutBucketAcl PutBucketCors DeleteBucketCors", D,
            "changes who may use a bucket"),
    Concern("s3", "PutBucketLifecycle PutBucketLifecycleConfiguration DeleteBucketLifecycle PutBucketReplication "
            "DeleteBucketReplication", D, "changes how long a bucket keeps its objects, or where else"),
    Concern("s3", "DeleteBucketEncryption", D, "leaves a bucket's objects without the chosen key"),
    Concern("s3", "PutBucketVersioning", D, "ends the keeping of former versions", ends_versions),
    Concern("ec2", "DisableEbsEncryptionByDefault", D, "leaves new disks without encryption"),
    Concern("ec2 backup", "DeleteSnapshot DeleteVolume DeleteRecoveryPoint DeleteBackupVault DeleteBackupPlan", D,
            "deletes data, or its backup"),
    # keys and secrets
    Concern("kms", "DisableKey ScheduleKeyDeletion DeleteImportedKeyMaterial", K,
            "makes unreadable what the key encrypts"),
    Concern("kms", "PutKeyPolicy CreateGrant DisableKeyRotation RevokeGrant RetireGrant", K, "changes who may decrypt"),
    Concern("secretsmanager", "DeleteSecret PutSecretValue UpdateSecret PutResourcePolicy CancelRotateSecret "
            "DeleteResourcePolicy RemoveRegionsFromReplication UpdateSecretVersionStage", SECRETS,
            "changes a secret, or who may read it"),
    Concern("secretsmanager", "BatchGetSecretValue", SECRETS, "reads many secrets at once", is_read=True),
    Concern("ec2", "GetPasswordData", SECRETS, "reads a machine's password", is_read=True),
    Concern("ec2", "DescribeInstanceAttribute", SECRETS, "reads what a machine starts with, often with secrets in it",
            says("attribute", "userdata"), is_read=True),
    Concern("ec2", "ModifyInstanceAttribute", C, "changes what a machine starts with", gives("userData")),
    # what runs
    Concern("ecr", "PutImage BatchDeleteImage DeleteRepository SetRepositoryPolicy DeleteRepositoryPolicy "
            "PutImageTagMutability PutImageScanningConfiguration PutRegistryPolicy PutLifecyclePolicy CreateRepository",
            C, "changes images, or who may change them"),
    Concern("lambda", "UpdateFunctionCode UpdateFunctionConfiguration CreateFunction AddPermission DeleteFunction "
            "CreateEventSourceMapping", C, "runs code beside the stack's services"),
    Concern("ec2", "RunInstances", C, "runs machines beside the stack's services"),
    Concern("ec2", "StopInstances StartInstances TerminateInstances", C, "stops or starts machines"),
    Concern("ecs", "RegisterTaskDefinition RunTask", C, "runs something else than what is deployed"),
    Concern("cloudformation", "CreateStack UpdateStack DeleteStack SetStackPolicy", C,
            "makes things beside Terraform"),
)  # fmt: skip
"""Rows of one operation may both hold; all of them are told."""

URGENT: tuple[tuple[Condition, str], ...] = (
    (is_quarantine, "AWS itself found a key of this user published"),
    (gives_all_rights, "it gives all rights"),
    (opens_to_world, "it lets in the world"),
    (is_shared_with_all, "it is shared with everybody"),
)
"""What makes such a call a failure and not only something to look at."""
REMARKS: tuple[tuple[Condition, str], ...] = (
    (opens_range, "it lets in from the internet"),
    (is_for_another, "it is for another user"),
)
"""What else is said of one."""


def concerns_of(event: TrailEvent) -> tuple[Concern, ...]:
    """The rows that a call that succeeded matches. What AWS does by itself matches none: it does that everywhere."""
    if not event.is_done or event.is_by_aws:
        return ()
    return tuple(one for one in CONCERNS if one.takes(event))


def urgent_of(event: TrailEvent) -> str:
    """Why it can't wait; empty where it can."""
    return next((why for condition, why in URGENT if condition(event)), "")


def remark_of(event: TrailEvent) -> str:
    """What makes it worth more than its operation's name says; empty where nothing does."""
    return urgent_of(event) or next((why for condition, why in REMARKS if condition(event)), "")
