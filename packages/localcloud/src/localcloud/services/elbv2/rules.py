"""Elastic Load Balancing: a listener takes only a certificate of ACM that is there and issued, and access logs only a
bucket that lets them in. moto takes any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from localcloud.core.registry import AwsError, Call, rule
from localcloud.services.elbv2 import access_logs

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


@rule("elbv2", "ModifyLoadBalancerAttributes")
def check_access_logs(cloud: Cloud, call: Call) -> None:
    record = cloud.moto("elbv2").load_balancers.get(call.params["LoadBalancerArn"])
    if record is None:
        raise AwsError("LoadBalancerNotFound", f"Load balancer '{call.params['LoadBalancerArn']}' not found")
    if not all("Key" in each and "Value" in each for each in call.params["Attributes"]):
        raise AwsError("ValidationError", "A load balancer's attribute needs a key and a value")
    wanted = {each["Key"]: str(each["Value"]) for each in call.params["Attributes"]}
    if not wanted.keys() & {access_logs.ENABLED, access_logs.BUCKET, access_logs.PREFIX}:
        return
    attributes = {**record.attrs, **wanted}
    if str(attributes.get(access_logs.ENABLED)).lower() != "true":
        return
    bucket, prefix = str(attributes.get(access_logs.BUCKET, "")), str(attributes.get(access_logs.PREFIX, ""))
    if "AWSLogs" in prefix:
        raise AwsError("InvalidConfigurationRequest", "The prefix of access logs can't contain AWSLogs")
    key = access_logs.folder(prefix, cloud.settings.account) + access_logs.TEST_FILE
    if access_logs.refusal(cloud, bucket, key):
        message = f"Access Denied for bucket: {bucket}. Please check S3bucket permission"
        raise AwsError("InvalidConfigurationRequest", message)
