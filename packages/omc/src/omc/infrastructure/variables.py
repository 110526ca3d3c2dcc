"""Terraform's variables, read as far as omc must know them: which are declared, which a file sets, what is in force.

Terraform only warns of a name in a tfvars file that nothing declares, so a setting with a slip in its name is never
applied and nobody is told. Here it is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from omc.errors import WrongUse, did_you_mean

_NOISE = re.compile(r'(#|//)[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"', re.DOTALL)
_BLOCK = re.compile(r'^variable "([\w-]+)" \{(.*?)^\}', re.DOTALL | re.MULTILINE)


def is_variable_name(name: str) -> bool:
    """Whether Terraform accepts it as one: in HCL, an identifier in which a hyphen may stand, not at its beginning."""
    return name.replace("-", "_").isidentifier() and not name.startswith("-")


def declared(folder: Path) -> dict[str, bool]:
    """The variables that a root or module declares; True where one must be given."""
    return {
        name: re.search(r"^\s*default\s*=", body, re.MULTILINE) is None
        for path in sorted(folder.glob("*.tf"))
        for name, body in _BLOCK.findall(path.read_text())
    }


def assigned(tfvars: str) -> set[str]:
    """The names that a tfvars file sets: assignments outside of all brackets."""
    plain = _NOISE.sub(lambda found: '""' if found[0].startswith('"') else "", tfvars)
    names, depth = set(), 0
    for line in plain.splitlines():
        if depth == 0 and (found := re.match(r"\s*([\w-]+)\s*=", line)):
            names.add(found[1])
        depth += sum(line.count(bracket) for bracket in "{[(") - sum(line.count(bracket) for bracket in "}])")
    return names


def set_by(path: Path) -> set[str]:
    """The names that a tfvars file sets, in Terraform's language or as JSON."""
    return set(json.loads(path.read_text())) if path.suffix == ".json" else assigned(path.read_text())


def undeclared(folder: Path) -> dict[str, set[str]]:
    """Each tfvars file of a root that sets names which the root doesn't declare."""
    known = set(declared(folder))
    files = [*folder.glob("*.tfvars"), *folder.glob("*.tfvars.json")]
    found = {path.name: set_by(path) - known for path in sorted(files)}
    return {name: names for name, names in found.items() if names}


def require_known(folder: Path, provided: Mapping[str, Any], var_files: Sequence[str]) -> None:
    """Refuse names that nothing declares, in a file or given, and variables that nobody sets.

    Raises ``WrongUse`` with the name that was probably meant.
    """
    known = declared(folder)
    where = {name: file for file, names in undeclared(folder).items() for name in sorted(names)}
    where |= {name: "--var" for name in provided if name not in known}
    for name, place in where.items():
        raise WrongUse(
            f"{place} sets {name}, but {folder.parent.name}/{folder.name} declares no such variable, so Terraform "
            f"would ignore it.{did_you_mean(name, list(known))}"
        )
    automatic = ["terraform.tfvars", "terraform.tfvars.json", *(path.name for path in folder.glob("*.auto.tfvars*"))]
    files = [folder / name for name in dict.fromkeys([*automatic, *var_files]) if (folder / name).is_file()]
    settled = set(provided).union(*(set_by(path) for path in files))
    for name, must in known.items():
        if must and name not in settled:
            raise WrongUse(
                f"The variable {name} of {folder.parent.name}/{folder.name} has no value: no file sets it, and the "
                f"environment has none yet to keep. Give it: --var '{name}=…'"
            )


def current_variables(state: Mapping[str, Any]) -> dict[str, Any]:
    """What the state says of the variables that may be in no file: the images that Terraform knows, the name.

    A certificate that Terraform made itself is no variable: given as one, it would be removed again.

    Deployments own what runs, so an infrastructure change keeps Terraform's own images as they are.
    """
    images: dict[str, str] = {}
    names: dict[str, list[str]] = {"certificate_arn": [], "domain_name": [], "zone_id": []}
    made: list[str] = []
    for resource in state.get("resources", ()):
        values = [instance.get("attributes", {}) for instance in resource.get("instances", ())]
        if resource.get("mode") != "managed" or not values:
            continue
        if (resource["type"], resource["name"]) == ("aws_ecs_task_definition", "this"):
            service = re.search(r'\["([\w-]+)"\]$', resource.get("module", ""))
            if service:
                images[service[1]] = json.loads(values[0]["container_definitions"])[0]["image"]
        if resource["type"] == "aws_lb_listener":
            names["certificate_arn"] += [value["certificate_arn"] for value in values if value.get("certificate_arn")]
        if resource["type"] == "aws_acm_certificate":
            made += [value["arn"] for value in values]
        if (resource["type"], resource["name"]) == ("aws_route53_record", "name"):
            names["zone_id"] += [value["zone_id"] for value in values]
    names["certificate_arn"] = [arn for arn in names["certificate_arn"] if arn not in made]
    url = urlsplit(str(_output(state, "stack", "load_balancer", "url") or ""))
    if url.scheme == "https" and url.hostname:
        names["domain_name"].append(url.hostname)
    found: dict[str, Any] = {"images": images} if images else {}
    return found | {name: values[0] for name, values in names.items() if values}


def _output(state: Mapping[str, Any], name: str, *keys: str) -> Any:
    value = state.get("outputs", {}).get(name, {}).get("value")
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def as_environment(variables: Mapping[str, Any]) -> dict[str, str]:
    """Variables for Terraform's environment, which no list of processes shows."""
    return {
        f"TF_VAR_{name}": value if isinstance(value, str) else json.dumps(value) for name, value in variables.items()
    }
