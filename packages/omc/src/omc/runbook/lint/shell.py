"""The commands of a script, by the shell's grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from omc.runbook.lint.model import Code, Command, Word

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

TOOLS = ("aws", "terraform", "psql", "redis-cli")
"""The commands that are looked at."""
SHELLS = ("bash", "sh", "shell", "zsh", "console", "shell-session", "shellsession", "bash-session", "terminal")
_PLACEHOLDER = re.compile(r"<([A-Za-z][\w .:/|-]*)>")
_PROMPT = re.compile(r"^\s*(?:\(\S+\)\s*)?(?:[\w.-]+@[\w.-]+[:~\w/ -]*)?[$%] ")
_WRAPPERS = frozenset(
    ("sudo", "time", "watch", "xargs", "timeout", "env", "nohup", "exec", "command", "bash", "sh", "ssh", "eval")
)
"""Commands whose words hold another one."""
_PUT_IN = frozenset(("simple_expansion", "expansion", "command_substitution", "process_substitution"))
"""What the grammar calls the places that the shell fills in."""
_RUNS_ITS_WORDS = frozenset(("bash", "sh", "watch", "ssh", "eval"))


def is_script(code: Code) -> bool:
    """Whether a block is commands: as its fence says, or, where that says nothing, by its first words."""
    if code.language:
        return code.language in SHELLS
    if code.is_inline:
        return code.text.split(" ")[0] in TOOLS and len(code.text.split()) > 1
    lines = [_PROMPT.sub("", line).strip() for line in code.text.split("\n")]
    return any(line.split(" ")[0] in TOOLS and " " in line for line in lines)


def commands_of(code: Code) -> Iterator[Command]:
    """Every command, of whatever tool, in their order: in pipes, loops and substitutions too."""
    for words, is_broken in _parsed(_without_prompts(code.text)):
        placed = (replace(each, line=code.line + each.line, column=code.column + each.column + 1) for each in words)
        yield Command(tuple(placed), is_broken, code.is_inline)


def of_tools(command: Command) -> Iterator[Command]:
    """What it runs of TOOLS: itself, or what stands behind ``sudo``, ``watch`` or ``bash -c``."""
    yield from _of_tools(command.words, command.is_broken, command.is_inline)


def _of_tools(words: tuple[Word, ...], is_broken: bool, is_inline: bool) -> Iterator[Command]:
    if words[0].text not in TOOLS and words[0].text.rpartition("/")[2] not in _WRAPPERS:
        return
    for at, word in enumerate(words):
        if word.text in TOOLS:
            yield Command(words[at:], is_broken, is_inline)
            return
        if (
            at > 0
            and word.text.split(" ")[0] in TOOLS
            and _RUNS_ITS_WORDS & {each.text.rpartition("/")[2] for each in words[:at]}
        ):
            for inner, broken in _parsed(word.text):
                moved = tuple(Word(each.text, word.line, word.column, each.is_literal) for each in inner)
                yield from _of_tools(moved, broken or is_broken, is_inline)
            return
        if at >= 8:
            return


def _without_prompts(text: str) -> str:
    """The lines that a person typed, where the block shows a session; the others are answers. Columns stay."""
    lines = text.split("\n")
    if not any(_PROMPT.match(line) for line in lines):
        return text
    kept, continues = [], False
    for line in lines:
        if match := _PROMPT.match(line):
            kept.append(" " * match.end() + line[match.end() :])
        else:
            kept.append(line if continues else "")
        continues = bool(kept[-1]) and kept[-1].rstrip().endswith("\\")
    return "\n".join(kept)


@cache
def _parser() -> Parser:
    import tree_sitter_bash
    from tree_sitter import Language, Parser

    return Parser(Language(tree_sitter_bash.language()))


def _parsed(text: str) -> Iterator[tuple[tuple[Word, ...], bool]]:
    # To the grammar, what stands in for a value is a redirection: it reads a word as long in its place.
    masked = _PLACEHOLDER.sub(lambda match: "_" * len(match[0]), text)
    masked = re.sub(r"[\[\]…]|(?<= )\|(?=-)", "_", masked) if "[--" in text else masked.replace("…", "_")
    encoded = masked.encode()
    starts = _character_offsets(masked, encoded)
    for node in _nodes(_parser().parse(encoded).root_node):
        words = tuple(_words(node, text, starts))
        if words:
            yield words, node.has_error or (node.parent is not None and node.parent.type == "ERROR")


def _character_offsets(text: str, encoded: bytes) -> list[int] | None:
    """Which character each byte belongs to; None where they are the same."""
    if len(encoded) == len(text):
        return None
    offsets: list[int] = []
    for at, character in enumerate(text):
        offsets += [at] * len(character.encode())
    return [*offsets, len(text)]


def _nodes(root: Node) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.type == "command":
            yield node
        waiting += reversed(node.children)


def _words(node: Node, text: str, starts: list[int] | None) -> Iterator[Word]:
    for child in node.children:
        if child.type in ("variable_assignment", "file_redirect", "heredoc_redirect", "herestring_redirect", "comment"):
            continue
        begin, end = child.start_byte, child.end_byte
        if starts is not None:
            begin, end = starts[begin], starts[end]
        raw = text[begin:end]
        line_begin = text.rfind("\n", 0, begin) + 1
        parts = tuple(_all(child))
        backticks = any(each.type == "command_substitution" and (each.text or b"").startswith(b"`") for each in parts)
        is_literal = not {each.type for each in parts} & {
            "simple_expansion",
            "expansion",
            "command_substitution",
            "process_substitution",
        }
        yield Word(_unquoted(raw), text.count("\n", 0, begin), begin - line_begin, is_literal, backticks)


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all(child)


def _unquoted(raw: str) -> str:
    if len(raw) >= 2 and raw[0] == raw[-1] and raw[0] in "'\"":
        inner = raw[1:-1]
        return inner if raw[0] == "'" else re.sub(r'\\([$`"\\])', r"\1", inner)
    pieces = re.split(r"('[^']*'|\"(?:[^\"\\]|\\.)*\")", raw)
    return "".join(
        _unquoted(piece)
        if piece[:1] in ("'", '"') and len(piece) > 1 and piece[-1] == piece[0]
        else re.sub(r"\\(.)", r"\1", piece)
        for piece in pieces
    )
