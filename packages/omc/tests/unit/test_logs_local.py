"""Exported logs as files: what they are, what they come to, and lines that nobody meant to be read."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omc.errors import Missing, WrongUse
from omc.logs.duck import tables_of
from omc.logs.files import Kind, events_in, log_files, moment_in
from omc.logs.local import local_errors, local_rows, local_talkers
from omc.logs.model import Span
from omc.logs.portable import portable_queries, portable_query
from support.morning import omc

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
ENI = "eni-0a1b2c3d4e5f60718"


def flow(source: str, destination: str, ports: str, size: int, action: str = "ACCEPT", at: int = 1_764_000_000) -> str:
    return f"2 123456789012 {ENI} {source} {destination} {ports} 6 10 {size} {at} {at + 60} {action} OK"


FLOWS = [
    flow("10.0.11.5", "10.0.21.9", "40000 5432", 500),
    flow("10.0.21.9", "10.0.11.5", "5432 40000", 9000),
    flow("10.0.11.5", "10.0.21.9", "41000 5432", 700),
    flow("203.0.113.7", "10.0.11.5", "50000 22", 60, "REJECT"),
    f"2 123456789012 {ENI} - - - - - - - 1764000000 1764000060 - NODATA",
]
EXPECTED = [
    ("10.0.21.9", "10.0.11.5", 5432, 9000, 1),
    ("10.0.11.5", "10.0.21.9", 5432, 1200, 2),
    ("203.0.113.7", "10.0.11.5", 22, 60, 1),
]


def balancer(status: str = "502", target: str = "-", trace: str = "1-67e1a2b3-0123456789abcdef01234567") -> str:
    """A line as the user guide's examples have it, with the fields that came later."""
    return (
        "https 2026-11-23T01:02:03.456789Z app/ohmycoins-staging/50dc6c495c0c9188 203.0.113.9:2817 10.0.11.24:8000 "
        f'0.001 -1 -1 {status} {target} 34 366 "GET https://www.example.com:443/api/v1/prices?coin=btc HTTP/1.1" '
        f'"curl/8 \\x22quoted\\x22" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:x:1:target/b/7 '
        f'"Root={trace}" "www.example.com" "arn:aws:acm:x" 1 2026-11-23T01:02:03.400000Z "forward" "-" "-" '
        '"10.0.11.24:8000" "-" "-" "-" TID_1234'
    )


def written(folder: Path, name: str, lines: list[str], *, zipped: bool = False) -> Path:
    data = "\n".join(lines).encode() + b"\n"
    path = folder / name
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


def talkers(*paths: Path, flow_format: str | None = None, span: Span | None = None) -> list[tuple[object, ...]]:
    found, _ = local_talkers(log_files(paths, flow_format), span, 20)
    return [(each.source, each.destination, each.port, each.bytes, each.records) for each in found]


def test_flow_logs_of_every_form_give_the_same(tmp_path: Path) -> None:
    with_header = written(tmp_path, "a.log", [HEADER, *FLOWS])
    assert talkers(with_header) == EXPECTED
    assert talkers(written(tmp_path, "b.log.gz", [HEADER, *FLOWS], zipped=True)) == EXPECTED
    assert talkers(written(tmp_path, "c.log", FLOWS)) == EXPECTED
    exported = [f"2026-11-23T01:02:03.000Z {line}" for line in FLOWS]
    assert talkers(written(tmp_path, "d.gz", exported, zipped=True)) == EXPECTED
    own = "${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${bytes} ${start} ${end} ${action} ${tcp-flags}"
    fields = [line.split() for line in FLOWS]
    short = [" ".join([*each[3:8], each[9], *each[10:13], "3"]) for each in fields]
    assert talkers(written(tmp_path, "e.log", short), flow_format=own) == EXPECTED
    names = own.replace("${", "").replace("}", "")
    assert talkers(written(tmp_path, "f.log", [names, *short])) == EXPECTED


def test_flow_logs_in_parquet_and_files_of_several_forms_at_once(tmp_path: Path) -> None:
    plain = written(tmp_path, "a.log", [HEADER, *FLOWS])
    with tables_of(log_files([plain])) as tables:
        parquet = tmp_path / "b.parquet"
        tables.rows(
            f"COPY (SELECT *, start_time AS start, end_time AS \"end\" FROM flow) TO '{parquet}' (FORMAT parquet)"
        )
    assert log_files([parquet])[0].is_parquet
    assert talkers(parquet) == EXPECTED
    both = talkers(plain, parquet)
    assert [row[3] for row in both] == [2 * int(str(row[3])) for row in EXPECTED]


