"""The API of Logs Insights: queries started, read and stopped; saved queries; and what localcloud refuses."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from localcloud.core.cloud import Cloud
from localcloud.core.flow import DEFAULT_FORMAT, insights_fields
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.logs.component import now
from localcloud.services.logs.definitions import Group, SavedQuery
from localcloud.services.logs.flow_delivery import destinations
from localcloud.services.logs.insights.syntax import QueryError
from localcloud.services.logs.insights.translate import translate
from localcloud.services.logs.queries import Query
from localcloud.services.logs.shared import (
    arn,
    component,
    group_name,
    group_named,
    invalid,
    paged,
    token,
    token_data,
)

MAX_GROUPS = 50
PAGE_ROWS = 10_000


class MalformedQuery(AwsError):
    """MalformedQueryException, with where in the query the error is."""

    def __init__(self, error: QueryError) -> None:
        super().__init__("MalformedQueryException", f"{error.message} ({error.start}, {error.end})")
        self.queryCompileError: dict[str, Any] = {
            "location": {"startCharOffset": error.start, "endCharOffset": error.end},
            "message": error.message,
        }


@operation("logs", "StartQuery", locked=False)
def start_query(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    _only_insights(params)
    if params["startTime"] > params["endTime"]:
        raise invalid("End time should not be before start time")
    groups = [group_named(cloud, name) for name in _group_names(params)]
    try:
        statement = translate(params["queryString"], params.get("limit"), _flow_layouts(cloud, groups))
    except QueryError as error:
        raise MalformedQuery(error) from error
    labelled = [(group, f"{cloud.settings.account}:{group.name}") for group in groups]
    start, end = _milliseconds(params["startTime"]), _milliseconds(params["endTime"])
    # A time in seconds stands for the whole second, so that what was just written is found.
    last = end + 999 if end == params["endTime"] * 1000 else end
    query = component(cloud).queries.start(params["queryString"], statement, labelled, start, last)
    return {"queryId": query.identity}


def _milliseconds(time: int) -> int:
    """StartQuery means seconds, and AWS takes milliseconds too."""
    return time if time > 100_000_000_000 else time * 1000


def _only_insights(params: Mapping[str, Any]) -> None:
    if params.get("queryLanguage", "CWLI") != "CWLI":
        raise invalid(f"localcloud knows the query language CWLI only, not {params['queryLanguage']}.")


def _group_names(params: Mapping[str, Any]) -> list[str]:
    provided = [params[key] for key in ("logGroupName", "logGroupNames", "logGroupIdentifiers") if params.get(key)]
    if len(provided) != 1:
        raise invalid("Exactly one of logGroupName, logGroupNames and logGroupIdentifiers must be given.")
    names = [provided[0]] if isinstance(provided[0], str) else list(provided[0])
    if len(names) > MAX_GROUPS:
        raise invalid(f"A query may span {MAX_GROUPS} log groups, not {len(names)}.")
    return list(dict.fromkeys(group_name(name) for name in names))


def _flow_layouts(cloud: Cloud, groups: Sequence[Group]) -> dict[int, list[str]]:
    """For groups that receive VPC flow logs in a format of their own, the fields of a line."""
    layouts = {each.group: each.layout for each in destinations(cloud) if each.layout != DEFAULT_FORMAT}
    return {
        number: insights_fields(layouts[group.name]) for number, group in enumerate(groups) if group.name in layouts
    }


def _query(cloud: Cloud, identity: str) -> Query:
    found = component(cloud).queries.find(identity)
    if found is None:
        raise AwsError("ResourceNotFoundException", f"Query {identity} does not exist or has expired.")
    return found


@operation("logs", "GetQueryResults", locked=False)
def get_query_results(cloud: Cloud, call: Call) -> Answer:
    query = _query(cloud, call.params["queryId"])
    rows = component(cloud).queries.rows(query)
    first = token_data(call.params.get("nextToken"), 0)
    last = first + (call.params.get("maxItems") or PAGE_ROWS)
    empty = dict.fromkeys(("recordsMatched", "recordsScanned", "bytesScanned"), 0.0)
    answer: dict[str, Any] = {
        "queryLanguage": query.language,
        "results": [_row(query, row) for row in rows[first:last]],
        "statistics": query.statistics or empty,
        "status": query.status,
    }
    if last < len(rows):
        answer["nextToken"] = token(last)
    return answer


def _row(query: Query, row: Sequence[Any]) -> list[dict[str, str]]:
    """What has no value in an event isn't in its row."""
    columns = query.statement.columns
    fields = [
        {"field": name, "value": value}
        for name, value in zip(columns, row[: len(columns)], strict=True)
        if value is not None
    ]
    if query.statement.events:
        source, at, sequence = row[len(columns) :]
        fields.append({"field": "@ptr", "value": token([query.identities[source], at, sequence])})
    return fields


