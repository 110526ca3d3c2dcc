"""Everything that omc says when it can't go on: one family of errors, each with the exit code that it ends in.

A message is one or two plain sentences: what failed, on what, why, and what to do next. It is printed as it is; a
stack trace is for bugs (``OMC_DEBUG=1`` shows it). Exit codes: 1 the answer is no, 2 wrong use, 3 not known.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import ClassVar


class OmcError(Exception):
    """What a person can act on. Anything else that is raised is a bug."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class WrongUse(OmcError):
    """The command, its arguments or the stack file are at fault; nothing was asked of AWS."""

    exit_code = 2


class Missing(WrongUse):
    """What was asked for by its name or number isn't there."""


class StackError(WrongUse):
    """omc.toml is missing, malformed or says something that isn't allowed."""


class WrongAccount(WrongUse):
    """The credentials belong to another AWS account than the environment's; nothing else was asked of it."""


class WriteRefused(OmcError):
    """Code that may only read asked for an operation that isn't a read. It was not sent."""


class Refused(OmcError):
    """A change was asked for that must not be made as things are. Nothing was changed."""


class OtherRecord(Refused):
    """The record of this environment's name is another account's, region's or local cloud's."""


class Outdated(Refused):
    """What was to be changed isn't as the caller saw it any more: somebody else was quicker. Nothing was changed."""


class Altered(Refused):
    """What omc's own record holds isn't what omc wrote there. Nothing is done because of it."""


class NothingToDo(Refused):
    """What was asked for is so already."""


class Unknown(OmcError):
    """The world could not be read, so nothing may be concluded from it."""

    exit_code = 3


class NoCredentials(Unknown):
    """No AWS credentials were found at all."""


class BadCredentials(Unknown):
    """The AWS credentials are expired or not valid."""


class Unreachable(Unknown):
    """The endpoint did not answer: no network, wrong region, or no local cloud."""


class Throttled(Unknown):
    """AWS kept answering that there are too many requests."""


class BadAnswer(Unknown):
    """The answer was cut off or is not in the shape that AWS documents."""


def lacking(error: KeyError, what: str = "") -> BadAnswer:
    """An answer of AWS's without a field that it documents; ``what`` isn't known for it."""
    return BadAnswer(f"AWS's answer lacks {error}{f', so {what} is not known' if what else ''}. Try again.")


class Mistake(Unknown):
    """omc itself failed while it read or judged one thing: that one is not known, and all else stands.

    Its cause is the error; ``OMC_DEBUG=1`` raises that instead.
    """


def contained(what: str, error: Exception) -> Mistake:
    """The mistake as what it is, or raised as it came where somebody looks for it (``OMC_DEBUG``)."""
    if os.environ.get("OMC_DEBUG"):
        raise error
    mistake = Mistake(
        f"A mistake in omc ended {what}: {type(error).__name__}: {error}. Its result is unknown; everything "
        "else shown is valid. "
        "OMC_DEBUG=1 shows the stack trace; please report it."
    )
    mistake.__cause__ = error
    return mistake


class AccessDenied(Unknown):
    """The credentials lack a permission."""

    def __init__(self, message: str, action: str) -> None:
        super().__init__(message)
        self.action = action
        """The IAM action that is missing, such as ``ecs:DescribeServices``."""


class AwsRefused(Unknown):
    """AWS answered with an error of its own."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code
        """The wire name, such as ``ClusterNotFoundException``."""


class NotFound(AwsRefused):
    """AWS says that there is no such thing. Often a finding rather than a failure to read."""


def did_you_mean(word: object, choices: Sequence[str]) -> str:
    """`` Did you mean …?`` where a choice is close, else nothing."""
    from difflib import get_close_matches  # not for every start of a program

    close = get_close_matches(str(word), choices, n=1)
    return f' Did you mean "{close[0]}"?' if close else ""
