"""Lines for a shell's ``eval``: what points it at the local cloud, and what ends that.

A value that a variable had before is kept in a variable beside it, so that it comes back. ``OMC_LOCAL_ENV`` has the
names of what was set. The lines are of every shell that has POSIX's words: zsh splits no variable into words.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

BEFORE: Final = "OMC_BEFORE_"
"""How the variables begin that keep what was there."""
OUT_OF_THE_WAY: Final = ("AWS_PROFILE", "AWS_SESSION_TOKEN")
"""What would go before the local cloud's own credentials."""
EXPORTED: Final = (
    "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "AWS_EC2_METADATA_DISABLED", "AWS_DISABLE_HOST_PREFIX_INJECTION", "TF_CLI_ARGS_init", "TF_CLI_ARGS_plan",
    "TF_CLI_ARGS_apply", "TF_CLI_ARGS_destroy", "TF_VAR_images",
)  # fmt: skip
"""Everything that is ever exported."""


def exported(exports: Mapping[str, str]) -> Iterator[str]:
    """Keep what is there, unless it is of an earlier call, and set what is given."""
    for name in (*OUT_OF_THE_WAY, *exports):
        keep = f'[ -z "${{{name}+_}}" ] || {BEFORE}{name}="${name}"'
        yield _where(name, f'{keep}; OMC_LOCAL_ENV="${{OMC_LOCAL_ENV-}} {name}"', is_set=False)
    yield f"unset {' '.join(OUT_OF_THE_WAY)}"
    for name, value in exports.items():
        yield f"export {name}={shlex.quote(value)}"


def restored(names: Iterable[str] = (*OUT_OF_THE_WAY, *EXPORTED)) -> Iterator[str]:
    """Of what ``exported`` set everything goes, and what was there before comes back."""
    for name in names:
        kept = f"{BEFORE}{name}"
        back = f'unset {name}; [ -z "${{{kept}+_}}" ] || export {name}="${kept}"; unset {kept}'
        yield _where(name, back, is_set=True)
    yield "unset OMC_LOCAL_ENV"


def _where(name: str, then: str, *, is_set: bool) -> str:
    """Do that where the variable is, or isn't, one of those that were set."""
    matched, otherwise = (then, ":") if is_set else (":", then)
    return f'case " ${{OMC_LOCAL_ENV-}} " in *" {name} "*) {matched};; *) {otherwise};; esac'
