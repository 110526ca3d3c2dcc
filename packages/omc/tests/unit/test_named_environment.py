"""A command that a message or a document gives can be pasted: it has the environment that was given."""

from __future__ import annotations

import pytest

from omc.cli.main import root
from omc.cli.pasted import environment_of, with_environment
from omc.output.document import CodeBlock, Document, Field, Fields, Items, Literal, Paragraph, Row, Table, with_texts


def shown(text: str, *, is_literal: bool = False) -> str:
    return with_environment(text, "staging", root, is_literal=is_literal)


@pytest.mark.parametrize(
    ("message", "there"),
    [
        ("Nothing there. See: omc oncall schedule primary", "omc oncall schedule primary --env staging"),
        ("Nothing there. Record one: omc check weekly --record", "omc check weekly --record --env staging"),
        ("Get one: omc token create.", "Get one: omc token create --env staging."),
        ("ann has no code: omc oncall verify ann sms:+61400000000", "verify ann sms:+61400000000 --env staging"),
        ("Continue: omc runs resume r1, or end it: omc runs cancel r1.", "resume r1 --env staging, or end it"),
        ("Continue: omc runs resume r1, or end it: omc runs cancel r1.", "cancel r1 --env staging."),
        ("Open: omc exec backend -- ls. Then wait.", "omc exec backend --env staging -- ls. Then"),
        ("To go on: omc scale backend COUNT", "omc scale backend COUNT --env staging"),
        ("Leave it: omc incident snooze 3 WHY --for 2h", "omc incident snooze 3 WHY --for 2h --env staging"),
    ],
)
def test_it_is_added_where_the_command_takes_one(message: str, there: str) -> None:
    assert there in shown(message)
    assert shown(shown(message)) == shown(message)


@pytest.mark.parametrize(
    "message",
    [
        "See: omc incident list --env local",
        "All of them: omc runbook list",
        "All of them: omc nothing such",
        "There is no rota x: omc oncall now lists those that there are.",
        "The task is away.",
        "Then omc deploy goes on",
    ],
)
def test_what_takes_none_has_one_or_is_prose_stays(message: str) -> None:
    assert shown(message) == message


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("x", "--env", "staging"), "staging"),
        (("--env=staging",), "staging"),
        ((), ""),
        (("--", "--env", "staging"), ""),
        (("--env",), ""),
    ],
)
def test_the_environment_that_was_given(words: tuple[str, ...], named: str) -> None:
    assert environment_of(words) == named


def test_each_text_of_a_document_and_no_code() -> None:
    see = "See: omc incident list"
    blocks = (
        Fields((Field("a", see), Field("b", [see]))),
        Table(("x",), (Row(((see, Literal("omc incident show 3")),), (Field("c", see),)),)),
        Items((see,)),
        Paragraph(see),
        CodeBlock((see,)),
    )
    document = Document(see, blocks, data={"do": see})
    changed = with_texts(document, lambda text, is_literal: shown(text, is_literal=is_literal))
    assert str(changed).count(f"{see} --env staging") == 7
    assert "omc incident show 3 --env staging" in str(changed)
    assert (changed.blocks[4], changed.data) == (document.blocks[4], document.data)
