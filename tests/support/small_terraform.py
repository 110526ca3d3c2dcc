"""A program that answers as Terraform does for a world of a few numbered things: for what real Terraform is too slow
and too well behaved for, such as dying after the second of five resources.

The world is a JSON file named by SMALL_WORLD: what is wanted, what there is, the state's number, its lock, after how
many changes the next apply is killed or fails, and in which change it stands still and says nothing until it is
interrupted. Each interrupt is a line of the file ``interrupts`` beside it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

WORLD = Path(os.environ.get("SMALL_WORLD", "world.json"))


def read() -> dict[str, Any]:
    world: dict[str, Any] = json.loads(WORLD.read_text())
    return world


def write(world: dict[str, Any]) -> None:
    fresh = WORLD.with_suffix(".new")
    fresh.write_text(json.dumps(world))
    fresh.replace(WORLD)


def emit(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def take_lock(world: dict[str, Any], operation: str) -> None:
    if lock := world["lock"]:
        detail = "Lock Info:\n" + "".join(f"  {name}: {value}\n" for name, value in lock.items())
        emit(**{"@level": "error"}, diagnostic={"summary": "Error acquiring the state lock", "detail": detail})
        sys.exit(1)
    world["locks"] += 1
    world["lock"] = {
        "ID": f"lock-{world['locks']}",
        "Path": "bucket/staging/terraform.tfstate",
        "Operation": f"OperationType{operation}",
        "Who": world["who"],
        "Version": "1.11.4",
        "Created": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} +0000 UTC",
    }
    write(world)


def changes(world: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for name in sorted({*world["wanted"], *world["there"]}):
        before, after = world["there"].get(name), world["wanted"].get(name)
        if before == after:
            continue
        actions = ["create"] if before is None else ["delete"] if after is None else ["update"]
        values = [None if value is None else {"value": value} for value in (before, after)]
        change = {"actions": actions, "before": values[0], "after": values[1]}
        found.append({"address": f"aws_route.{name}", "type": "aws_route", "mode": "managed", "change": change})
    return found


def plan(arguments: list[str]) -> None:
    world = read()
    take_lock(world, "Plan")
    path = next(word for word in arguments if word.startswith("-out=")).removeprefix("-out=")
    files = [Path(word.removeprefix("-var-file=")) for word in arguments if word.startswith("-var-file=")]
    variables = given().copy()
    for file in files:
        variables |= json.loads(file.read_text()) if file.suffix == ".json" else {}
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("tfplan", json.dumps(changes(world)))
        packed.writestr("variables", json.dumps(variables))
        packed.writestr("tfstate", json.dumps({"serial": world["serial"], "lineage": "l"}))
        packed.writestr("tfconfig/modules.json", json.dumps([{"Key": "", "Dir": "."}]))
    write(read() | {"lock": None, "given": variables, "said": arguments})


def given() -> dict[str, str]:
    """The variables of the environment."""
    names = [name for name in os.environ if name.startswith("TF_VAR_")]
    return {name.removeprefix("TF_VAR_"): os.environ[name] for name in names}


def interrupts() -> list[str]:
    file = WORLD.with_name("interrupts")
    return file.read_text().splitlines() if file.exists() else []


def note_interrupt(*_: object) -> None:
    with WORLD.with_name("interrupts").open("a") as file:
        file.write("SIGINT\n")


def apply(path: str) -> None:
    with zipfile.ZipFile(path) as packed:
        planned, state = json.loads(packed.read("tfplan")), json.loads(packed.read("tfstate"))
    world = read()
    take_lock(world, "Apply")
    if state["serial"] != world["serial"]:
        emit(**{"@level": "error"}, diagnostic={"summary": "Saved plan is stale", "detail": ""})
        write(world | {"lock": None})
        sys.exit(1)
    dies_after, world["dies_after"] = world["dies_after"], None
    holds_in, world["holds_in"] = world["holds_in"], None
    signal.signal(signal.SIGINT, note_interrupt)
    for change in planned:
        emit(type="planned_change", change={"resource": {"addr": change["address"]}, "action": "update"})
    for number, change in enumerate(planned, start=1):
        if dies_after is not None and number > dies_after:
            if world["saves"]:
                world["serial"] += 1
            write(world)
            os.kill(os.getpid(), signal.SIGKILL)
        if interrupts() or number - 1 == world["fails_after"]:
            write(world | {"serial": world["serial"] + 1, "lock": None})
            emit(
                **{"@level": "error"},
                diagnostic={"summary": "execution halted" if interrupts() else "no quota", "detail": ""},
            )
            sys.exit(1)
        address = change["address"]
        emit(type="apply_start", hook={"resource": {"addr": address}})
        if number == holds_in:
            WORLD.with_name("holds").touch()
            while not interrupts():
                time.sleep(0.01)
        name, after = address.partition(".")[2], change["change"]["after"]
        world["applied"].append(name)
        world["there"] = {key: value for key, value in world["there"].items() if key != name}
        if after is not None:
            world["there"][name] = after["value"]
        write(world)
        emit(type="apply_complete", hook={"resource": {"addr": address}})
    write(world | {"serial": world["serial"] + 1, "lock": None})
    emit(type="change_summary", changes={"operation": "apply", "add": 0, "change": len(planned), "remove": 0})


def main(arguments: list[str]) -> None:
    match arguments:
        case ["version", *_]:
            emit(terraform_version="1.11.4")
        case ["state", "pull"]:
            world = read()
            emit(serial=world["serial"], lineage="l", resources=[])
        case ["plan", *rest]:
            plan(rest)
        case ["show", "-json", path]:
            with zipfile.ZipFile(path) as packed:
                variables = {name: {"value": value} for name, value in json.loads(packed.read("variables")).items()}
                emit(resource_changes=json.loads(packed.read("tfplan")), variables=variables)
        case ["apply", *rest]:
            apply(rest[-1])
        case ["force-unlock", "-force", lock]:
            world = read()
            if not world["lock"] or world["lock"]["ID"] != lock:
                print("Error: Failed to unlock state: another lock")
                sys.exit(1)
            write(world | {"lock": None})


if __name__ == "__main__":
    main(sys.argv[1:])
