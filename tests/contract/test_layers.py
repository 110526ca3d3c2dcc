"""What import-linter's layers don't see: circles of files within a room, and imports inside functions."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

SOURCE = Path(__file__).parents[2] / "packages/omc/src"
CAUSES = "only explained when something is wrong, and then it is the larger half of the checks"
DATABASE = "the morning check has no database to wait for, and SQLAlchemy takes longer to import than all else"
PLANNED = "procedures are pure and name these facts' types: neither SQLAlchemy nor the tables come with them"
REFUSED = "only wanted once AWS has refused or the set-up is wrong"
LATE: Mapping[tuple[str, str], str] = {
    ("omc.aws.gateway", "omc.aws.botocore_parts"): "botocore is imported while the first call is under way",
    ("omc.aws.gateway", "omc.aws.trimmed_models"): "botocore is imported while the first call is under way",
    ("omc.aws.gateway", "omc.aws.credentials"): "botocore is imported while the first call is under way",
    ("omc.aws.gateway", "omc.aws.credential_failures"): REFUSED,
    ("omc.aws.gateway", "omc.aws.failures"): REFUSED,
    ("omc.checks.causes", "omc.checks.causes.explain"): CAUSES,
    ("omc.checks.causes", "omc.checks.causes.questions"): CAUSES,
    ("omc.facts.deployed_images", "omc.store.runs"): PLANNED,
    ("omc.facts.deviations", "omc.store.database"): DATABASE,
    ("omc.facts.found", "omc.store.database"): DATABASE,
    ("omc.facts.found", "omc.store.releases"): DATABASE,
    ("omc.facts.incidents", "omc.store.incidents"): PLANNED,
    ("omc.facts.releases", "omc.store.releases"): PLANNED,
    ("omc.facts.temporary", "omc.store.timers"): DATABASE,
    ("omc.store.opened", "omc.store.audit"): DATABASE,
    ("omc.store.opened", "omc.store.embedded"): DATABASE,
}
"""Who imports what inside a function, and why the start of the morning check needs it. The commands (``omc.cli``) are
left out: that is where laziness lives."""


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("omc", cache_dir=None)
    arrows = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(list(TopologicalSorter(arrows).static_order())) > 100  # a circle raises CycleError with its files


def test_procedures_load_neither_the_database_nor_aws() -> None:
    """All of them, in a process of their own: they are pure, and so is what they name."""
    program = """
import pkgutil, sys, omc.procedures
from importlib import import_module
names = [each.name for each in pkgutil.walk_packages(omc.procedures.__path__, "omc.procedures.")]
for name in names:
    import_module(name)
print(len(names), *sorted({"sqlalchemy", "alembic", "psycopg", "boto3", "botocore"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    count, *loaded = done.stdout.split()
    assert int(count) > 20
    assert loaded == []


def test_below_the_commands_nothing_is_imported_late_without_a_reason() -> None:
    assert set(late_imports()) == set(LATE)


def late_imports() -> Iterator[tuple[str, str]]:
    """Who imports which file of omc inside a function, but for the commands."""
    for file in sorted((SOURCE / "omc").rglob("*.py")):
        module = ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        if module.startswith("omc.cli."):
            continue
        functions = (
            node
            for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )
        for node in (inner for function in functions for inner in ast.walk(function)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "omc":
                for name in node.names:
                    whole = f"{node.module}.{name.name}"
                    path = SOURCE / whole.replace(".", "/")
                    is_module = path.with_suffix(".py").exists() or path.is_dir()
                    yield module, whole if is_module else str(node.module)
            elif isinstance(node, ast.Import):
                yield from ((module, name.name) for name in node.names if name.name.partition(".")[0] == "omc")
