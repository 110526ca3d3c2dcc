"""ACM: a certificate is issued when Route 53 holds the records that prove its names, and not by waiting alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto import settings

from localcloud.core.registry import Answer, Call, patch_response

if TYPE_CHECKING:
    from localcloud.core.cloud import Cloud

settings.ACM_VALIDATION_WAIT = 10**12  # moto issues by itself after so many seconds


@patch_response("acm", "DescribeCertificate")
def describe_certificate(cloud: Cloud, call: Call, answer: dict[str, Any]) -> Answer:
    certificate = answer["Certificate"]
    options = certificate.get("DomainValidationOptions", [])
    if certificate["Status"] != "PENDING_VALIDATION" or not options:
        return answer
    with cloud.lock:
        there = _public_names(cloud)
        for option in options:
            record = option.get("ResourceRecord", {})
            if (_plain(record.get("Name", "")), _plain(record.get("Value", ""))) in there:
                option["ValidationStatus"] = "SUCCESS"
        if all(option["ValidationStatus"] == "SUCCESS" for option in options):
            cloud.moto("acm").get_certificate(certificate["CertificateArn"]).status = "ISSUED"
            certificate["Status"] = "ISSUED"
    return answer


def _public_names(cloud: Cloud) -> set[tuple[str, str]]:
    """Each CNAME of a public zone, with what it stands for."""
    return {
        (_plain(record.name), _plain(value))
        for zone in cloud.moto("route53", "aws").zones.values()
        if not zone.private_zone
        for record in zone.rrsets
        if record.type == "CNAME"
        for value in record.records
    }


def _plain(name: str) -> str:
    return name.rstrip(".").lower()
