"""What each command may send to AWS, by a walk over omc's own source: which functions it reaches, and which operations
those name. Nothing is imported or run.

A function reaches every function, class and constant of omc's that it names, the readers of the facts that its
parameters have for types (which the collector reads), and an action whose name stands in it as a string, other than to
be compared. That is more than any one run calls, and never less.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from botocore import xform_name
from botocore.session import Session

SOURCE = Path(__file__).parents[2] / "packages/omc/src"
TYPES = {"CloudWatchLogsClient": "logs"}
"""Types of parameters that are clients."""
HANDED = ("omc.procedures.pre", "omc.judgement")
"""Modules whose functions get what the planners have read, and which the collector never asks for what they need."""
BY_TEXT = frozenset({("omc.runbook.values", "_answer")})
"""Asks what the runbook's own look-ups name, and reads alone: ``test_runbook_shown.py`` goes over all of them."""
NOT_OPERATIONS = frozenset({"meta", "exceptions", "can_paginate", "get_waiter", "close"})

Name = tuple[str, str]
"""Module, and what it defines at its top level."""


@dataclass
class Module:
    name: str
    defines: dict[str, ast.AST] = field(default_factory=dict)
    imports: dict[str, Name] = field(default_factory=dict)
    """What a name here is there; an empty second half is the module itself."""


