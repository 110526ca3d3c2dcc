"""A second cloud made of a stopped one: its state folder copied, and everything in it moved to addresses of its own.

What the cloud says of itself holds its addresses: task definitions, Terraform's state, settings of databases. They are
replaced by others of the same length, so that no saved object changes its size. The account, the keys and all ids stay,
for ARNs and image references are made of them. The API's port stays too: it is on another address.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from localcloud.core import addresses, pickling, snapshot
from localcloud.core.addresses import AddressBlock

LEFT = ("lock", "up.lock", "cloud.json", "processes.jsonl", "pycache", "*.lock", "*.sock")
"""What belongs to the process that ran, and not to the state."""


def copy(source: AddressBlock, target: Path) -> AddressBlock:
    """Copy the state folder of a stopped cloud to a folder that doesn't exist yet; the copy's settings.

    Raises ``AddressError`` where no block is free, and ``OSError`` where the disk refuses. What was copied until then
    is removed again.
    """
    state = source.settings.state
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(state, target, symlinks=True, ignore=shutil.ignore_patterns(*LEFT, addresses.SETTINGS))
        made = addresses.adopt(target, source)
        _readdress(target, source, made)
    except BaseException:
        addresses.release(target.resolve())
        shutil.rmtree(target, ignore_errors=True)
        raise
    return made


def _readdress(folder: Path, source: AddressBlock, made: AddressBlock) -> None:
    before, after = (f"127.{64 + each.settings.block}.".encode() for each in (source, made))
    for name in (snapshot.FILE, snapshot.PREVIOUS):
        path = folder / name
        if path.exists():
            header, _, payload = path.read_bytes().partition(b"\n")
            moved = payload.replace(before, after)
            for old, new in _sums(payload, before, after):
                moved = moved.replace(old, new)
            known = json.loads(header) | {"sha256": hashlib.sha256(moved).hexdigest()}
            path.write_bytes(json.dumps(known).encode() + b"\n" + moved)
    # Beside the cloud's own files stand those of whoever works with it, as Terraform's state and its outputs.
    for path in (*folder.glob("*.json"), *folder.glob("*.tfstate")):
        if path.name != addresses.SETTINGS:
            path.write_bytes(path.read_bytes().replace(before, after))


def _sums(payload: bytes, before: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The checksums that S3 keeps of objects that name the addresses, each with what it is afterwards: clients compare
    them with what they get."""
    from moto.s3.utils import compute_checksum

    backends, _ = pickling.read(io.BytesIO(payload))[0]
    for (_, service, _), backend in backends.items():
        if service != "s3":
            continue
        for bucket in backend.buckets.values():
            for _, versions in bucket.keys.iterlists():
                for held in versions:
                    body = getattr(held, "value", None)
                    if not body or before not in body:
                        continue
                    moved = body.replace(before, after)
                    yield _md5(body), _md5(moved)
                    if held.checksum_value and held.checksum_algorithm:
                        new = compute_checksum(moved, held.checksum_algorithm)
                        yield _encoded(held.checksum_value), _encoded(new)


def _md5(body: bytes) -> bytes:
    return hashlib.md5(body, usedforsecurity=False).hexdigest().encode()


def _encoded(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()
