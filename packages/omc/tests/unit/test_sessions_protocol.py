"""The data channel as Session Manager's own plugin has it: bytes, acknowledgements, sending again, keys, multiplexing.

Cases whose values come from the plugin's tests (aws/session-manager-plugin 1.2.650) name the test.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shlex
import subprocess
import threading
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.services.ecs import session_messages as agent
from localcloud.services.ecs.session_channel import Channel as AgentChannel
from localcloud.services.ecs.session_keys import Keys
from omc.sessions import frames, smux
from omc.sessions.channel import FIRST_TIMEOUT, GIVE_UP, WINDOW, Channel
from omc.sessions.encryption import NotEncrypted, new_encryption
from omc.sessions.forwarding import is_multiplexed
from omc.sessions.frames import BadFrame, Frame, PayloadType
from omc.sessions.wrapping import END_OF_INPUT, Marks, input_lines, wrapped

ID = uuid.UUID("dd01e56b-ff48-483e-a508-b5f073f31b16")
CREATED = 1503434274948
MARK = "omc-0123456789abcdef"


# -- bytes


def test_a_message_is_laid_out_as_in_the_plugins_test() -> None:
    """messageparser_test.go, TestSerializeAndDeserializeClientMessage: its values, at clientmessage.go's offsets."""
    data = frames.encode(Frame("input_stream_data", b"payload", 0, 1, 2, ID, CREATED))
    assert data[:4] == (116).to_bytes(4, "big")
    assert data[4:36] == b"input_stream_data".ljust(32)
    assert data[36:40] == (1).to_bytes(4, "big")
    assert data[40:48] == CREATED.to_bytes(8, "big")
    assert data[48:56] == (1).to_bytes(8, "big")
    assert data[56:64] == (2).to_bytes(8, "big")
    assert data[64:80] == bytes.fromhex("a508b5f073f31b16dd01e56bff48483e")  # the lower half comes first
    assert data[80:112] == hashlib.sha256(b"payload").digest()
    assert data[112:116] == bytes(4)
    assert data[116:120] == (7).to_bytes(4, "big")
    assert data[120:] == b"payload"
    assert frames.decode(data) == Frame("input_stream_data", b"payload", 0, 1, 2, ID, CREATED)


def test_an_acknowledgement_says_what_the_plugins_does() -> None:
    """TestSerializeAndDeserializeClientMessageWithAcknowledgeContent; its flags are 3."""
    made = frames.acknowledgement(Frame("output_stream_data", b"", 1, 2, id=ID))
    assert (made.kind, made.flags) == ("acknowledge", 3)
    assert json.loads(made.payload) == {
        "AcknowledgedMessageType": "output_stream_data",
        "AcknowledgedMessageId": str(ID),
        "AcknowledgedMessageSequenceNumber": 2,
        "IsSequentialMessage": True,
    }


@pytest.mark.parametrize(
    "damaged",
    [
        lambda data: data[:100],
        lambda data: data[:-1],
        lambda data: data[:-1] + b"D",
        lambda data: bytes(4) + data[4:],
        lambda data: data[:40] + bytes(8) + data[48:],
        lambda data: data[:4] + b" " * 32 + data[36:],
    ],
    ids=["short", "cut", "another payload", "no length", "no time", "no kind"],
)
def test_a_message_that_the_plugin_would_not_validate_is_none(damaged: Callable[[bytes], bytes]) -> None:
    """clientmessage.go, Validate."""
    with pytest.raises(BadFrame):
        frames.decode(damaged(frames.encode(Frame("output_stream_data", b"payload", 1))))


@given(st.binary(max_size=2000), st.integers(0, 12), st.integers(0, 2**62), st.uuids())
def test_both_sides_read_each_others_messages(payload: bytes, kind: int, sequence: int, identity: uuid.UUID) -> None:
    ours = Frame("input_stream_data", payload, kind, sequence, id=identity)
    read = agent.decode(frames.encode(ours))
    assert (read.kind, read.payload, read.payload_type, read.sequence, read.id) == (
        *("input_stream_data", payload, kind, sequence),
        identity,
    )
    theirs = frames.decode(agent.encode(agent.Message("output_stream_data", payload, kind, sequence, id=identity)))
    assert (theirs.payload, theirs.sequence, theirs.id) == (payload, sequence, identity)


# -- streams


def test_the_time_after_which_is_sent_again_follows_the_round_trip() -> None:
    """streaming_test.go, TestCalculateRetransmissionTimeout: a round trip of 140 ms makes it 145 ms."""
    now = [0.0]
    channel = Channel(lambda _: None, lambda: now[0])
    assert channel.timeout == FIRST_TIMEOUT == 0.2
    channel.send(PayloadType.OUTPUT, b"x")
    now[0] = 0.14
    channel.receive(acknowledged(0))
    assert channel.timeout == pytest.approx(0.145)


