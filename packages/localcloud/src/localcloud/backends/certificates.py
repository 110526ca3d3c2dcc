"""The local certificate authority: server certificates for the databases and caches, and the bundle that trusts them.

Clients verify these servers as they would verify AWS's: with ``SSL_CERT_FILE`` set to the bundle (the system's own
authorities and this one). One authority a state folder; nothing on the machine outside of that folder trusts it.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_NAME = "localcloud root"
_AUTHORITY_DAYS = 3650
_SERVER_DAYS = 820  # clients refuse server certificates that last longer than 825 days
_RENEW_WITHIN = timedelta(days=30)
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate and key as PEM files."""

    certificate: Path
    key: Path
    combined: Path
    """Both in one file, as HAProxy wants it."""


def folder_of(state: Path) -> Path:
    return state / "certificates"


def bundle(state: Path) -> Path:
    """The file for ``SSL_CERT_FILE``: the system's authorities and the local one."""
    with _lock:
        _authority(folder_of(state))
    return folder_of(state) / "bundle.pem"


def authority(state: Path) -> Path:
    """The local authority's certificate alone, for ``sslrootcert`` and ``--cacert``."""
    with _lock:
        _authority(folder_of(state))
    return folder_of(state) / "authority.pem"


def server(state: Path, name: str, addresses: list[str], names: Sequence[str] = ()) -> Certificate:
    """A certificate for a server that listens on these addresses, under these host names (``*.example.com`` too); made
    once, renewed 30 days before its end."""
    folder = folder_of(state)
    with _lock:
        issuer, issuer_key = _authority(folder)
        made = Certificate(folder / f"{name}.pem", folder / f"{name}.key", folder / f"{name}.combined.pem")
        if not _still_good(made, issuer, addresses, names):
            _issue(made, name, addresses, names, issuer, issuer_key)
        return made


def forget(state: Path, name: str) -> None:
    """Remove a server's certificate and key."""
    for suffix in (".pem", ".key", ".combined.pem"):
        (folder_of(state) / f"{name}{suffix}").unlink(missing_ok=True)


def _authority(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_path, key_path, bundle_path = (folder / n for n in ("authority.pem", "authority.key", "bundle.pem"))
    if certificate_path.exists() and key_path.exists() and bundle_path.exists():
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{key_path} holds no elliptic curve key; remove {folder} and start again")
        return x509.load_pem_x509_certificate(certificate_path.read_bytes()), key
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY_NAME)])
    certificate = (
        _builder(name, name, key.public_key(), _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    _write(key_path, _key_pem(key))
    _write(certificate_path, pem)
    _write(bundle_path, _system_authorities() + b"\n" + pem)
    return certificate, key


def _issue(
    made: Certificate,
    name: str,
    addresses: list[str],
    host_names: Sequence[str],
    issuer: x509.Certificate,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    names += [x509.DNSName(host_name) for host_name in host_names]
    certificate = (
        _builder(subject, issuer.subject, key.public_key(), _SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    pem, key_pem = certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key)
    _write(made.key, key_pem)
    _write(made.certificate, pem)
    _write(made.combined, pem + key_pem)


def _still_good(made: Certificate, issuer: x509.Certificate, addresses: list[str], host_names: Sequence[str]) -> bool:
    if not (made.certificate.exists() and made.key.exists() and made.combined.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return (
        certificate.issuer == issuer.subject
        and certificate.not_valid_after_utc - datetime.now(UTC) > _RENEW_WITHIN
        and {str(address) for address in names.get_values_for_type(x509.IPAddress)} == set(addresses)
        and set(names.get_values_for_type(x509.DNSName)) == set(host_names)
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _system_authorities() -> bytes:
    """The system's bundle: what ``SSL_CERT_FILE`` names now, OpenSSL's own, or certifi's."""
    paths = ssl.get_default_verify_paths()
    candidates = [paths.cafile, paths.openssl_cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"]
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_bytes()
    import certifi

    return Path(certifi.where()).read_bytes()


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by this user only."""
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    fresh.replace(path)
