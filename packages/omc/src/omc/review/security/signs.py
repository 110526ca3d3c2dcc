"""What single calls are, by themselves: root's, a login without a second factor, a failed login, a refusal. Pure."""

from __future__ import annotations

from omc.facts.security.trail_event import Kind, TrailEvent

LOGIN = "ConsoleLogin"
DENIALS = ("AccessDenied", "UnauthorizedOperation", "UnauthorizedAccess", "NotAuthorized", "Forbidden")
"""Parts of the codes with which AWS refuses a right: ``Client.UnauthorizedOperation`` is EC2's."""
EXPECTED_DENIALS = frozenset({"DescribeEventAggregates"})
"""The console asks it by itself of everybody, also of those who may not."""


def is_root_use(event: TrailEvent) -> bool:
    """Root did something, or logged in. That it looked at something counts as well: nobody should be root to look."""
    return event.kind is Kind.ROOT and event.is_done and event.operation != "CreateServiceLinkedRole"


def is_failed_root_login(event: TrailEvent) -> bool:
    return event.kind is Kind.ROOT and event.operation == LOGIN and not event.is_done


def is_failed_login(event: TrailEvent) -> bool:
    """A wrong password, or a second factor that wasn't the right one."""
    return event.operation == LOGIN and not event.is_done


def is_login_without_mfa(event: TrailEvent) -> bool:
    """A login to the console with a password alone.

    Whoever comes from Identity Center or a SAML provider shows the second factor there, and CloudTrail says No here
    (docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-aws-console-sign-in-events.html).
    """
    if event.operation != LOGIN or not event.is_done:
        return False
    is_elsewhere = "SamlProviderArn" in event.more or "AWSReservedSSO" in event.principal
    return not is_elsewhere and str(event.more.get("MFAUsed", "")) != "Yes" and not event.has_mfa


def is_denied(event: TrailEvent) -> bool:
    """AWS refused a right. What its own services are refused is their affair."""
    if event.is_by_aws or event.operation in EXPECTED_DENIALS or event.operation == LOGIN:
        return False
    return any(word in event.error for word in DENIALS)
