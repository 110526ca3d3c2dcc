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
    ("omc.facts.home", "omc.store.homes"): DATABASE,
    ("omc.facts.incidents", "omc.store.incidents"): PLANNED,
    ("omc.facts.recent_runs", "omc.store.runs"): DATABASE,
    ("omc.facts.releases", "omc.store.releases"): PLANNED,
    ("omc.facts.temporary", "omc.store.timers"): DATABASE,
    ("omc.facts.verifications", "omc.store.backups"): DATABASE,
    ("omc.facts.verifications", "omc.store.database"): DATABASE,
    ("omc.store.opened", "omc.store.audit"): DATABASE,
    ("omc.store.opened", "omc.store.embedded"): DATABASE,
}
"""Below the commands: who imports what inside a function, and why the start of the morning check needs it."""
CHECKS = "all the checks, half as much again as the help of a command by itself; the doctor's bring the database too"
WITH_DATABASE = (
    "omc.access.records",
    "omc.cli.doctor_page",
    "omc.engine.approvals",
    "omc.store.homes",
    "omc.engine.following",
    "omc.engine.heartbeats",
    "omc.engine.journal",
    "omc.engine.planning",
    "omc.engine.run_document",
    "omc.engine.run_history",
    "omc.engine.undoing",
    "omc.engine.worker",
    "omc.facts.record_heads",
    "omc.maintenance.definition",
    "omc.maintenance.desk",
    "omc.maintenance.records",
    "omc.maintenance.run",
    "omc.maintenance.work",
    "omc.notify.delivery",
    "omc.notify.outbox_document",
    "omc.oncall.changing",
    "omc.oncall.subscribing",
    "omc.reports.doctor",
    "omc.responder.action_issues",
    "omc.responder.api.beside",
    "omc.responder.duty",
    "omc.responder.learning",
    "omc.responder.life",
    "omc.maintenance.announced",
    "omc.responder.unreadable",
    "omc.responder.records",
    "omc.responder.reminders",
    "omc.responder.service",
    "omc.responder.status.document",
    "omc.responder.status.telling",
    "omc.review.lists",
    "omc.sessions.records",
    "omc.store.audit",
    "omc.store.database",
    "omc.store.ids",
    "omc.store.incidents",
    "omc.store.models",
    "omc.store.outbox",
    "omc.store.subscribers",
    "omc.store.timers",
)
"""What commands import where they run: it loads SQLAlchemy, and with that a command's help, its completion in the shell
and the answer to a wrong option would take three times as long."""
SENDING = "brings httpx and with it all channels: only what sends needs them"
HELP = "omc check morning --help and the help of each change stay as quick as they were: a third less than with it"
COMPLETION = "for the shell's completion; every command has its options"
LATE_IN_COMMANDS: Mapping[tuple[str, str], str] = {
    ("omc.cli.doctor", "omc.reports.screen"): CHECKS,
    ("omc.cli.infra", "omc.reports.drift_document"): CHECKS,
    ("omc.cli.check", "omc.reports.report_json"): CHECKS,
    ("omc.cli.check", "omc.reports.screen"): CHECKS,
    ("omc.cli.check", "omc.reports"): CHECKS,
    ("omc.cli.check", "omc.reports.about"): CHECKS,
    ("omc.cli.check", "omc.reports.morning"): CHECKS,
    ("omc.cli.check", "omc.reports.report_document"): CHECKS,
    ("omc.cli.check", "omc.output.markdown"): "one renderer of three is used, and the morning check uses none of them",
    ("omc.cli.check", "omc.checks.finding"): HELP,
    ("omc.cli.check", "omc.checks.spec"): HELP,
    ("omc.cli.check", "omc.reports.by_hand"): "loads all of botocore, for --explain alone",
    ("omc.cli.incident_desk", "omc.incidents.events"): "for the record alone, where no server is asked",
    ("omc.agents.command", "omc.agents.server"): "the SDK of the protocol, which comes with an extra",
    ("omc.logs.command", "omc.reports.by_hand"): "loads all of botocore, for --explain alone",
    ("omc.review.command", "omc.output.page"): "for --output html alone",
    ("omc.runbook.command", "omc.runbook.lint.check"): "for one of three commands, and a third more of its start",
    ("omc.runbook.command", "omc.runbook.lint.document"): "for one of three commands, and a third more of its start",
    ("omc.cli.check", "omc.checks.spec_document"): CHECKS,
    ("omc.cli.check", "omc.aws.gateway"): HELP,
    ("omc.cli.check", "omc.config"): HELP,
    ("omc.cli.check", "omc.config.load"): HELP,
    ("omc.cli.check", "omc.store.location"): HELP,
    ("omc.cli.change", "omc.engine.actors"): HELP,
    ("omc.cli.audit", "omc.engine.actors"): HELP,
    ("omc.cli.audit", "omc.facts.home"): HELP,
    ("omc.cli.change", "omc.engine.github"): HELP,
    ("omc.cli.change", "omc.procedures.catalogue"): HELP,
    ("omc.cli.change", "omc.procedures.plan_document"): HELP,
    ("omc.cli.change", "omc.config"): HELP,
    ("omc.cli.change", "omc.config.load"): HELP,
    ("omc.cli.change", "omc.store.location"): HELP,
    ("omc.notify.command", "omc.notify.channels.registry"): SENDING,
    ("omc.cli.incident_desk", "omc.responder.health"): CHECKS,
    ("omc.cli.completion", "omc.config"): COMPLETION,
    ("omc.cli.completion", "omc.config.load"): COMPLETION,
    ("omc.cli.completion", "omc.store.location"): COMPLETION,
    ("omc.cli.completion", "omc.store.releases"): COMPLETION,
    ("omc.cli.options", "omc.api_client.http"): "an HTTP client, which every command would load with its options",
    ("omc.cli.show", "omc.output.document"): HELP,
    ("omc.cli.show", "omc.output.markdown"): "one renderer of three is used, and the morning check uses none of them",
    ("omc.cli.show", "omc.output.terminal"): "one renderer of three is used, and the morning check uses none of them",
}
"""The same of the commands. All else stands at the top of a command's module, which is imported when that command is
wanted."""


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
    assert {(who, what) for who, what in late_imports() if not is_command(who)} == set(LATE)


