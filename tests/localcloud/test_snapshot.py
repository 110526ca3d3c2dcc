"""What is kept over a stop, a kill and a damaged file."""

from __future__ import annotations

import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest

from localcloud import assemble
from localcloud.core import addresses
from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor
from localcloud.core.snapshot import FILE, PREVIOUS, SnapshotError, Snapshots
from localcloud.front.identity import Identity
from localcloud.front.server import Server
from localcloud.front.trusted import SERVICES


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

    def stop(self) -> None:
        assemble.stop(self.cloud, self.server)
        assemble.forget(self.cloud)

    def kill(self) -> None:
        """As near to kill -9 as one process can: no last snapshot."""
        self.cloud.part(Snapshots).save = lambda cloud: None  # type: ignore[method-assign]
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
    deadline = time.monotonic() + within
    while life.cloud.changed.is_set() or life.cloud.part(Snapshots).status()["writing"]:
        assert time.monotonic() < deadline, "no snapshot was written"
        time.sleep(0.02)


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
        return time.monotonic() - began < 5

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


def test_what_cannot_be_saved_fails_loudly_and_is_not_forgotten(life: Life) -> None:
    with life.cloud.lock:
        life.cloud.moto("sqs").odd = (number for number in range(3))
    with pytest.raises((TypeError, pickle.PicklingError), match="generator"):
        life.cloud.part(Snapshots).save(life.cloud)
    assert life.cloud.changed.is_set()
    with pytest.raises((TypeError, pickle.PicklingError), match="generator"):
        life.stop()
    assert life.cloud.stopping.is_set()
    assert life.cloud.part(Supervisor).running() == []
    life.cloud.join(60)
    assert [thread.name for thread in life.cloud._threads if thread.is_alive()] == []
    assemble.forget(life.cloud)


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
