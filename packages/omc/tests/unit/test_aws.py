"""The gateway: what may be sent, what is recorded, how a call reads as a command, how errors read."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from localcloud.core.registry import AwsError
from omc.aws.batches import batches
from omc.aws.calls import Call, parallel_map, recording
from omc.aws.command_lines import command_line, command_lines
from omc.aws.gateway import Access, Gateway
from omc.aws.pages import get_json
from omc.aws.permissions import ACTIONS, action_for
from omc.aws.reads import is_read
from omc.config import Environment, load
from omc.errors import AccessDenied, AwsRefused, BadAnswer, NotFound, Throttled, Unreachable, WriteRefused
from support.canned_aws import ACCOUNT, CannedAws, canned_aws, healthy
from support.shell import words_of

STAGING = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]


def gateway(aws: CannedAws, environment: Environment = STAGING) -> Gateway:
    return Gateway(environment, Access(aws.endpoint, "AKIAEXAMPLE", "example"))


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("ecs", "UpdateService"),
        ("secretsmanager", "GetSecretValue"),
        ("ssm", "GetParameter"),
        ("glue", "GetJob"),
    ],
)
def test_what_is_no_read_is_not_sent(service: str, operation: str) -> None:
    assert not is_read(service, operation)


def test_a_write_through_a_reading_gateway_never_leaves_the_machine() -> None:
    with canned_aws(healthy()) as aws:
        client: Any = gateway(aws).client("ecs")
        with pytest.raises(WriteRefused, match="ecs UpdateService is not a read"):
            client.update_service(cluster="c", service="backend", desiredCount=0)
        with pytest.raises(WriteRefused):
            client._make_api_call("DeleteService", {"service": "backend"})
    assert aws.requests == []


@pytest.mark.parametrize(
    "changes",
    [
        {"Key": "staging/other"},
        {"Bucket": "another"},
        {"Bucket": "ohmycoins-staging-tfstate-{account}"},
        {"ExpectedBucketOwner": "222222222222"},
        {"Key": "staging/terraform.tfstate.tflock"},
    ],
)
def test_of_all_objects_the_state_alone_may_be_read(changes: dict[str, str]) -> None:
    state = {"Bucket": "ohmycoins-staging-tfstate-111111111111", "Key": "staging/terraform.tfstate"}
    place: dict[str, Any] = {**state, "ExpectedBucketOwner": "111111111111", **changes}
    with canned_aws(healthy()) as aws:
        reader = gateway(aws)
        reader.environment = replace(
            reader.environment, terraform_state="s3://ohmycoins-staging-tfstate-{account}/staging/terraform.tfstate"
        )
        assert reader._is_state("s3", "GetObject", {**place, **state, "ExpectedBucketOwner": "111111111111"})
        assert not reader._is_state("s3", "GetObjectTorrent", place)
        with pytest.raises(WriteRefused, match="s3 GetObject is not a read"):
            reader.client("s3").get_object(**place)
        reader.environment = replace(reader.environment, terraform_state="")
        assert not reader._is_state("s3", "GetObject", {"Bucket": "", "Key": ""})
    assert aws.requests == []


@pytest.mark.parametrize(
    ("balancer", "operation", "ending", "is_ours"),
    [
        ("{prefix}", "GetObject", ".log.gz", True),
        ("{prefix}-internal", "GetObject", ".log.gz", True),
        ("{prefix}", "GetObjectTorrent", ".log.gz", False),
        ("{prefix}", "GetObject", ".json", False),
        ("{prefix}x", "GetObject", ".log.gz", False),
        ("of-others", "GetObject", ".log.gz", False),
    ],
)
def test_access_logs_of_the_environment_s_load_balancers_may_be_read(
    balancer: str, operation: str, ending: str, *, is_ours: bool
) -> None:
    with canned_aws(healthy()) as aws:
        reader = gateway(aws)
        name = balancer.format(prefix=reader.environment.prefix)
        folder = "any/AWSLogs/111111111111/elasticloadbalancing/ap-southeast-2/2026/11/30/"
        stem = (
            f"111111111111_elasticloadbalancing_ap-southeast-2_app.{name}.50dc6c495c0c9188_20261130T1200Z_10.0.0.1_ab12"
        )
        place = {"Bucket": "logs", "Key": folder + stem + ending}
        assert reader._is_access_log("s3", operation, place) is is_ours


def test_every_call_is_recorded_also_those_of_threads() -> None:
    with canned_aws(healthy()) as aws, recording() as calls:
        ecs = gateway(aws).client("ecs")
        parallel_map(lambda name: ecs.describe_services(cluster="c", services=[name]), ["a", "b", "c"])
    assert sorted(call.parameters["services"][0] for call in calls) == ["a", "b", "c"]
    assert all(call.requests == 1 and call.seconds > 0 and call.error is None for call in calls)


def test_throttling_is_tried_again_and_then_reported() -> None:
    answers = healthy()
    answers["ecs", "ListTasks"] = AwsError("ThrottlingException", "Rate exceeded")
    with canned_aws(answers) as aws, recording() as calls, pytest.raises(Throttled, match="too many requests"):
        gateway(aws).client("ecs").list_tasks(cluster="c")
    assert len(aws.requests) == 3
    assert (calls[0].requests, calls[0].error) == (3, "ThrottlingException")


def test_a_denial_names_the_action_that_aws_names() -> None:
    message = "User: arn:aws:iam::1:user/x is not authorized to perform: ecs:ListTasks on resource: * because no policy"
    answers = healthy()
    answers["ecs", "ListTasks"] = AwsError("AccessDeniedException", message)
    with canned_aws(answers) as aws, pytest.raises(AccessDenied) as raised:
        gateway(aws).client("ecs").list_tasks(cluster="c")
    assert raised.value.action == "ecs:ListTasks"
    assert raised.value.message == (
        "ecs ListTasks is not allowed: the credentials lack ecs:ListTasks. Add it to the role, or use another role."
    )


def test_not_found_is_told_apart_from_other_refusals() -> None:
    answers = healthy()
    answers["ecs", "ListTasks"] = AwsError("ClusterNotFoundException", "Cluster not found.")
    answers["ecs", "DescribeServices"] = AwsError("InvalidParameterException", "Services cannot be empty.")
    with canned_aws(answers) as aws:
        ecs = gateway(aws).client("ecs")
        with pytest.raises(NotFound, match="ClusterNotFoundException, Cluster not found"):
            ecs.list_tasks(cluster="c")
        with pytest.raises(AwsRefused) as raised:
            ecs.describe_services(cluster="c", services=[])
    assert not isinstance(raised.value, NotFound)


def test_wrong_parameters_are_reported_without_a_call() -> None:
    with canned_aws(healthy()) as aws, pytest.raises(AwsRefused, match="Missing required parameter"):
        gateway(aws).client("ecs").describe_services(cluster="c")  # type: ignore[call-arg]  # AWS wants services
    assert aws.requests == []


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("elbv2", "DescribeTargetHealth", "elasticloadbalancing:DescribeTargetHealth"),
        ("cloudwatch", "GetMetricData", "cloudwatch:GetMetricData"),
        ("s3", "ListObjectsV2", "s3:ListBucket"),
        ("service-quotas", "GetServiceQuota", "servicequotas:GetServiceQuota"),
        ("budgets", "DescribeBudgets", "budgets:ViewBudget"),
        ("budgets", "DescribeSubscribersForNotification", "budgets:ViewBudget"),
        ("budgets", "DescribeBudgetActionsForAccount", "budgets:DescribeBudgetActionsForAccount"),
        ("budgets", "CreateBudget", "budgets:ModifyBudget"),
        ("s3", "GetBucketReplication", "s3:GetReplicationConfiguration"),
        ("s3", "GetBucketAccelerateConfiguration", "s3:GetAccelerateConfiguration"),
        ("s3", "ListBucketAnalyticsConfigurations", "s3:GetAnalyticsConfiguration"),
        ("s3", "GetBucketInventoryConfiguration", "s3:GetInventoryConfiguration"),
        ("s3", "GetBucketMetricsConfiguration", "s3:GetMetricsConfiguration"),
        ("s3", "GetBucketIntelligentTieringConfiguration", "s3:GetIntelligentTieringConfiguration"),
        ("s3", "GetBucketCors", "s3:GetBucketCORS"),
        ("s3", "GetObjectLockConfiguration", "s3:GetBucketObjectLockConfiguration"),
        ("s3", "GetBucketPolicyStatus", "s3:GetBucketPolicyStatus"),
        ("sqs", "SendMessageBatch", "sqs:SendMessage"),
        ("sns", "PublishBatch", "sns:Publish"),
        ("application-autoscaling", "DescribeScalableTargets", "application-autoscaling:DescribeScalableTargets"),
    ],
)
def test_the_iam_action_of_an_operation(service: str, operation: str, action: str) -> None:
    assert action_for(service, operation) == action


def test_only_operations_that_exist_have_an_action_of_another_name() -> None:
    import botocore.session

    session = botocore.session.Session()
    for service, operation in ACTIONS:
        assert operation in session.get_service_model(service).operation_names


def call(service: str, operation: str, is_next_page: bool = False, **parameters: Any) -> Call:
    return Call(service, operation, parameters, datetime.now(UTC), 0.1, 1, None, is_next_page)


CALLS = [
    call("ecs", "DescribeServices", cluster="ohmycoins-staging", services=["backend", "frontend"]),
    call("ecs", "ListTasks", cluster="it's", desiredStatus="STOPPED"),
    call("elbv2", "DescribeTargetGroups", PageSize=400),
    call("cloudwatch", "DescribeAlarms", AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100),
    call("logs", "StartQuery", logGroupNames=["/a"], startTime=1, endTime=2, queryString="fields @message\n| limit 3"),
    call("logs", "FilterLogEvents", logGroupName="g", filterPattern="-DEBUG", interleaved=False),
    call("logs", "DescribeLogGroups", logGroupNamePattern="[a]"),
    call("ecs", "DescribeTasks", cluster="c", tasks=["-dash", "[bracket"], include=["TAGS"]),
    call(
        "cloudwatch",
        "GetMetricData",
        MetricDataQueries=[{"Id": "a", "Expression": "FILL(m1,0)", "ReturnData": True}],
        StartTime=datetime(2026, 11, 23, tzinfo=UTC),
        EndTime=datetime(2026, 11, 24, tzinfo=UTC),
    ),
    call("ec2", "DescribeSecurityGroups", Filters=[{"Name": "vpc-id", "Values": ["vpc-1"]}]),
]


@pytest.mark.parametrize("requested", CALLS, ids=lambda asked: asked.operation)
def test_the_aws_cli_reads_a_commands_parameters_back(requested: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from awscli.clidriver import create_clidriver

    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    driver = create_clidriver()
    seen: list[tuple[str, dict[str, Any]]] = []

    def stop(params: dict[str, Any], model: Any, **_: Any) -> None:
        seen.append((model.name, dict(params)))
        raise SystemExit(0)

    driver.session.register("provide-client-params.*.*", stop)
    words = words_of(command_line(requested, "ap-southeast-2"))
    assert words[0] == "aws"
    with pytest.raises(SystemExit):
        driver.main(words[1:])
    name, parameters = seen[0]
    assert name == requested.operation
    plain = {
        key: value.isoformat() if isinstance(value, datetime) else value for key, value in requested.parameters.items()
    }
    assert parameters == plain


def test_further_pages_and_repeated_questions_are_one_command() -> None:
    first = call("ecs", "ListTasks", cluster="c")
    second = call("ecs", "ListTasks", cluster="c", nextToken="t", is_next_page=True)
    assert command_lines([first, second, first]) == ["aws ecs list-tasks --cluster c"]


def test_a_page_that_users_see_is_asked_by_curl() -> None:
    request = call("http", "GET", url="http://127.0.0.1:1/api?a=b&c")
    assert (
        command_line(request, "ap-southeast-2")
        == "curl --silent --show-error --max-time 5 'http://127.0.0.1:1/api?a=b&c'"
    )


def test_a_page_that_fails_says_how() -> None:
    with canned_aws({}) as aws, recording() as calls:
        assert get_json(f"{aws.endpoint}/api/v1/status") == {"data_age_seconds": 12.5}
        aws.status_page = (200, b"<html>")
        with pytest.raises(Unreachable, match="answered something that is not JSON"):
            get_json(f"{aws.endpoint}/api/v1/status")
        aws.status_page = (301, b"")
        with pytest.raises(Unreachable, match=r"redirects to nowhere. Set the environment's url"):
            get_json(f"{aws.endpoint}/api/v1/status")
        aws.status_page = (503, b"")
        with pytest.raises(Unreachable, match="answered 503"):
            get_json(f"{aws.endpoint}/api/v1/status")
    with pytest.raises(Unreachable, match="can't be reached"):
        get_json(f"{aws.endpoint}/api/v1/status")
    assert [(request.operation, request.error) for request in calls] == [("GET", None)] * 4


def test_batches_hold_every_item_once() -> None:
    assert [list(batch) for batch in batches([1, 2, 3, 4, 5], 2)] == [[1, 2], [3, 4], [5]]
    assert list(batches([], 2)) == []


def test_the_account_is_asked_once_for_all_clients() -> None:
    from dataclasses import replace

    with canned_aws(healthy()) as aws:
        ours: Any = gateway(aws, replace(STAGING, account=ACCOUNT))
        parallel_map(lambda service: ours.client(service).meta, ["ecs", "elbv2", "logs", "cloudwatch"])
    assert aws.operations() == ["GetCallerIdentity"]


def test_parameters_that_json_cannot_hold_are_shown() -> None:
    response = call(
        "cloudwatch", "GetMetricData", MetricDataQueries=[{"Id": "a"}], StartTime=datetime(2026, 1, 1, tzinfo=UTC)
    )
    line = command_line(response)
    assert json.loads(words_of(line)[4]) == [{"Id": "a"}]
    assert "2026-01-01T00:00:00+00:00" in line


def test_an_answer_that_was_cut_off_before_its_first_byte_is_no_answer() -> None:
    """botocore would take it for an empty one: of a list that there is nothing, of a change that it is made."""

    class Cut(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "18")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Cut) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        gateway = Gateway(STAGING, Access(f"http://127.0.0.1:{server.server_address[1]}", "key", "secret"), writes=True)
        with pytest.raises(BadAnswer, match="ecs UpdateService: the answer was cut off"):
            gateway.client("ecs").update_service(cluster="c", service="s", desiredCount=1)
        server.shutdown()
