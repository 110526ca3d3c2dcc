"""Exported logs as files: what they are, what they come to, and lines that nobody meant to be read."""

from __future__ import annotations

import gzip
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omc.errors import Missing, WrongUse
from omc.logs import documents
from omc.logs.command import logs
from omc.logs.duck import tables_of
from omc.logs.files import Kind, events_in, log_files, moment_in
from omc.logs.local import local_errors, local_rows, local_statements, local_talkers, local_trace
from omc.logs.model import Span
from omc.logs.portable import portable_queries, portable_query
from omc.output import terminal
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


@pytest.mark.parametrize("rest", [-8, -40])
def test_one_damaged_file_of_a_folder_is_named_and_the_others_are_read(tmp_path: Path, rest: int) -> None:
    written(tmp_path, "a.log.gz", [HEADER, *FLOWS], zipped=True)
    many = [flow(f"10.0.0.{n % 250}", "10.9.9.9", "1024 80", n) for n in range(5000)]
    cut = written(tmp_path, "b.log.gz", [HEADER, *many], zipped=True)
    cut.write_bytes(cut.read_bytes()[:rest])
    found, answer = local_talkers(log_files([tmp_path]), None, 20)
    assert [(each.source, each.destination, each.port, each.bytes, each.records) for each in found] == EXPECTED
    assert answer.gaps == (f"{cut} is cut off or damaged: nothing of it was counted.",)


def test_a_damaged_file_alone_is_refused(tmp_path: Path) -> None:
    cut = written(tmp_path, "b.log.gz", [HEADER, *FLOWS], zipped=True)
    cut.write_bytes(cut.read_bytes()[:-12])
    with pytest.raises(WrongUse, match="can't be read"):
        local_talkers(log_files([cut]), None, 20)


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
    (tmp_path / "empty").mkdir()
    with pytest.raises(Missing, match="There is no file in"):
        log_files([tmp_path / "empty"])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WrongUse, match="can't be read twice"):
        log_files([tmp_path / "pipe"])


WHOLE = gzip.compress(b"".join(b"ERROR x%d\n" % number for number in range(2000)))


@pytest.mark.parametrize(
    ("data", "count", "gap"),
    [
        (WHOLE[: len(WHOLE) // 2], None, "is cut off or damaged: what comes after its line "),
        (WHOLE[:-8] + bytes(8), 2000, "is cut off or damaged: what comes after its line 2,000 is not known."),
        (WHOLE + b"garbage", 2000, "is cut off or damaged"),
        (b"\x1f\x8bnothing of gzip", 0, "what comes after its line 0"),
        (b"ERROR \0\1\2" * 500, 0, "isn't text in UTF-8 and was left out."),
        ("ERROR x\n".encode("utf-16"), 0, "isn't text in UTF-8 and was left out."),
        (b"\xef\xbb\xbf2026-11-30T01:00:00Z ERROR x\r\n", 1, ""),
        (b"ERROR x\r\nINFO fine\r\nERROR y", 2, ""),
        (b"ERROR " + b"x" * 3_000_000 + b"\nERROR y\n", 2, ""),
        (b"", 0, ""),
    ],
)
def test_what_could_not_be_read_of_a_file_is_a_gap_of_the_answer(
    tmp_path: Path, data: bytes, count: int | None, gap: str
) -> None:
    path = tmp_path / "any.log"
    path.write_bytes(data)
    found = local_errors(log_files([path]), None)
    assert count in (None, sum(each.count for each in found.shapes))
    assert (len(found.answer.gaps), gap in "".join(found.answer.gaps)) == (1 if gap else 0, True)
    if gap:
        assert local_statements(log_files([path]), None)[1].gaps
        assert local_trace(log_files([path]), "nothing-of-it", None)[1].gaps
    shown = terminal.render(documents.errors_document(found, "these files", "UTC", None))
    assert ("unknown: Nothing" in shown) is (count == 0)


OTHER = "${srcaddr} ${dstaddr} ${bytes}"


def test_a_flow_log_without_times_is_counted_whole_and_what_it_lacks_is_unknown(tmp_path: Path) -> None:
    path = written(tmp_path, "a.log", ["10.0.0.1 10.0.0.2 70", "10.0.0.1 10.0.0.2 30"])
    (one,), answer = local_talkers(log_files([path], OTHER), None, 20)
    assert (one.bytes, one.records, one.port, one.packets, one.protocol, one.action) == (100, 2, None, None, "", "")
    assert answer.gaps == ()
    shown = terminal.render(documents.talkers_document((one,), answer, "t", "files"))
    assert "100 bytes  unknown  2        10.0.0.1  10.0.0.2  unknown  unknown   unknown" in shown
    (same,), told = local_talkers(
        log_files([path], OTHER), Span(datetime(2026, 1, 1, tzinfo=UTC), datetime.now(UTC)), 5
    )
    assert same == one
    assert told.gaps == ("a.log: without start and end, so that all of it was counted whatever its time.",)
    with pytest.raises(WrongUse, match=r"a\.log has no field action, which rejected needs\. It has: bytes, dstaddr"):
        local_rows(portable_query("rejected"), log_files([path], OTHER), None, 5)


def test_parquet_of_something_else_is_no_empty_flow_log(tmp_path: Path) -> None:
    plain, parquet = written(tmp_path, "a.log", [HEADER, *FLOWS]), tmp_path / "b.parquet"
    with tables_of(log_files([plain])) as tables:
        tables.rows(f"COPY (SELECT 1 AS a, 'x' AS b) TO '{parquet}' (FORMAT parquet)")
    with pytest.raises(WrongUse, match="has no field srcaddr and dstaddr, which talkers needs"):
        local_talkers(log_files([parquet]), None, 5)


@pytest.mark.parametrize(
    "options",
    [
        ("errors", "--service", "backend"),
        ("errors", "--new"),
        ("errors", "--env", "staging"),
        ("query", "clients", "--estimate"),
        ("query", "clients", "--engine", "athena"),
        ("top-talkers", "--engine", "athena"),
        ("errors", "--explain"),
    ],
)
def test_what_means_nothing_of_files_is_refused_and_not_passed_over(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = written(tmp_path, "a.log", [HEADER, *FLOWS])
    done = CliRunner().invoke(logs, [*options, "--local", str(path)], standalone_mode=False)
    assert isinstance(done.exception, WrongUse)
    assert options[-1 if options[-1].startswith("--") else -2] in done.exception.message


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
