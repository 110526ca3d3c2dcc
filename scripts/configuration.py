"""Writes docs/configuration.md and docs/omc.schema.json from the types of omc.toml (``omc.config.tables``).

python scripts/configuration.py            writes them
python scripts/configuration.py --check    ends with 1 where one of them isn't what would be written (`make check`)
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from omc.config.fields import Table
from omc.config.mistakes import allowed_at, dotted, keys_of, shown, taken_apart
from omc.config.notify_tables import SECRETS
from omc.config.tables import StackTable

DOCS = Path(__file__).resolve().parents[1] / "docs"
TIME = r"^(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?$"
INTRODUCTION = """\
# omc.toml

Written by `python scripts/configuration.py` from `packages/omc/src/omc/config`: don't edit it here. `omc stack show`
prints what a file comes to. Editors that know TOML schemas (taplo, Even Better TOML) complete and check the keys
with [omc.schema.json](omc.schema.json), which the file's first line names: `#:schema ./docs/omc.schema.json`.

A `<…>` in a table's name is a name that you choose: small letters, digits and hyphens.
"""
SECRETS_INTRODUCTION = """\
## Secrets

None stands in omc.toml. Each is read from the environment of the process when it is needed, and is kept in no log and
no table. `<NAME>` is the name of the table in capitals, with `_` for `-`.

| variable | what it is |
|---|---|"""
Path_ = tuple[str | int, ...]


def files() -> dict[Path, str]:
    """Each file with what belongs into it."""
    return {
        DOCS / "configuration.md": "\n".join([INTRODUCTION, *_page(StackTable, ()), *_secrets()]) + "\n",
        DOCS / "omc.schema.json": json.dumps(schema(), indent=2, ensure_ascii=False) + "\n",
    }


def _secrets() -> Iterator[str]:
    yield SECRETS_INTRODUCTION
    yield from (f"| `{name}` | {meaning} |" for name, meaning in SECRETS.items())


def schema() -> dict[str, Any]:
    """JSON schema, draft 7: what editors' TOML extensions know."""
    (root,), parts = msgspec.json.schema_components(
        [StackTable], ref_template="#/definitions/{name}", schema_hook=lambda _: {"type": "string", "pattern": TIME}
    )
    top = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "omc.toml"}
    whole: dict[str, Any] = _without_null(top | root | {"definitions": parts})
    return whole


def _without_null(part: Any) -> Any:
    """TOML has no null: a key that may be left out is just not required. Draft 7 heeds nothing beside a ``$ref``."""
    if isinstance(part, list):
        return [_without_null(item) for item in part]
    if not isinstance(part, dict):
        return part
    plain = {name: _without_null(item) for name, item in part.items() if not (name == "default" and item is None)}
    if "anyOf" in plain:
        options = [item for item in plain.pop("anyOf") if item != {"type": "null"}]
        plain = options[0] | plain if len(options) == 1 else plain | {"anyOf": options}
    if "$ref" in plain and len(plain) > 1:
        plain["allOf"] = [{"$ref": plain.pop("$ref")}]
    return plain


def _page(table: type[Table], path: Path_, *, is_item: bool = False) -> Iterator[str]:
    header = f"[[{dotted(path)}]]" if is_item else f"[{dotted(path)}]"
    yield f"## `{header}`\n" if path else "## Top of the file\n"
    yield f"{cleandoc(table.__doc__ or '')}\n"
    inner, rows = [], []
    fields = {each.name: each for each in msgspec.structs.fields(table)}
    for name, hint in keys_of(table).items():
        if below := _table_within(hint, (*path, name)):
            inner.append(below)
        else:
            rows.append(_row(name, hint, fields[name], (*path, name)))
    if rows:
        yield "| key | what it is | allowed | unit | default | example |"
        yield "|---|---|---|---|---|---|"
        yield from [*rows, ""]
    for kind, below_path, is_list in inner:
        yield from _page(kind, below_path, is_item=is_list)


def _table_within(hint: Any, path: Path_) -> tuple[type[Table], Path_, bool] | None:
    """The table that a key holds, by itself, by name or as a list."""
    kind, _ = taken_apart(hint)
    is_list = get_origin(kind) is tuple
    if get_origin(kind) is dict:
        kind, path = taken_apart(get_args(kind)[1])[0], (*path, f"<{str(path[-1]).rstrip('s')}>")
        path = path if path[0] != "people" else ("people", "<person>")
        path = path if path[0] != "approvals" else ("approvals", "<environment>")
        path = path if path[0] != "notify" else (*path[:-1], "<name>")
        if not (isinstance(kind, type) and issubclass(kind, Table)):  # names and texts: a row of the table above
            return None
    elif is_list:
        kind, _ = taken_apart(get_args(kind)[0])
    return (kind, path, is_list) if isinstance(kind, type) and issubclass(kind, Table) else None


def _row(name: str, hint: Any, field: Any, path: Path_) -> str:
    kind, meta = taken_apart(hint)
    extra = (meta.extra or {}) if meta else {}
    default = extra.get("default") or ("**required**" if field.required else f"`{shown(field.default)}`")
    example = _toml(meta.examples[0], kind) if meta and meta.examples else ""
    cells = [
        f"`{name}`",
        meta.description if meta else "",
        allowed_at(hint, path),
        extra.get("unit", ""),
        default,
        f"`{name} = {example}`",
    ]
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _toml(value: Any, kind: Any) -> str:
    """An example as it is written: a time and a date stand without quotes."""
    is_quoted = kind is str or get_origin(kind) in (Literal, tuple, Union, UnionType, dict)
    return shown(value) if is_quoted or kind in (bool, int, float) else str(value)


def main() -> int:
    stale = [file for file, text in files().items() if not file.exists() or file.read_text() != text]
    if "--check" in sys.argv[1:]:
        for file in stale:
            print(f"{file.name} isn't what the types of omc.toml say: run python scripts/configuration.py")
        return 1 if stale else 0
    for file, text in files().items():
        file.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
