"""No plan, record or error of the store holds a secret, and what is performed is whole all the same."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from omc.cli.deploy import deploy
from omc.errors import NothingToDo, Refused
from omc.model.arguments.ecs import RegisterRevision
from omc.model.plan import canonical, to_json
from omc.model.requests import DeployRequest
from omc.procedures.deploy import plan_deploy
from omc.redaction import REDACTED, restored, without_secrets
from omc.store.database import _parsed
from omc.store.location import StoreLocation, parts_of
from support import release_facts as example

CANARY = "c4n4ry"


def test_a_plan_to_deploy_holds_no_value_of_a_secret_and_says_where_it_is_taken_from() -> None:
    running = example.definition("backend", 7, "a", SMTP_PASSWORD=CANARY, LOG_LEVEL="info")
    facts = example.facts()
    facts["definitions"] = type(facts["definitions"])({**facts["definitions"].running, "backend": running}, {})
    plan = plan_deploy(DeployRequest(images={"backend": example.digest("b")}), **facts)
    assert CANARY not in canonical(to_json(plan))
    register = next(step for step in plan.steps if step.action == "ecs.register_revision")
    assert register.arguments["source"] == running.name
    whole = restored(json.loads(canonical(register.arguments["definition"])), running.body)
    assert CANARY in canonical(whole)
    assert REDACTED not in canonical(whole)
    assert example.digest("b") in canonical(whole)


@pytest.mark.parametrize(
    "value",
    [
        {"environment": [{"name": "DB_PASSWORD", "value": CANARY}, {"name": "X", "value": "y"}]},
        {"command": ["serve", "--password", CANARY, "--port", "80"]},
        {"command": [f"--url=postgres://u:{CANARY}@h/db"]},
        {"environment": [{"name": "URL", "value": f"https://h/?token={CANARY}&a=1"}]},
        {"environment": [{"name": "CONFIG", "value": json.dumps({"api_key": CANARY, "port": 1})}]},
        {"labels": {"auth-token": CANARY}},
        {"environment": [{"name": "PIN_TOKEN", "value": 7}]},
    ],
)
def test_what_is_masked_is_put_back_from_where_it_is_from(value: dict[str, Any]) -> None:
    body = {"image": "old", **value}
    masked = {**without_secrets(body), "image": "new"}
    assert CANARY not in json.dumps(masked)
    assert restored(masked, body) == {**body, "image": "new"}


PASSWORDS = (
    "pl4in",
    "sl/ash",
    "a@t",
    "two@@ats",
    "ha#sh",
    "per%zent%",
    "a space",
    "que?stion",
    "co:lon",
    "p@/#% ?:x",
    "br[ac]",
)


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("rest", ["db.example.com:5432/omc", "db/omc?sslmode=verify-full", "/omc?host=/tmp/socket"])
def test_a_stores_password_may_hold_anything_and_is_never_shown(password: str, rest: str) -> None:
    place = StoreLocation(url=f"postgresql://user:{password}@{rest}")
    assert parts_of(place.url or "") == ("postgresql", f"user:{password}", rest)
    url = _parsed(place.url or "")
    assert url.password == password
    assert url.username == "user"
    for shown in (str(place), place.label, place.without_password(f'FATAL: "{password}" of {place.url} is wrong')):
        assert password not in shown
    assert str(place).endswith(rest)


def test_a_url_that_is_none_is_not_shown() -> None:
    for url in (f"user:{CANARY}@host", f"postgresql:/user:{CANARY}@host", f"{CANARY}@", "postgresql://"):
        assert CANARY not in str(StoreLocation(url=url)) + StoreLocation(url=url).label


def test_that_nothing_is_to_be_done_is_told_apart_from_a_refusal() -> None:
    facts = example.facts()
    running = facts["definitions"].running["backend"].images["backend"]
    facts["images"] = type(facts["images"])({"backend": example.wanted("a")})
    with pytest.raises(NothingToDo):
        plan_deploy(DeployRequest(images={"backend": running}), **facts)
    assert issubclass(NothingToDo, Refused)


@pytest.mark.parametrize("output", ["table", "json"])
def test_if_changed_makes_nothing_to_do_a_success(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: Any, **__: Any) -> int:
        raise NothingToDo("Nothing to deploy: backend runs backend:7 with that very image.")

    monkeypatch.setattr("omc.cli.deploy.carry_out", nothing)
    words = ["--image", f"backend={example.digest('a')}", "--output", output]
    done = CliRunner().invoke(deploy, [*words, "--if-changed"])
    assert done.exit_code == 0
    assert "Nothing to deploy" in done.output
    if output == "json":
        assert json.loads(done.output)["run"] is None
    assert isinstance(CliRunner().invoke(deploy, words).exception, NothingToDo)


def test_a_revision_is_registered_whole_from_a_plan_that_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    from omc.actions.action import Interrupted
    from omc.actions.ecs import register_revision

    source = example.definition("backend", 7, "a", SMTP_PASSWORD=CANARY, LOG_LEVEL="info")
    sent: dict[str, Any] = {}

    def register(**wire: Any) -> dict[str, Any]:
        sent.update(wire)
        return {"taskDefinition": {"taskDefinitionArn": "arn:aws:ecs:a:1:task-definition/ohmycoins-backend:8"}}

    client = SimpleNamespace(register_task_definition=register)
    context: Any = SimpleNamespace(gateway=SimpleNamespace(client=lambda _: client), run="r", step="s")
    monkeypatch.setattr(register_revision, "describe_definition", lambda _, name: {source.name: source}.get(name))
    masked = without_secrets(source.body)
    arguments = RegisterRevision(service="backend", definition=masked, source=source.name)
    assert CANARY not in "".join(register_revision.ACTION.commands(example.environment(), arguments))
    register_revision.ACTION.apply(context, arguments)
    assert sent["containerDefinitions"] == source.body["containerDefinitions"]
    sent.clear()
    with pytest.raises(Interrupted, match="nothing was registered"):
        register_revision.ACTION.apply(context, replace(arguments, source="ohmycoins-backend:1"))
    assert not sent
