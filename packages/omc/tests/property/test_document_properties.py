"""Whatever stands in a document's fields, each medium shows it as text: the structure is the document's alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from omc.output import html, markdown, slack, terminal, to_json
from omc.output.document import (
    CodeBlock,
    Document,
    Field,
    Fields,
    Items,
    Link,
    Literal,
    Notice,
    Paragraph,
    Row,
    Section,
    Severity,
    Status,
    Table,
    Verdict,
)
from omc.output.gate import printable

ESC = "\x1b"
HOSTILE = (
    f"{ESC}[2J{ESC}[31mred{ESC}[0m",
    f"{ESC}]8;;https://evil.example{ESC}\\click{ESC}]8;;{ESC}\\",
    f"{ESC}]52;c;ZXZpbA==\x07",
    "\x9b31mC1\x9d",
    "over\rwritten\b\b",
    "\nSUCCEEDED: forged",
    "a\n\n# heading\n\n- item",
    "right\u202eto left\u2066x\u2069\u200f",
    "zero\u200bwidth\ufeff\u2060",
    "separators\u2028line\u2029paragraph\x85next",
    "half\ud800pair tag\U000e0041s nul\0",
    "[a link](https://evil.example) ![image](https://evil.example/x.png)",
    "[ref]: https://evil.example",
    "<img src=x onerror=alert(1)><script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "</code></pre></article><b>",
    "<!-- hidden",
    "&lt;b&gt; &amp; &#60;",
    "https://evil.example and www.evil.example <https://evil.example>",
    "<!channel> <!here> <@U024BE7LH> <#C024BE7LR> <https://evil.example|click>",
    "*bold* _italic_ ~gone~ `code` ```block```",
    "@everyone me@evil.example fixes #123 GH-7",
    "| a | b |\n|---|---|",
    "    indented code",
    "```\n# heading",
    "# heading",
    "> quote",
    "1. item",
    "- item",
    "+ item",
    "===",
    "---",
    "~~~",
    "$x$ :smile:",
    "javascript:alert(1)",
    "\\",
    "",
    " ",
    "x" * 5_000,
)
TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(codec=None), max_size=40))
PLAIN = "x"
ADDRESS = "https://safe.example/page"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
OUR_COLOURS = re.compile(r"\x1b\[(?:[012]|3[1-7])m")
ACTIVE_ADDRESS = re.compile(r"://|\bwww\.|@(?!<!-- -->)", re.IGNORECASE)


def document(text: Callable[[], str], address: str = ADDRESS) -> Document:
    """One of each kind of block, with what ``text`` gives in every field."""
    status = Status("word", Severity.FAILURE)
    inline = (text(), Status(text(), Severity.OK), Literal(text()), Link(text(), address), text())
    table = Table(
        ("", text(), text()),
        (
            Row((text(), inline, text()), (Field(text(), text()), Field(text(), [text(), text()]))),
            Row((Status(text()), Literal(text()), "")),
        ),
        below=1,
    )
    blocks = (
        Paragraph(inline),
        Notice(status, text()),
        Notice(Status(text(), Severity.WARNING), text()),
        Items((text(), inline)),
        CodeBlock((text(), text()), "bash"),
        Fields((Field(text(), inline), Field(text(), [text()]))),
        table,
    )
    return Document(
        text(),
        (*blocks, Section(text(), (*blocks, Section(text(), blocks)))),
        subtitle=inline,
        verdict=Verdict(Status(text(), Severity.UNKNOWN), text()),
        data={"text": text()},
    )


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Each field its own text, or every field the same."""
    if draw(st.booleans()):
        same = draw(TEXT)
        return document(lambda: same)
    return document(lambda: draw(TEXT))


EVERY = [pytest.param(text, id=f"{number}") for number, text in enumerate(HOSTILE)]


def check_terminal(given: Document, width: int = 80) -> None:
    for wrap in (False, True):
        shown = terminal.render(given, width=width, colour=True, wrap=wrap)
        assert not CONTROL.search(OUR_COLOURS.sub("", shown))
        assert printable(shown) == printable(printable(shown))
        assert OUR_COLOURS.search(shown)
        assert ESC not in terminal.render(given, width=width, wrap=wrap)
    lines = terminal.render(given, width=10**6).split("\n")
    harmless = terminal.render(document(lambda: PLAIN), width=10**6).split("\n")
    assert len(lines) <= len(harmless) + 40  # long lists of values take a line each


