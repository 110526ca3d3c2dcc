"""omc.toml's types, its JSON schema and its page: they say the same, and what the schema refuses the loader refuses."""

from __future__ import annotations

import copy
import importlib.util
import json
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omc.config.mistakes import Source, read_as
from omc.config.tables import StackTable
from omc.errors import StackError
from support.small import SERVICE, STACK

REPOSITORY = Path(__file__).parents[4]
TEXT = (
    (REPOSITORY / "omc.toml").read_text()
    + """
[people.jo]
aws = ["jo@example.com"]
github = ["jo-gh"]
contacts = ["slack:U024BE7LH", "pagerduty:jo-pages", "webhook:hook"]

[notify.slack]
team = "T024BE7LH"

[notify.email]
host = "smtp.example.com"
port = 465
sender = "omc@example.com"
security = "tls"
user = "omc"

[notify.sms]
sender_id = "OhMyCoins"

[notify.pagerduty.jo-pages]
api = "https://events.eu.pagerduty.com"

[notify.ntfy]
server = "https://ntfy.example.com"

[notify.webhook.hook]
url = "https://example.com/pages"

[rotas.primary]
time_zone = "Europe/Dublin"
editors = ["jo"]
remind = ["24h", "30m"]
summary = "mon 09:00"

[[rotas.primary.layers]]
name = "days"
people = ["jo", "nobody"]
turn = "2w"
start = 2026-12-07
hand_over = "08:30"
hours = ["mon-fri 09:00-17:00", "fri 17:00-mon 09:00"]
level = 1
until = 2027-12-07T00:00:00Z

[github]
repository = "owner/name"

[store]
folder = ".omc"

[approvals.staging]
low = 1

[[environments.production.freeze]]
begin = 2026-12-20T00:00:00+11:00
end = 2027-01-04T00:00:00+11:00
reason = "holidays"
"""
)
WHOLE = tomllib.loads(TEXT)
SCHEMA = json.loads((REPOSITORY / "docs/omc.schema.json").read_text())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
Path_ = tuple[Any, ...]
NAMED = {
    *((name,) for name in ("environments", "services", "people", "approvals", "rotas")),
    *(("notify", name) for name in ("pagerduty", "webhook")),
}
"""Tables whose keys are names."""


def places(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield (*path, name)
        yield from places(item, (*path, name))


PLACES = list(places(WHOLE))


def at(value: Any, path: Path_) -> Any:
    for step in path:
        value = value[step]
    return value


def changed(path: Path_, new: Any) -> Any:
    whole = copy.deepcopy(WHOLE)
    at(whole, path[:-1])[path[-1]] = new
    return whole


def as_json(value: Any) -> Any:
    """As an editor hands a TOML document to its schema: times as texts."""
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.isoformat() if isinstance(value, date | datetime | time) else value


def schema_takes(document: Any) -> bool:
    return bool(VALIDATOR.is_valid(as_json(document)))


def loader_takes(document: Any) -> bool:
    try:
        read_as(StackTable, document, Source(Path("omc.toml"), TEXT))
    except StackError as error:
        return not error.message.startswith("omc.toml, line ")
    return True


def test_the_page_and_the_schema_are_what_the_types_say() -> None:
    spec = importlib.util.spec_from_file_location("configuration", REPOSITORY / "scripts/configuration.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for file, text in script.files().items():
        assert file.read_text() == text, f"{file.name} is stale: python scripts/configuration.py"
    jsonschema.Draft7Validator.check_schema(SCHEMA)


SAMPLES = {
    "the repository's": (REPOSITORY / "omc.toml").read_text(),
    "with every table": TEXT,
    "of a minimal cloud": STACK.format(
        environment="one", state="/tmp/state", service=SERVICE, database="one", cache=""
    ),
}


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_files_that_tests_use_pass_both(text: str) -> None:
    assert schema_takes(tomllib.loads(text))
    assert loader_takes(tomllib.loads(text))


@pytest.mark.parametrize("path", [(), *PLACES], ids=lambda path: ".".join(map(str, path)) or "top")
def test_an_unknown_key_and_a_wrong_type_are_refused_by_both(path: Path_) -> None:
    value = at(WHOLE, path)
    if isinstance(value, dict) and path not in {
        (name,) for name in ("environments", "services", "people", "approvals")
    }:
        document = changed((*path, "no_such_key"), 1)
        assert not schema_takes(document)
        assert not loader_takes(document)
    if path:
        values: tuple[Any, ...] = (
            *([] if path in NAMED else [{"a": {}}]),
            [[1]],
            -1 if not isinstance(value, str) else 7,
            not isinstance(value, bool) or "yes",
        )
        for wrong in values:
            document = changed(path, wrong)
            assert not schema_takes(document), (path, wrong)
            assert not loader_takes(document), (path, wrong)


VALUES = st.one_of(
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.sampled_from(["", "x\n", "#a b", "/x", "02:00", "25:00", "sunday", "s3://b/k", "http://x", "٣" * 12, 10**30]),
    st.lists(st.text(max_size=3), max_size=3),
    st.just({}),
)


@given(st.sampled_from(PLACES), VALUES)
def test_what_the_schema_refuses_the_loader_refuses(path: Path_, value: Any) -> None:
    document = changed(path, value)
    if not schema_takes(document):
        assert not loader_takes(document), (path, value)


@given(st.sampled_from(PLACES))
def test_a_key_that_is_gone_is_missed_by_both_or_by_neither(path: Path_) -> None:
    document = copy.deepcopy(WHOLE)
    del at(document, path[:-1])[path[-1]]
    assert schema_takes(document) == loader_takes(document)
