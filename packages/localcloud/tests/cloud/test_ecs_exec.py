"""Sessions into tasks: commands really run where the task runs, over Session Manager's own protocol."""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.services.ecs import session_messages as messages
from localcloud.services.ecs import sessions
from localcloud.services.ecs.session_channel import Channel
from localcloud.services.ecs.sessions import Sessions
from support.ecs_cluster import WAITER, EcsCluster, create_cluster
from support.running_cloud import cloud_at
from support.session_client import Frame, SessionClient, SessionRefused, key_maker, target_of
from support.waiting import eventually

pytestmark = pytest.mark.cloud

ENVIRONMENT = [{"name": "GREETING", "value": "good morning"}]


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel waits some seconds for its client; both are of this process, which a busy machine may hold up."""
    for wait in ("OPEN_SECONDS", "HANDSHAKE_SECONDS", "DRAIN_SECONDS"):
        monkeypatch.setattr(sessions, wait, 60.0)


@pytest.fixture(scope="module")
def cluster(
    shared_cloud: Cloud, shared_aws: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> EcsCluster:
    return create_cluster(shared_cloud, shared_aws, tmp_path_factory.mktemp("apps"))


@pytest.fixture(scope="module")
def task(cluster: EcsCluster) -> Iterator[str]:
    """A running task that may be looked into."""
    arn = start(cluster)
    yield arn
    cluster.ecs.stop_task(cluster="rehearsal", task=arn)


def start(cluster: EcsCluster, **more: Any) -> str:
    image = cluster.repository + ":waiter"
    if not cluster.aws("ecr").list_images(repositoryName="tiny")["imageIds"]:
        image = cluster.push("waiter", WAITER)
    definition = cluster.register("waiter", image, environment=ENVIRONMENT)
    arn = cluster.run(definition, **{"enableExecuteCommand": True, **more})
    eventually("the task runs", lambda: cluster.task(arn)["lastStatus"] == "RUNNING")
    return arn


def ask(cluster: EcsCluster, /, task: str, command: str, **more: Any) -> dict[str, Any]:
    provided = {"cluster": "rehearsal", "task": task, "interactive": True, **more}
    return dict(cluster.ecs.execute_command(command=command, **provided))


def session(
    cluster: EcsCluster, task: str, command: str, copies: Callable[[Frame], int] = lambda _: 1
) -> SessionClient:
    return SessionClient(ask(cluster, task, command)["session"], copies)


def run(cluster: EcsCluster, task: str, command: str) -> str:
    """All output of a command that ends by itself."""
    with session(cluster, task, command).begin() as client:
        assert client.end() == ""
        return client.output


def left_of(supervisor: Supervisor, name: str) -> list[str]:
    """What still runs of a session."""
    return [process.name for process in supervisor.running() if process.name == name]


def test_a_command_runs_where_the_task_runs_and_its_end_closes_the_channel(cluster: EcsCluster, task: str) -> None:
    answer = ask(cluster, task, "sh -c 'echo $GREETING; pwd; echo at $HOST; tty'")
    described = cluster.task(task)
    assert answer["taskArn"] == task
    assert answer["containerName"] == "app"
    assert answer["containerArn"] == described["containers"][0]["containerArn"]
    assert answer["clusterArn"] == described["clusterArn"]
    assert answer["session"]["sessionId"].startswith("ecs-execute-command-")
    with SessionClient(answer["session"]).begin() as client:
        assert client.end() == ""
        greeting, folder, address, terminal = client.output.splitlines()
    assert greeting == "good morning"
    assert folder.endswith("rootfs")
    assert address == f"at {cluster.real_address(described)}"
    assert terminal.startswith("/dev/pts/")
    assert client.received[0].kind == "start_publication"
    assert client.received[-1].kind == "channel_closed"


def test_a_command_is_words_and_no_shell(cluster: EcsCluster, task: str) -> None:
    """As on Fargate, whose agent starts the words as they are."""
    assert run(cluster, task, "echo 'two  spaces' && echo $GREETING") == "two  spaces && echo $GREETING\r\n"


def test_an_interactive_shell_keeps_its_state(cluster: EcsCluster, task: str) -> None:
    with session(cluster, task, "/bin/bash").begin() as client:
        client.type("cd /usr/share; kept=by-the-shell\n")
        client.type("echo state: $kept in $PWD; jobs; set -o | grep monitor\r")
        client.read_until("state: by-the-shell in /usr/share")
        client.read_until("monitor        \ton")  # a controlling terminal, so that Ctrl-C and job control work
        client.type("sh -c 'echo begun-$((1 + 1)); exec sleep 600'\n")
        client.read_until("begun-2")
        client.type("\x03")
        client.type("echo after=$?\n")
        client.read_until("after=130")
        client.type("echo history-in-[$HISTFILE]\n")
        client.read_until("history-in-[]")  # a task's home is the machine's root
        client.type("exit\n")
        assert client.end() == ""


def test_large_output_arrives_whole_and_in_order(cluster: EcsCluster, task: str) -> None:
    with session(cluster, task, "seq 1 60000").begin() as client:
        assert client.end(60) == ""
        assert client.output.split() == [str(number) for number in range(1, 60001)]
    streamed = [frame for frame in client.received if frame.kind == "output_stream_data"]
    assert len({frame.sequence for frame in streamed}) > 300
    assert max(len(frame.payload) for frame in streamed) <= 1024


def test_lost_and_doubled_frames_change_nothing(cluster: EcsCluster, task: str) -> None:
    chance = random.Random(20)

    def copies(frame: Frame) -> int:
        return 1 if frame.kind in ("channel_closed", "start_publication") else chance.choice((0, 1, 1, 1, 2))

    command = "sh -c 'stty -echo; echo ready; while read line; do echo $line; done; seq 5000 5400; echo over'"
    typed = [f"line {number}" for number in range(20)]
    with session(cluster, task, command, copies).begin() as client:
        client.read_until("ready")
        for line in typed:
            client.type(f"{line}\n")
        client.type("\x04")  # the end of what is typed
        seen = client.read_until("over").splitlines()
        client.end()
    assert seen == ["ready", *typed, *(str(number) for number in range(5000, 5401)), "over"]


def test_the_terminal_has_the_size_that_the_client_says(cluster: EcsCluster, task: str) -> None:
    with session(cluster, task, "/bin/bash").begin() as client:
        client.resize(132, 43)
        client.type("stty size\n")
        client.read_until("43 132")
        client.type("trap 'echo now $(stty size)' WINCH\n")
        client.type("echo trap $((40 + 2))\n")
        client.read_until("trap 42")
        client.resize(90, 20)
        client.type("\n")
        client.read_until("now 20 90")
        client.type("exit\n")
        client.end()


def test_a_paused_client_gets_what_it_missed(cluster: EcsCluster, task: str, tmp_path: Path) -> None:
    with session(cluster, task, "/bin/sh").begin() as client:
        client.pause(True)
        client.type("seq 7000 7010; echo all-$((2 + 2))\n")
        for number in range(3):  # the shell is long past that output
            client.type(f"touch {tmp_path}/{number}\n")
            eventually("the shell has run the command", (tmp_path / str(number)).exists)
        assert "all-4" not in client.output
        client.pause(False)
        client.read_until("all-4")
        client.terminate()
        assert client.end() == ""


def test_what_is_typed_into_a_busy_command_does_not_stop_its_output(cluster: EcsCluster, task: str) -> None:
    """The terminal takes only a few kilobytes that nobody reads."""
    with session(cluster, task, "sh -c 'stty raw -echo; sleep 1; seq 1 2000; echo finished'").begin() as client:
        for _ in range(100):
            client.type("x" * 1000)
        client.read_until("finished")
        assert client.end() == ""


def test_stopping_the_task_closes_the_channel_and_ends_what_ran_in_it(cluster: EcsCluster) -> None:
    arn = start(cluster)
    answer = ask(cluster, arn, "/bin/bash")
    with SessionClient(answer["session"]).begin() as client:
        client.type("(trap '' TERM HUP; exec sleep 611) & echo child $!.\n")
        child = _child(client)
        cluster.ecs.stop_task(cluster="rehearsal", task=arn)
        assert client.end() == "The container has stopped."
    eventually("the child has ended", lambda: not Path(f"/proc/{child}").exists())
    eventually(
        "no process of the session is left",
        lambda: not left_of(cluster.cloud.part(Supervisor), answer["session"]["sessionId"]),
    )
    cluster.stopped(arn)
    with pytest.raises(ClientError) as refused:
        ask(cluster, arn, "/bin/bash")
    assert refused.value.response["Error"]["Code"] == "TargetNotConnectedException"


def test_a_client_that_goes_away_leaves_no_process(cluster: EcsCluster, task: str) -> None:
    answer = ask(cluster, task, "/bin/bash")
    with SessionClient(answer["session"]).begin() as client:
        client.type("nohup sleep 612 >/dev/null 2>&1 & echo child $!.\n")
        child = _child(client)
    supervisor = cluster.cloud.part(Supervisor)
    eventually("no process of the session is left", lambda: not left_of(supervisor, answer["session"]["sessionId"]))
    eventually("the child has ended", lambda: not Path(f"/proc/{child}").exists())


def _child(client: SessionClient) -> int:
    """The number that the shell printed as ``child 123.`` (the echo of what was typed has no number)."""

    def look() -> list[str]:
        return [line[6:-1] for line in client.output.split("\r\n") if line.startswith("child ") and line.endswith(".")]

    return int(eventually("the shell prints the child's id", look)[0])


def test_a_token_opens_its_own_session_once_and_not_for_long(cluster: EcsCluster, task: str) -> None:
    first, second = (ask(cluster, task, "echo once")["session"] for _ in range(2))
    for wrong in ({**first, "tokenValue": "nonsense"}, {**first, "tokenValue": second["tokenValue"]}):
        with SessionClient(wrong) as client, pytest.raises(SessionRefused, match="token is not valid"):
            client.begin()
    with SessionClient(first).begin() as client:  # wrong ones have not used it up
        client.end()
        assert client.output == "once\r\n"
    with SessionClient(first) as client, pytest.raises(SessionRefused, match="token is not valid"):
        client.begin()

    part = cluster.cloud.part(Sessions)
    before, part.token_seconds = part.token_seconds, 0.05
    try:
        brief = ask(cluster, task, "echo late")["session"]
    finally:
        part.token_seconds = before
    time.sleep(0.1)  # what is tested is that time passes
    with SessionClient(brief) as client, pytest.raises(SessionRefused, match="has expired"):
        client.begin()


def test_a_command_that_cannot_be_started_says_so(cluster: EcsCluster, task: str) -> None:
    for command, reason in (
        ("no-such-program --now", '"no-such-program": executable file not found in $PATH'),
        ("/bin/no-such-shell", "fork/exec /bin/no-such-shell: no such file or directory"),
    ):
        with session(cluster, task, command).begin() as client:
            assert reason in client.end()


def test_wrong_requests_are_refused_as_by_ecs(cluster: EcsCluster, task: str, shared_cloud: Cloud) -> None:
    closed = start(cluster, enableExecuteCommand=False)
    expected: list[tuple[dict[str, Any], str, str]] = [
        ({"cluster": "nowhere"}, "ClusterNotFoundException", "Cluster not found."),
        ({"task": "0" * 32}, "InvalidParameterException", "The referenced task was not found."),
        ({"container": "sidecar"}, "InvalidParameterException", "Container sidecar was not found in the task."),
        ({"interactive": False}, "InvalidParameterException", "Interactive is the only mode supported currently."),
        ({"command": " "}, "InvalidParameterException", "Command cannot be empty."),
        ({"command": "echo 'open"}, "InvalidParameterException", "Command cannot be parsed: No closing quotation."),
        ({"task": closed}, "InvalidParameterException", "execute command was not enabled when the task was run"),
    ]
    for change, code, message in expected:
        with pytest.raises(ClientError) as refused:
            ask(cluster, **{"task": task, "command": "/bin/sh", **change})
        error = refused.value.response["Error"]
        assert (error["Code"], message in error["Message"]) == (code, True), error
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    cluster.ecs.stop_task(cluster="rehearsal", task=closed)


def test_a_container_must_be_named_where_there_are_several(cluster: EcsCluster, task: str) -> None:
    image = f"{cluster.repository}:waiter"
    definition = cluster.ecs.register_task_definition(
        family="pair",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        executionRoleArn=f"arn:aws:iam::{cluster.cloud.settings.account}:role/execution",
        containerDefinitions=[
            {"name": name, "image": image, "stopTimeout": 2, "environment": [{"name": "ME", "value": name}]}
            for name in ("app", "sidecar")
        ],
    )["taskDefinition"]["taskDefinitionArn"]
    arn = cluster.run(definition, enableExecuteCommand=True)
    eventually("the task runs", lambda: cluster.task(arn)["lastStatus"] == "RUNNING")
    with pytest.raises(ClientError, match="a container name must be specified") as refused:
        ask(cluster, arn, "/bin/sh")
    assert refused.value.response["Error"]["Code"] == "InvalidParameterException"
    with SessionClient(ask(cluster, arn, "printenv ME", container="sidecar")["session"]).begin() as client:
        client.end()
        assert client.output == "sidecar\r\n"
    cluster.ecs.stop_task(cluster="rehearsal", task=arn)


def test_a_session_is_recorded_where_the_cluster_wants_it(cluster: EcsCluster, task: str) -> None:
    logs = cluster.aws("logs")
    logs.create_log_group(logGroupName="/ecs/sessions")
    recorded = {"logging": "OVERRIDE", "logConfiguration": {"cloudWatchLogGroupName": "/ecs/sessions"}}
    cluster.ecs.update_cluster(cluster="rehearsal", configuration={"executeCommandConfiguration": recorded})
    try:
        answer = ask(cluster, task, "/bin/sh")["session"]
        with SessionClient(answer).begin() as client:
            client.type("echo secret-$((6 * 7)); exit\n")
            client.end()
    finally:
        plain = {"executeCommandConfiguration": {"logging": "NONE"}}
        cluster.ecs.update_cluster(cluster="rehearsal", configuration=plain)
    event = logs.get_log_events(logGroupName="/ecs/sessions", logStreamName=answer["sessionId"])["events"][0]
    assert event["message"] == client.output
    assert "secret-42" in event["message"]


def test_who_may_not_execute_is_denied(cluster: EcsCluster, task: str) -> None:
    iam = cluster.aws("iam")
    iam.create_user(UserName="reader")
    policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecs:Describe*", "Resource": "*"}}
    iam.put_user_policy(UserName="reader", PolicyName="reads", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = cluster.aws("ecs", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    with pytest.raises(ClientError, match="not authorized to perform: ecs:ExecuteCommand") as refused:
        reader.execute_command(cluster="rehearsal", task=task, command="/bin/sh", interactive=True)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"


def test_the_clients_that_the_runbook_calls_are_there(cluster: EcsCluster, task: str) -> None:
    with socket.create_server((cluster.cloud.settings.address, 0)) as server:
        address, port = server.getsockname()
        assert "succeeded" in run(cluster, task, f"nc -zv {address} {port}")
        assert "succeeded" in run(cluster, task, f"nc -zv -w 5 {address} {port}")
    assert "refused" in run(cluster, task, f"nc -zv {address} {port}")
    assert "psql (PostgreSQL)" in run(cluster, task, "psql --version")
    assert "Could not connect to Redis" in run(cluster, task, f"redis-cli -h {address} -p {port} --tls ping")


def test_the_database_is_reached_as_the_runbook_writes_it(cluster: EcsCluster, task: str) -> None:
    rds = cluster.aws("rds")
    rds.create_db_subnet_group(DBSubnetGroupName="shop", DBSubnetGroupDescription="d", SubnetIds=cluster.subnets)
    rds.create_db_instance(
        DBInstanceIdentifier="shop",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        EngineVersion="17",
        AllocatedStorage=20,
        DBName="shop",
        MasterUsername="keeper",
        MasterUserPassword="long-enough-word",
        DBSubnetGroupName="shop",
        VpcSecurityGroupIds=[cluster.group],
    )

    def endpoint() -> str:
        database = rds.describe_db_instances(DBInstanceIdentifier="shop")["DBInstances"][0]
        return str(database["Endpoint"]["Address"]) if database["DBInstanceStatus"] == "available" else ""

    address = eventually("the database is available", endpoint, 120)
    assert "succeeded" in run(cluster, task, f"nc -zv {address} 5432")
    with session(cluster, task, f"psql -h {address} -U keeper -d shop").begin() as client:
        client.read_until("Password for user keeper:")  # psql asks the terminal itself
        client.type("long-enough-word\n")
        client.read_until("shop=> ")
        client.type("SELECT 'sum ' || (40 + 2);\n")
        client.read_until("sum 42")
        assert "long-enough-word" not in client.output
        client.type("\\q\n")
        assert client.end() == ""


def test_the_aws_cli_opens_a_session_with_a_plugin(cluster: EcsCluster, task: str, tmp_path: Path) -> None:
    """The CLI hands everything to session-manager-plugin; a stand-in for it gets what the real one would get."""
    plugin = tmp_path / "session-manager-plugin"
    support = Path(__file__).resolve().parents[4] / "tests"
    plugin.write_text(
        f"#!{sys.executable}\nimport json, sys\nsys.path.insert(0, {str(support)!r})\n"
        "from support.session_client import SessionClient\n"
        "if len(sys.argv) > 1:\n"
        "    assert sys.argv[3] == 'StartSession' and json.loads(sys.argv[5])['Target'].startswith('ecs:rehearsal_')\n"
        "    with SessionClient(json.loads(sys.argv[1])).begin() as client:\n"
        "        client.end()\n"
        "        print(client.output, end='')\n"
    )
    plugin.chmod(0o755)
    keys = cluster.ecs._request_signer._credentials
    environment = {
        "PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        "AWS_REGION": cluster.cloud.settings.region,
        "AWS_DEFAULT_REGION": cluster.cloud.settings.region,
        "AWS_ENDPOINT_URL": cluster.cloud.settings.endpoint,
        "HOME": str(tmp_path),
    }
    words = ["aws", "ecs", "execute-command", "--cluster", "rehearsal", "--task", task, "--container", "app"]
    done = subprocess.run(
        [*words, "--command", "printenv GREETING", "--interactive"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "good morning"), done.stderr


def test_the_cloud_going_down_ends_its_sessions(tmp_path: Path, clients_of: Callable[[Cloud], Any]) -> None:
    with cloud_at(tmp_path / "state") as cloud:
        cluster = create_cluster(cloud, clients_of(cloud), tmp_path / "apps")
        arn = start(cluster)
        client = SessionClient(ask(cluster, arn, "/bin/bash")["session"])
        client.begin().type("nohup sleep 613 >/dev/null 2>&1 & echo child $!.\n")
        child = _child(client)
        unused = ask(cluster, arn, "/bin/bash")["session"]
    eventually("the child has ended", lambda: not Path(f"/proc/{child}").exists())
    client.close()
    with pytest.raises(ConnectionRefusedError):
        SessionClient(unused)


# -- the protocol itself


frames = st.builds(
    messages.Message,
    kind=st.sampled_from((messages.INPUT, messages.OUTPUT, messages.ACKNOWLEDGE, messages.CHANNEL_CLOSED)),
    payload=st.binary(max_size=2000),
    payload_type=st.integers(0, 12),
    sequence=st.integers(0, 2**62),
    flags=st.integers(0, 3),
    id=st.uuids(),
)


@given(frames)
def test_frames_are_read_as_they_were_written(message: messages.Message) -> None:
    assert messages.decode(messages.encode(message)) == message
    seen = Frame.unpacked(messages.encode(message))
    assert (seen.kind, seen.sequence, seen.payload_type, seen.payload, seen.identity) == (
        message.kind,
        message.sequence,
        message.payload_type,
        message.payload,
        message.id,
    )


@given(frames, st.data())
def test_a_damaged_frame_is_no_frame(message: messages.Message, data: st.DataObject) -> None:
    whole = messages.encode(message)
    with pytest.raises(messages.BadFrame):
        messages.decode(whole[: data.draw(st.integers(0, len(whole) - 1))])
    if message.payload:
        place = data.draw(st.integers(len(whole) - len(message.payload), len(whole) - 1))
        with pytest.raises(messages.BadFrame):
            messages.decode(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


@settings(deadline=None)
@given(sent=st.lists(st.binary(min_size=1, max_size=20), max_size=40), seed=st.integers(0, 2**32))
def test_a_bad_line_delivers_each_message_once_and_in_order(sent: list[bytes], seed: int) -> None:
    chance = random.Random(seed)
    now = [0.0]
    line: list[tuple[Channel, bytes]] = []

    def to(side: int) -> Callable[[bytes], None]:
        return lambda frame: line.extend([(sides[side], frame)] * chance.choice((0, 1, 1, 2)))

    sides = [
        Channel(to(1), sends=messages.OUTPUT, receives=messages.INPUT, clock=lambda: now[0]),
        Channel(to(0), sends=messages.INPUT, receives=messages.OUTPUT, clock=lambda: now[0]),
    ]
    for payload in sent:
        sides[0].put(messages.PayloadType.OUTPUT, payload)
    got: list[bytes] = []
    for _ in range(2000):
        if sides[0].drained(0):
            break
        while line:
            receiver, frame = line.pop(chance.randrange(len(line)))
            got += [message.payload for message in receiver.receive(messages.decode(frame))]
        now[0] += 1
        sides[0].resend()
    assert sides[0].drained(0)
    assert got == sent


# -- ports, keys, an agent that is gone


def test_ports_are_reached_from_inside_the_task_side_by_side(cluster: EcsCluster, task: str) -> None:
    ssm, target = cluster.aws("ssm"), target_of(cluster.ecs, "rehearsal", task, "app")
    with socket.create_server((cluster.cloud.settings.address, 0)) as server:
        address, port = server.getsockname()
        answer = ssm.start_session(
            Target=target,
            DocumentName="AWS-StartPortForwardingSessionToRemoteHost",
            Parameters={"host": [address], "portNumber": [str(port)], "localPortNumber": ["0"]},
        )
        session = {"streamUrl": answer["StreamUrl"], "tokenValue": answer["TokenValue"]}
        with SessionClient(session).begin() as client:
            streams = {3: b"three", 5: b"five"}
            for number in streams:
                client.send(1, struct.pack("<BBHI", 1, 0, 0, number))
            taken = [server.accept()[0] for _ in streams]
            for number, said in streams.items():
                client.send(1, struct.pack("<BBHI", 1, 2, len(said), number) + said)
            heard = {connection.recv(100) for connection in taken}
            assert heard == set(streams.values())
            for connection in taken:
                connection.sendall(b"answer")
                connection.close()
            client.read_until("answer\x01\x01")
            client.terminate()
            client.end()
    for wrong in ({"Target": target[:-1]}, {"Target": "i-0123456789abcdef0"}):
        given = {"DocumentName": "AWS-StartPortForwardingSession", "Parameters": {"portNumber": ["80"]}, **wrong}
        with pytest.raises(ClientError) as refused:
            ssm.start_session(**given)
        assert refused.value.response["Error"]["Code"] == "TargetNotConnected"


def test_a_session_is_encrypted_with_the_clusters_key(cluster: EcsCluster, task: str) -> None:
    kms = cluster.aws("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    wanted = {"executeCommandConfiguration": {"kmsKeyId": key, "logging": "NONE"}}
    cluster.ecs.update_cluster(cluster="rehearsal", configuration=wanted)
    try:
        granted = ask(cluster, task, "sh -c 'read word; echo secret-$word'")["session"]
        target = target_of(cluster.ecs, "rehearsal", task, "app")
        make_key = key_maker(kms, granted["sessionId"], target)
        with SessionClient(granted, make_key=make_key).begin() as client:
            client.type("word\n")
            assert "secret-word" in client.read_until("secret-word")
            client.end()
            assert not any(b"secret-word" in frame.payload for frame in client.received)
        for other in (None, key_maker(kms, "another-session", target)):
            granted = ask(cluster, task, "echo no")["session"]
            with SessionClient(granted, make_key=other) as client, pytest.raises(SessionRefused, match="key"):
                client.begin()
    finally:
        plain = {"executeCommandConfiguration": {"logging": "NONE"}}
        cluster.ecs.update_cluster(cluster="rehearsal", configuration=plain)


def test_a_role_without_the_agents_rights_keeps_the_door_closed(cluster: EcsCluster, task: str) -> None:
    iam = cluster.aws("iam")
    role = iam.create_role(RoleName="mute", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    arn = start(cluster, overrides={"taskRoleArn": role})
    with pytest.raises(ClientError) as refused:
        ask(cluster, arn, "true")
    assert refused.value.response["Error"]["Code"] == "TargetNotConnectedException"
    allowed = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ssmmessages:*", "Resource": "*"}}
    iam.put_role_policy(RoleName="mute", PolicyName="channels", PolicyDocument=json.dumps(allowed))
    with SessionClient(ask(cluster, arn, "echo open")["session"]).begin() as client:
        assert client.read_until("open")
    cluster.ecs.stop_task(cluster="rehearsal", task=arn)
