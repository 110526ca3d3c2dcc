"""What the keys of ``[on_call]`` and ``[rotas]`` must be together. See ``omc.config.rules``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from omc.config.fields import A_ZONE
from omc.config.mistakes import shown
from omc.config.oncall_tables import RotaTable
from omc.config.tables import OnCall, StackTable
from omc.config.toml_lines import Path as KeyPath
from omc.errors import did_you_mean
from omc.times import zone_named

Problem = tuple[KeyPath, str]
NOBODY = "nobody"
"""Among the people of a layer: a turn that is nobody's."""


def on_call_problems(on_call: OnCall, people: list[str]) -> Iterator[Problem]:
    """Of ``[on_call]``. A rota that it names may be an imported one, so only its use can tell whether there is one."""
    if on_call.chain and on_call.chain[0].after_minutes != 0:
        yield ("chain", 0, "after_minutes"), "must be 0: the first is paged at once."
    for number, (earlier, later) in enumerate(pairwise(on_call.chain), start=1):
        if later.after_minutes <= earlier.after_minutes:
            message = f"is {later.after_minutes}, not later than {earlier.role}'s."
            yield ("chain", number, "after_minutes"), message
    for number, rung in enumerate(on_call.chain):
        if rung.rota is not None and rung.person is not None:
            yield ("chain", number, "person"), f"is {shown(rung.person)} beside a rota; a rung has one of the two."
        if rung.person is not None and rung.person not in people:
            yield ("chain", number, "person"), _nobody_known(rung.person, people)
    last = on_call.chain[-1] if on_call.chain else None
    if last and on_call.everyone_again_after_minutes <= last.after_minutes:
        message = f"is {on_call.everyone_again_after_minutes}, not later than {last.role}'s."
        yield ("everyone_again_after_minutes",), message
    begin, end = on_call.business_hours
    if begin >= end:
        yield ("business_hours",), "must end later on the day than it begins."


def rota_problems(stack: StackTable) -> Iterator[Problem]:
    """Of ``[rotas]``."""
    people = list(stack.people)
    if NOBODY in stack.rotas:
        yield ("rotas", NOBODY), "can't be a rota's name: it stands for a turn without anybody."
    if stack.rotas and NOBODY in stack.people:
        yield ("people", NOBODY), "can't be a person's name: in a rota it stands for a turn without anybody."
    for name, rota in stack.rotas.items():
        yield from ((("rotas", name, *path), problem) for path, problem in _rota(rota, people))


def _rota(rota: RotaTable, people: list[str]) -> Iterator[Problem]:
    if rota.time_zone is not None:
        try:
            zone_named(rota.time_zone)
        except ValueError:
            yield ("time_zone",), f"is {shown(rota.time_zone)}; it must be {A_ZONE}."
    for number, editor in enumerate(rota.editors):
        if editor not in people:
            yield ("editors", number), _nobody_known(editor, people)
    names: dict[str, int] = {}
    for number, layer in enumerate(rota.layers):
        for place, group in enumerate(layer.people):
            for person in group.split("+"):
                if person not in people and not (person == NOBODY and group == NOBODY):
                    yield ("layers", number, "people", place), _nobody_known(person, people)
        name = layer.name or str(number + 1)
        if name in names:
            yield ("layers", number, "name"), f"is {shown(name)}, which is layer {names[name] + 1}'s already."
        names[name] = number


def _nobody_known(name: str, people: list[str]) -> str:
    known = f"; there are {', '.join(people)}" if people else ", which is empty"
    return f"names {shown(name)}, who isn't in [people]{known}.{did_you_mean(name, people)}"
