"""Commands that omc prints can be pasted: what is filled in is a word of a shell, by its form or by ``shell_word``."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc.cli.main import root
from omc.config.fields import NAME, Identifier
from omc.output.text import shell_line

SOURCES = Path(__file__).parents[2] / "src/omc"
COMMANDS = frozenset(root.list_commands(click.Context(root)))
SPAN = re.compile(r"(?<![\w./'-])omc (?P<words>[a-z-]+ [^\n.;:(){}\[\],`\"\\|&>#]*)")

BY_FORM = {
    r"(\w+\.)*environment(\.name)?|undo_in|root\.name|names?": "Identifier",
    r"(\w+\.)*service(\.name)?|chosen\[0\]\.name|count\.service": "Identifier",
    r"(\w+\.)*(open_)?run(\.id)?|(\w+\.)*timer|run_id|each\.id": "made by omc: letters and digits",
    r"(\w+\.)*number|count\.minimum|known\[0\]|failed\[0\]|BREAK_GLASS": "a number",
    r"change\.old\.name|to|after": "a revision or a version: digits, dots, colons",
    r"person\.id|record\.(person|name)|rota\.name|notice\.rota": "Identifier",
    r"method|unverified\[0\]": "a channel that omc has",
    r"part\.name|digest": "omc's own word",
    r"shown": "a code: digits",
    r"state|where": "made of shell_word, or of an environment's name",
    r"back\.images\.get\(service\.container, 'REFERENCE'\)": "an image's reference: no blanks, no quotes",
    r"shell_(word|line)\(.*\)": "quoted",
}
"""What may be filled in, as Python has it, and why it is one word."""


def filled_in() -> Iterator[tuple[str, str]]:
    for file in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.JoinedStr):
                continue
            text, fills = "", list[str]()
            for part in node.values:
                if isinstance(part, ast.FormattedValue):
                    text += chr(0xE000 + len(fills))
                    fills.append(ast.unparse(part.value))
                else:
                    text += str(part.value) if isinstance(part, ast.Constant) else ""
            for found in SPAN.finditer(text):
                if found["words"].split()[0] in COMMANDS:
                    for character in found["words"]:
                        if 0xE000 <= ord(character) < 0xE000 + len(fills):
                            yield f"{file.relative_to(SOURCES)}:{node.lineno}", fills[ord(character) - 0xE000]


def test_whatever_a_command_is_filled_with_is_one_word() -> None:
    found = list(filled_in())
    assert len(found) > 150
    assert [(place, fill) for place, fill in found if not any(re.fullmatch(form, fill) for form in BY_FORM)] == []


@pytest.mark.parametrize("pattern", [Identifier.__metadata__[0].pattern, NAME])  # type: ignore[attr-defined]  # typing's own
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_names_of_omc_toml_need_no_quotes(pattern: str, data: st.DataObject) -> None:
    name = data.draw(st.from_regex(pattern, fullmatch=True))
    assert shlex.quote(name) == name


WORDS = st.lists(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=0, max_size=12)
    | st.sampled_from(["it's", 'a "b" c', "$(id)", "`id`", "a b", "--x=y z", "*", "~", "#", ";", "\\", "\n", "!"]),
    min_size=1,
    max_size=6,
)


def test_a_pasted_command_has_the_words_that_were_meant() -> None:
    """Many at once: a shell costs more than a word."""
    examples: list[list[str]] = []

    @given(WORDS)
    @settings(max_examples=200, deadline=None, database=None)
    def gather(words: list[str]) -> None:
        examples.append(words)

    gather()
    script = "\n".join(f"printf '%s\\0' {shell_line(words)}; printf '\\1\\0'" for words in examples)
    done = subprocess.run(["bash", "--norc"], input=script.encode(), capture_output=True, check=True, timeout=60)
    shown = [part.split("\0")[:-1] for part in done.stdout.decode().split("\1\0")[:-1]]
    assert shown == examples
