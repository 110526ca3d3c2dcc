"""localcloud's quicker forms of moto's parts write what moto's own write."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from moto.core import responses
from moto.core.serialize import (
    BaseJSONSerializer,
    ResponseSerializer,
    SerializationContext,
    XFormedAttributePicker,
    get_serializer_class,
)
from moto.core.utils import camelcase_to_underscores, get_service_model, method_names_from_class

from localcloud.front import moto_parts

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)


@pytest.fixture
def motos_own() -> Iterator[pytest.MonkeyPatch]:
    """Undone in the test, between the two answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResponseSerializer, "get_value", moto_parts._motos_value)
        patch.setattr(BaseJSONSerializer, "_serialize_type_list", moto_parts._motos_list)
        yield patch


def written(service: str, operation: str, protocol: str, answer: Any, picker: Any = None) -> Any:
    model = get_service_model(service).operation_model(operation)
    kind = get_serializer_class(service, protocol)
    return kind(model, context=SerializationContext("an-id"), value_picker=picker).serialize(answer)


class Dotted(dict[str, Any]):
    """A mapping of another kind, as moto's models have them."""

    def __getitem__(self, key: str) -> Any:
        return {"Id": "m1", "Label": "by its own way"}.get(key)


@dataclass
class Instance:
    db_instance_identifier: str
    allocated_storage: int


MOMENTS = [
    NOW,
    NOW.replace(microsecond=123_456),
    NOW.replace(tzinfo=None),
    NOW.astimezone(timezone(timedelta(hours=11))),
    datetime(1969, 12, 31, 23, 59, tzinfo=UTC),
    datetime(2300, 1, 1, tzinfo=UTC),
    1_700_000_000,
    "2026-11-23T08:30:00Z",
    "1700000000",
]
RESULTS: list[Any] = [
    {"MetricDataResults": []},
    {"MetricDataResults": [{"Id": "m1", "Timestamps": MOMENTS, "Values": [1, 2.5, True, "3", -0.0, 1e300]}]},
    {"MetricDataResults": [{"Id": "m1", "Timestamps": [], "Values": [], "StatusCode": "Complete"}], "NextToken": None},
    {"MetricDataResults": [Dotted()], "Messages": [{"Code": "x", "Value": "y"}]},
    {"MetricDataResults": [{"Id": "m1", "Label": None, "Nobody.Asked": 1}]},
]


@pytest.mark.parametrize("protocol", ["json", "query"])
@pytest.mark.parametrize("answer", RESULTS)
def test_an_answer_is_written_as_moto_writes_it(motos_own: pytest.MonkeyPatch, protocol: str, answer: Any) -> None:
    asked = ("cloudwatch", "GetMetricData", protocol, answer)
    theirs = written(*asked)
    motos_own.undo()
    assert written(*asked) == theirs
    assert "MetricDataResult" in theirs["body"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    ("service", "operation", "member"),
    [("ecs", "DescribeServices", "services"), ("logs", "DescribeLogGroups", "logGroups")],
)
def test_other_lists_and_moments_stay_motos(
    motos_own: pytest.MonkeyPatch, service: str, operation: str, member: str, moment: Any
) -> None:
    answer = {member: [{"createdAt": moment, "serviceName": "backend", "logGroupName": "x", "creationTime": 5}]}
    theirs = written(service, operation, "json", answer)
    motos_own.undo()
    assert written(service, operation, "json", answer) == theirs
    assert json.loads(theirs["body"])[member]


def test_a_picker_of_models_is_still_asked(motos_own: pytest.MonkeyPatch) -> None:
    asked = ("rds", "DescribeDBInstances", "query", {"DBInstances": [Instance("db", 20)]}, XFormedAttributePicker())
    theirs = written(*asked)
    motos_own.undo()
    assert written(*asked) == theirs
    assert "<DBInstanceIdentifier>db<" in theirs["body"]


@pytest.mark.parametrize("value", ["not a number", None, [1]])
def test_what_is_no_number_is_refused_as_by_moto(motos_own: pytest.MonkeyPatch, value: Any) -> None:
    answer = {"MetricDataResults": [{"Values": [value]}]}
    with pytest.raises((TypeError, ValueError)) as theirs:
        written("cloudwatch", "GetMetricData", "json", answer)
    motos_own.undo()
    with pytest.raises((TypeError, ValueError)) as ours:
        written("cloudwatch", "GetMetricData", "json", answer)
    assert type(ours.value) is type(theirs.value)


@pytest.mark.parametrize("name", ["DescribeDBInstances", "ListTagsForResource", "GetIAMRole", "x", ""])
def test_names_are_motos(name: str) -> None:
    assert responses.camelcase_to_underscores(name) == camelcase_to_underscores(name)
    assert responses.method_names_from_class(Instance) == method_names_from_class(Instance)
