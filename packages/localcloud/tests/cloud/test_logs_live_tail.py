"""Live Tail as botocore hears it: a stream of events over HTTP, while everything else goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localcloud.core.cloud import Cloud
from localcloud.services.logs import Logs
from localcloud.services.logs.live_sessions import MOST_EVENTS, MOST_KEPT, MOST_SESSIONS, Session
from localcloud.services.logs.pattern_parser import parse_pattern
from support.waiting import eventually

PROFILE = "minimal"

Clients = Callable[..., Any]


def client_of(aws: Clients) -> Any:
    """A client whose requests go to the endpoint itself and not to a host named "stream-" and the address."""
    config = Config(retries={"total_max_attempts": 1}, inject_host_prefix=False, read_timeout=20)
    client = aws("logs", config=config)
    for name in ("/one", "/two", "/other"):
        client.create_log_group(logGroupName=name)
    return client


@pytest.fixture(scope="module")
def logs(shared_aws: Clients) -> Any:
    return client_of(shared_aws)


@pytest.fixture
def quiet_cloud(shared_cloud: Cloud) -> Cloud:
    """The shared cloud once the sessions of earlier tests are over."""
    eventually("no session is left", lambda: len(shared_cloud.part(Logs).tails) == 0)
    return shared_cloud


def arn(cloud: Cloud, group: str) -> str:
    return f"arn:aws:logs:{cloud.settings.region}:{cloud.settings.account}:log-group:{group}"


@contextmanager
def tailing(logs: Any, *groups: str, **more: Any) -> Iterator[Iterator[dict[str, Any]]]:
    stream = logs.start_live_tail(logGroupIdentifiers=list(groups), **more)["responseStream"]
    try:
        yield iter(stream)
    finally:
        stream.close()


def results(events: Iterator[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The next so many log events, however many updates bring them."""
    found: list[dict[str, Any]] = []
    for _ in range(30):
        found += next(events)["sessionUpdate"]["sessionResults"]
        if len(found) >= count:
            return found
    raise AssertionError(found)


def test_a_session_begins_and_brings_what_is_put_from_then_on(logs: Any, quiet_cloud: Cloud) -> None:
    held, at = quiet_cloud.part(Logs), int(time.time() * 1000)
    held.put("/one", "s", [(at, "before")])
    with tailing(logs, arn(quiet_cloud, "/one"), arn(quiet_cloud, "/two")) as events:
        started = next(events)["sessionStart"]
        assert started["sessionId"]
        assert started["requestId"]
        assert started["logGroupIdentifiers"] == [arn(quiet_cloud, "/one"), arn(quiet_cloud, "/two")]
        held.put("/one", "s", [(at, "first"), (at + 1, "second")])
        held.put("/other", "s", [(at, "not asked for")])
        logs.create_log_stream(logGroupName="/two", logStreamName="t")
        logs.put_log_events(
            logGroupName="/two", logStreamName="t", logEvents=[{"timestamp": at + 2, "message": "third"}]
        )
        found = results(events, 3)
    assert [each["message"] for each in found] == ["first", "second", "third"]
    assert [each["timestamp"] for each in found] == [at, at + 1, at + 2]
    assert [each["logStreamName"] for each in found] == ["s", "s", "t"]
    assert [each["logGroupIdentifier"] for each in found] == ["/one", "/one", "/two"]
    assert all(abs(each["ingestionTime"] - at) < 60_000 for each in found)


def test_an_idle_session_says_so_every_second(logs: Any, quiet_cloud: Cloud) -> None:
    began = time.monotonic()
    with tailing(logs, arn(quiet_cloud, "/one")) as events:
        next(events)
        updates = [next(events)["sessionUpdate"] for _ in range(2)]
    assert updates == [{"sessionMetadata": {"sampled": False}, "sessionResults": []}] * 2
    assert time.monotonic() - began > 1


