"""RDS gives its master user a new password, as it does each week: nobody who uses the application notices."""

from __future__ import annotations

import pytest

from support import variants
from support.stack import CLUSTER, Stack
from support.users import users

pytestmark = [pytest.mark.cloud, pytest.mark.terraform, pytest.mark.timeout(1800)]


def test_a_rotation_a_restart_and_a_deployment_cost_no_request(healthy: Stack) -> None:
    arn = healthy.output("database")["master_secret_arn"]
    secrets, ecs = healthy.client("secretsmanager"), healthy.client("ecs")
    before = secrets.get_secret_value(SecretId=arn)["VersionId"]
    with users(healthy) as answers:
        started = healthy.omc("local", "fault", "start", "password-rotation")
        assert started.returncode == 0, started.stderr
        assert secrets.get_secret_value(SecretId=arn)["VersionId"] != before

        # New tasks open nothing but new connections.
        restarted = healthy.omc("restart", "--env", "local", "backend", "--yes", timeout=600)
        assert restarted.returncode == 0, restarted.stdout + restarted.stderr

        # The migration is who logs in as the master user, with what is valid as it starts.
        image = variants.push(healthy, "good")
        words = ("deploy", "--env", "local", "--image", f"backend={image}", "--watch", "15s", "--yes")
        deployed = healthy.omc(*words, timeout=900)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        assert "migrate" in deployed.stdout
    healthy.omc("local", "fault", "stop", "password-rotation")
    assert set(answers) == {"200", "201"}, answers
    assert min(answers.values()) > 20

    check = healthy.check("--output", "json").json
    [found] = [each for each in check["findings"] if each["check"] == "secret-rotation" and "rds!" in each["subject"]]
    assert found["level"] == "ok"
    assert "No running task relies on it. Its next rotation is due by" in found["sentence"]
    running = ecs.describe_services(cluster=CLUSTER, services=["backend"])["services"][0]["taskDefinition"]
    definition = ecs.describe_task_definition(taskDefinition=running)["taskDefinition"]
    assert arn not in str(definition["containerDefinitions"])
