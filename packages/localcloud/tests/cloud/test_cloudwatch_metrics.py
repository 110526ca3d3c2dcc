"""Metrics over the wire: what is put comes back, in every statistic, unit and page; and a kill loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud
from localcloud.services.cloudwatch import Metrics
from localcloud.services.cloudwatch.statistics import Summary
from localcloud.services.cloudwatch.store import Metric, Store

PROFILE = "minimal"

Clients = Callable[..., Any]
HOUR_AGO = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)


@pytest.fixture
def cloudwatch(shared_aws: Clients) -> Any:
    return shared_aws("cloudwatch")


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def put(cloudwatch: Any, namespace: str, *data: dict[str, Any]) -> None:
    cloudwatch.put_metric_data(Namespace=namespace, MetricData=list(data))


def test_values_counts_and_statistic_sets_give_every_statistic(cloudwatch: Any) -> None:
    at = {"Timestamp": HOUR_AGO, "Unit": "Seconds"}
    put(
        cloudwatch,
        "Test/Statistics",
        {"MetricName": "Latency", "Values": [1.0, 2.0, 3.0], "Counts": [1.0, 2.0, 1.0], **at},
        {"MetricName": "Latency", "Value": 4.0, **at},
        {
            "MetricName": "Set",
            "StatisticValues": {"SampleCount": 4, "Sum": 20, "Minimum": 1, "Maximum": 9},
            **at,
        },
    )
    span = {"StartTime": HOUR_AGO, "EndTime": HOUR_AGO + timedelta(minutes=1), "Period": 60}
    answer = cloudwatch.get_metric_statistics(
        Namespace="Test/Statistics",
        MetricName="Latency",
        Statistics=["SampleCount", "Sum", "Average", "Minimum", "Maximum"],
        ExtendedStatistics=["p50", "p99", "tm50"],
        **span,
    )
    assert answer["Label"] == "Latency"
    (point,) = answer["Datapoints"]
    assert point.pop("ExtendedStatistics") == pytest.approx({"p50": 2.0, "p99": 3.96, "tm50": 5 / 3})
    assert point == {
        "Timestamp": HOUR_AGO, "Unit": "Seconds",
        "SampleCount": 5.0, "Sum": 12.0, "Average": 2.4, "Minimum": 1.0, "Maximum": 4.0,
    }  # fmt: skip
    (known,) = cloudwatch.get_metric_statistics(
        Namespace="Test/Statistics", MetricName="Set", Statistics=["Average"], ExtendedStatistics=["p50"], **span
    )["Datapoints"]
    assert known["Average"] == 5.0
    assert "ExtendedStatistics" not in known, "the percentiles of a statistic set can't be known"


def test_dimensions_are_an_exact_set_and_units_stay_apart(cloudwatch: Any) -> None:
    size = [{"Name": "Size", "Value": "L"}]
    put(
        cloudwatch,
        "Test/Sets",
        {"MetricName": "M", "Value": 1, "Timestamp": HOUR_AGO},
        {"MetricName": "M", "Value": 10, "Dimensions": size, "Timestamp": HOUR_AGO, "Unit": "Count"},
        {"MetricName": "M", "Value": 100, "Dimensions": size, "Timestamp": HOUR_AGO, "Unit": "Percent"},
    )

    def sums(**more: Any) -> list[tuple[float, str]]:
        points = cloudwatch.get_metric_statistics(
            Namespace="Test/Sets",
            MetricName="M",
            StartTime=HOUR_AGO,
            EndTime=HOUR_AGO + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
            **more,
        )["Datapoints"]
        return sorted((point["Sum"], point["Unit"]) for point in points)

    assert sums() == [(1.0, "None")]
    assert sums(Dimensions=size) == [(10.0, "Count"), (100.0, "Percent")]
    assert sums(Dimensions=size, Unit="Percent") == [(100.0, "Percent")]
    assert sums(Dimensions=[{"Name": "Size", "Value": "S"}]) == []


def stat(name: str, namespace: str, statistic: str = "Sum", period: int = 60) -> dict[str, Any]:
    return {"Metric": {"Namespace": namespace, "MetricName": name}, "Period": period, "Stat": statistic}


def test_metric_data_answers_several_queries_with_math(cloudwatch: Any) -> None:
    for minute, (good, bad) in enumerate([(95, 5), (10, None), (60, 40)]):
        at = HOUR_AGO + timedelta(minutes=minute)
        put(cloudwatch, "Test/Math", {"MetricName": "good", "Value": good, "Timestamp": at})
        if bad is not None:
            put(cloudwatch, "Test/Math", {"MetricName": "bad", "Value": bad, "Timestamp": at})
    answer = cloudwatch.get_metric_data(
        MetricDataQueries=[
            {"Id": "good", "MetricStat": stat("good", "Test/Math"), "ReturnData": False},
            {"Id": "bad", "MetricStat": stat("bad", "Test/Math"), "Label": "${LABEL} of ${PROP('Namespace')}"},
            {"Id": "e5", "Expression": "FILL(bad, 0)", "ReturnData": False},
            {"Id": "total", "Expression": "good + e5", "Label": "Requests"},
            {"Id": "rate", "Expression": "IF(total>=20, 100*e5/total, 0)"},
            {"Id": "none", "MetricStat": stat("never", "Test/Math")},
        ],
        StartTime=HOUR_AGO,
        EndTime=HOUR_AGO + timedelta(minutes=3),
        ScanBy="TimestampAscending",
        LabelOptions={"Timezone": "+1000"},
    )
    results = {result["Id"]: result for result in answer["MetricDataResults"]}
    assert list(results) == ["bad", "total", "rate", "none"]
    assert results["bad"]["Values"] == [5.0, 40.0]
    assert results["bad"]["Label"] == "bad of Test/Math"
    assert results["total"]["Values"] == [100.0, 10.0, 100.0]
    assert results["total"]["Label"] == "Requests"
    assert results["rate"]["Values"] == [5.0, 0.0, 40.0]
    assert results["rate"]["Timestamps"] == [HOUR_AGO + timedelta(minutes=minute) for minute in range(3)]
    assert (results["none"]["Values"], results["none"]["StatusCode"]) == ([], "Complete")
    newest_first = cloudwatch.get_metric_data(
        MetricDataQueries=[{"Id": "good", "MetricStat": stat("good", "Test/Math")}],
        StartTime=HOUR_AGO,
        EndTime=HOUR_AGO + timedelta(minutes=3),
    )["MetricDataResults"][0]
    assert newest_first["Values"] == [60.0, 10.0, 95.0]


def test_metric_data_is_paged_without_loss(cloudwatch: Any) -> None:
    for name, points in (("one", 7), ("two", 5)):
        for minute in range(points):
            at = HOUR_AGO + timedelta(minutes=minute)
            put(cloudwatch, "Test/Pages", {"MetricName": name, "Value": minute, "Timestamp": at})
    request = {
        "MetricDataQueries": [
            {"Id": identity, "MetricStat": stat(identity, "Test/Pages")} for identity in ("one", "nothing", "two")
        ],
        "StartTime": HOUR_AGO,
        "EndTime": HOUR_AGO + timedelta(minutes=10),
        "ScanBy": "TimestampAscending",
        "MaxDatapoints": 3,
    }
    found: dict[str, list[float]] = {}
    states: list[tuple[str, str]] = []
    pages = 0
    more: dict[str, Any] = {}
    while True:
        answer = cloudwatch.get_metric_data(**request, **more)
        pages += 1
        assert sum(len(result["Values"]) for result in answer["MetricDataResults"]) <= 3
        for result in answer["MetricDataResults"]:
            found.setdefault(result["Id"], []).extend(result["Values"])
            states.append((result["Id"], result["StatusCode"]))
        if "NextToken" not in answer:
            break
        more = {"NextToken": answer["NextToken"]}
    assert found["one"] == [0, 1, 2, 3, 4, 5, 6]
    assert found["two"] == [0, 1, 2, 3, 4]
    assert pages == 4
    assert states.count(("one", "PartialData")) == 2
    assert ("one", "Complete") in states
    with pytest.raises(ClientError) as refused:
        cloudwatch.get_metric_data(**request, NextToken="made up")
    assert code(refused) == "InvalidNextToken"


def test_search_finds_metrics_by_schema_and_words(cloudwatch: Any, shared_cloud: Cloud) -> None:
    metrics = shared_cloud.part(Metrics)
    for service, value in (("backend", 70), ("frontend", 20)):
        for name in ("CPUUtilization", "MemoryUtilization"):
            metrics.put("AWS/ECS", name, {"ClusterName": "c", "ServiceName": service}, value, at=HOUR_AGO)
    metrics.put("AWS/ECS", "CPUUtilization", {"ClusterName": "c"}, 45, at=HOUR_AGO)

    def search(text: str) -> dict[str, list[float]]:
        answer = cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "s", "Expression": f"SEARCH('{text}', 'Average', 60)"}],
            StartTime=HOUR_AGO,
            EndTime=HOUR_AGO + timedelta(minutes=1),
        )
        return {result["Label"]: result["Values"] for result in answer["MetricDataResults"]}

    assert search('{AWS/ECS,ClusterName,ServiceName} MetricName="CPUUtilization"') == {
        "CPUUtilization c backend": [70.0],
        "CPUUtilization c frontend": [20.0],
    }
    assert search("{AWS/ECS,ClusterName,ServiceName} memory NOT frontend") == {"MemoryUtilization c backend": [70.0]}
    assert search("{AWS/ECS,ClusterName} utilization") == {"CPUUtilization c": [45.0]}
    assert search("{AWS/ECS,ClusterName,ServiceName} ServiceName=(backend OR worker) AND cpu") == {
        "CPUUtilization c backend": [70.0]
    }


def test_listing_filters_and_pages(cloudwatch: Any, shared_cloud: Cloud) -> None:
    metrics = shared_cloud.part(Metrics)
    for number in range(510):
        metrics.put("Test/List", "M", {"Number": str(number), "Parity": "odd" if number % 2 else "even"}, 1)
    metrics.put("Test/List", "Old", {}, 1, at=datetime.now(UTC) - timedelta(hours=5))
    first = cloudwatch.list_metrics(Namespace="Test/List", MetricName="M")
    rest = cloudwatch.list_metrics(Namespace="Test/List", MetricName="M", NextToken=first["NextToken"])
    assert (len(first["Metrics"]), len(rest["Metrics"])) == (500, 10)
    assert "NextToken" not in rest
    odd = cloudwatch.get_paginator("list_metrics").paginate(
        Namespace="Test/List", Dimensions=[{"Name": "Parity", "Value": "odd"}, {"Name": "Number"}]
    )
    assert sum(len(page["Metrics"]) for page in odd) == 255
    assert cloudwatch.list_metrics(Namespace="Test/List", MetricName="Old")["Metrics"] == [
        {"Namespace": "Test/List", "MetricName": "Old", "Dimensions": []}
    ]
    assert cloudwatch.list_metrics(Namespace="Test/List", MetricName="Old", RecentlyActive="PT3H")["Metrics"] == []


@pytest.mark.parametrize(
    ("datum", "expected"),
    [
        ({"Value": float("nan")}, "InvalidParameterValue"),
        ({"Value": 1, "Values": [1.0]}, "InvalidParameterCombination"),
        ({}, "InvalidParameterCombination"),
        ({"Values": [1.0, 2.0], "Counts": [1.0]}, "InvalidParameterValue"),
        ({"Value": 1, "Timestamp": datetime.now(UTC) - timedelta(days=15)}, "InvalidParameterValue"),
        ({"Value": 1, "Timestamp": datetime.now(UTC) + timedelta(days=1)}, "InvalidParameterValue"),
        ({"Value": 1, "StorageResolution": 5}, "InvalidParameterValue"),
    ],
)
def test_a_wrong_datum_is_refused_and_nothing_of_its_call_is_kept(
    cloudwatch: Any, datum: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ClientError) as refused:
        put(cloudwatch, "Test/Refused", {"MetricName": "Good", "Value": 1}, {"MetricName": "Bad", **datum})
    assert code(refused) == expected
    assert cloudwatch.list_metrics(Namespace="Test/Refused")["Metrics"] == []


def test_the_namespaces_of_aws_are_not_for_callers(cloudwatch: Any) -> None:
    with pytest.raises(ClientError) as refused:
        put(cloudwatch, "AWS/ECS", {"MetricName": "CPUUtilization", "Value": 1})
    assert code(refused) == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"Id": "e", "Expression": "ANOMALY_DETECTION_BAND(m, 2)"}, "ANOMALY_DETECTION_BAND"),
        ({"Id": "e", "Expression": "AVG(m)"}, "must be a time series"),
        ({"Id": "e", "Expression": "m + other"}, "other is not in the request"),
        ({"Id": "e", "Expression": "e + 1"}, "circle"),
        ({"Id": "Upper", "Expression": "m"}, "lower case"),
        ({"Id": "e"}, "either a MetricStat or an Expression"),
        ({"Id": "e", "MetricStat": stat("m", "N", "Median")}, "not a supported statistic"),
        ({"Id": "e", "MetricStat": stat("m", "N", period=45)}, "Period must be"),
        ({"Id": "e", "Expression": 'SELECT AVG(CPUUtilization) FROM SCHEMA("AWS/EC2")'}, "Metrics Insights"),
    ],
)
def test_a_wrong_query_is_a_validation_error_that_says_why(cloudwatch: Any, query: dict[str, Any], says: str) -> None:
    with pytest.raises(ClientError) as refused:
        cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "m", "MetricStat": stat("m", "N")}, query],
            StartTime=HOUR_AGO,
            EndTime=HOUR_AGO + timedelta(minutes=1),
        )
    assert code(refused) == "ValidationError"
    assert says in str(refused.value)


def test_too_many_datapoints_are_refused_as_by_aws(cloudwatch: Any) -> None:
    with pytest.raises(ClientError) as refused:
        cloudwatch.get_metric_statistics(
            Namespace="N",
            MetricName="M",
            StartTime=HOUR_AGO - timedelta(days=2),
            EndTime=HOUR_AGO,
            Period=60,
            Statistics=["Sum"],
        )
    assert code(refused) == "InvalidParameterCombination"
    assert "You have requested up to 2,880 datapoints, which exceeds the limit of 1,440." in str(refused.value)


def test_a_dashboard_is_read_back_as_it_was_put(cloudwatch: Any) -> None:
    body = '{"widgets":[{"type":"metric","properties":{"metrics":[["AWS/ECS","CPUUtilization"]]}}]}'
    assert (
        cloudwatch.put_dashboard(DashboardName="Infrastructure", DashboardBody=body)["DashboardValidationMessages"]
        == []
    )
    assert cloudwatch.get_dashboard(DashboardName="Infrastructure")["DashboardBody"] == body
    (entry,) = cloudwatch.list_dashboards(DashboardNamePrefix="Infra")["DashboardEntries"]
    assert entry["Size"] == len(body)
    cloudwatch.delete_dashboards(DashboardNames=["Infrastructure"])
    with pytest.raises(ClientError) as gone:
        cloudwatch.get_dashboard(DashboardName="Infrastructure")
    assert code(gone) == "ResourceNotFound"
    with pytest.raises(ClientError) as refused:
        cloudwatch.put_dashboard(DashboardName="Broken", DashboardBody="{")
    assert code(refused) == "InvalidParameterInput"


# The store itself


def test_one_second_samples_show_in_short_periods_and_minute_samples_do_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "metrics.sqlite")
    metric = Metric.of("N", "M", {})
    start = int(time.time()) // 60 * 60 - 600
    for second in range(0, 60, 5):
        store.put(metric, "None", start + second, Summary.of({1.0: 1.0}))
    store.put(metric, "None", start + 61, Summary.of({5.0: 1.0}), resolution=60)
    short = store.read(metric, start=start, end=start + 120, period=10)
    assert {at - start: summary.count for at, summary in short.items()} == dict.fromkeys(range(0, 60, 10), 2.0)
    minutes = store.read(metric, start=start, end=start + 120, period=60)
    assert {at - start: summary.total for at, summary in minutes.items()} == {0: 12.0, 60: 5.0}
    store.close()


def test_old_samples_lose_their_seconds_but_not_their_sums_or_percentiles(tmp_path: Path) -> None:
    store = Store(tmp_path / "metrics.sqlite")
    metric = Metric.of("N", "M", {})
    now = int(time.time()) // 3600 * 3600
    then = now - 4 * 3600
    for second in range(120):
        store.put(metric, "None", then + second, Summary.of({float(second): 1.0}))
    store.roll_up(now)
    assert store.read(metric, start=then, end=then + 120, period=10) == {}
    minutes = store.read(metric, start=then, end=then + 120, period=60, spread=True)
    assert {at - then: summary.count for at, summary in minutes.items()} == {0: 60.0, 60: 60.0}
    assert minutes[then].values == tuple((float(second), 1.0) for second in range(60))
    store.close()


def test_a_kill_loses_nothing_that_was_written(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from localcloud.services.cloudwatch.store import Metric, Store\n"
        "from localcloud.services.cloudwatch.statistics import Summary\n"
        "store = Store(Path(sys.argv[1]))\n"
        "for second in range(500):\n"
        "    store.put(Metric.of('N', 'M', {}), 'None', 1_800_000_000 + second, Summary.of({1.0: 1.0}))\n"
        "    if second % 50 == 0:\n"
        "        store.flush()\n"
        "store.flush()\n"
        "print('written', flush=True)\n"
        "time.sleep(60)\n"
    )
    path = tmp_path / "metrics.sqlite"
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        os.kill(writer.pid, signal.SIGKILL)
    store = Store(path)
    found = store.read(Metric.of("N", "M", {}), start=1_800_000_000, end=1_800_000_600, period=600)
    assert found[1_800_000_000].count == 500
    store.close()


def test_a_broken_file_is_put_aside_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "metrics.sqlite"
    path.write_bytes(b"this is no database" * 1000)
    store = Store(path)
    store.put(Metric.of("N", "M", {}), "None", 1_800_000_000, Summary.of({1.0: 1.0}))
    store.flush()
    store.close()
    assert "cannot be read" in caplog.text
    assert [file for file in tmp_path.iterdir() if ".broken-" in file.name]


def test_a_hundred_thousand_samples_are_put_quickly_and_not_held(tmp_path: Path) -> None:
    """The promise is a million; a tenth shows the same in a tenth of the time."""
    store = Store(tmp_path / "metrics.sqlite")
    began = time.thread_time()  # its own work: what else the machine does says nothing
    for number in range(100_000):
        metric = Metric("N", "M", (("Number", str(number % 200)),))
        store.put(metric, "None", 1_800_000_000 + number // 200, Summary.of({float(number): 1.0}))
    store.flush()
    took = time.thread_time() - began
    assert not store._buffer
    assert took < 20
    began = time.thread_time()
    found = store.read(Metric("N", "M", (("Number", "7"),)), start=1_800_000_000, end=1_800_000_600, period=60)
    assert sum(summary.count for summary in found.values()) == 500
    assert time.thread_time() - began < 5
    store.close()