@pytest.mark.parametrize(
    ("requested", "wanted"),
    [
        ({"logStreamNamePrefixes": ["ecs/back", "x"]}, ["error a", "fine a"]),
        ({"logStreamNames": ["ecs/front/1"]}, ["error b", "fine b"]),
        ({"logEventFilterPattern": "error"}, ["error a", "error b"]),
        ({"logEventFilterPattern": "-error", "logStreamNamePrefixes": ["ecs/front"]}, ["fine b"]),
    ],
)
def test_it_is_narrowed_by_stream_and_pattern(
    logs: Any, quiet_cloud: Cloud, requested: dict[str, Any], wanted: list[str]
) -> None:
    held, at = quiet_cloud.part(Logs), int(time.time() * 1000)
    with tailing(logs, arn(quiet_cloud, "/one"), **requested) as events:
        started = next(events)["sessionStart"]
        assert {name: started[name] for name in requested} == requested
        for stream, letter in (("ecs/back/1", "a"), ("ecs/front/1", "b")):
            held.put("/one", stream, [(at, f"error {letter}"), (at, f"fine {letter}")])
        assert [each["message"] for each in results(events, len(wanted))] == wanted


def test_other_calls_are_answered_meanwhile_and_a_client_that_goes_is_forgotten(logs: Any, quiet_cloud: Cloud) -> None:
    sessions = quiet_cloud.part(Logs).tails
    with tailing(logs, arn(quiet_cloud, "/one")) as events:
        next(events)
        assert len(sessions) == 1
        assert len(logs.describe_log_groups()["logGroups"]) == 3
        assert quiet_cloud.lock.acquire(timeout=30)
        quiet_cloud.lock.release()
    eventually("no session is left", lambda: len(sessions) == 0)


def test_sessions_end_with_the_cloud(aws: Clients, cloud: Cloud) -> None:
    with tailing(client_of(aws), arn(cloud, "/one")) as events:
        next(events)
        threading.Timer(0.1, cloud.stopping.set).start()
        assert all(not each["sessionUpdate"]["sessionResults"] for each in events)  # and the loop ends


def refused(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_what_aws_refuses_is_refused(logs: Any, quiet_cloud: Cloud) -> None:
    def start(*groups: str, **more: Any) -> Callable[[], Any]:
        return lambda: logs.start_live_tail(logGroupIdentifiers=list(groups), **more)

    one, two = arn(quiet_cloud, "/one"), arn(quiet_cloud, "/two")
    assert refused(start("/one")) == (
        "InvalidParameterException",
        "/one is not the ARN of a log group without an asterisk at its end.",
    )
    assert refused(start(one + ":*"))[0] == "InvalidParameterException"
    assert refused(start(arn(quiet_cloud, "/none")))[0] == "ResourceNotFoundException"
    assert refused(start(one, two, logStreamNames=["a"]))[0] == "InvalidParameterException"
    assert refused(start(one, logStreamNames=["a"], logStreamNamePrefixes=["b"]))[0] == "InvalidParameterException"
    assert refused(start(one, logEventFilterPattern="{ $.a = "))[0] == "InvalidParameterException"
    assert refused(start(*[one] * 11))[0] == "InvalidParameterException"
    logs.create_log_group(logGroupName="/rare", logGroupClass="INFREQUENT_ACCESS")
    assert refused(start(arn(quiet_cloud, "/rare")))[0] == "InvalidOperationException"
    assert len(quiet_cloud.part(Logs).tails) == 0


def test_there_are_so_many_sessions_at_most(logs: Any, quiet_cloud: Cloud) -> None:
    sessions = quiet_cloud.part(Logs).tails
    held = [Session(frozenset(), frozenset(), (), parse_pattern("")) for _ in range(MOST_SESSIONS)]
    for each in held:
        sessions.add(each)
    code, _ = refused(lambda: logs.start_live_tail(logGroupIdentifiers=[arn(quiet_cloud, "/one")]))
    assert code == "LimitExceededException"
    for each in held:
        sessions.remove(each)


def test_of_many_events_a_sample_and_of_too_many_the_newest() -> None:
    session = Session(frozenset(["/one"]), frozenset(), (), parse_pattern(""))
    session.offer("/one", "s", [(number, str(number)) for number in range(MOST_EVENTS)], 0)
    assert session.update()["sessionMetadata"] == {"sampled": False}
    session.offer("/one", "s", [(number, str(number)) for number in range(MOST_KEPT + 100)], 0)
    update = session.update()
    assert update["sessionMetadata"] == {"sampled": True}
    times = [each["timestamp"] for each in update["sessionResults"]]
    assert len(times) == MOST_EVENTS
    assert times == sorted(times)
    assert times[0] == 100  # the oldest were dropped
    assert times[-1] > MOST_KEPT
