"""Elastic Load Balancing: a listener takes only a certificate of ACM that is there and issued. moto takes any ARN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.core.registry import AwsError, Call, rule

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud


@rule("elbv2", "CreateListener", "ModifyListener", "AddListenerCertificates")
def check_certificates(cloud: Cloud, call: Call) -> None:
    known = getattr(cloud.moto("acm"), "_certificates", {})
    for each in call.params.get("Certificates") or ():
        arn = each.get("CertificateArn", "")
        if ":acm:" not in arn:
            continue  # an IAM server certificate
        if arn not in known:
            raise AwsError("CertificateNotFound", f"Certificate '{arn}' not found")
        if known[arn].status != "ISSUED":
            raise AwsError(
                "UnsupportedCertificate",
                f"The certificate '{arn}' must have a fully-qualified domain name, a supported signature, and a "
                "supported key size.",
            )
