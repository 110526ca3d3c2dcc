"""What a client left in databases, caches and load balancers is there after down and up, and after a kill -9."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cloud.conftest import clients
from localcloud.core import addresses, network
from localcloud.core.cloud import Cloud
from localcloud.core.processes import Supervisor, read_entry
from support.data_layer import Cache, Database
from support.running_cloud import cloud_at, running_cloud
from support.waiting import eventually

pytestmark = pytest.mark.cloud


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def balancer(cloud: Cloud, aws: Callable[..., Any]) -> tuple[str, str, str]:
    """A load balancer with one registered address: its host, its target group and that address."""
    elb, ec2 = aws("elbv2"), aws("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    made = elb.create_load_balancer(Name="web", Subnets=[subnet["SubnetId"]])["LoadBalancers"][0]
    group = elb.create_target_group(
        Name="web", Protocol="HTTP", Port=8000, VpcId=subnet["VpcId"], TargetType="ip", HealthCheckIntervalSeconds=5,
        HealthCheckTimeoutSeconds=2,
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    elb.create_listener(
        LoadBalancerArn=made["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    with cloud.lock:
        address = network.allocate(cloud, subnet["SubnetId"], [], "app").address
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": address}])
    return made["DNSName"], group, address


def answers(cloud: Cloud, host: str) -> bool:
    connection = http.client.HTTPConnection(host, cloud.settings.real_port(80), timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_down_and_up_keep_data_addresses_and_endpoints(tmp_path: Path) -> None:
    state = tmp_path / "state"
    # It keeps its addresses while it is down: another process could take them.
    with cloud_at(state) as cloud:
        aws = clients(cloud)
        database, cache = Database(cloud, aws), Cache(cloud, aws, "shop", 2)
        host, group, address = balancer(cloud, aws)
        app = ThreadingHTTPServer((cloud.settings.real_address(address), 8000), Healthy)
        app.daemon_threads = True
        threading.Thread(target=app.serve_forever, daemon=True).start()
        eventually("the balancer answers", lambda: answers(cloud, host), 90)
        database.ask("CREATE TABLE kept (x int); INSERT INTO kept VALUES (42)")
        with cache.connect() as client:
            client.set("coin", "BTC")
        before = database.shown(), cache.shown()
        password = database.password()
        ours = cloud.part(Supervisor).running()
        assert len(ours) >= 6
    try:
        assert [process for process in ours if process.poll() is None] == []
        with cloud_at(state) as cloud:
            database.cloud = cache.cloud = cloud
            aws = clients(cloud)
            database.aws = cache.aws = aws
            database.rds, cache.elasticache = aws("rds"), aws("elasticache")
            assert database.ask("SELECT x FROM kept") == 42  # at once: the start has waited for the server
            assert database.password() == password
            with cache.connect() as client:
                assert client.get("coin") == "BTC"
            after = database.shown(), cache.shown()
            for was, now in zip(before, after, strict=True):
                for moving in ("LatestRestorableTime", "EnabledCloudwatchLogsExports"):
                    was.pop(moving, None)
                    now.pop(moving, None)
                assert now == was
            eventually("the balancer answers", lambda: answers(cloud, host), 90)
            shown = aws("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
            assert shown[0]["Target"]["Id"] == address
    finally:
        app.shutdown()
        app.server_close()
        addresses.release(cloud.settings.state)


PROGRAM = """
import pathlib, sys, time
sys.path[:0] = ["tests", "packages/localcloud/tests"]
from cloud.conftest import clients
from support.running_cloud import running_cloud
from support.data_layer import Cache, Database
with running_cloud(pathlib.Path(sys.argv[1])) as cloud:
    aws = clients(cloud)
    database, cache = Database(cloud, aws), Cache(cloud, aws, "shop", 1)
    database.ask("CREATE TABLE kept (x int); INSERT INTO kept VALUES (42)")
    from localcloud.core.snapshot import Snapshots
    cloud.part(Snapshots).save(cloud)
    from localcloud.core.processes import Supervisor
    print(" ".join(str(process.pid) for process in cloud.part(Supervisor).running()), flush=True)
    time.sleep(300)
"""


def test_a_killed_cloud_comes_back_with_its_data_and_leaves_no_process(tmp_path: Path) -> None:
    state = tmp_path / "state"
    root = Path(__file__).parents[4]
    run = subprocess.Popen([sys.executable, "-c", PROGRAM, str(state)], cwd=root, stdout=subprocess.PIPE, text=True)
    try:
        assert run.stdout is not None
        orphans = [int(word) for word in run.stdout.readline().split()]
        assert len(orphans) == 6  # PostgreSQL, its TLS, Valkey, HAProxy, the gates, the exchange
    finally:
        run.kill()
        run.wait()
        if run.stdout is not None:
            run.stdout.close()
    started = {pid: entry.started_at for pid in orphans if (entry := read_entry(pid))}
    assert len(started) >= 5  # they survive the kill; the gates go when nobody answers them
    with running_cloud(state) as cloud:
        for pid, moment in started.items():
            entry = read_entry(pid)
            assert entry is None or entry.zombie or entry.started_at != moment
        aws = clients(cloud)
        database = Database.__new__(Database)
        database.cloud, database.aws, database.rds, database.name = cloud, aws, aws("rds"), "shop"
        assert database.shown()["DBInstanceStatus"] == "available"
        assert database.ask("SELECT x FROM kept") == 42
        cache = Cache.__new__(Cache)
        cache.cloud, cache.aws, cache.name, cache.elasticache = cloud, aws, "shop", aws("elasticache")
        with cache.connect() as client:
            assert client.ping() is True
