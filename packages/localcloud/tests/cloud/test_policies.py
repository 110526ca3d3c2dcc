"""What a user may do is judged on the resource that a call names, as AWS does; where none is known, by action alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud
from localcloud.front.policies import applies

Clients = Callable[..., Any]
Ask = Callable[[Any], object]

ANYTHING = "*"


@pytest.mark.parametrize(
    ("statement", "resource", "concerned"),
    [
        ({"Resource": "arn:aws:sqs:*:1:orders*"}, "arn:aws:sqs:r:1:orders-dead", True),
        ({"Resource": "arn:aws:sqs:*:1:order?"}, "arn:aws:sqs:r:1:orders-dead", False),
        ({"Resource": ["arn:aws:sqs:*:1:a", "arn:aws:sqs:*:1:[b]"]}, "arn:aws:sqs:r:1:[b]", True),
        ({"Resource": "arn:aws:sqs:*:1:ORDERS"}, "arn:aws:sqs:r:1:orders", False),
        ({"Resource": "arn:aws:sqs:*"}, ANYTHING, False),
        ({"Resource": "*"}, ANYTHING, True),
        ({"NotResource": "arn:aws:sqs:*:1:orders"}, "arn:aws:sqs:r:1:orders", False),
        ({"NotResource": "arn:aws:sqs:*:1:orders"}, "arn:aws:sqs:r:1:other", True),
        ({"NotResource": "arn:aws:sqs:*:1:orders"}, ANYTHING, True),
    ],
)
def test_a_statement_is_of_the_resources_that_its_patterns_fit(
    statement: dict[str, Any], resource: str, concerned: bool
) -> None:
    for effect in ("Allow", "Deny"):
        whole = {"Effect": effect, "Action": "sqs:*", **statement}
        assert applies(whole, "sqs:SendMessage", resource) is concerned


def test_where_the_resource_is_not_known_an_allowance_counts_and_only_a_refusal_of_everything() -> None:
    for more, denies in (({"Resource": "*"}, True), ({"Resource": "arn:x"}, False), ({"NotResource": "arn:x"}, False)):
        assert applies({"Effect": "Allow", "Action": "*", **more}, "rds:DescribeDBInstances", None)
        assert applies({"Effect": "Deny", "Action": "*", **more}, "rds:DescribeDBInstances", None) is denies


@pytest.fixture(scope="module")
def resources(shared_cloud: Cloud, shared_aws: Clients) -> dict[str, str]:
    """Two of everything, ``ours`` and ``other``; their identifiers."""
    record: dict[str, str] = {}
    for name in ("ours", "other"):
        shared_aws("logs").create_log_group(logGroupName=f"/ecs/{name}")
        shared_aws("ssm").put_parameter(Name=f"/{name}/level", Value="high", Type="String")
        made = shared_aws("secretsmanager").create_secret(Name=f"{name}/key", SecretString="hidden")
        record[f"{name} secret"] = made["ARN"]
        record[f"{name} queue"] = shared_aws("sqs").create_queue(QueueName=f"{name}-queue")["QueueUrl"]
        record[f"{name} topic"] = shared_aws("sns").create_topic(Name=f"{name}-topic")["TopicArn"]
        record[f"{name} key"] = shared_aws("kms").create_key()["KeyMetadata"]["Arn"]
        shared_aws("kms").create_alias(AliasName=f"alias/{name}", TargetKeyId=record[f"{name} key"])
        shared_aws("ecr").create_repository(repositoryName=name)
        shared_aws("ecs").create_cluster(clusterName=name)
        shared_aws("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "ap-southeast-2"})
        container = {"name": "app", "image": "app", "memory": 128}
        shared_aws("ecs").register_task_definition(family=name, containerDefinitions=[container])
    record["arn"] = f"{shared_cloud.settings.region}:{shared_cloud.settings.account}"
    return record


@pytest.fixture
def user(shared_aws: Clients, resources: dict[str, str]) -> Iterator[Callable[..., Clients]]:
    """``user(statement, …)`` answers clients of a user with these statements, who is gone afterwards."""
    iam = shared_aws("iam")
    iam.create_user(UserName="ann")
    key = iam.create_access_key(UserName="ann")["AccessKey"]

    def with_statements(*statements: dict[str, Any]) -> Clients:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName="ann", PolicyName="may", PolicyDocument=document)
        secret = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
        return lambda service: shared_aws(service, **secret)

    yield with_statements
    iam.delete_user_policy(UserName="ann", PolicyName="may")
    iam.delete_access_key(UserName="ann", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="ann")


def refused_on(ask: Callable[[], object]) -> str:
    """The resource that a refusal for want of rights names; empty where the call was let through, whatever came."""
    try:
        ask()
    except ClientError as error:
        message = str(error.response["Error"]["Message"])
        return message.partition(" on resource: ")[2].split(" ")[0]
    return ""


CASES: dict[str, tuple[str, str, Callable[[Clients, dict[str, str], str], object]]] = {
    "a log group's events": (
        "logs:FilterLogEvents",
        "arn:aws:logs:{arn}:log-group:/ecs/{name}:log-stream:",
        lambda aws, _, name: aws("logs").filter_log_events(logGroupName=f"/ecs/{name}"),
    ),
    "a log stream": (
        "logs:CreateLogStream",
        "arn:aws:logs:{arn}:log-group:/ecs/{name}:log-stream:web",
        lambda aws, _, name: aws("logs").create_log_stream(logGroupName=f"/ecs/{name}", logStreamName="web"),
    ),
    "log groups by their ARN": (
        "logs:StartQuery",
        "arn:aws:logs:{arn}:log-group:/ecs/{name}:log-stream:",
        lambda aws, resources, name: aws("logs").start_query(
            logGroupIdentifiers=[f"arn:aws:logs:{resources['arn']}:log-group:/ecs/{name}"],
            startTime=1,
            endTime=2,
            queryString="limit 1",
        ),
    ),
    "a parameter": (
        "ssm:GetParameter",
        "arn:aws:ssm:{arn}:parameter/{name}/level",
        lambda aws, _, name: aws("ssm").get_parameter(Name=f"/{name}/level:1"),
    ),
    "a secret by its name": (
        "secretsmanager:GetSecretValue",
        "{secret}",
        lambda aws, _, name: aws("secretsmanager").get_secret_value(SecretId=f"{name}/key"),
    ),
    "a queue": (
        "sqs:GetQueueAttributes",
        "arn:aws:sqs:{arn}:{name}-queue",
        lambda aws, resources, name: aws("sqs").get_queue_attributes(QueueUrl=resources[f"{name} queue"]),
    ),
    "a topic": (
        "sns:Publish",
        "{topic}",
        lambda aws, resources, name: aws("sns").publish(TopicArn=resources[f"{name} topic"], Message="hello"),
    ),
    "a key by its alias": (
        "kms:DescribeKey",
        "{key}",
        lambda aws, _, name: aws("kms").describe_key(KeyId=f"alias/{name}"),
    ),
    "a key by its id": (
        "kms:Encrypt",
        "{key}",
        lambda aws, resources, name: aws("kms").encrypt(
            KeyId=resources[f"{name} key"].rpartition("/")[2], Plaintext=b"x"
        ),
    ),
    "a repository": (
        "ecr:ListImages",
        "arn:aws:ecr:{arn}:repository/{name}",
        lambda aws, _, name: aws("ecr").list_images(repositoryName=name),
    ),
    "a cluster": (
        "ecs:DescribeClusters",
        "arn:aws:ecs:{arn}:cluster/{name}",
        lambda aws, _, name: aws("ecs").describe_clusters(clusters=[name]),
    ),
    "a service": (
        "ecs:DescribeServices",
        "arn:aws:ecs:{arn}:service/{name}/web",
        lambda aws, _, name: aws("ecs").describe_services(cluster=name, services=["web"]),
    ),
    "a task": (
        "ecs:DescribeTasks",
        "arn:aws:ecs:{arn}:task/{name}/0123",
        lambda aws, resources, name: aws("ecs").describe_tasks(
            cluster=f"arn:aws:ecs:{resources['arn']}:cluster/{name}", tasks=["0123"]
        ),
    ),
    "a task of a family's newest revision": (
        "ecs:RunTask",
        "arn:aws:ecs:{arn}:task-definition/{name}:1",
        lambda aws, _, name: aws("ecs").run_task(cluster="ours", taskDefinition=name),
    ),
    "an object": (
        "s3:PutObject",
        "arn:aws:s3:::{name}/a/b",
        lambda aws, _, name: aws("s3").put_object(Bucket=name, Key="a/b", Body=b"x"),
    ),
}


@pytest.mark.cloud
@pytest.mark.parametrize("case", CASES)
def test_what_is_allowed_on_one_resource_is_refused_on_another(
    user: Callable[..., Clients], resources: dict[str, str], case: str
) -> None:
    action, pattern, ask = CASES[case]

    def resource(name: str) -> str:
        own = {kind: resources[f"{name} {kind}"] for kind in ("secret", "topic", "key")}
        return pattern.format(arn=resources["arn"], name=name, **own)

    ann = user({"Effect": "Allow", "Action": action, "Resource": resource("ours")})
    assert refused_on(lambda: ask(ann, resources, "ours")) == ""
    assert refused_on(lambda: ask(ann, resources, "other")) == resource("other")
    ann = user(
        {"Effect": "Allow", "Action": action, "Resource": "*"},
        {"Effect": "Deny", "Action": action, "NotResource": resource("ours")},
    )
    assert refused_on(lambda: ask(ann, resources, "ours")) == ""
    assert refused_on(lambda: ask(ann, resources, "other")) == resource("other")


@pytest.mark.cloud
def test_each_resource_of_a_call_has_to_be_allowed(user: Callable[..., Clients], resources: dict[str, str]) -> None:
    ours = f"arn:aws:ssm:{resources['arn']}:parameter/ours/*"
    ann = user({"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": ours})
    assert ann("ssm").get_parameters(Names=["/ours/level", "/ours/none"])["InvalidParameters"] == ["/ours/none"]
    both = refused_on(lambda: ann("ssm").get_parameters(Names=["/ours/level", "/other/level"]))
    assert both == f"arn:aws:ssm:{resources['arn']}:parameter/other/level"


@pytest.mark.cloud
def test_what_has_no_resources_is_allowed_on_everything_only(
    user: Callable[..., Clients], resources: dict[str, str]
) -> None:
    asks: tuple[Ask, ...] = (
        lambda aws: aws("ecr").get_authorization_token(),
        lambda aws: aws("ecs").describe_task_definition(taskDefinition="ours"),
        lambda aws: aws("kms").list_keys(),
        lambda aws: aws("secretsmanager").list_secrets(),
    )
    actions = ["ecr:*", "ecs:*", "kms:*", "secretsmanager:*", "logs:*"]
    narrow = [f"arn:aws:{action[:-2]}:{resources['arn']}:*" for action in actions]
    ann = user({"Effect": "Allow", "Action": actions, "Resource": narrow})
    assert [refused_on(partial(ask, ann)) for ask in asks] == ["*"] * len(asks)
    assert refused_on(lambda: ann("ecr").describe_repositories()) == ""
    assert refused_on(lambda: ann("logs").describe_log_groups()) == ""
    ann = user(
        {"Effect": "Allow", "Action": actions, "Resource": [f"arn:aws:logs:{resources['arn']}:log-group:/ecs/ours:*"]}
    )
    everywhere = f"arn:aws:logs:{resources['arn']}:log-group::log-stream:"
    assert refused_on(lambda: ann("logs").describe_log_groups()) == everywhere
    ann = user({"Effect": "Allow", "Action": actions, "Resource": "*"})
    assert [refused_on(partial(ask, ann)) for ask in asks] == [""] * len(asks)


@pytest.mark.cloud
def test_a_managed_policy_counts_in_its_default_version(
    shared_aws: Clients, user: Callable[..., Clients], resources: dict[str, str]
) -> None:
    ann, iam = user({"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}), shared_aws("iam")

    def document(queue: str) -> str:
        allowed = {"Effect": "Allow", "Action": "sqs:*", "Resource": f"arn:aws:sqs:{resources['arn']}:{queue}"}
        return json.dumps({"Version": "2012-10-17", "Statement": allowed})

    def readable() -> list[bool]:
        asks = [
            lambda url=resources[f"{name} queue"]: ann("sqs").get_queue_attributes(QueueUrl=url)
            for name in ("ours", "other")
        ]
        return [refused_on(ask) == "" for ask in asks]

    own = iam.create_policy(PolicyName="queues", PolicyDocument=document("ours-queue"))["Policy"]["Arn"]
    amazons = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
    try:
        iam.attach_user_policy(UserName="ann", PolicyArn=own)
        assert readable() == [True, False]
        iam.create_policy_version(PolicyArn=own, PolicyDocument=document("other-queue"), SetAsDefault=True)
        assert readable() == [False, True]
        iam.attach_user_policy(UserName="ann", PolicyArn=amazons)
        assert readable() == [True, True]
    finally:
        for attached in iam.list_attached_user_policies(UserName="ann")["AttachedPolicies"]:
            iam.detach_user_policy(UserName="ann", PolicyArn=attached["PolicyArn"])


@pytest.mark.cloud
def test_where_no_resource_is_known_the_action_decides(user: Callable[..., Clients]) -> None:
    ann = user({"Effect": "Allow", "Action": "rds:Describe*", "Resource": "arn:aws:rds:*:*:db:other"})
    assert refused_on(lambda: ann("rds").describe_db_instances()) == ""
    assert refused_on(lambda: ann("rds").delete_db_instance(DBInstanceIdentifier="other")) == "*"


def test_a_simulation_says_what_the_calls_would_be_answered(resources: dict[str, str], shared_aws: Clients) -> None:
    iam = shared_aws("iam")
    arn = iam.create_user(UserName="simulated", Path="/people/")["User"]["Arn"]
    iam.create_group(GroupName="simulated")
    iam.add_user_to_group(GroupName="simulated", UserName="simulated")
    held = [
        {"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:aws:sqs:*:*:ours-*"},
        {"Effect": "Deny", "Action": "sqs:PurgeQueue", "Resource": "*"},
    ]
    own = json.dumps({"Version": "2012-10-17", "Statement": held})
    iam.put_user_policy(UserName="simulated", PolicyName="own", PolicyDocument=own)
    more = [{"Effect": "Allow", "Action": "sns:List*", "Resource": "*"}]
    of_group = json.dumps({"Version": "2012-10-17", "Statement": more})
    iam.put_group_policy(GroupName="simulated", PolicyName="group", PolicyDocument=of_group)

    def decisions(actions: list[str], *arns: str) -> list[dict[str, Any]]:
        on = {"ResourceArns": list(arns)} if arns else {}
        payload = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=actions, **on)
        return list(payload["EvaluationResults"])

    actions = ["sqs:SendMessage", "sqs:PurgeQueue", "sns:ListTopics", "ecs:ListTasks"]
    on_one = decisions(actions, "arn:aws:sqs:r:1:ours-q")
    assert [one["EvalDecision"] for one in on_one] == ["allowed", "explicitDeny", "allowed", "implicitDeny"]
    [on_two] = decisions(["sqs:SendMessage"], "arn:aws:sqs:r:1:ours-q", "arn:aws:sqs:r:1:other-q")
    assert on_two["EvalDecision"] == "implicitDeny"
    assert [one["EvalResourceDecision"] for one in on_two["ResourceSpecificResults"]] == ["allowed", "implicitDeny"]
    assert [one["EvalDecision"] for one in decisions(["sns:ListTopics"])] == ["allowed"]
    for gone, code in ((arn + "x", "NoSuchEntity"), ("arn:aws:iam::123456789012:root", "InvalidInput")):
        with pytest.raises(ClientError) as refused:
            iam.simulate_principal_policy(PolicySourceArn=gone, ActionNames=["sns:ListTopics"])
        assert refused.value.response["Error"]["Code"] == code


def test_a_subscription_by_mail_waits_for_its_confirmation(resources: dict[str, str], shared_aws: Clients) -> None:
    sns, topic = shared_aws("sns"), resources["ours topic"]
    mail = {"Protocol": "email", "Endpoint": "jo@example.com", "ReturnSubscriptionArn": True}
    arn = sns.subscribe(TopicArn=topic, **mail)["SubscriptionArn"]
    [listed] = [
        one for one in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] if one["Protocol"] == "email"
    ]
    assert listed["SubscriptionArn"] == "PendingConfirmation"
    assert sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]["PendingConfirmation"] == "true"
    sns.unsubscribe(SubscriptionArn=arn)