@cache
def modules() -> dict[str, Module]:
    found: dict[str, Module] = {}
    for path in sorted((SOURCE / "omc").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = _module(name, ast.parse(path.read_text()))
    return found


def _module(name: str, tree: ast.Module) -> Module:
    module = Module(name)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("omc"):
            for each in node.names:
                module.imports[each.asname or each.name] = (str(node.module), each.name)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            module.defines[node.name] = node
        elif isinstance(node, ast.Assign):
            module.defines |= {each.id: node for each in node.targets if isinstance(each, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            module.defines[node.target.id] = node
    return module


def _resolve(module: str, name: str) -> Name | None:
    """Where a name that is used in ``module`` is defined, through packages that pass it on."""
    for _ in range(5):
        here = modules()[module]
        if name in here.defines:
            return module, name
        if name not in here.imports:
            return None
        module, name = here.imports[name]
        if f"{module}.{name}" in modules():
            return f"{module}.{name}", ""
        if module not in modules():
            return None
    return None


def _name_of(decorator: ast.expr) -> str:
    """Of ``@reads`` and of ``@reads_in(2)``."""
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return named.id if isinstance(named, ast.Name) else ""


@cache
def readers() -> dict[Name, Name]:
    """The class of a fact to the function that reads it."""
    found: dict[Name, Name] = {}
    for module in modules().values():
        for name, node in module.defines.items():
            if isinstance(node, ast.FunctionDef) and any(
                _name_of(each) in ("reads", "reads_in") for each in node.decorator_list
            ):
                fact = _resolve(module.name, node.returns.id) if isinstance(node.returns, ast.Name) else None
                assert fact is not None, f"{module.name}.{name} returns no class of omc's"
                found[fact] = (module.name, name)
    return found


@cache
def actions() -> dict[str, str]:
    """An action's name, as its arguments' class has it, to the module that registers it."""
    found: dict[str, str] = {}
    for path in sorted((SOURCE / "omc/actions").rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Action":
                assert isinstance(node.args[0], ast.Name), f"{module}: an action's arguments are no class"
                found[_action_of(module, node.args[0].id)] = module
    return found


def _action_of(module: str, name: str) -> str:
    """What ``ACTION`` is in a class of arguments."""
    where = _resolve(module, name)
    assert where is not None, f"{module}: {name} is no class of omc's"
    (action,) = (
        node.value.value
        for node in ast.walk(modules()[where[0]].defines[where[1]])
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id == "ACTION"
        and isinstance(node.value, ast.Constant)
    )
    return str(action)


def reached(roots: list[Name]) -> set[Name]:
    seen: set[Name] = set()
    queue = deque(roots)
    while queue:
        name = queue.popleft()
        if name in seen or name[1] not in modules()[name[0]].defines:
            continue
        seen.add(name)
        queue.extend(_following(name))
    return seen


@cache
def _following(name: Name) -> frozenset[Name]:
    return frozenset(_next(name))


def _next(name: Name) -> Iterator[Name]:
    module, node = name[0], modules()[name[0]].defines[name[1]]
    compared = {part for each in ast.walk(node) if isinstance(each, ast.Compare) for part in ast.walk(each)}
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and (found := _resolve(module, each.id)):
            yield found
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            inside = _resolve(module, each.value.id)
            if inside and not inside[1] and (found := _resolve(inside[0], each.attr)):
                yield found
        elif isinstance(each, ast.Constant) and each.value in actions() and each not in compared:
            yield from ((actions()[each.value], other) for other in modules()[actions()[each.value]].defines)
        elif isinstance(each, ast.FunctionDef) and not module.startswith(HANDED):
            for argument in each.args.args + each.args.kwonlyargs:
                if isinstance(argument.annotation, ast.Name):
                    fact = _resolve(module, argument.annotation.id)
                    if fact in readers():
                        yield readers()[fact]
                    elif fact and any(_name_of(one) == "takes_ongoing" for one in each.decorator_list):
                        yield from _readers_of_fields(fact)


def _readers_of_fields(name: Name) -> Iterator[Name]:
    """Of a class that holds facts, and of those that it is made from."""
    node = modules()[name[0]].defines[name[1]]
    if not isinstance(node, ast.ClassDef):
        return
    for base in node.bases:
        if isinstance(base, ast.Name) and (found := _resolve(name[0], base.id)):
            yield from _readers_of_fields(found)
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.annotation, ast.Name):
            fact = _resolve(name[0], each.annotation.id)
            if fact in readers():
                yield readers()[fact]


@cache
def _operations_of(service: str) -> dict[str, str]:
    model = Session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


@cache
def operations(name: Name) -> set[tuple[str, str]]:
    """(service, operation) of every call on a client that this names."""
    node = modules()[name[0]].defines[name[1]]
    found: set[tuple[str, str]] = set()
    clients: dict[str, str] = {}
    for each in ast.walk(node):
        if (
            isinstance(each, ast.arg)
            and isinstance(each.annotation, ast.Name)
            and each.annotation.id.endswith("Client")
        ):
            clients[each.arg] = TYPES[each.annotation.id]
        if isinstance(each, ast.Assign):
            pairs = [(each.targets[0], each.value)]
            if isinstance(each.targets[0], ast.Tuple) and isinstance(each.value, ast.Tuple):
                pairs = list(zip(each.targets[0].elts, each.value.elts, strict=True))
            clients |= {
                target.id: service
                for target, value in pairs
                if isinstance(target, ast.Name) and (service := _service(value))
            }
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute):
            service = _service(each.value) or (clients.get(each.value.id) if isinstance(each.value, ast.Name) else None)
            if service and each.attr not in NOT_OPERATIONS and each.attr != "get_paginator":
                found.add((service, _operations_of(service)[each.attr]))
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute) and each.func.attr == "get_paginator":
            inner = each.func.value
            service = _service(inner) or (clients.get(inner.id) if isinstance(inner, ast.Name) else None)
            if not service and name in BY_TEXT:
                continue
            assert service, f"whose paginator? {name}"
            words = each.args[:1] if isinstance(each.args[0], ast.Constant) else list(ast.walk(node))
            named = {str(word.value) for word in words if isinstance(word, ast.Constant)}
            found |= {(service, _operations_of(service)[name]) for name in named if name in _operations_of(service)}
    return found


def _service(node: ast.AST) -> str | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "client" and node.args:
        value = node.args[0]
        return str(value.value) if isinstance(value, ast.Constant) else None
    return None


def called(roots: list[Name]) -> set[tuple[str, str]]:
    """All that the code behind ``roots`` may send."""
    return {operation for name in reached(roots) for operation in operations(name)}


def everything() -> set[tuple[str, str]]:
    """All operations that stand anywhere in omc."""
    return {
        operation
        for module in modules().values()
        for name in module.defines
        for operation in operations((module.name, name))
    }
