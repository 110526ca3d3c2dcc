"""One health check, really made: an HTTP request from the load balancer's own address to the target."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import replace

from localcloud.services.elbv2.targets import REFUSED, TIMED_OUT, HealthCheck, Probe, answered


def probe(check: HealthCheck, address: str, port: int, source: str | None) -> Probe:
    """Ask the target once. Connecting and answering must be done within the check's timeout."""
    origin = (source, 0) if source else None
    try:
        if check.protocol == "TCP":
            socket.create_connection((address, port), check.timeout, origin).close()
            return Probe(True)
        status, own_port = _status(check, address, port, origin)
        return replace(answered(check, status), source_port=own_port)
    except TimeoutError:
        return TIMED_OUT
    except (OSError, http.client.HTTPException):
        return REFUSED


def _status(check: HealthCheck, address: str, port: int, origin: tuple[str, int] | None) -> tuple[int, int]:
    """The answer's status, and the port that it was asked from."""
    connection: http.client.HTTPConnection
    if check.protocol == "HTTPS":
        trusting = ssl.create_default_context()
        trusting.check_hostname = False  # load balancers don't verify their targets' certificates, nor does AWS
        trusting.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            address, port, timeout=check.timeout, source_address=origin, context=trusting
        )
    else:
        connection = http.client.HTTPConnection(address, port, timeout=check.timeout, source_address=origin)
    try:
        connection.connect()
        own_port = int(connection.sock.getsockname()[1])
        connection.request("GET", check.path, headers={"User-Agent": "ELB-HealthChecker/2.0", "Connection": "close"})
        return connection.getresponse().status, own_port
    finally:
        connection.close()
