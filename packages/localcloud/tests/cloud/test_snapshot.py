"""What is kept over a stop, a kill and a damaged file."""

from __future__ import annotations

import contextvars
import errno
import json
import os
import queue
import selectors
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import types
import weakref
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import assemble
from localcloud.core import addresses
from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.core.snapshot import FILE, PREVIOUS, SnapshotError, Snapshots
from localcloud.front.identity import Identity
from localcloud.front.server import Server
from localcloud.front.trusted import SERVICES
from support.waiting import eventually


class Life:
    """A cloud that can be stopped, killed and started again on one state folder, inside the test process."""

    def __init__(self, state: Path, clients_of: Any) -> None:
        state.mkdir()
        self.clients_of = clients_of
        self.home = addresses.create(state)
        self.cloud: Cloud
        self.server: Server
        self.start()

    def start(self) -> None:
        self.cloud = assemble.assemble(self.home.settings, self.home.access_key_id, self.home.secret_access_key)
        self.server = assemble.start(self.cloud)
        self.aws: Any = self.clients_of(self.cloud)

    def stop(self) -> dict[str, str]:
        unsaved = assemble.stop(self.cloud, self.server)
        assemble.forget(self.cloud)
        return unsaved

    def kill(self) -> None:
        """As near to kill -9 as one process can: no last snapshot."""
        self.cloud.part(Snapshots).save = lambda cloud: None  # type: ignore[method-assign]  # none is written
        self.stop()


@pytest.fixture
def life(tmp_path: Path, clients_of: Any) -> Any:
    made = Life(tmp_path / "state", clients_of)
    yield made
    if not made.cloud.stopping.is_set():
        made.stop()
    addresses.release(made.home.settings.state)


def saved(life: Life, within: float = 60.0) -> None:
    """Wait until the snapshot loop wrote what was changed."""
    cloud = life.cloud
    eventually(
        "a snapshot is written",
        lambda: not (cloud.changed.is_set() or cloud.part(Snapshots).status()["writing"]),
        within,
        every=0.05,
    )


