"""CloudWatch Logs through boto3: groups, streams, events, paging, metric filters, saved queries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud
from localcloud.core.flow import FlowRecord
from localcloud.services.logs import Logs
from localcloud.services.logs.flow_delivery import publish
from support.waiting import eventually

PROFILE = "minimal"

Clients = Callable[..., Any]

GROUP = "/ecs/shop-staging/backend"


def now() -> int:
    return int(time.time() * 1000)


@pytest.fixture
def logs(shared_aws: Clients) -> Any:
    client = shared_aws("logs")
    for group in client.describe_log_groups()["logGroups"]:
        client.delete_log_group(logGroupName=group["logGroupName"])
    client.create_log_group(logGroupName=GROUP)
    return client


def put(client: Any, stream: str, *messages: str, at: int | None = None) -> None:
    streams = client.describe_log_streams(logGroupName=GROUP, logStreamNamePrefix=stream)["logStreams"]
    if not any(each["logStreamName"] == stream for each in streams):
        client.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    start = at or now()
    client.put_log_events(
        logGroupName=GROUP,
        logStreamName=stream,
        logEvents=[{"timestamp": start + number, "message": text} for number, text in enumerate(messages)],
    )


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def run(client: Any, query: str, groups: tuple[str, ...] = (GROUP,), **more: Any) -> dict[str, Any]:
    """Run an Insights query to its end."""
    identity = client.start_query(
        logGroupNames=list(groups),
        startTime=more.pop("startTime", int(time.time()) - 3600),
        endTime=more.pop("endTime", int(time.time()) + 60),
        queryString=query,
        **more,
    )["queryId"]
    answer = results_of(client, identity)
    assert answer["status"] == "Complete", answer
    return answer


def results_of(client: Any, identity: str) -> dict[str, Any]:
    """What a query answers at its end."""

    def ended() -> dict[str, Any] | None:
        answer: dict[str, Any] = client.get_query_results(queryId=identity)
        return None if answer["status"] in ("Scheduled", "Running") else answer

    return eventually("the query has ended", ended, every=0.05)


def rows(answer: dict[str, Any]) -> list[dict[str, str]]:
    return [{item["field"]: item["value"] for item in row if item["field"] != "@ptr"} for row in answer["results"]]


def test_a_group_is_described_as_terraform_reads_it(logs: Any, shared_cloud: Cloud) -> None:
    logs.create_log_group(logGroupName="/vpc/flow", tags={"a": "1"}, kmsKeyId="arn:aws:kms:key")
    logs.put_retention_policy(logGroupName="/vpc/flow", retentionInDays=30)

    (group,) = logs.describe_log_groups(logGroupNamePrefix="/vpc")["logGroups"]

    account, region = shared_cloud.settings.account, shared_cloud.settings.region
    assert group["arn"] == f"arn:aws:logs:{region}:{account}:log-group:/vpc/flow:*"
    assert (group["retentionInDays"], group["kmsKeyId"], group["logGroupClass"]) == (30, "arn:aws:kms:key", "STANDARD")
    assert logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"] == {"a": "1"}
    logs.tag_resource(resourceArn=group["logGroupArn"], tags={"b": "2"})
    logs.untag_resource(resourceArn=group["logGroupArn"], tagKeys=["a"])
    assert logs.list_tags_log_group(logGroupName="/vpc/flow")["tags"] == {"b": "2"}
    logs.delete_retention_policy(logGroupName="/vpc/flow")
    logs.disassociate_kms_key(logGroupName="/vpc/flow")
    (group,) = logs.describe_log_groups(logGroupNamePattern="pc/fl")["logGroups"]
    assert "retentionInDays" not in group
    assert "kmsKeyId" not in group


def test_groups_are_listed_in_pages(logs: Any) -> None:
    for number in range(7):
        logs.create_log_group(logGroupName=f"/many/{number}")

    pages = list(
        logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/many", PaginationConfig={"PageSize": 3})
    )

    assert [len(page["logGroups"]) for page in pages] == [3, 3, 1]
    assert len(logs.list_log_groups(logGroupNamePattern="^/many/[0-3]".replace("[0-3]", "3"))["logGroups"]) == 1


def test_what_does_not_exist_or_exists_already_is_refused(logs: Any) -> None:
    assert refused(logs.create_log_group, logGroupName=GROUP)[0] == "ResourceAlreadyExistsException"
    assert refused(logs.delete_log_group, logGroupName="/none")[0] == "ResourceNotFoundException"
    assert refused(logs.create_log_stream, logGroupName="/none", logStreamName="a")[0] == "ResourceNotFoundException"
    assert refused(logs.filter_log_events, logGroupName="/none")[0] == "ResourceNotFoundException"
    assert refused(logs.get_log_events, logGroupName=GROUP, logStreamName="x")[0] == "ResourceNotFoundException"
    assert refused(logs.put_retention_policy, logGroupName=GROUP, retentionInDays=4)[0] == "InvalidParameterException"
    logs.put_log_group_deletion_protection(logGroupIdentifier=GROUP, deletionProtectionEnabled=True)
    assert "deletion protection" in refused(logs.delete_log_group, logGroupName=GROUP)[1]
    logs.put_log_group_deletion_protection(logGroupIdentifier=GROUP, deletionProtectionEnabled=False)


def test_streams_know_their_first_and_last_event(logs: Any) -> None:
    put(logs, "backend/backend/aaa", "one", "two", at=(at := now() - 1000))
    put(logs, "backend/backend/bbb", "three", at=at + 500)
    logs.create_log_stream(logGroupName=GROUP, logStreamName="backend/backend/ccc")

    newest = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True)["logStreams"]

    assert [each["logStreamName"][-3:] for each in newest] == ["bbb", "aaa", "ccc"]
    assert (newest[1]["firstEventTimestamp"], newest[1]["lastEventTimestamp"]) == (at, at + 1)
    assert "lastEventTimestamp" not in newest[2]
    page = logs.describe_log_streams(logGroupName=GROUP, limit=2)
    rest = logs.describe_log_streams(logGroupName=GROUP, nextToken=page["nextToken"])
    assert [each["logStreamName"][-3:] for each in page["logStreams"] + rest["logStreams"]] == ["aaa", "bbb", "ccc"]


def test_a_deleted_stream_takes_its_events_with_it(logs: Any) -> None:
    put(logs, "a", "old")
    logs.delete_log_stream(logGroupName=GROUP, logStreamName="a")
    put(logs, "a", "new")

    assert [each["message"] for each in logs.filter_log_events(logGroupName=GROUP)["events"]] == ["new"]
    assert rows(run(logs, "fields @message")) == [{"@message": "new"}]


def test_a_batch_is_checked_as_aws_does(logs: Any) -> None:
    logs.create_log_stream(logGroupName=GROUP, logStreamName="s")

    def send(*times: int) -> dict[str, Any]:
        events = [{"timestamp": at, "message": "m"} for at in times]
        answer: dict[str, Any] = logs.put_log_events(logGroupName=GROUP, logStreamName="s", logEvents=events)
        return answer

    assert refused(lambda: send(now(), now() - 5000))[0] == "InvalidParameterException"
    day = 24 * 3600 * 1000
    assert "24 hours" in refused(lambda: send(now() - 2 * day, now()))[1]
    info = send(now() - 15 * day, now(), now() + day)["rejectedLogEventsInfo"]
    assert info == {"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}
    assert len(logs.filter_log_events(logGroupName=GROUP)["events"]) == 1


@pytest.mark.parametrize("sealed", [False, True])
def test_a_stream_is_read_in_both_directions(logs: Any, shared_cloud: Cloud, sealed: bool) -> None:
    put(logs, "s", *(f"line {number}" for number in range(10)), at=now() - 100)
    put(logs, "other", "not this")
    if sealed:
        seal_all(shared_cloud)

    def read(**params: Any) -> tuple[list[str], dict[str, Any]]:
        answer = logs.get_log_events(logGroupName=GROUP, logStreamName="s", limit=4, **params)
        return [each["message"][-1] for each in answer["events"]], answer

    newest, answer = read()
    assert newest == ["6", "7", "8", "9"]
    middle, answer = read(nextToken=answer["nextBackwardToken"])
    oldest, answer = read(nextToken=answer["nextBackwardToken"])
    assert (middle, oldest) == (["2", "3", "4", "5"], ["0", "1"])
    nothing, end = read(nextToken=answer["nextBackwardToken"])
    assert nothing == []
    assert end["nextBackwardToken"] == answer["nextBackwardToken"]

    first, answer = read(startFromHead=True)
    second, answer = read(startFromHead=True, nextToken=answer["nextForwardToken"])
    third, answer = read(startFromHead=True, nextToken=answer["nextForwardToken"])
    assert first + second + third == [str(number) for number in range(10)]
    nothing, end = read(startFromHead=True, nextToken=answer["nextForwardToken"])
    assert (nothing, end["nextForwardToken"]) == ([], answer["nextForwardToken"])
    put(logs, "s", "line X")
    assert read(startFromHead=True, nextToken=end["nextForwardToken"])[0] == ["X"]


@pytest.mark.parametrize("sealed", [False, True])
def test_filtered_events_come_interleaved_in_pages(logs: Any, shared_cloud: Cloud, sealed: bool) -> None:
    start = now() - 10_000
    for number in range(40):
        put(logs, f"task-{number % 3}", f"{'ERROR' if number % 4 == 0 else 'INFO'} {number}", at=start + number)
        if sealed and number == 20:
            seal_all(shared_cloud)  # a page then holds events from a segment and from the tail

    def numbers(**params: Any) -> list[int]:
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=GROUP, PaginationConfig={"PageSize": 3}, **params
        )
        return [int(each["message"].split()[1]) for page in pages for each in page["events"]]

    assert numbers() == list(range(40))
    assert numbers(filterPattern="ERROR") == list(range(0, 40, 4))
    assert numbers(startFromHead=False, startTime=start) == list(range(39, -1, -1))
    assert numbers(logStreamNames=["task-1"]) == list(range(1, 40, 3))
    assert numbers(logStreamNamePrefix="task-2", filterPattern="?INFO") == [
        number for number in range(2, 40, 3) if number % 4
    ]
    assert numbers(startTime=start + 5, endTime=start + 9) == [5, 6, 7, 8, 9]
    ids = [each["eventId"] for each in logs.filter_log_events(logGroupName=GROUP)["events"]]
    assert ids == sorted(set(ids))


def test_wrong_filters_are_refused(logs: Any) -> None:
    put(logs, "s", "m")
    call = logs.filter_log_events
    assert refused(call, logGroupName=GROUP, filterPattern="{ $.a = ")[0] == "InvalidParameterException"
    assert refused(call, logGroupName=GROUP, nextToken="nonsense")[0] == "InvalidParameterException"
    both = {"logStreamNames": ["s"], "logStreamNamePrefix": "s"}
    assert refused(call, logGroupName=GROUP, **both)[0] == "InvalidParameterException"
    assert refused(call, logGroupName=GROUP, startTime=2, endTime=1)[0] == "InvalidParameterException"


def test_the_group_is_found_by_its_arn(logs: Any) -> None:
    put(logs, "s", "hello")
    arn = logs.describe_log_groups()["logGroups"][0]["logGroupArn"]
    assert len(logs.filter_log_events(logGroupIdentifier=arn)["events"]) == 1
    answer = run_by_identifier(logs, arn)
    assert rows(answer) == [{"@message": "hello"}]


def run_by_identifier(client: Any, arn: str) -> dict[str, Any]:
    identity = client.start_query(
        logGroupIdentifiers=[arn], startTime=0, endTime=int(time.time()), queryString="fields @message"
    )["queryId"]
    return results_of(client, identity)


def test_the_runbooks_queries_run_as_written(logs: Any, shared_cloud: Cloud) -> None:
    put(logs, "s", "INFO fine", '{"level": "ERROR", "msg": "broken"}', "ERROR worse")
    found = run(
        logs,
        """# CloudWatch Logs Insights query
