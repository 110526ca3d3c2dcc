"""Which services a cloud has. Each is an entry point of the group ``localcloud.services``: its name, and the module or
package to import, which registers what it has. Any installed distribution may add one. A profile chooses among them.

An entry point that answers an AWS service has botocore's name of it (``application-autoscaling``); a module that
answers two has two entry points. What every cloud has (``BASE``) is no entry point: the VPC's network, EventBridge's
deliveries, the quotas, and the rules and patches of what moto answers.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points

GROUP = "localcloud.services"
FULL, MINIMAL = "full", "minimal"
BASE = tuple(f"localcloud.services.{name}" for name in ("eventbridge", "moto_fixes", "quotas", "rules", "vpc"))
CHOSEN: Mapping[str, frozenset[str] | None] = {
    FULL: None,
    MINIMAL: frozenset({"application-autoscaling", "cloudwatch", "ecr", "ecs", "elbv2", "logs"}),
}
"""The entry points of each profile; None: all that are installed."""


class ProfileError(Exception):
    """One sentence: why the services of a profile can't be had, and the way out."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The services that a cloud has, and those that it could have had: modules by the names of their entry points."""

    name: str
    loaded: Mapping[str, str]
    left_out: Mapping[str, str]

    def has_module(self, module: str) -> bool:
        """Whether what this module registers is part of the cloud. Another cloud of the same process may have loaded
        more."""
        return not any(module == name or module.startswith(f"{name}.") for name in self.left_out.values())

    def way_out(self) -> str:
        """What to do where a service is left out; the end of a sentence."""
        return f"Start a cloud in another state folder with --profile {FULL}"


@functools.cache
def profile(name: str) -> Profile:
    """Raises ``ProfileError`` for an unknown name, and where a service of the profile isn't installed."""
    if name not in CHOSEN:
        raise ProfileError(f"There is no profile {name!r}; there are {', '.join(CHOSEN)}.")
    installed = {each.name: each.module for each in entry_points(group=GROUP)}
    wanted = CHOSEN[name]
    missing = (CHOSEN[MINIMAL] or frozenset()) - set(installed)
    if missing:
        raise ProfileError(
            f"The services {', '.join(sorted(missing))} of localcloud aren't registered in this Python's packages; "
            "reinstall ecs-localcloud (in its repository: make install)."
        )
    loaded = {each: module for each, module in installed.items() if wanted is None or each in wanted}
    left_out = {each: module for each, module in installed.items() if each not in loaded}
    return Profile(name, loaded, left_out)


def load(chosen: Profile) -> None:
    """Import every module of the base and of the profile's services, so that what they have registers itself."""
    for name in (*BASE, *dict.fromkeys(chosen.loaded.values())):
        module = importlib.import_module(name)
        for info in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{name}."):
            importlib.import_module(info.name)
