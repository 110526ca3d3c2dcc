"""Plans survive JSON unchanged, and a run always comes to an end that is true."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine.default import DefaultDialect

from omc.actions.action import Verdict
from omc.engine.transitions import End, Phase, RollBack, RunStep, State, StepState, StepStatus, decide, to_roll_back
from omc.model.plan import Plan, Risk, Step, Undo, from_json, to_json
from omc.store.models import Document

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=8
)
arguments = st.dictionaries(st.text(min_size=1), values, max_size=3)
names = st.text("abcdefgh-", min_size=1, max_size=8)
undos = st.none() | st.builds(Undo, names, arguments, st.text())
steps = st.lists(
    st.builds(Step, names, names, arguments, st.text(), st.text(), st.text(), undos, st.floats(0.1, 1e6)),
    max_size=4,
    unique_by=lambda step: step.name,
).map(tuple)
plans = st.builds(
    Plan,
    names,
    names,
    arguments,
    st.text(),
    st.sampled_from(Risk),
    steps,
    arguments,
    st.lists(st.text(), max_size=2).map(tuple),
    st.lists(st.text(), max_size=2).map(tuple),
    st.booleans(),
)


DIALECT = DefaultDialect()


def stored(plan: Plan) -> Plan:
    """As it comes back from a column of the store."""
    column = Document()
    text = column.process_bind_param(to_json(plan), DIALECT)
    assert text is not None
    text.encode()  # whatever is in it, it can be sent
    return from_json(column.process_result_value(text, DIALECT))


@given(plans)
def test_a_plan_comes_back_from_the_store_as_it_was(plan: Plan) -> None:
    assert stored(plan) == plan
    assert json.dumps(to_json(stored(plan))) == json.dumps(to_json(plan))  # the order of keys too


@given(plans, st.text())
def test_the_hash_is_of_what_is_done_and_nothing_else(plan: Plan, words: str) -> None:
    try:
        mark = plan.hash
    except UnicodeEncodeError:
        return  # half a surrogate pair: no text, and no AWS name
    assert stored(plan).hash == mark
    assert replace(plan, title=words, notes=(words,)).hash == mark
    assert replace(plan, preconditions={**plan.preconditions, "one more": 1}).hash != mark
    assert replace(plan, undo_on_failure=not plan.undo_on_failure).hash != mark


ends = st.sampled_from(Verdict)


def said_of(sentence: str, begins: str) -> list[str]:
    """What a sentence lists after these words."""
    return sentence.partition(begins)[2].partition(".")[0].split("; ") if begins in sentence else []


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.booleans(), ends, st.booleans(), st.booleans()), min_size=1, max_size=5),
    st.lists(ends, min_size=5, max_size=5),
    st.booleans(),
    st.integers(0, 12),
    st.booleans(),
)
def test_a_run_comes_to_an_end_that_is_true(
    world: list[tuple[bool, Verdict, bool, bool]],
    undone: list[Verdict],
    undo_on_failure: bool,
    cancelled_at: int,
    looks: bool,
) -> None:
    """``world``: of each step whether it can be undone, how it would end, whether its effect takes place first, and
    whether a part of it does. ``looks``: the first of them changes nothing."""
    plan = Plan(
        "p",
        "e",
        {},
        "t",
        Risk.LOW,
        tuple(
            Step(
                f"s{number}",
                "cloudwatch.note_before" if looks and number == 0 else "a.b",
                {},
                "",
                undo=Undo("a.b", {}, f"back {number}") if undoable else None,
            )
            for number, (undoable, *_) in enumerate(world)
        ),
        undo_on_failure=undo_on_failure,
    )
    marks = [StepStatus(step.name) for step in plan.steps]
    back: list[StepStatus] = []
    state = State.RUNNING
    done: list[str] = []
    for turn in range(40):
        move = decide(plan, state, marks, back, cancelled=turn >= cancelled_at)
        if isinstance(move, End):
            break
        if isinstance(move, RollBack):
            assert state is State.RUNNING
            assert undo_on_failure
            assert list(move.names) == list(to_roll_back(plan, marks))
            state, back = State.UNDOING, [StepStatus(name) for name in move.names]
            continue
        assert isinstance(move, RunStep)
        if move.phase is Phase.PERFORM:
            _, verdict, effect, part = world[move.number - 1]
            effect = effect or verdict is Verdict.SUCCEEDED
            done.append(marks[move.number - 1].name)
            marks[move.number - 1] = StepStatus(
                done[-1], StepState.ENDED, effect, verdict, "it so ended.", part and not effect
            )
        else:
            name = back[move.number - 1].name
            back[move.number - 1] = StepStatus(name, StepState.ENDED, True, undone[move.number - 1], "so undone.")
    else:
        raise AssertionError("it never ends")
    assert done == [mark.name for mark in marks[: len(done)]]  # in order, none left out, none twice
    if move.verdict is Verdict.SUCCEEDED:
        assert all(mark.verdict is Verdict.SUCCEEDED for mark in marks)
    if move.verdict is Verdict.ROLLED_BACK and back:
        assert all(mark.verdict is Verdict.SUCCEEDED for mark in back)
    over = {each.name for each in back if each.verdict in (Verdict.SUCCEEDED, Verdict.SUPERSEDED)}
    current = {
        mark.name: mark.verdict is Verdict.SUCCEEDED
        for mark in marks
        if mark.performed
        and mark.verdict not in (Verdict.ROLLED_BACK, Verdict.SUPERSEDED)
        and mark.name not in over | ({"s0"} if looks else set())
    }
    if move.verdict is not Verdict.SUCCEEDED:
        assert said_of(move.sentence, "Still done: ") == [name for name, whole in current.items() if whole]
        started = said_of(move.sentence, "Begun, and done at least in part: ")
        assert started == [name for name, whole in current.items() if not whole]
    if "Nothing was changed" in move.sentence:
        assert not current
        assert not any(mark.cut_short for mark in marks if not (looks and mark.name == "s0"))
