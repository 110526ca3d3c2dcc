"""Faulty releases to a tiny service, and the API outside of AWS that hangs: combined, refused, kept up."""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localcloud.backends import certificates
from localcloud.core import addresses
from localcloud.core.cloud import Cloud
from localcloud.core.registry import AwsError
from localcloud.faults.component import StackFaults
from localcloud.services import outside_api
from support.ecs_cluster import WAITER, EcsCluster, create_cluster
from support.running_cloud import cloud_at
from support.waiting import eventually

pytestmark = pytest.mark.cloud


@pytest.fixture
def cluster(cloud: Cloud, aws: Callable[..., Any], tmp_path: Path) -> EcsCluster:
    return create_cluster(cloud, aws, tmp_path / "apps")


def test_one_release_on_another_is_put_back_in_the_reverse_order_only(cluster: EcsCluster) -> None:
    first = cluster.register("tiny", cluster.push("good", WAITER))
    cluster.create_service("tiny", first)
    cluster.steady("tiny")
    faults = cluster.cloud.part(StackFaults)
    faults.begin("bad-environment-variable", {"service": "tiny", "variable": "GREETING", "value": "mud"})
    second = cluster.service("tiny")["taskDefinition"]
    faults.begin("slow-start", {"service": "tiny", "seconds": "1"})
    third = cluster.service("tiny")["taskDefinition"]
    assert len({first, second, third}) == 3
    container = cluster.ecs.describe_task_definition(taskDefinition=third)["taskDefinition"]["containerDefinitions"][0]
    assert {"name": "GREETING", "value": "mud"} in container["environment"]
    with pytest.raises(AwsError, match="stop slow-start first"):
        faults.end("bad-environment-variable")
    assert cluster.service("tiny")["taskDefinition"] == third
    assert faults.end("slow-start")
    assert cluster.service("tiny")["taskDefinition"] == second
    assert faults.end("bad-environment-variable")
    assert cluster.service("tiny")["taskDefinition"] == first
    assert faults.status() == {"in_force": {}}


def test_what_somebody_deployed_meanwhile_stays(cluster: EcsCluster) -> None:
    image = cluster.push("good", WAITER)
    cluster.create_service("tiny", cluster.register("tiny", image))
    faults = cluster.cloud.part(StackFaults)
    faults.begin("missing-image", {"service": "tiny"})
    fixed = cluster.register("tiny", image, environment=[{"name": "FIXED", "value": "yes"}])
    cluster.ecs.update_service(cluster="rehearsal", service="tiny", taskDefinition=fixed)
    assert faults.end("missing-image")
    assert cluster.service("tiny")["taskDefinition"] == fixed


def test_a_release_that_cannot_be_made_leaves_nothing_behind(cluster: EcsCluster) -> None:
    first = cluster.register("tiny", cluster.push("good", WAITER))
    cluster.create_service("tiny", first)
    faults = cluster.cloud.part(StackFaults)
    for name, settings, words in (
        ("wrong-secret", {}, "gets no secret 'password'. It gets: none"),
        ("bad-environment-variable", {}, "no environment variable with a number"),
        ("crash-on-start", {"service": "other"}, "There is no ECS service 'other'. There are tiny"),
    ):
        with pytest.raises(AwsError, match=words):
            faults.begin(name, settings)
    iam = cluster.aws("iam")
    iam.put_role_policy(
        RoleName="AWSReservedSSO_Developer_5f1c0ffee0123456",
        PolicyName="frozen",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Deny", "Action": "ecs:UpdateService", "Resource": "*"}],
            }
        ),
    )
    with pytest.raises(AwsError, match=r"Nothing was released to tiny: AccessDeniedException: .*developer"):
        faults.begin("crash-on-start", {"service": "tiny"})
    assert cluster.service("tiny")["taskDefinition"] == first
    assert cluster.ecs.list_task_definitions(familyPrefix="tiny")["taskDefinitionArns"] == [first]
    assert faults.status() == {"in_force": {}}