def test_commands_import_late_only_what_would_make_their_help_slower() -> None:
    late = {(who, what) for who, what in late_imports() if is_command(who)}
    assert {(who, what) for who, what in late if what not in WITH_DATABASE} == set(LATE_IN_COMMANDS)
    assert {what for _, what in late} >= set(WITH_DATABASE)


def test_what_commands_import_late_for_its_database_loads_one() -> None:
    """A module that doesn't any more belongs at the top. Each is imported in a child of its own, which ends as soon as
    SQLAlchemy is wanted: the rest takes most of the time. What all share is imported once, before."""
    program = """
import importlib, os, sys
class Wanted:
    def find_spec(self, name, path=None, target=None):
        if name == "sqlalchemy":
            os._exit(0)
sys.meta_path.insert(0, Wanted())
import omc.cli.main
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        importlib.import_module(name)
        os._exit(1)
    if os.waitpid(child, 0)[1]:
        print(name)
"""
    command = [sys.executable, "-c", program, *WITH_DATABASE, "omc.cli.main"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    assert done.stdout.split() == ["omc.cli.main"]


def is_command(module: str) -> bool:
    """The frame's, or a chapter's own."""
    return module.startswith("omc.cli.") or module.rpartition(".")[2].startswith("command")


def late_imports() -> Iterator[tuple[str, str]]:
    """Who imports which file of omc inside a function."""
    for file in sorted((SOURCE / "omc").rglob("*.py")):
        module = ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
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