def acknowledged(number: int) -> Frame:
    return Frame(frames.ACKNOWLEDGE, json.dumps({"AcknowledgedMessageSequenceNumber": number}).encode())


def test_what_is_not_acknowledged_is_sent_again_until_it_is() -> None:
    sent: list[Frame] = []
    now = [0.0]
    channel = Channel(lambda data: sent.append(frames.decode(data)), lambda: now[0])
    channel.send(PayloadType.OUTPUT, b"first")
    channel.send(PayloadType.OUTPUT, b"second")
    now[0] = 0.3
    assert channel.resend()
    assert [each.payload for each in sent] == [b"first", b"second"] * 2
    channel.receive(acknowledged(0))
    now[0] = 2.0
    channel.resend()
    assert [each.payload for each in sent[4:]] == [b"second"]
    channel.receive(acknowledged(1))
    now[0] = 9.0
    assert channel.resend()
    assert len(sent) == 5
    assert channel.drained(0)


def test_another_side_that_says_nothing_for_a_minute_is_gone() -> None:
    now = [0.0]
    channel = Channel(lambda _: None, lambda: now[0])
    now[0] = 500.0
    assert channel.resend()  # nobody had to say anything
    channel.send(PayloadType.OUTPUT, b"x")
    now[0] += GIVE_UP
    assert channel.resend()
    now[0] += 1
    assert not channel.resend()


def test_a_pause_holds_what_is_sent_and_a_full_window_holds_whoever_sends() -> None:
    sent: list[bytes] = []
    channel = Channel(sent.append)
    channel.receive(Frame(frames.PAUSE_PUBLICATION))
    for _ in range(WINDOW):
        assert channel.send(PayloadType.OUTPUT, b"x")
    assert sent == []
    assert not channel.send(PayloadType.OUTPUT, b"x", timeout=0)
    channel.receive(Frame(frames.START_PUBLICATION))
    channel.receive(acknowledged(0))
    assert channel.send(PayloadType.OUTPUT, b"x", timeout=0)
    channel.close()
    assert not channel.send(PayloadType.OUTPUT, b"x")


@given(
    there=st.lists(st.binary(min_size=1, max_size=9), max_size=30),
    back=st.lists(st.binary(min_size=1, max_size=9), max_size=30),
    seed=st.integers(0, 2**32),
)
def test_a_bad_line_to_the_agent_delivers_each_message_once_and_in_order(
    there: list[bytes], back: list[bytes], seed: int
) -> None:
    chance, now = random.Random(seed), [0.0]
    line: list[tuple[bool, bytes]] = []

    def to(agents: bool) -> Callable[[bytes], None]:
        return lambda data: line.extend([(agents, data)] * chance.choice((0, 1, 1, 2)))

    ours = Channel(to(True), lambda: now[0])
    theirs = AgentChannel(to(False), sends=agent.OUTPUT, receives=agent.INPUT, clock=lambda: now[0])
    for payload in there:
        ours.send(PayloadType.OUTPUT, payload)
    for payload in back:
        theirs.put(agent.PayloadType.OUTPUT, payload)
    arrived: list[bytes] = []
    returned: list[bytes] = []
    for _ in range(3000):
        if ours.drained(0) and theirs.drained(0):
            break
        while line:
            is_agents, data = line.pop(chance.randrange(len(line)))
            if is_agents:
                arrived += [each.payload for each in theirs.receive(agent.decode(data))]
            else:
                returned += [each.payload for each in ours.receive(frames.decode(data))]
        now[0] += 1
        ours.resend()
        theirs.resend()
    assert (arrived, returned) == (there, back)


# -- keys


class Kms:
    """As KMS answers GenerateDataKey."""

    def __init__(self) -> None:
        self.key = bytes(range(64))
        self.asked: dict[str, str] = {}

    def make(self, key: str, context: dict[str, str]) -> tuple[bytes, bytes]:
        self.asked = {"key": key, **context}
        return self.key, b"wrapped"


def test_each_direction_has_its_half_of_the_data_key() -> None:
    """encrypter.go: the agent encrypts with the first half, the client with the second; the nonce comes first."""
    kms = Kms()
    made = new_encryption(kms.make, "alias/sessions", "ecs-execute-command-1", "ecs:shop_1_1-2")
    assert kms.asked == {
        "key": "alias/sessions",
        "aws:ssm:SessionId": "ecs-execute-command-1",
        "aws:ssm:TargetId": "ecs:shop_1_1-2",
    }
    theirs = Keys(kms.key[:32], kms.key[32:])
    assert theirs.decrypt(made.encrypt(b"typed")) == b"typed"
    assert made.decrypt(theirs.encrypt(b"shown")) == b"shown"
    assert len(made.encrypt(b"typed")) == 12 + 5 + 16
    with pytest.raises(NotEncrypted):
        made.decrypt(made.encrypt(b"its own"))
    assert "bytes" not in repr(made).replace("wrapped", "")


# -- multiplexing


