"""The local authority vouches for servers by address, once for each, and a client with the bundle believes it."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path

import pytest

from localcloud.backends import certificates


def greet(address: str, made: certificates.Certificate, trusted: Path) -> bytes:
    """One TLS connection to a server with this certificate, verified by a client that trusts these authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with socket.create_server((address, 0)) as listener:

        def serve() -> None:
            plain, _ = listener.accept()
            with plain:
                try:
                    with context.wrap_socket(plain, server_side=True) as secure:
                        secure.sendall(b"hello")
                except OSError:
                    pass  # the client hung up on us: with a word of TLS, or before it was heard

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), 5) as plain:
                client = ssl.create_default_context(cafile=str(trusted))
                with client.wrap_socket(plain, server_hostname=address) as secure:
                    return secure.recv(5)
        finally:
            thread.join()


def test_a_client_with_the_bundle_believes_the_server(tmp_path: Path) -> None:
    made = certificates.server(tmp_path, "db", ["127.0.0.1"])
    assert greet("127.0.0.1", made, certificates.bundle(tmp_path)) == b"hello"
    assert greet("127.0.0.1", made, certificates.authority(tmp_path)) == b"hello"


def test_another_address_or_another_authority_is_not_believed(tmp_path: Path) -> None:
    made = certificates.server(tmp_path / "one", "db", ["127.0.0.2"])
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        greet("127.0.0.1", made, certificates.bundle(tmp_path / "one"))
    with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get local issuer|self-signed|signature failure"):
        greet("127.0.0.2", made, certificates.authority(tmp_path / "two"))


def test_a_certificate_is_made_once_and_anew_for_other_addresses(tmp_path: Path) -> None:
    first = certificates.server(tmp_path, "db", ["127.0.0.1"]).certificate.read_bytes()
    assert certificates.server(tmp_path, "db", ["127.0.0.1"]).certificate.read_bytes() == first
    assert certificates.server(tmp_path, "db", ["127.0.0.1", "127.0.0.2"]).certificate.read_bytes() != first


def test_keys_are_for_this_user_only(tmp_path: Path) -> None:
    made = certificates.server(tmp_path, "db", ["127.0.0.1"])
    assert made.key.stat().st_mode & 0o077 == 0
    assert made.combined.stat().st_mode & 0o077 == 0
    certificates.forget(tmp_path, "db")
    assert not made.key.exists()