@operation("logs", "StopQuery", locked=False)
def stop_query(cloud: Cloud, call: Call) -> Answer:
    query = _query(cloud, call.params["queryId"])
    if not component(cloud).queries.cancel(query):
        raise invalid(f"The query is not running: its status is {query.status}.")
    return {"success": True}


@operation("logs", "DescribeQueries", locked=False)
def describe_queries(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    found = [
        {
            "queryLanguage": query.language,
            "queryId": query.identity,
            "queryString": query.text,
            "status": query.status,
            "createTime": query.created,
            "logGroupName": query.groups[0],
            "queryDuration": query.took,
            "bytesScanned": query.statistics.get("bytesScanned", 0.0),
        }
        for query in component(cloud).queries.all()
        if params.get("logGroupName", query.groups[0]) in query.groups
        and params.get("status", query.status) == query.status
    ]
    return paged(found, call, "queries", 1000, "maxResults")


@operation("logs", "ListLogGroupsForQuery", locked=False)
def list_log_groups_for_query(cloud: Cloud, call: Call) -> Answer:
    query = _query(cloud, call.params["queryId"])
    return paged([arn(cloud, name) for name in query.groups], call, "logGroupIdentifiers", 50, "maxResults")


# saved queries


@operation("logs", "PutQueryDefinition", locked=False)
def put_query_definition(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    _only_insights(params)
    logs = component(cloud)
    with logs.lock:
        identity = params.get("queryDefinitionId")
        if identity is not None and identity not in logs.saved_queries:
            raise AwsError("ResourceNotFoundException", f"The query definition {identity} does not exist.")
        identity = identity or str(uuid.uuid4())
        logs.saved_queries[identity] = SavedQuery(
            identity, params["name"], params["queryString"], list(params.get("logGroupNames", [])), now()
        )
    return {"queryDefinitionId": identity}


@operation("logs", "DescribeQueryDefinitions", locked=False)
def describe_query_definitions(cloud: Cloud, call: Call) -> Answer:
    prefix = call.params.get("queryDefinitionNamePrefix", "")
    logs = component(cloud)
    with logs.lock:
        saved = sorted(logs.saved_queries.values(), key=lambda each: (each.name, each.identity))
    found = [
        {
            "queryLanguage": each.language,
            "queryDefinitionId": each.identity,
            "name": each.name,
            "queryString": each.query,
            "lastModified": each.modified,
            "logGroupNames": list(each.groups),
        }
        for each in saved
        if each.name.startswith(prefix)
    ]
    return paged(found, call, "queryDefinitions", 1000, "maxResults")


@operation("logs", "DeleteQueryDefinition", locked=False)
def delete_query_definition(cloud: Cloud, call: Call) -> Answer:
    logs = component(cloud)
    with logs.lock:
        if logs.saved_queries.pop(call.params["queryDefinitionId"], None) is None:
            raise AwsError("ResourceNotFoundException", "The query definition does not exist.")
    return {"success": True}