def test_smux_is_laid_out_as_its_first_version() -> None:
    """xtaci/smux frame.go: version, command, length and stream, the last two little-endian; headers of eight bytes."""
    assert smux.Item(smux.Command.OPEN, 3).encode() == bytes.fromhex("01 00 0000 03000000")
    assert smux.Item(smux.Command.DATA, 259, b"ab").encode() == bytes.fromhex("01 02 0200 03010000") + b"ab"
    assert smux.Item(smux.Command.CLOSE, 3).encode() == bytes.fromhex("01 01 0000 03000000")


@given(st.lists(st.tuples(st.integers(3, 2**31), st.binary(max_size=70_000)), max_size=5), st.integers(1, 5000))
def test_connections_share_a_stream_and_come_apart_again(said: list[tuple[int, bytes]], step: int) -> None:
    sent = b"".join(item.encode() for stream, data in said for item in smux.data_items(stream, data))
    reader = smux.Reader()
    found = [item for begin in range(0, len(sent), step) for item in reader.take(sent[begin : begin + step])]
    assert all(len(item.data) <= smux.MOST_DATA for item in found)
    for stream in {stream for stream, _ in said}:
        whole = b"".join(data for each, data in said if each == stream)
        assert b"".join(item.data for item in found if item.stream == stream) == whole


def test_what_is_no_smux_is_refused() -> None:
    for data in (b"\x02\x00\x00\x00\x03\x00\x00\x00", b"HTTP/1.1 400 Bad", b"\x01\x04\x00\x00\x03\x00\x00\x00"):
        with pytest.raises(smux.BadStream):
            smux.Reader().take(data)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("3.0.196.0", False),
        ("3.0.195.9", False),
        ("3.0.196.1", True),
        ("3.3.40.0", True),
        ("2.3.722.0", False),
        ("", True),
    ],
)
def test_agents_newer_than_one_version_multiplex(version: str, expected: bool) -> None:
    """versionvalidator_test.go: the version itself doesn't yet."""
    assert is_multiplexed(version) is expected


# -- what is really run


def ran(command: list[str], given_: bytes | None = None, *, has_terminal: bool = False) -> tuple[bytes, int | None]:
    """What comes back of a command that is run as ECS Exec does: its words taken apart, in a terminal of its own."""
    line = wrapped(command, MARK, has_terminal=has_terminal, has_input=given_ is not None)
    main, other = os.openpty()
    child = subprocess.Popen(shlex.split(line), stdin=other, stdout=other, stderr=other, start_new_session=True)
    os.close(other)
    marks, output, writer = Marks(MARK), b"", None
    try:
        while data := os.read(main, 1024):
            output += marks.take(data)
            if given_ is not None and marks.is_ready and writer is None:
                lines = b"".join(input_lines(given_)) + END_OF_INPUT
                writer = threading.Thread(target=write, args=(main, lines), daemon=True)
                writer.start()
    except OSError:  # the last process has closed it
        pass
    child.wait(30)
    if writer is not None:
        writer.join(10)
    os.close(main)
    return output + marks.rest(), marks.exit_code


def write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def test_the_exit_code_and_the_output_come_back() -> None:
    assert ran(["sh", "-c", "echo 'it''s'; echo two >&2; exit 7"]) == (b"its\ntwo\n", 7)
    assert ran(["sh", "-c", "[ -t 1 ] || printf 'no\\tterminal\\n'"]) == (b"no\tterminal\n", 0)
    assert ran(["sh", "-c", "test -t 0 && test -t 1; exit $?"], has_terminal=True) == (b"", 0)
    assert ran(["sh", "-c", "printf x; exit 3"], has_terminal=True) == (b"x", 3)
    assert ran(["cat"]) == (b"", 0)  # nothing to read, and not this terminal either
    assert ran(["no-such-program"])[1] == 127


def test_any_bytes_pass_both_ways() -> None:
    given_ = bytes(range(256)) * 300 + b"\x03\x04\x1c\x1a\n"
    assert ran(["cat"], given_) == (given_, 0)
    assert ran(["wc", "-c"], b"")[0].strip() == b"0"
    assert ran(["head", "-c", "3"], b"abcdef" * 5000) == (b"abc", 0)


@given(st.binary(max_size=300), st.integers(0, 255), st.integers(1, 40))
def test_the_mark_is_found_wherever_it_is_cut(output: bytes, code: int, step: int) -> None:
    sent = output + b"\x1e" + MARK.encode() + b":" + str(code).encode() + b"\x1e"
    marks = Marks(MARK)
    found = b"".join(marks.take(sent[begin : begin + step]) for begin in range(0, len(sent), step)) + marks.rest()
    assert (found, marks.exit_code) == (output, code)


def test_what_only_looks_like_a_mark_is_output() -> None:
    marks = Marks(MARK)
    text = b"a\x1eb\x1e" + MARK[:5].encode() + b"\x1e"
    assert marks.take(text) + marks.rest() == text
    assert marks.exit_code is None
