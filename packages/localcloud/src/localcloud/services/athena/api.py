"""The API of Athena's queries: started, described, read and stopped."""

from __future__ import annotations

import re
from typing import Any

from localcloud.core.cloud import Cloud
from localcloud.core.registry import Answer, AwsError, Call, operation
from localcloud.services.athena.component import Athena, Execution
from localcloud.services.athena.tables import tables_of

PAGE = 1000
TYPES = {"bigint": "bigint", "integer": "integer", "hugeint": "decimal", "double": "double", "boolean": "boolean"}
"""DuckDB's types by Athena's names; all others are text."""


@operation("athena", "StartQueryExecution")
def start_query_execution(cloud: Cloud, call: Call) -> Answer:
    params = call.params
    sql = params["QueryString"].strip().rstrip(";")
    if not re.match(r"(?i)(select|with)\b", sql):
        raise invalid("localcloud's Athena runs SELECT alone.")
    workgroup = params.get("WorkGroup", "primary")
    group = getattr(cloud.moto("athena"), "work_groups", {}).get(workgroup)
    if group is None:
        raise invalid(f"WorkGroup {workgroup} is not found.")
    database = params.get("QueryExecutionContext", {}).get("Database", "default")
    cutoff = (getattr(group, "configuration", None) or {}).get("BytesScannedCutoffPerQuery")
    found = cloud.part(Athena).begin(sql, database, workgroup, tables_of(cloud, database, sql), cutoff)
    return {"QueryExecutionId": found.identity}


@operation("athena", "GetQueryExecution", locked=False)
def get_query_execution(cloud: Cloud, call: Call) -> Answer:
    found = _execution(cloud, call)
    taken = int(((found.completed or call.at) - found.submitted).total_seconds() * 1000)
    status: dict[str, Any] = {"State": found.state, "SubmissionDateTime": found.submitted}
    if found.reason:
        status["StateChangeReason"] = found.reason
    if found.completed:
        status["CompletionDateTime"] = found.completed
    return {
        "QueryExecution": {
            "QueryExecutionId": found.identity,
            "Query": found.sql,
            "StatementType": "DML",
            "QueryExecutionContext": {"Database": found.database},
            "Status": status,
            "Statistics": {
                "DataScannedInBytes": found.scanned if found.state == "SUCCEEDED" else 0,
                "EngineExecutionTimeInMillis": max(0, taken),
                "TotalExecutionTimeInMillis": max(0, taken),
            },
            "WorkGroup": found.workgroup,
        }
    }


@operation("athena", "GetQueryResults", locked=False)
def get_query_results(cloud: Cloud, call: Call) -> Answer:
    found = _execution(cloud, call)
    if found.state != "SUCCEEDED":
        raise invalid(f"Query has not yet finished. Current state: {found.state}")
    lines: list[list[str | None]] = [[name for name, _ in found.columns], *found.rows]
    first = int(call.params.get("NextToken") or 0)
    last = first + int(call.params.get("MaxResults") or PAGE)
    columns = [{"Name": name, "Label": name, "Type": TYPES.get(kind, "varchar")} for name, kind in found.columns]
    answer: dict[str, Any] = {
        "UpdateCount": 0,
        "ResultSet": {
            "Rows": [
                {"Data": [{} if value is None else {"VarCharValue": value} for value in line]}
                for line in lines[first:last]
            ],
            "ResultSetMetadata": {"ColumnInfo": columns},
        },
    }
    if last < len(lines):
        answer["NextToken"] = str(last)
    return answer


@operation("athena", "StopQueryExecution", locked=False)
def stop_query_execution(cloud: Cloud, call: Call) -> Answer:
    cloud.part(Athena).cancel(_execution(cloud, call))
    return {}


def _execution(cloud: Cloud, call: Call) -> Execution:
    identity = call.params["QueryExecutionId"]
    found = cloud.part(Athena).find(identity)
    if found is None:
        raise invalid(f"QueryExecution {identity} was not found")
    return found


def invalid(message: str) -> AwsError:
    return AwsError("InvalidRequestException", message)
