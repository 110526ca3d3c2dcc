"""Text from outside is data: whatever a field holds, no terminal, page, runner or shell takes a command from it."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omc
from omc import output
from omc.checks.finding import Evidence, Finding, Level, Procedure
from omc.config import load
from omc.facts.collector import NO_READING
from omc.output import html, markdown, slack, terminal
from omc.output.document import Document, Field, Row, Table
from omc.output.markdown_text import escape
from omc.redaction import mask
from omc.reports import Report
from omc.reports.report_document import report_document
from omc.reports.report_json import as_json
from omc.reports.screen import Detail, as_screen
from support.shell import words_of

ESC, BEL = "\x1b", "\x07"
HOSTILE = (
    f"{ESC}[2J{ESC}[H",
    f"{ESC}[31mred{ESC}[0m",
    f"{ESC}]8;;https://evil.example{ESC}\\click{ESC}]8;;{ESC}\\",
    f"{ESC}]52;c;ZXZpbA=={BEL}",
    "\x9b31mC1",
    "\x9d8;;https://evil.example\x9c",
    f"bell{BEL}",
    "nul\0nul",
    "back\b\b\bspace",
    "over\rwritten",
    "\nomc: approved by alice",
    "\r\n::error::forged",
    "right\u202eto left\u202c",
    "isolate\u2066x\u2069",
    "marks\u200e\u200f\u061c",
    "zero\u200bwidth\u2060joined\ufeff",
    "separators\u2028line\u2029paragraph\x85next",
    "half\ud800pair",
    "tag\U000e0041s",
    "soft\xadhyphen\x7f",
    "[a link](https://evil.example)",
    "![an image](https://evil.example/x.png)",
    "<img src=x onerror=alert(1)>",
    "<!-- hidden",
    "&lt;b&gt;",
    "https://evil.example and www.evil.example",
    "@everyone mail me@evil.example",
    "a | b | c",
    "```\n# heading",
    "`code` **bold** _italic_ ~~gone~~",
    "# heading",
    "- item",
    "1. item",
    "| --- |",
    "[ref]: https://evil.example",
    "fixes #123 and GH-7",
    "::error::forged",
    "  ::set-output name=x::y",
    "##[add-mask]x",
    "$(touch /tmp/x); `touch /tmp/y` && rm -rf '\n' \\",
)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
OUR_COLOURS = re.compile(r"\x1b\[(?:[012]|3[1-7])m")
ANYTHING = st.one_of(st.text(st.characters(codec=None), max_size=60), st.sampled_from(HOSTILE))
LINK = re.compile(
    r"(?<!\\)[\[\]]|(?<!\\)<(?!!-- -->)|://|(?i:\bwww\.)|@(?!<!-- -->)|\n|(?<!\\)[`*|~]|\bGH-\d|(?<!\\)#\d", re.ASCII
)
"""What would begin a link, an image, HTML, a mention, another cell, code or emphasis in GitHub's Markdown."""


WHOLE = Detail(verbose=True, everything=True)


def report_of(text: str) -> Report:
    environment = load(Path(__file__).parents[4] / "omc.toml").environments["staging"]
    findings = tuple(
        Finding(text, level, text, text, (Evidence(text, NO_READING),), None) for level in (Level.OK, Level.FAIL)
    )
    return Report("Morning check", environment, None, datetime(2026, 11, 29, tzinfo=UTC), 1.0, findings, ())


@given(ANYTHING)
def test_a_line_is_one_line_that_no_terminal_obeys(text: str) -> None:
    shown = output.line(text)
    assert not CONTROL.search(shown)
    assert "\n" not in shown
    shown.encode()


@pytest.mark.parametrize("text", HOSTILE)
def test_what_was_there_can_still_be_seen(text: str) -> None:
    assert output.visible(f"{ESC}[2J") == r"\x1b[2J"
    assert len(output.visible(text)) >= len(text)


@given(ANYTHING)
@settings(max_examples=60, deadline=None)
def test_a_report_holds_nothing_for_a_terminal_but_our_colours(text: str) -> None:
    shown = output.printable(as_screen([report_of(text)], width=100, colour=True, detail=WHOLE))
    assert not CONTROL.search(OUR_COLOURS.sub("", shown))
    harmless = as_screen([report_of("x")], width=100_000, colour=True)
    wide = as_screen([report_of(text)], width=100_000, colour=True)
    assert len(wide.splitlines()) == len(harmless.splitlines())  # no line is forged


def failing_report(log_line: str) -> Report:
    """A database that fails, explains a service's failure, and has a log line as evidence."""
    symptom = Finding("services-running", Level.FAIL, "backend", "0 of 2 tasks run.", place="services/backend")
    procedure = Procedure("Database connection problems", "docs/runbook/troubleshooting.md#database")
    cause = Finding(
        "database-available",
        Level.FAIL,
        "database",
        "The database is stopped.",
        (Evidence(log_line, NO_READING),),
        procedure,
        place="database",
        explains=(symptom,),
    )
    return replace(report_of("x"), findings=(cause,))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_page_and_a_chat_have_the_whole_finding_and_obey_none_of_it(text: str) -> None:
    document = report_document(failing_report(f"seen: {text}"))
    page, message = html.render(document), json.dumps(slack.render(document))
    for shown in (page, message):
        for part in ("database-available", "The database is stopped.", "0 of 2 tasks run.", "Database connection"):
            assert part in shown
        assert "seen: " in shown
    assert not CONTROL.search(page)
    harmless = html.render(report_document(failing_report("seen: x")))
    assert re.findall(r"<[^>]*>", page) == re.findall(r"<[^>]*>", harmless)
    assert '<span class="severity-failure">' in page
    kinds = re.compile(r'"type": "(\w+)"')
    assert kinds.findall(message) == kinds.findall(json.dumps(slack.render(report_document(failing_report("x")))))