def check_markdown(given: Document) -> None:
    shown = markdown.render(given)
    assert not CONTROL.search(shown)
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(shown)
    flat = [each for token in tokens for each in (token, *(token.children or ()))]
    links = [each.attrs["href"] for each in flat if each.type == "link_open"]
    assert set(links) <= {ADDRESS}
    assert not [each for each in flat if each.type == "image"]
    assert not [each for each in flat if each.type.startswith("html") and each.content.strip() != "<!-- -->"]
    blocks = ("heading_open", "hr", "code_block", "ordered_list_open", "fence", "table_open", "tr_open", "td_open")
    wanted = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(markdown.render(document(lambda: PLAIN)))
    for kind in blocks:
        untitled = kind == "heading_open" and not given.title
        assert sum(each.type == kind for each in tokens) == sum(each.type == kind for each in wanted) - untitled, kind
    for each in flat:  # GitHub's own links and mentions
        if each.type == "text" and each.level == 0:
            assert not re.search(r"https?://[a-z]", each.content)


class Tags(HTMLParser):
    def __init__(self, shown: str) -> None:
        super().__init__()
        self.found: list[Any] = []
        self.feed(shown)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(tag)

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.found.append(("decl", decl))


def shape(given: Document) -> list[Any]:
    """The headings and verdicts of an empty text aside, its tags."""
    return Tags(html.render(given)).found


def check_html(given: Document) -> None:
    shown = html.render(given)
    assert not CONTROL.search(shown)
    plain = shape(document(lambda: PLAIN))
    heading: list[Any] = [("h1", []), "h1"]
    expected = plain if given.title else [each for each in plain if each not in heading]
    assert shape(given) == expected


def elements(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from elements(each)
    elif isinstance(value, list):
        for each in value:
            yield from elements(each)


def check_slack(given: Document) -> None:
    blocks = slack.render(given)
    assert len(blocks) <= 50
    assert {block["type"] for block in blocks} <= {"header", "rich_text"}
    for each in elements(blocks):
        assert each.get("type") not in ("mrkdwn", "user", "usergroup", "channel", "broadcast")
        if each.get("type") == "link":
            assert each["url"] == ADDRESS
        if "text" in each and isinstance(each["text"], str):
            assert each["text"]
            assert len(each["text"]) <= (150 if each["type"] == "plain_text" else 3_000)
            assert not CONTROL.search(each["text"])
    text = slack.fallback(given)
    assert len(text) <= 4_000
    assert not re.search(r"[<>]|&(?!amp;|lt;|gt;)|[*_~`@](?!\u2060)|://", text)
    json.dumps(blocks).encode()


CHECKS = [check_terminal, check_markdown, check_html, check_slack]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("text", EVERY)
def test_a_hostile_text_in_every_field_stays_text(text: str, check: Callable[[Document], None]) -> None:
    check(document(lambda: text))


@pytest.mark.parametrize("check", CHECKS)
@given(documents())
@settings(max_examples=40, deadline=None)
def test_any_texts_in_any_fields_stay_text(check: Callable[[Document], None], shown: Document) -> None:
    check(shown)


@given(documents())
@settings(max_examples=40, deadline=None)
def test_json_reads_back_and_holds_no_control_character(shown: Document) -> None:
    text = to_json(shown.data)
    assert not CONTROL.search(text)
    assert set(json.loads(text)) == {"text"}


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "java\nscript:alert(1)",
        " javascript:alert(1)",
        "",
    ],
)
def test_only_an_address_of_the_web_or_of_the_repository_becomes_a_link(address: str) -> None:
    shown = Document("x", (Paragraph(Link("text", address)),))
    assert "<a " not in html.render(shown)
    assert "](" not in markdown.render(shown)
    assert not [each for each in elements(slack.render(shown)) if each.get("type") == "link"]


@pytest.mark.parametrize("address", ["https://a.example/x?y=1&z=(2)#s", "http://a.example", "docs/runbook/x.md#issue"])
def test_an_address_is_kept_in_a_link(address: str) -> None:
    shown = Document("x", (Paragraph(Link("text", address)),))
    (href,) = (dict(each[1])["href"] for each in shape(shown) if isinstance(each, tuple) and each[0] == "a")
    assert href is not None
    assert href.replace("%28", "(").replace("%29", ")") == address
    assert address.partition("(")[0] in markdown.render(shown)


def test_a_message_beyond_slacks_limits_says_what_it_left_out() -> None:
    many = Document("t", tuple(Paragraph(f"{number}") for number in range(80)))
    blocks = slack.render(many)
    assert len(blocks) == 50
    assert "31 more blocks" not in json.dumps(blocks[:-1])
    assert "32 more blocks" in json.dumps(blocks[-1])
    items = slack.render(Document("", (Items(tuple(map(str, range(100)))),)))
    assert "and 70 more" in json.dumps(items)
