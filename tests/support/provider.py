"""Terraform's AWS provider as one process for many commands, in place of several for each of them.

A Terraform that is told of a running provider starts none and computes no checksum of its 700 MB, and this one tells it
only of the types that the repository names, not of all 1,500: most of the processor time of a small plan (a module's
own tests: 3.6 s, 0.35 s with this). Every other answer is the provider's own. Commands that share one must not run at
the same time, unless AWS is mocked: what one configures is everybody's. What a story says of credentials, of ``init``,
of the lock file or of a killed Terraform wants providers of its own.

As a program (given the provider's executable) it serves until its stdin is closed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from support.commands import ROOT

if TYPE_CHECKING:
    import grpc  # type: ignore[import-untyped]  # its stubs aren't worth a dependency for six calls

VARIABLE = "TF_REATTACH_PROVIDERS"
SCHEMA = "/tfplugin5.Provider/GetSchema"
SHUTDOWN = "/plugin.GRPCController/Shutdown"
TYPED = (2, 3, 8)
"""Fields of the schema's message that map types to what they are made of: resources, data sources, ephemeral ones."""
NAMED_IN = ("*.tf", "*.hcl", "*.py")
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
CALLS = 64
"""At a time: Terraform's parallelism, with room."""


@contextmanager
def running_provider(aws: Mapping[str, str] = MappingProxyType({})) -> Iterator[Mapping[str, str]]:
    """The environment in which Terraform uses the provider; it is empty where no unpacked one is at hand.

    ``aws`` is the provider's own environment: it sees no variables of the Terraforms that it serves.
    """
    executable = find_provider()
    if executable is None:
        yield {}
        return
    path = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "packages/omc/src")])
    process = subprocess.Popen(
        [sys.executable, "-m", "support.provider", str(executable)],
        env={**_quiet(), **aws, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline().strip()
        assert line, f"the provider didn't start: {process.wait(120)}"
        yield {VARIABLE: line}
    finally:
        process.stdin.close()
        process.wait(120)
        process.stdout.close()


def find_provider() -> Path | None:
    """The provider in the mirror from which omc would take it."""
    from omc.terraform import HOSTS, PROVIDER, PROVIDER_VERSION, find_terraform

    mirror = find_terraform().mirror
    if mirror is None:
        return None
    folder = mirror / HOSTS["terraform"] / PROVIDER / PROVIDER_VERSION
    found = sorted(path for path in folder.glob("*/terraform-provider-aws*") if os.access(path, os.X_OK))
    return found[0] if found else None


def named_types() -> frozenset[bytes]:
    """Every type of the provider that stands in a file of Terraform's, or in a test that writes one."""
    names: set[bytes] = set()
    for folder in (ROOT / "infrastructure", ROOT / "tests", *(ROOT / "packages").glob("*/tests")):
        for pattern in NAMED_IN:
            for path in folder.rglob(pattern):
                names.update(re.findall(rb"\baws_[a-z0-9_]+", path.read_bytes()))
    return frozenset(names)


def only(names: frozenset[bytes], schema: bytes) -> bytes:
    """The schema's message without the types that aren't among these names."""
    kept = bytearray()
    at = 0
    while at < len(schema):
        begin = at
        tag, at = _number(schema, at)
        assert tag & 7 == 2, "each of its fields is a message"
        length, at = _number(schema, at)
        at += length
        if tag >> 3 not in TYPED or _key(schema[at - length : at]) in names:
            kept += schema[begin:at]
    return bytes(kept)


def _key(entry: bytes) -> bytes:
    """Of a map's entry, whose first field it is."""
    length, at = _number(entry, 1)
    return entry[at : at + length]


def _number(message: bytes, at: int) -> tuple[int, int]:
    """A number of protobuf's variable length, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _quiet() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}


def serve(executable: str) -> None:
    """Stand between Terraform and the provider until stdin is closed."""
    import grpc

    provider = subprocess.Popen(
        [executable, "-debug"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert provider.stdout is not None
    try:
        line = next(line for line in provider.stdout if f"{VARIABLE}='" in line)
        reattach: dict[str, Any] = json.loads(line.partition("'")[2].rpartition("'")[0])
        [told] = reattach.values()
        channel = grpc.insecure_channel(f"unix:{told['Addr']['String']}", UNLIMITED)
        schema = only(named_types(), channel.unary_unary(SCHEMA)(b"", timeout=300))

        class Between(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc has no types
            def service(self, details: Any) -> grpc.RpcMethodHandler | None:
                if details.method in {SCHEMA, SHUTDOWN}:
                    answer = schema if details.method == SCHEMA else b""
                    return grpc.unary_unary_rpc_method_handler(lambda _request, _context: answer)
                if not details.method.startswith("/tfplugin5.Provider/"):
                    return None
                ask = channel.unary_unary(details.method)
                return grpc.unary_unary_rpc_method_handler(lambda request, _context: ask(request))

        with tempfile.TemporaryDirectory(prefix="provider-") as folder:
            server = grpc.server(ThreadPoolExecutor(CALLS), [Between()], options=UNLIMITED)
            told["Addr"]["String"] = f"{folder}/socket"
            server.add_insecure_port(f"unix:{folder}/socket")
            server.start()
            print(json.dumps(reattach), flush=True)
            sys.stdin.read()
            server.stop(0)
    finally:
        provider.kill()
        provider.wait()


if __name__ == "__main__":
    serve(sys.argv[1])