fields @timestamp, @message
| filter @message like /ERROR/
| sort @timestamp desc
| limit 100
""",
    )
    assert [row["@message"] for row in rows(found)] == ["ERROR worse", '{"level": "ERROR", "msg": "broken"}']
    assert found["statistics"]["recordsMatched"] == 2
    assert found["statistics"]["recordsScanned"] == 3
    assert found["statistics"]["bytesScanned"] == len(
        "INFO fine" + '{"level": "ERROR", "msg": "broken"}' + "ERROR worse"
    )
    assert set(rows(found)[0]) == {"@timestamp", "@message"}

    logs.create_log_group(logGroupName="/vpc/flow")
    line = "2 123456789012 eni-0a1b 10.0.11.23 {to} 43210 443 6 10 {size} 1700000000 1700000060 ACCEPT OK"
    lines = [
        (now(), line.format(to=to, size=size)) for to, size in [("1.1.1.1", 100), ("2.2.2.2", 900), ("1.1.1.1", 300)]
    ]
    shared_cloud.part(Logs).put("/vpc/flow", "eni-0a1b-all", lines)
    talkers = run(
        logs,
        """# Use CloudWatch Logs Insights
fields srcAddr, dstAddr, bytes
| stats sum(bytes) as totalBytes by srcAddr, dstAddr
| sort totalBytes desc
""",
        ("/vpc/flow",),
    )
    assert rows(talkers) == [
        {"srcAddr": "10.0.11.23", "dstAddr": "2.2.2.2", "totalBytes": "900"},
        {"srcAddr": "10.0.11.23", "dstAddr": "1.1.1.1", "totalBytes": "400"},
    ]


def test_a_query_spans_groups_and_the_seconds_that_it_names(logs: Any, shared_cloud: Cloud) -> None:
    logs.create_log_group(logGroupName="/other")
    second = int(time.time()) - 100
    for group, offset in ((GROUP, -1), (GROUP, 0), ("/other", 999), ("/other", 1000)):
        shared_cloud.part(Logs).put(group, "s", [(second * 1000 + offset, f"{group} {offset}")])

    found = run(logs, "fields @log, @message", (GROUP, "/other"), startTime=second, endTime=second)

    account = shared_cloud.settings.account
    assert rows(found) == [
        {"@log": f"{account}:/other", "@message": "/other 999"},
        {"@log": f"{account}:{GROUP}", "@message": f"{GROUP} 0"},
    ]
    assert found["statistics"]["logGroupsScanned"] == 2
    for row, group in zip(found["results"], ("/other", GROUP), strict=True):
        record = logs.get_log_record(logRecordPointer=row[-1]["value"])["logRecord"]
        assert record["@log"] == f"{account}:{group}"


def test_a_result_leads_to_its_whole_record(logs: Any) -> None:
    put(logs, "s", '{"level": "ERROR", "user": {"id": 7, "admin": true}, "tags": ["x"]}')
    answer = run(logs, "fields level")
    (pointer,) = [item["value"] for item in answer["results"][0] if item["field"] == "@ptr"]

    record = logs.get_log_record(logRecordPointer=pointer)["logRecord"]

    assert record["level"] == "ERROR"
    assert (record["user.id"], record["user.admin"], record["tags.0"]) == ("7", "1", "x")
    assert record["@logStream"] == "s"
    fields = {each["name"]: each["percent"] for each in logs.get_log_group_fields(logGroupName=GROUP)["logGroupFields"]}
    assert fields["user.id"] == 100
    assert refused(logs.get_log_record, logRecordPointer="nonsense")[0] == "InvalidParameterException"


def test_a_malformed_query_says_where(logs: Any) -> None:
    with pytest.raises(ClientError) as caught:
        run(logs, "fields @message | filtr x")
    response: Any = caught.value.response
    assert response["Error"]["Code"] == "MalformedQueryException"
    assert response["queryCompileError"]["location"] == {"startCharOffset": 18, "endCharOffset": 23}
    assert "filtr" in response["queryCompileError"]["message"]


def test_a_query_of_what_does_not_exist_is_refused(logs: Any) -> None:
    times = {"startTime": 0, "endTime": 1, "queryString": "fields @message"}
    assert refused(logs.start_query, logGroupName="/none", **times)[0] == "ResourceNotFoundException"
    assert refused(logs.start_query, **times)[0] == "InvalidParameterException"
    assert refused(logs.start_query, logGroupNames=[GROUP] * 51, **times)[0] == "InvalidParameterException"
    assert refused(logs.get_query_results, queryId="none")[0] == "ResourceNotFoundException"


def test_queries_are_listed_and_stopped_only_while_they_run(logs: Any) -> None:
    put(logs, "s", "m")
    run(logs, "fields @message | limit 1")
    (newest, *_) = logs.describe_queries(logGroupName=GROUP)["queries"]
    assert (newest["status"], newest["queryString"]) == ("Complete", "fields @message | limit 1")
    assert refused(logs.stop_query, queryId=newest["queryId"])[0] == "InvalidParameterException"
    groups = logs.list_log_groups_for_query(queryId=newest["queryId"])["logGroupIdentifiers"]
    assert groups[0].endswith(GROUP)


def test_results_come_in_pages(logs: Any) -> None:
    put(logs, "s", *(str(number) for number in range(30)), at=now() - 1000)
    identity = run(logs, "fields @message | sort @message asc") and logs.describe_queries()["queries"][0]["queryId"]
    first = logs.get_query_results(queryId=identity, maxItems=20)
    second = logs.get_query_results(queryId=identity, maxItems=20, nextToken=first["nextToken"])
    assert [row["@message"] for row in rows(first) + rows(second)] == [str(number) for number in range(30)]
    assert "nextToken" not in second


def test_saved_queries_are_kept(logs: Any) -> None:
    query = {"name": "shop/errors", "queryString": "fields @message", "logGroupNames": [GROUP]}
    identity = logs.put_query_definition(**query)["queryDefinitionId"]
    logs.put_query_definition(queryDefinitionId=identity, **{**query, "queryString": "fields @log"})
    (saved,) = logs.describe_query_definitions(queryDefinitionNamePrefix="shop")["queryDefinitions"]
    assert (saved["queryDefinitionId"], saved["queryString"], saved["logGroupNames"]) == (
        identity,
        "fields @log",
        [GROUP],
    )
    assert logs.delete_query_definition(queryDefinitionId=identity)["success"]
    assert logs.describe_query_definitions()["queryDefinitions"] == []


def test_metric_filters_are_described_and_tested(logs: Any) -> None:
    transformation = {"metricName": "Errors", "metricNamespace": "App", "metricValue": "1", "defaultValue": 0.0}
    logs.put_metric_filter(
        logGroupName=GROUP, filterName="errors", filterPattern="ERROR", metricTransformations=[transformation]
    )
    (found,) = logs.describe_metric_filters(metricNamespace="App", metricName="Errors")["metricFilters"]
    assert found["metricTransformations"] == [transformation]
    assert logs.describe_log_groups()["logGroups"][0]["metricFilterCount"] == 1
    matches = logs.test_metric_filter(
        filterPattern="[ip, ..., status = 5*]", logEventMessages=["1.1.1.1 a b 503", "1.1.1.1 200"]
    )["matches"]
    assert [(match["eventNumber"], match["extractedValues"]["$status"]) for match in matches] == [(1, "503")]
    logs.delete_metric_filter(logGroupName=GROUP, filterName="errors")
    assert logs.describe_metric_filters(logGroupName=GROUP)["metricFilters"] == []
    bad = {"logGroupName": GROUP, "filterName": "x", "filterPattern": "a-b", "metricTransformations": [transformation]}
    assert refused(logs.put_metric_filter, **bad)[0] == "InvalidParameterException"


def test_resource_policies_are_kept(logs: Any) -> None:
    document = json.dumps({"Statement": []})
    logs.put_resource_policy(policyName="p", policyDocument=document)
    (policy,) = logs.describe_resource_policies()["resourcePolicies"]
    assert (policy["policyName"], policy["policyDocument"]) == ("p", document)
    logs.delete_resource_policy(policyName="p")
    assert logs.describe_resource_policies()["resourcePolicies"] == []


def test_what_localcloud_cannot_do_is_refused_at_once(logs: Any) -> None:
    params = {"logGroupName": GROUP, "filterName": "f", "filterPattern": "", "destinationArn": "arn:aws:lambda:x"}
    code, message = refused(logs.put_subscription_filter, **params)
    assert (code, "Lambda" in message) == ("InvalidOperationException", True)
    assert logs.describe_subscription_filters(logGroupName=GROUP)["subscriptionFilters"] == []


def test_the_joint_drops_events_for_a_missing_group(logs: Any, shared_cloud: Cloud) -> None:
    shared_cloud.part(Logs).put("/none", "s", [(now(), "lost")])
    shared_cloud.part(Logs).put(GROUP, "made by the driver", [(now(), "kept")])
    (event,) = logs.filter_log_events(logGroupName=GROUP)["events"]
    assert (event["logStreamName"], event["message"]) == ("made by the driver", "kept")


@pytest.mark.parametrize("layout", [None, "${version} ${srcaddr} ${dstaddr} ${bytes} ${action} ${traffic-path}"])
def test_flows_reach_the_groups_of_their_flow_logs(
    logs: Any, shared_cloud: Cloud, shared_aws: Clients, layout: str | None
) -> None:
    ec2 = shared_aws("ec2")
    logs.create_log_group(logGroupName="/vpc/flow")
    arn = logs.describe_log_groups(logGroupNamePrefix="/vpc")["logGroups"][0]["logGroupArn"]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_flow_logs(
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="REJECT",
        LogDestination=arn,
        DeliverLogsPermissionArn="arn:aws:iam::123456789012:role/flow",
        **({"LogFormat": layout} if layout else {}),
    )["FlowLogIds"]

    (described,) = ec2.describe_flow_logs(FlowLogIds=made)["FlowLogs"]
    assert described["DeliverLogsStatus"] == "SUCCESS"
    assert "DeliverLogsErrorMessage" not in described
    second = int(time.time())
    records = [
        FlowRecord(
            "1" * 12, "eni-1", "10.0.1.2", "9.9.9.9", 4000, 443, 6, 3, 1234, second - 60, second, accepted=accepted
        )
        for accepted in (True, False)
    ]
    publish(shared_cloud, ["eni-1", vpc], records)
    publish(shared_cloud, ["eni-2", "vpc-other"], records)

    found = run(logs, "fields srcAddr, bytes, action, @logStream", ("/vpc/flow",))
    assert rows(found) == [{"srcAddr": "10.0.1.2", "bytes": "1234", "action": "REJECT", "@logStream": "eni-1-all"}]
    ec2.delete_flow_logs(FlowLogIds=made)


def seal_all(cloud: Cloud) -> None:
    """What full tails go through, now."""
    logs = cloud.part(Logs)
    for group in logs.groups.values():
        logs.store.open(group.identity).rotate()
    logs.seal()