def test_everything_is_there_after_a_restart(life: Life) -> None:
    s3, iam, ec2 = life.aws("s3"), life.aws("iam"), life.aws("ec2")
    s3.create_bucket(Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
    s3.put_object(Bucket="kept", Key="state.json", Body=b"x" * 100_000)
    iam.create_role(RoleName="kept", AssumeRolePolicyDocument="{}")
    policy = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
    iam.attach_role_policy(RoleName="kept", PolicyArn=policy)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    key = life.aws("kms").create_key()["KeyMetadata"]["KeyId"]
    secret = life.aws("secretsmanager").create_secret(Name="kept", SecretString="s")["ARN"]
    sealed = life.aws("kms").encrypt(KeyId=key, Plaintext=b"hello")["CiphertextBlob"]
    life.stop()
    life.start()
    assert life.aws("s3").get_object(Bucket="kept", Key="state.json")["Body"].read() == b"x" * 100_000
    attached = life.aws("iam").list_attached_role_policies(RoleName="kept")["AttachedPolicies"]
    assert [entry["PolicyArn"] for entry in attached] == [policy]
    assert vpc in [found["VpcId"] for found in life.aws("ec2").describe_vpcs()["Vpcs"]]
    assert life.aws("kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"hello"
    assert life.aws("secretsmanager").get_secret_value(SecretId=secret)["SecretString"] == "s"


def test_a_kill_costs_at_most_about_a_second(life: Life) -> None:
    made: list[str] = []

    def in_time() -> bool:
        made.append(f"before-the-kill-{len(made)}")
        life.aws("sqs").create_queue(QueueName=made[-1])
        began = time.monotonic()
        saved(life)
        return time.monotonic() - began < 30

    # A slow one counts only where the next ones are slow too: the disk may be busy with other things.
    assert any(in_time() for _ in range(5))
    life.kill()
    life.start()
    assert sorted(url.rsplit("/", 1)[1] for url in life.aws("sqs").list_queues()["QueueUrls"]) == made


def test_a_read_writes_nothing(life: Life) -> None:
    saved(life)
    file = life.home.settings.state / FILE
    life.aws("sqs").create_queue(QueueName="q")
    saved(life)
    written = file.stat().st_mtime_ns
    life.aws("sqs").list_queues()
    assert not life.cloud.changed.is_set()
    assert file.stat().st_mtime_ns == written


def test_every_service_can_be_saved_and_taken_back(life: Life) -> None:
    """A backend that can't be pickled must fail here, not at a user's next start."""
    for service, trust in SERVICES.items():
        if trust.package:
            region = "aws" if service in ("iam", "s3", "s3control", "sts", "route53", "budgets") else None
            with life.cloud.lock:
                life.cloud.moto(service, region)
    life.stop()
    life.start()
    with life.cloud.lock:
        assert life.cloud.moto("ssm").describe_parameters("", {}) is not None


def test_objects_of_one_service_that_another_holds_stay_the_same_object(life: Life) -> None:
    life.aws("ec2").create_security_group(GroupName="shared", Description="d")
    life.stop()
    life.start()
    with life.cloud.lock:
        backend = life.cloud.moto("ec2")
        subnet = next(iter(next(iter(backend.subnets.values())).values()))
        assert subnet.ec2_backend is backend


def test_a_damaged_snapshot_falls_back_to_the_one_before(life: Life) -> None:
    life.aws("sqs").create_queue(QueueName="first")
    life.cloud.part(Snapshots).save(life.cloud)
    life.aws("sqs").create_queue(QueueName="second")
    life.stop()
    file = life.home.settings.state / FILE
    file.write_bytes(file.read_bytes()[:-10])
    assert (life.home.settings.state / PREVIOUS).exists()
    life.start()
    assert "first" in life.aws("sqs").list_queues()["QueueUrls"][0]


def test_a_snapshot_of_another_version_says_so(life: Life) -> None:
    life.aws("sqs").create_queue(QueueName="q")
    life.stop()
    file = life.home.settings.state / FILE
    header, _, payload = file.read_bytes().partition(b"\n")
    file.write_bytes(json.dumps({**json.loads(header), "moto": "1.0"}).encode() + b"\n" + payload)
    with pytest.raises(SnapshotError, match=r"another version.*`reset`"):
        life.start()


def _local_class() -> Any:
    class Local:
        """No module has it, so that no reader could find it."""

    return Local()


class _Refusing:
    def __reduce__(self) -> Any:
        raise RuntimeError("this one refuses")


async def _coroutine() -> None:
    pass


async def _paged() -> Any:
    yield


def _nested(depth: int) -> Any:
    held: Any = []
    for _ in range(depth):
        held = [held]
    return held


UNSAVABLE: dict[str, Callable[[], Any]] = {
    "generator": lambda: (number for number in range(3)),
    "file": Path(__file__).open,
    "binary file": lambda: Path(__file__).open("rb"),  # noqa: SIM115 — it is to stay open
    "temporary file": tempfile.TemporaryFile,
    "directory iterator": lambda: os.scandir("."),
    "socket": socket.socket,
    "selector": selectors.DefaultSelector,
    "thread": lambda: threading.Thread(target=print),
    "queue": queue.SimpleQueue,
    "pool": lambda: ThreadPoolExecutor(1),
    "module": lambda: json,
    "database connection": lambda: sqlite3.connect(":memory:"),
    "class in a function": _local_class,
    "weak reference": lambda: weakref.ref(threading.Event),
    "memory view": lambda: memoryview(b"x"),
    "mapping proxy": lambda: types.MappingProxyType({}),
    "frame": sys._getframe,
    "traceback": lambda: types.TracebackType(None, sys._getframe(), 0, 1),
    "code": lambda: compile("1", "x", "eval"),
    "asynchronous generator": _paged,
    "context": contextvars.copy_context,
    "endless depth": lambda: _nested(100_000),
    "its own refusal": _Refusing,
    "function that holds a file": lambda: (lambda held: lambda: held)(socket.socket()),
    "process": lambda: subprocess.Popen(["true"]),
}
"""Things that mean nothing to another process."""


@pytest.mark.parametrize("kind", UNSAVABLE)
@pytest.mark.parametrize("service", ["sqs", "ec2"])
def test_what_cannot_be_saved_is_named_and_costs_nobody_else_anything(
    shared_cloud: Cloud, shared_aws: Any, kind: str, service: str
) -> None:
    snapshots, backend = shared_cloud.part(Snapshots), shared_cloud.moto(service)
    name = f"{kind} in {service}".replace(" ", "-")
    snapshots.save(shared_cloud)
    assert snapshots.problems == {}
    thing = UNSAVABLE[kind]()
    with shared_cloud.lock:
        backend.odd = {"deep": [thing]}
    try:
        shared_aws("sns").create_topic(Name=name)
        snapshots.save(shared_cloud)
        ((unit, why),) = snapshots.problems.items()
        assert unit == f"{service} (ap-southeast-2)"
        assert why.endswith("its last good copy is kept")
        assert not shared_cloud.changed.is_set(), "the rest would be written again and again"
        assert name.encode() in (shared_cloud.settings.state / FILE).read_bytes()
    finally:
        with shared_cloud.lock:
            del backend.odd
        if isinstance(thing, subprocess.Popen):
            thing.wait()
        snapshots.save(shared_cloud)
    assert snapshots.problems == {}


@pytest.mark.parametrize("kind", ["lock", "reentrant lock", "lambda", "closure", "unfetched page", "import of a table"])
def test_what_only_looks_unsavable_is_saved(shared_cloud: Cloud, kind: str) -> None:
    from moto.dynamodb.models.table_import import TableImport

    table = TableImport("1", {"S3Bucket": "none"}, "ap-southeast-2", "t", "x", None, [], None, [], None)
    table.start()
    table.join(60)
    things: dict[str, tuple[str, Any]] = {
        "lock": ("odd", threading.Lock()),
        "reentrant lock": ("odd", threading.RLock()),
        "lambda": ("odd", defaultdict(lambda: 1)),
        "closure": ("odd", (lambda held: lambda: held)([1])),
        "unfetched page": ("_pages", {"token": {"gen": (number for number in range(3)), "misc": 1}}),
        "import of a table": ("odd", table),
    }
    name, thing = things[kind]
    backend = shared_cloud.moto("resourcegroupstaggingapi")
    with shared_cloud.lock:
        before = dict(vars(backend))
        setattr(backend, name, thing)
    try:
        shared_cloud.part(Snapshots).save(shared_cloud)
    finally:
        with shared_cloud.lock:
            vars(backend).clear()
            vars(backend).update(before)
    assert shared_cloud.part(Snapshots).problems == {}


def test_a_page_that_nobody_fetches_loses_nothing(life: Life) -> None:
    """The read that once ended all saving."""
    for number in range(3):
        life.aws("sqs").create_queue(QueueName=f"tagged-{number}", tags={"a": "b"})
    tagging = life.aws("resourcegroupstaggingapi")
    page = tagging.get_resources(ResourcesPerPage=1)
    assert page["PaginationToken"]
    life.aws("sqs").create_queue(QueueName="after")
    assert life.stop() == {}
    life.start()
    assert "after" in str(life.aws("sqs").list_queues()["QueueUrls"])
    with pytest.raises(ClientError, match="PaginationTokenExpiredException"):
        life.aws("resourcegroupstaggingapi").get_resources(PaginationToken=page["PaginationToken"])


def test_the_last_good_copy_comes_back_beside_all_that_came_after(life: Life) -> None:
    life.aws("ec2").create_security_group(GroupName="good", Description="d")
    life.aws("sqs").create_queue(QueueName="good")
    saved(life)
    with life.cloud.lock:
        life.cloud.moto("ec2").odd = socket.socket()
    life.aws("sqs").create_queue(QueueName="later")
    saved(life)
    life.aws("sqs").create_queue(QueueName="last")
    unsaved = life.stop()
    assert list(unsaved) == ["ec2 (ap-southeast-2)"]
    assert life.cloud.part(Supervisor).running() == []
    life.cloud.join(60)
    assert [thread.name for thread in life.cloud._threads if thread.is_alive()] == []
    life.start()
    names = sorted(url.rsplit("/", 1)[1] for url in life.aws("sqs").list_queues()["QueueUrls"])
    assert names == ["good", "last", "later"]
    assert "good" in str(life.aws("ec2").describe_security_groups()["SecurityGroups"])
    with life.cloud.lock:
        backend = life.cloud.moto("ec2")
        assert not hasattr(backend, "odd")
        assert next(iter(next(iter(backend.subnets.values())).values())).ec2_backend is backend
        assert life.cloud.moto("elbv2").ec2_backend is backend
    assert life.stop() == {}


def test_a_component_that_cannot_say_its_state_is_named_too(life: Life) -> None:
    from localcloud.services.cloudwatch import Metrics

    life.aws("cloudwatch").put_metric_alarm(
        AlarmName="kept", Namespace="N", MetricName="M", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    saved(life)
    alarms = life.cloud.part(Metrics)
    for broken in (lambda: 1 / 0, lambda: (number for number in range(3))):
        alarms.dump = broken  # type: ignore[method-assign]  # a part whose state can't be written down
        life.cloud.part(Snapshots).save(life.cloud)
        assert list(life.cloud.part(Snapshots).problems) == [alarms.name]
    life.stop()
    life.start()
    assert [alarm["AlarmName"] for alarm in life.aws("cloudwatch").describe_alarms()["MetricAlarms"]] == ["kept"]


def test_the_call_that_leaves_something_unsavable_is_told_so(
    shared_cloud: Cloud, shared_aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.sns.models import SNSBackend

    backend = shared_cloud.moto("sns")
    true = SNSBackend.list_topics

    def leaving(self: Any, *more: Any, **named: Any) -> Any:
        self.odd = (number for number in range(3))
        return true(self, *more, **named)

    monkeypatch.setattr(SNSBackend, "list_topics", leaving)
    try:
        with pytest.raises(ClientError) as caught:
            shared_aws("sns").list_topics()
        assert caught.value.response["Error"]["Code"] == "InternalFailure"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert "can't be saved" in caught.value.response["Error"]["Message"]
        shared_aws("sns").create_topic(Name="the-next-call-did-nothing-wrong")
    finally:
        with shared_cloud.lock:
            del backend.odd


def test_a_full_disk_is_a_problem_of_the_whole_state(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshots = life.cloud.part(Snapshots)

    def full(payload: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(snapshots, "_write", full)
    with pytest.raises(OSError, match="No space"):
        snapshots.save(life.cloud)
    assert life.cloud.changed.is_set()
    assert "No space left" in life.stop()["the whole state"]


def test_the_lock_is_held_only_briefly(life: Life) -> None:
    """200 objects of the stack's usual kinds; the goal is 100 ms for the whole staging stack on an idle machine."""
    iam = life.aws("iam")
    for number in range(200):
        iam.create_role(RoleName=f"role-{number}", AssumeRolePolicyDocument="{}")
    snapshots = life.cloud.part(Snapshots)

    def is_brief() -> bool:
        snapshots.save(life.cloud)
        return snapshots.held_lock < 0.1

    assert any(is_brief() for _ in range(30))


def test_two_clouds_stand_side_by_side(life: Life, tmp_path: Path) -> None:
    other = Life(tmp_path / "other", life.clients_of)
    try:
        assert other.cloud.settings.endpoint != life.cloud.settings.endpoint
        assert other.cloud.settings.account != life.cloud.settings.account
        life.aws("sqs").create_queue(QueueName="mine")
        assert "QueueUrls" not in other.aws("sqs").list_queues()
        assert other.cloud.part(Identity).access_key_id != life.cloud.part(Identity).access_key_id
    finally:
        other.stop()
        addresses.release(other.home.settings.state)
