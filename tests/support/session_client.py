"""A client of Session Manager's data channel, enough for ECS Exec: it types, resizes, reads and waits for the end.

Written from the protocol and not from localcloud's side of it, so that each checks the other. ``copies`` decides how
often a frame really passes (0: lost, 2: doubled), in both directions: a bad line for tests.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import struct
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

HEADER = struct.Struct(">I32sIQqQ16s32sII")
OUTPUT, SIZE, HANDSHAKE_REQUEST, HANDSHAKE_RESPONSE, HANDSHAKE_COMPLETE, FLAG = 1, 3, 5, 6, 7, 10
CHALLENGE, CHALLENGE_RESPONSE = 8, 9
MakeKey = Callable[[str], tuple[bytes, bytes]]
"""Gives, for a key of KMS, a data key of 64 bytes and the same as KMS encrypted it."""


def key_maker(kms: Any, session: str, target: str) -> MakeKey:
    """Data keys by KMS for one session, as the plugin asks for them."""

    def make(key: str) -> tuple[bytes, bytes]:
        context = {"aws:ssm:SessionId": session, "aws:ssm:TargetId": target}
        made = kms.generate_data_key(KeyId=key, NumberOfBytes=64, EncryptionContext=context)
        return made["Plaintext"], made["CiphertextBlob"]

    return make


def target_of(ecs: Any, cluster: str, task: str, container: str) -> str:
    """A container as Session Manager names it."""
    found = ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"][0]
    runtime = next(each["runtimeId"] for each in found["containers"] if each["name"] == container)
    return f"ecs:{cluster}_{found['taskArn'].rpartition('/')[2]}_{runtime}"


class SessionRefused(Exception):
    """The session never began; the message is the service's reason."""


@dataclass(frozen=True, slots=True)
class Frame:
    kind: str
    sequence: int
    payload_type: int
    payload: bytes
    identity: uuid.UUID = field(default_factory=uuid.uuid4)

    def packed(self) -> bytes:
        high, low = self.identity.bytes[:8], self.identity.bytes[8:]
        return (
            HEADER.pack(
                116,
                self.kind.encode().ljust(32),
                1,
                int(time.time() * 1000),
                self.sequence,
                0 if self.kind == "input_stream_data" else 3,
                low + high,
                hashlib.sha256(self.payload).digest(),
                self.payload_type,
                len(self.payload),
            )
            + self.payload
        )

    @classmethod
    def unpacked(cls, data: bytes) -> Frame:
        header, kind, version, _, sequence, _, identity, digest, payload_type, size = HEADER.unpack_from(data)
        payload = data[HEADER.size :]
        assert (header, version, size) == (116, 1, len(payload))
        assert not payload or digest == hashlib.sha256(payload).digest()
        identity = uuid.UUID(bytes=identity[8:] + identity[:8])
        return cls(kind.decode().strip(), sequence, payload_type, payload, identity)


