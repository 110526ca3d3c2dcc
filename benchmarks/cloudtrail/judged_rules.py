"""Which of Panther's CloudTrail rules are held against the security review, by what of it, and why the rest isn't.

The rules and their labelled events are Panther's (panther-labs/panther-analysis, Apache-2.0) and stay outside of this
repository. Here are only the rules' names.
"""

from __future__ import annotations

from collections.abc import Mapping

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
"""A rule to what of the review must find its events: the names of ``judge.JUDGES``, any of which will do."""

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
    "it depends on names of one customer: regions, roles, ways to make things": """
        AWS.ECR.CRUD AWS.ECR.EVENTS AWS.Console.LoginWithoutSAML AWS.EC2.ManualSecurityGroupChange AWS.CloudTrail.IAMAssumeRoleBlacklistIgnored
        AWS.CloudTrail.IAMEntityCreatedWithoutCloudFormation AWS.UnusedRegion""",
}
"""A reason to the rules that it leaves out."""
