"""``omc token`` from the command line: shown once, listed without its secret, revoked; all of it in the record."""

from __future__ import annotations

import json
import re

import psycopg

from support.canary import dump
from support.engine_world import World

TOKEN = re.compile(r"omc_[A-Za-z0-9_-]{43}")


def test_a_token_from_the_command_line(world: World) -> None:
    made = world.omc("token", "create", "--name", "grafana", "--role", "viewer", "--env", "production")
    assert (made.returncode, bool(TOKEN.fullmatch(made.stdout.strip()))) == (0, True), made.stderr
    assert made.stderr == "The token grafana (viewer) is made. Keep it now; it is shown this once:\n"
    secret = made.stdout.strip()
    as_json = world.omc(
        *("token", "create", "--name", "ci", "--role", "responder", "--expires", "90d", "--env", "production"),
        *("--output", "json"),
    ).json
    assert TOKEN.fullmatch(as_json["token"])
    assert (as_json["name"], as_json["state"]) == ("ci", "valid")
    again = world.omc("token", "create", "--name", "grafana", "--role", "admin", "--env", "production")
    assert (again.returncode, "There is a token grafana already" in again.stderr) == (1, True)
    for wrong in (["--role", "root"], ["--role", "viewer", "--expires", "0d"], ["--role", "viewer", "--person", "zoe"]):
        assert world.omc("token", "create", "--name", "x", *wrong, "--env", "production").returncode == 2

    listed = world.omc("token", "list", "--env", "production", "--output", "json").json["items"]
    assert [(each["name"], each["role"], each["state"]) for each in listed] == [
        ("grafana", "viewer", "valid"),
        ("ci", "responder", "valid"),
    ]
    table = world.omc("token", "list", "--env", "production").stdout
    assert "grafana" in table
    assert "viewer" in table
    revoked = world.omc("token", "revoke", "grafana", "--reason", "found in a log", "--env", "production", who="bob")
    assert revoked.stdout == "The token grafana is revoked.\n"
    assert world.omc("token", "revoke", "grafana", "--env", "production").returncode == 1
    assert world.omc("token", "revoke", "nobody", "--env", "production").returncode == 2
    every = world.omc("token", "list", "--all", "--env", "production", "--output", "json").json["items"]
    assert [(each["name"], each["state"], each["revoked_by"]) for each in every] == [
        ("grafana", "revoked", "github:bob"),
        ("ci", "valid", None),
    ]
    recorded = json.loads(world.omc("audit", "show", "--output", "json").stdout)
    assert [each["kind"] for each in recorded] == ["token created", "token created", "token revoked"]
    assert world.proof().returncode == 0
    with psycopg.connect(world.place.url or "") as connection:
        kept = dump(connection)
    for text in (kept, table, json.dumps(recorded), made.stderr):
        assert secret not in text
        assert as_json["token"] not in text
