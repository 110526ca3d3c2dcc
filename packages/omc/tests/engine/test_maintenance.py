"""A maintenance from its plan to its end in a fake world, with a real record: each item failing once, killed anywhere,
two operators, a window that ends too early."""

from __future__ import annotations

from typing import Any

from support.engine_world import World

TITLE = "Newer values"
FILE = f"""
title = "{TITLE}"
watch_minutes = 0.001
silence = [["name=rds-*"]]
[[step]]
procedure = "fake"
request = {{ values = {{ one = "1" }} }}
[[step]]
procedure = "fake"
request = {{ values = {{ two = "2" }} }}
"""
SIGNED = ("team", "backup")
"""Items that need something outside: a sender of messages, a database."""


def planned(world: World, text: str = FILE, env: str = "local") -> int:
    """The number of a new maintenance."""
    file = world.folder / "maintenance.toml"
    file.write_text(text)
    done = world.omc("maintenance", "plan", str(file), "--env", env, "--yes", "--confirm", env, "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    return int(world.omc("maintenance", "status", "--env", env, "--output", "json").json["maintenances"][0]["number"])


def shown(world: World, number: int, env: str = "local") -> dict[str, Any]:
    found: dict[str, Any] = world.omc("maintenance", "status", str(number), "--env", env, "--output", "json").json
    return found


def signed(world: World, number: int, *items: str, env: str = "local") -> None:
    for item in items:
        done = world.omc("maintenance", "sign", str(number), item, "--evidence", "I looked", "--env", env)
        assert done.returncode == 0, done.stderr


def test_it_goes_from_its_plan_to_its_end(world: World) -> None:
    number = planned(world)
    signed(world, number, *SIGNED)
    world.trouble("unused")
    started = world.start("maintenance", "start", str(number), "--env", "local", "--no-wait").done()
    assert started.returncode == 6, started.stdout + started.stderr
    print(started.stdout, started.stderr)
    done = world.omc("maintenance", "finish", str(number), "--runbook-is-right", "--env", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    assert shown(world, number)["verdict"] == "succeeded"
    assert world.effects() == ["one one=1", "two two=2"]
    print(world.omc("maintenance", "status", str(number), "--env", "local").stdout)