def test_an_image_for_another_processor_says_so_and_ends(cluster: EcsCluster) -> None:
    cluster.create_service("tiny", cluster.register("tiny", cluster.push("good", WAITER)))
    cluster.steady("tiny")
    faults = cluster.cloud.part(StackFaults)
    faults.begin("wrong-processor", {"service": "tiny"})
    released = cluster.service("tiny")["taskDefinition"]

    def failed() -> list[str]:
        arns = cluster.ecs.list_tasks(cluster="rehearsal", desiredStatus="STOPPED")["taskArns"]
        tasks = cluster.ecs.describe_tasks(cluster="rehearsal", tasks=arns)["tasks"] if arns else []
        return [each["taskArn"] for each in tasks if each["taskDefinitionArn"] == released and "stoppedAt" in each]

    eventually("a task of it has ended", failed)
    task = cluster.task(failed()[0])
    assert (task["stopCode"], task["containers"][0]["exitCode"]) == ("EssentialContainerExited", 1)
    eventually("its line is in the log", lambda: "exec python: exec format error" in cluster.log_lines(failed()[0]))
    faults.end("wrong-processor")


def test_aws_retires_tasks_in_its_own_words_and_others_come(cluster: EcsCluster) -> None:
    cluster.create_service("tiny", cluster.register("tiny", cluster.push("good", WAITER)))
    cluster.steady("tiny")
    [arn] = cluster.ecs.list_tasks(cluster="rehearsal", serviceName="tiny")["taskArns"]
    cluster.cloud.part(StackFaults).begin("task-retirement", {"service": "tiny"})
    task = cluster.stopped(arn)
    assert (task["stopCode"], task["stoppedReason"]) == (
        "TerminationNotice",
        "ECS is performing maintenance on the underlying infrastructure hosting the task.",
    )
    cluster.steady("tiny")
    assert cluster.ecs.list_tasks(cluster="rehearsal", serviceName="tiny")["taskArns"] != [arn]


def asked(cloud: Cloud, timeout: float) -> bytes:
    context = ssl.create_default_context(cafile=certificates.bundle(cloud.settings.state))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(f"{outside_api.url(cloud.settings)}/v1/anything", timeout=timeout) as answer:
        payload: bytes = answer.read()
        return payload


def answers(cloud: Cloud) -> bool:
    try:
        return b'"/v1/anything"' in asked(cloud, 1.0)
    except OSError:
        return False


def test_the_api_outside_hangs_again_after_the_cloud_was_down(tmp_path: Path) -> None:
    with cloud_at(tmp_path / "state") as cloud:
        eventually("the API outside answers", lambda: answers(cloud))
        cloud.part(StackFaults).begin("dependency-timeout", {})
        assert not answers(cloud)
    with cloud_at(tmp_path / "state") as cloud:
        eventually("the API outside is to hang", lambda: cloud.part(outside_api.OutsideApi).behaviour().mode == "hang")
        eventually("the API outside runs", lambda: cloud.part(outside_api.OutsideApi).status()["running"])
        assert not answers(cloud)
        cloud.part(StackFaults).end("dependency-timeout")
        eventually("the API outside answers", lambda: answers(cloud))


def test_the_api_outside_is_started_again_when_its_program_ends(cloud: Cloud) -> None:
    eventually("the API outside answers", lambda: answers(cloud))
    process = cloud.part(outside_api.OutsideApi)._process
    assert process is not None
    process.send(9)
    eventually("its process has ended", lambda: process.poll() is not None)
    eventually("the API outside answers again", lambda: answers(cloud))


def test_what_the_api_outside_answers_stands_in_a_file(tmp_path: Path) -> None:
    answers_file = tmp_path / "answers.py"
    answers_file.write_text("def answer(path):\n    return 200, {'said': path.upper()}\n")
    state = tmp_path / "state"
    state.mkdir()
    addresses.create(state)
    addresses.play(state, answers_file)
    with cloud_at(state) as cloud:
        eventually("the API outside answers as the file says", lambda: is_answering_from_file(cloud))
        assert json.loads(asked(cloud, 5.0)) == {"said": "/V1/ANYTHING"}


def is_answering_from_file(cloud: Cloud) -> bool:
    try:
        return b"said" in asked(cloud, 1.0)
    except OSError:
        return False