class SessionClient:
    """One session, from ``ExecuteCommand``'s answer. A context manager: leaving it closes the connection."""

    def __init__(
        self,
        session: Mapping[str, str],
        copies: Callable[[Frame], int] = lambda _: 1,
        make_key: MakeKey | None = None,
    ) -> None:
        self._make_key = make_key
        self._data_key = b""
        self.closed_with: str | None = None
        """``Output`` of channel_closed: empty where the command just ended. ``None`` until then."""
        self.refusal = ""
        self.received: list[Frame] = []
        """Every frame that came in, for tests that look at the protocol itself."""
        self._copies = copies
        self._output = bytearray()
        self._changed = threading.Condition(threading.RLock())
        self._sequence = 0
        self._unacknowledged: dict[int, tuple[Frame, float]] = {}
        self._expected = 0
        self._early: dict[int, Frame] = {}
        self._ready = False
        self._gone = False
        self._stack = ExitStack()
        self._connection = self._stack.enter_context(
            connect(session["streamUrl"], compression=None, open_timeout=60, close_timeout=1)
        )
        opening = {
            "MessageSchemaVersion": "1.0",
            "RequestId": str(uuid.uuid4()),
            "TokenValue": session["tokenValue"],
            "ClientId": str(uuid.uuid4()),
            "ClientVersion": "1.2.707.0",
        }
        self._connection.send(json.dumps(opening))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._stack.close()
        self._thread.join(5)

    # -- what a person does ---------------------------------------------------------------------------------------

    def begin(self, timeout: float = 60.0) -> Self:
        """Wait for the handshake; raises ``SessionRefused`` where there is none."""
        self._wait(lambda: self._ready or self._gone, timeout, "no handshake")
        if not self._ready:
            raise SessionRefused(self.refusal or self.closed_with or "the connection was closed")
        return self

    def type(self, text: str) -> None:
        self.send(OUTPUT, self._encrypt(text.encode()))

    def resize(self, columns: int, rows: int) -> None:
        self.send(SIZE, json.dumps({"cols": columns, "rows": rows}).encode())

    def terminate(self) -> None:
        self.send(FLAG, (2).to_bytes(4, "big"))

    def pause(self, paused: bool) -> None:
        self._transmit(Frame("pause_publication" if paused else "start_publication", 0, 0, b""))

    @property
    def output(self) -> str:
        with self._changed:
            return self._output.decode(errors="replace")

    def read_until(self, text: str, timeout: float = 60.0) -> str:
        """All output so far, once ``text`` is in it; what comes later is read by later calls from the start too."""
        self._wait(lambda: text in self.output or self._gone, timeout, f"no {text!r}")
        assert text in self.output, f"closed with {self.closed_with!r} before {text!r} in {self.output[-500:]!r}"
        return self.output

    def end(self, timeout: float = 60.0) -> str:
        """The reason with which the channel was closed, once it was."""
        self._wait(lambda: self._gone, timeout, "the channel stays open")
        assert self.closed_with is not None, f"the connection ended without channel_closed: {self.refusal}"
        return self.closed_with

    def _wait(self, true: Callable[[], bool], timeout: float, otherwise: str) -> None:
        with self._changed:
            assert self._changed.wait_for(true, timeout), (
                f"{otherwise} after {timeout} s; output {self.output[-500:]!r}"
            )

    # -- the protocol ---------------------------------------------------------------------------------------------

    def send(self, payload_type: int, payload: bytes) -> None:
        with self._changed:
            frame = Frame("input_stream_data", self._sequence, payload_type, payload)
            self._sequence += 1
            self._unacknowledged[frame.sequence] = frame, time.monotonic()
            self._transmit(frame)

    def _transmit(self, frame: Frame) -> None:
        for _ in range(self._copies(frame)):
            self._connection.send(frame.packed())

    def _listen(self) -> None:
        try:
            while True:
                try:
                    data = self._connection.recv(timeout=0.05)
                except TimeoutError:
                    data = None
                with self._changed:
                    if isinstance(data, bytes):
                        frame = Frame.unpacked(data)
                        for _ in range(self._copies(frame)):
                            self._take(frame)
                        self._changed.notify_all()
                    self._resend()
        except ConnectionClosed as closed:
            self.refusal = closed.rcvd.reason if closed.rcvd else ""
        finally:
            with self._changed:
                self._gone = True
                self._changed.notify_all()

    def _resend(self) -> None:
        now = time.monotonic()
        for sequence, (frame, sent) in list(self._unacknowledged.items()):
            if now - sent > 0.2:
                self._unacknowledged[sequence] = frame, now
                self._transmit(frame)

    def _take(self, frame: Frame) -> None:
        self.received.append(frame)
        if frame.kind == "acknowledge":
            self._unacknowledged.pop(json.loads(frame.payload)["AcknowledgedMessageSequenceNumber"], None)
        elif frame.kind == "channel_closed":
            self.closed_with = json.loads(frame.payload)["Output"]
        elif frame.kind == "output_stream_data":
            self._early.setdefault(frame.sequence, frame)
            self._transmit(Frame("acknowledge", 0, 0, json.dumps(self._acknowledgement(frame)).encode()))
            while self._expected in self._early:
                self._process(self._early.pop(self._expected))
                self._expected += 1
            self._early = {number: early for number, early in self._early.items() if number > self._expected}

    @staticmethod
    def _acknowledgement(frame: Frame) -> dict[str, Any]:
        return {
            "AcknowledgedMessageType": frame.kind,
            "AcknowledgedMessageId": str(frame.identity),
            "AcknowledgedMessageSequenceNumber": frame.sequence,
            "IsSequentialMessage": True,
        }

    def _process(self, frame: Frame) -> None:
        if frame.payload_type == HANDSHAKE_REQUEST:
            actions = [
                {"ActionType": each["ActionType"], "ActionStatus": 1, "ActionResult": self._act(each), "Error": ""}
                for each in json.loads(frame.payload)["RequestedClientActions"]
            ]
            response = {"ClientVersion": "1.2.707.0", "ProcessedClientActions": actions, "Errors": None}
            self.send(HANDSHAKE_RESPONSE, json.dumps(response).encode())
        elif frame.payload_type == HANDSHAKE_COMPLETE:
            self._ready = True
        elif frame.payload_type == CHALLENGE:
            met = self._encrypt(self._decrypt(base64.b64decode(json.loads(frame.payload)["Challenge"])))
            self.send(CHALLENGE_RESPONSE, json.dumps({"Challenge": base64.b64encode(met).decode()}).encode())
        elif frame.payload_type == OUTPUT:
            self._output += self._decrypt(frame.payload)

    def _act(self, action: dict[str, Any]) -> dict[str, str] | None:
        """Have a key made where the agent wants one."""
        if action["ActionType"] != "KMSEncryption" or self._make_key is None:
            return None
        self._data_key, wrapped = self._make_key(action["ActionParameters"]["KMSKeyId"])
        return {"KMSCipherTextKey": base64.b64encode(wrapped).decode()}

    def _encrypt(self, data: bytes) -> bytes:
        if not self._data_key:
            return data
        nonce = os.urandom(12)
        return nonce + AESGCM(self._data_key[32:]).encrypt(nonce, data, None)

    def _decrypt(self, data: bytes) -> bytes:
        return AESGCM(self._data_key[:32]).decrypt(data[:12], data[12:], None) if self._data_key else data