def test_only_flows_of_the_time_are_counted(tmp_path: Path) -> None:
    late = flow("10.0.0.1", "10.0.0.2", "1024 80", 5, at=1_764_100_000)
    path = written(tmp_path, "a.log", [HEADER, *FLOWS, late])
    begin = datetime.fromtimestamp(1_764_090_000, UTC)
    assert talkers(path, span=Span(begin, datetime.fromtimestamp(1_764_200_000, UTC))) == [
        ("10.0.0.1", "10.0.0.2", 80, 5, 1)
    ]


def test_hostile_flow_lines_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    hostile = [
        b"\x00\x01\x02",
        b"2 1 eni x",
        b"\xff\xfe " * 14,
        b'2 "quote',
        b"x" * 600_000,
        b"2 " + b"9" * 40 + b" a" * 12,
    ]
    good = [line.encode() for line in FLOWS]
    path.write_bytes(b"\n".join([HEADER.encode(), *good[:2], *hostile, *good[2:]]) + b"\n")
    found, answer = local_talkers(log_files([path]), None, 20)
    assert [(each.source, each.bytes) for each in found][:2] == [("10.0.21.9", 9000), ("10.0.11.5", 1200)]
    assert "lines aren't what the format says" in answer.gaps[0]


def test_access_logs_are_read_with_the_fields_that_aws_documents(tmp_path: Path) -> None:
    lines = [
        balancer(),
        balancer("200", "200", "1-67e1a2b3-00000000000000000000000f"),
        balancer("503") + ' "later" fields',
    ]
    files = log_files([written(tmp_path, "a.log.gz", lines, zipped=True)])
    assert [file.kind for file in files] == [Kind.BALANCER]
    rows, gaps = local_rows(portable_query("statuses"), files, None, 10)
    assert {(row["elb_status_code"], row["requests"]) for row in rows} == {(502, 1), (200, 1), (503, 1)}
    assert gaps == []
    traced, _ = local_rows(portable_query("trace"), files, None, 10, "1-67e1a2b3-00000000000000000000000f")
    assert [row["request_url"] for row in traced] == ["https://www.example.com:443/api/v1/prices?coin=btc"]
    failed = local_errors(files, None)
    assert sum(each.count for each in failed.shapes) == 2


@pytest.mark.parametrize("name", [name for name, query in portable_queries().items() if query.table == "requests"])
def test_each_saved_query_of_requests_runs(tmp_path: Path, name: str) -> None:
    files = log_files([written(tmp_path, "a.log", [balancer("200", "200")])])
    rows, _ = local_rows(portable_query(name), files, None, 10, "x' OR '1'='1")
    assert len(rows) == (0 if name in ("failed-requests", "slow-requests", "trace") else 1)


def test_exports_of_cloudwatch_and_the_cli_and_plain_lines_are_events(tmp_path: Path) -> None:
    at = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
    exported = written(
        tmp_path, "a.gz", ["2026-11-23T01:02:03.000Z ERROR x", "2026-11-23T01:02:04Z INFO y"], zipped=True
    )
    cli = {"logStreamName": "s", "timestamp": int(at.timestamp() * 1000), "message": "ERROR x", "ingestionTime": 1}
    by_cli = written(tmp_path, "b.json", [json.dumps(cli)])
    plain = written(tmp_path, "c.log", ["2026-11-23 01:02:03,000 ERROR x", '{"level": "error", "message": "x"}'])
    for path in (exported, by_cli, plain):
        events = list(events_in(log_files([path])[0]))
        assert (events[0].at, "ERROR x" in events[0].message) == (at, True)
    assert sum(each.count for each in local_errors(log_files([exported, by_cli, plain]), None).shapes) == 4


def test_what_no_file_is_and_what_is_of_another_kind_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Missing, match="There is no file"):
        log_files([tmp_path / "none.log"])
    text = written(tmp_path, "a.log", ["INFO fine"])
    with pytest.raises(WrongUse, match="looks like a file of lines"):
        local_talkers(log_files([text]), None, 5)
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(b"ERROR x\n" * 10_000)[:40])
    assert local_errors(log_files([cut]), None).answer.gaps == ()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_no_bytes_can_stop_the_reading(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.log"
    path.write_bytes(data)
    try:
        files = log_files([path])
    except WrongUse:
        return
    if files[0].kind is Kind.LINES:
        local_errors(files, None)


@given(st.text(max_size=60))
def test_no_text_can_stop_the_search_for_a_time(text: str) -> None:
    assert moment_in(text) is None or moment_in(text) is not None


def test_the_command_reads_files_without_a_cloud(tmp_path: Path) -> None:
    path = written(tmp_path, "a.log", [HEADER, *FLOWS])
    done = omc("logs", "top-talkers", "--local", str(path), "--output", "json")
    assert (done.returncode, json.loads(done.stdout)["talkers"][0]["bytes"]) == (0, 9000)
    assert done.stderr == ""
    slip = omc("logs", "top-talkers", str(path), "--env", "staging")
    assert (slip.returncode, "only with --local" in slip.stderr) == (2, True)
