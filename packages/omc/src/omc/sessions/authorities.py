"""Whom to trust behind a tunnel: the server's certificate is verified for its real name, though it is reached at the
loopback.

RDS's certificates come from authorities of its own, which AWS publishes a bundle of for each region; it is fetched once
and kept. ElastiCache's come from public ones.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Final

from omc.config import Environment
from omc.errors import Unknown

TIMEOUT: Final = 15.0
MOST_BYTES: Final = 4 << 20
MARK: Final = b"-----BEGIN CERTIFICATE-----"


def bundle_url(region: str) -> str:
    """Where AWS publishes RDS's authorities. Source: RDS's user guide, "Using SSL/TLS to encrypt a connection"."""
    if region.startswith("cn-"):
        return f"https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/{region}/{region}-bundle.pem"
    if region.startswith("us-gov-"):
        return f"https://truststore.pki.us-gov-west-1.rds.amazonaws.com/{region}/{region}-bundle.pem"
    return f"https://truststore.pki.rds.amazonaws.com/{region}/{region}-bundle.pem"


def database_authorities(environment: Environment) -> Path:
    """The file with the authorities of the database's certificate. Raises ``Unknown`` where it can't be had."""
    if environment.local_state is not None:
        return environment.local_state / "certificates" / "authority.pem"
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "omc"
    kept = root / f"rds-{environment.region}-bundle.pem"
    if kept.exists():
        return kept
    url = bundle_url(environment.region)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - one of three addresses over HTTPS
            found: bytes = answer.read(MOST_BYTES)
    except (OSError, HTTPException) as error:
        raise Unknown(
            f"RDS's certificate authorities can't be fetched from {url}: {error}. Put that file at {kept}, from a "
            "machine that reaches it."
        ) from error
    if MARK not in found:
        raise Unknown(f"{url} doesn't answer with certificates. Nothing was kept.")
    fresh = kept.with_suffix(f".{os.getpid()}")
    try:
        root.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(found)
        fresh.replace(kept)
    except OSError as error:
        raise Unknown(
            f"RDS's certificate authorities can't be kept at {kept}: {error.strerror or error}. Set XDG_CACHE_HOME "
            "to a folder that can be written to."
        ) from error
    return kept


def cache_context(environment: Environment) -> ssl.SSLContext:
    """TLS for the cache: the certificate is verified, and that it is the address's own."""
    context = ssl.create_default_context()
    if environment.local_state is not None:
        context.load_verify_locations(environment.local_state / "certificates" / "authority.pem")
    return context