@given(ANYTHING)
def test_the_last_gate_lets_nothing_pass_that_a_report_forgot(text: str) -> None:
    shown = output.printable(text)
    assert not CONTROL.search(OUR_COLOURS.sub("", shown))
    shown.encode()


@given(ANYTHING)
def test_a_text_in_markdown_makes_nothing_of_itself(text: str) -> None:
    shown = escape(text)
    assert not LINK.search(shown.replace("\\\\", ""))
    assert not re.match(r"[-+#=]|\d+[.)]", shown)
    row = markdown.render(Document("", (Table(("text", "other"), (Row((text, "x")),)),))).splitlines()[-1]
    assert len(re.findall(r"(?<!\\)\|", row.replace("\\\\", ""))) == 3


@pytest.mark.parametrize("text", HOSTILE)
def test_a_report_in_markdown_has_the_same_shape_whatever_it_tells_of(text: str) -> None:
    shown, harmless = (markdown.render(report_document(report_of(each))) for each in (text, "x"))
    assert shown.count("\n") == harmless.count("\n")
    commands = [f"aws ecs describe-services {output.shell_word(text)}", "```"]
    block = markdown.render(report_document(report_of("x"), commands)).rpartition("### The same by hand")[2]
    fence = re.search(r"`{3,}", block)
    assert fence
    assert block.count(f"\n{fence[0]}\n") + block.endswith(f"\n{fence[0]}") == 1


@given(ANYTHING)
@settings(max_examples=60, deadline=None)
def test_json_reads_back_and_holds_nothing_that_is_not_seen(text: str) -> None:
    shown = output.to_json({"text": text, "deep": [text]})
    assert not CONTROL.search(shown)
    assert json.loads(shown)["text"] == mask(text)
    assert not CONTROL.search(as_json([report_of(text)]))


@pytest.mark.parametrize("text", [text for text in HOSTILE if "\0" not in text and "\ud800" not in text])
def test_a_hostile_word_in_a_command_to_paste_is_a_word(text: str) -> None:
    assert words_of(output.shell_line(["printf", text, "x"])) == ["printf", text, "x"]
    assert not CONTROL.search(output.shell_word(text))


@given(ANYTHING)
def test_github_takes_no_command_from_what_is_printed(text: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GITHUB_ACTIONS", "true")
        for shown in (output.printable(text), output.printable(f"a\n{text}"), output.to_json([text])):
            assert not any(each.strip().startswith("::") or "##[" in each for each in shown.split("\n"))


def test_a_table_keeps_its_columns_whatever_is_in_a_cell() -> None:
    rows = (Row(("ok", f"a{ESC}[1Ab", "x\ny"), (Field("", "below\nomc: forged"),)), Row(("ok", "c", "z")))
    shown = terminal.render(Document("", (Table(("", "", ""), rows),)), width=80)
    assert shown.splitlines() == [
        r"ok  a\x1b[1Ab  x\ny",
        r"               below\nomc: forged",
        "ok  c          z",
    ]


def test_an_ordinary_sentence_is_left_as_it_is() -> None:
    for text in ("2 of 2 tasks run: backend:41 → backend:42, p95 0.3 s.", "größer; 日本語", "a_b-c/d (e) 50 %"):
        assert output.line(text) == text
        assert output.printable(text) == text
        assert escape(text) == text


def test_nothing_is_printed_past_the_gate() -> None:
    """The exceptions: the lines that a shell evaluates, of a local cloud's own keys; a file that is written; and what
    a task prints."""
    past = re.compile(r"\bclick\.s?echo\(|\bprint\(|std(?:out|err)\.write\(|\bjson\.dumps\(.*indent=2")
    files = [
        file
        for file in Path(omc.__file__).parent.rglob("*.py")
        if file.name not in ("gate.py", "json.py", "progress.py")
    ]
    found = [line.strip() for file in files for line in file.read_text().splitlines() if past.search(line)]
    assert {line.partition("(")[2][:8] for line in found} == {"text)", "text)  #", "json.dum", '"OMC-RES'}


@pytest.mark.parametrize(
    "letter", "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2800\u3164\uffa0\u200b\ufe0f"
)
def test_a_character_with_nothing_to_see_is_shown_by_its_number(letter: str) -> None:
    assert output.visible(f"pro{letter}duction") == f"pro\\u{ord(letter):04x}duction"
    assert json.loads(output.to_json([f"a{letter}b"])) == [f"a{letter}b"]
    assert letter not in output.to_json([f"a{letter}b"])


@pytest.mark.parametrize("part", ["\n", "\n ", " ", "\n\t", "::", "##["])
def test_printing_in_a_job_takes_time_in_proportion_to_the_length(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")

    def processor_seconds(length: int) -> float:
        began = time.process_time()
        output.printable((part * length)[:length])
        return time.process_time() - began

    small = max(min(processor_seconds(2_000) for _ in range(3)), 0.0005)
    assert processor_seconds(40_000) / small < 150  # 20 in proportion, 400 by the square
