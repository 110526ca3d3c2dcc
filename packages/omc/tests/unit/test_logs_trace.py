"""One request through log groups and access logs, and lines as they come; over the wire."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from omc.errors import AccessDenied, WrongUse
from omc.logs.live import Tail, follow
from omc.logs.model import Span
from omc.logs.trace import read_trace, request_id, span_of_id
from support.fake_gateway import FakeGateway
from support.morning import omc
from unit.test_logs_local import balancer

ID = "1-67e1a2b3-0123456789abcdef01234567"
OTHER = "1-67e1a2b3-ffffffffffffffffffffffff"
AT = datetime.fromtimestamp(0x67E1A2B3, UTC)
BALANCER = (
    "arn:aws:elasticloadbalancing:ap-southeast-2:123456789012:loadbalancer/app/ohmycoins-staging/50dc6c495c0c9188"
)
STEM = "123456789012_elasticloadbalancing_ap-southeast-2"


@pytest.mark.parametrize("text", [ID, f"Root={ID}", f"X-Amzn-Trace-Id: Root={ID};Parent=53995c3f42cd8ad8", f'"{ID}"'])
def test_an_id_is_found_in_what_people_paste(text: str) -> None:
    assert request_id(text) == ID


@pytest.mark.parametrize("text", ["", "abc", 'a" | stats count(*)', "a b c d e f", "x" * 300])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(WrongUse):
        request_id(text)


def test_the_load_balancer_s_id_says_when_the_request_was() -> None:
    span = span_of_id(ID)
    assert span is not None
    assert span.begin < AT < span.end
    assert span_of_id("order-4711") is None


class Body(BytesIO):
    def iter_chunks(self, size: int) -> Iterator[bytes]:
        while chunk := self.read(size):
            yield chunk


def gateway(*, logging: str = "true", objects: Mapping[str, bytes] | None = None) -> FakeGateway:
    kept = objects or {}
    row = [
        {"field": "@timestamp", "value": f"{AT + timedelta(seconds=1):%Y-%m-%d %H:%M:%S}.000"},
        {"field": "@message", "value": f"INFO trace={ID} prices served"},
        {"field": "@logStream", "value": "backend/backend/77"},
        {"field": "@log", "value": "123456789012:/ecs/ohmycoins-staging/backend"},
    ]

    def listed(params: Mapping[str, Any]) -> dict[str, Any]:
        return {"Contents": [{"Key": key, "Size": 9} for key in kept if key.startswith(params["Prefix"])]}

    return FakeGateway(
        {
            ("logs", "start_query"): {"queryId": "q"},
            ("logs", "get_query_results"): {"status": "Complete", "results": [row], "statistics": {}},
            ("elbv2", "describe_load_balancers"): {
                "LoadBalancers": [
                    {"LoadBalancerArn": BALANCER, "LoadBalancerName": "ohmycoins-staging"},
                    {"LoadBalancerArn": "arn:other", "LoadBalancerName": "ohmycoins-stagings"},
                ]
            },
            ("elbv2", "describe_load_balancer_attributes"): {
                "Attributes": [
                    {"Key": "access_logs.s3.enabled", "Value": logging},
                    {"Key": "access_logs.s3.bucket", "Value": "logs"},
                    {"Key": "access_logs.s3.prefix", "Value": "alb"},
                ]
            },
            ("s3", "list_objects_v2"): listed,
            ("s3", "get_object"): lambda params: {"Body": Body(kept[params["Key"]])},
        }
    )


def key(end: datetime, name: str = "app.ohmycoins-staging.50dc6c495c0c9188") -> str:
    folder = f"alb/AWSLogs/123456789012/elasticloadbalancing/ap-southeast-2/{end:%Y/%m/%d}"
    return f"{folder}/{STEM}_{name}_{end:%Y%m%dT%H%MZ}_203.0.113.5_1abc.log.gz"


def silent(_: str) -> None:
    """Nobody looks at the progress."""


def test_a_request_is_found_in_the_access_logs_of_its_time_and_in_the_log_groups() -> None:
    line = balancer("200", "200", ID).replace("2026-11-23T01:02:03.456789Z", f"{AT:%Y-%m-%dT%H:%M:%S}.5Z")
    packed = gzip.compress(f"{line}\n{balancer(trace=OTHER)}\n".encode())
    inside, before = key(AT + timedelta(minutes=2)), key(AT - timedelta(hours=2))
    aws = gateway(objects={inside: packed, before: packed, key(AT, "app.other.1"): packed})
    span = span_of_id(ID) or Span(AT, AT)
    found = read_trace(aws, aws.environment, ID, span, 5, silent)
    assert [event.source for event in found.events] == [
        "load balancer ohmycoins-staging",
        "/ecs/ohmycoins-staging/backend",
    ]
    assert [call["Key"] for call in aws.calls("get_object")] == [inside]
    assert found.answer.gaps == ()
    assert len(aws.calls("describe_load_balancer_attributes")) == 1


def test_a_damaged_access_log_ends_where_it_is() -> None:
    packed = gzip.compress(f"{balancer('200', '200', ID)}\n".encode() * 500)
    aws = gateway(objects={key(AT): packed[: len(packed) // 2] + b"\xff" * 40})
    found = read_trace(aws, aws.environment, ID, span_of_id(ID) or Span(AT, AT), 5, silent)
    assert len(found.events) >= 1


def test_without_access_logs_it_is_said_what_would_write_them() -> None:
    aws = gateway(logging="false")
    found = read_trace(aws, aws.environment, ID, span_of_id(ID) or Span(AT, AT), 5, silent)
    assert len(found.events) == 1
    assert "access_logs of aws_lb" in found.answer.gaps[0]


def test_a_request_is_found_in_files(tmp_path: Path) -> None:
    (tmp_path / "alb.log").write_text(balancer("200", "200", ID) + "\n" + balancer(trace=OTHER) + "\n")
    (tmp_path / "app.log").write_text(f"2026-11-23T01:02:04Z INFO trace={ID} served\nINFO other\n")
    done = omc("logs", "trace", ID, "--local", str(tmp_path), "--output", "json")
    none = omc("logs", "trace", "1-67e1a2b3-eeeeeeeeeeeeeeeeeeeeeeee", "--local", str(tmp_path))
    assert [event["source"] for event in json.loads(done.stdout)["events"]] == ["alb.log", "app.log"]
    assert (done.returncode, none.returncode) == (0, 1)


def tailed(since: datetime | None = None, **answers: Any) -> tuple[list[str], list[str], FakeGateway]:
    """What is shown and noted in three questions."""
    aws = FakeGateway({("logs", name): answer for name, answer in answers.items()})
    asked: list[int] = []

    def until() -> bool:
        asked.append(1)
        return len(asked) > 4

    notes: list[str] = []
    tail = Tail({"/a": "arn:aws:logs:r:1:log-group:/a"})
    return [event.message for event in follow(aws, tail, since, notes.append, until)], notes, aws


class Stream(list[dict[str, Any]]):
    def close(self) -> None:
        """The session ends."""


def session(*messages: str) -> dict[str, Any]:
    records = [
        {"message": each, "timestamp": 1, "logGroupIdentifier": "1:/a", "logStreamName": "s"} for each in messages
    ]
    update = {"sessionUpdate": {"sessionMetadata": {"sampled": True}, "sessionResults": records}}
    return {"responseStream": Stream([{"sessionStart": {}}, update, update])}


def test_live_tail_shows_what_comes_and_says_when_it_is_a_part() -> None:
    shown, notes, _ = tailed(start_live_tail=session("one", "two"), filter_log_events={"events": []})
    assert shown[:2] == ["one", "two"]
    assert [note for note in notes if "500 events" in note]


def records(*pairs: tuple[str, str]) -> dict[str, Any]:
    """Of FilterLogEvents: id and message, all of one millisecond."""
    return {"events": [{"message": text, "timestamp": 1, "eventId": id_, "logStreamName": "s"} for id_, text in pairs]}


def test_what_came_before_a_session_began_is_shown_and_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two events are alike: one of them, and one of before the session, are known by the question alone."""
    monkeypatch.setattr("omc.logs.live.POLL", 0.0)
    begun = session("alike", "new")["responseStream"][:2]
    sessions = [{"responseStream": Stream(begun)}, AccessDenied("You may not.", "logs:StartLiveTail")]
    answers = records(("e1", "between"), ("e2", "alike"), ("e3", "alike"))
    shown, _, aws = tailed(AT, start_live_tail=sessions, filter_log_events=answers)
    assert shown == ["between", "alike", "alike", "new"]
    assert len(aws.calls("filter_log_events")) > 1


def test_live_tail_alone_is_enough_and_what_it_leaves_open_is_said() -> None:
    denied = AccessDenied("You may not.", "logs:FilterLogEvents")
    sessions = [session("one")]
    aws = FakeGateway({("logs", "start_live_tail"): sessions, ("logs", "filter_log_events"): denied})
    notes: list[str] = []
    following = follow(aws, Tail({"/a": "arn:a"}), None, notes.append, lambda: False)
    assert next(following).message == "one"
    assert notes[0] == "What came just before can't be asked for: You may not."


def test_without_live_tail_the_groups_are_asked_and_no_event_is_shown_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omc.logs.live.POLL", 0.0)
    event = {"message": "one", "timestamp": 1, "eventId": "e1", "logStreamName": "s"}
    denied = AccessDenied("You may not.", "logs:StartLiveTail")
    shown, notes, aws = tailed(start_live_tail=denied, filter_log_events={"events": [event]})
    assert shown == ["one"]
    assert "Live Tail can't be had (You may not.)" in notes[0]
    assert len(aws.calls("filter_log_events")) > 1
