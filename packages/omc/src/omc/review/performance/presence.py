"""The guard of checks that are about the database or the cache: an environment may have neither."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from omc.checks.finding import Finding, Level
from omc.checks.spec import Check, spec_of
from omc.facts.pending import Pending
from omc.review.performance.words import CACHE, DATABASE, finding

IN_AWS: dict[str, Callable[[Pending], Any]] = {
    DATABASE: lambda pending: pending.database,
    CACHE: lambda pending: pending.cache,
}


def about(store: str) -> Callable[[Check], Check]:
    """Guard the check below: it says nothing where omc.toml names no such ``store``; where there is none of the name,
    that is all it says, and it is ok. A check
    that doesn't name ``Pending`` itself gets it as its last parameter, which the guard keeps."""

    def guard(function: Check) -> Check:
        own = inspect.signature(function)
        added = [] if "pending" in own.parameters else [_PENDING]
        whole = own.replace(parameters=[*own.parameters.values(), *added])

        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Iterator[Finding]:
            given = whole.bind(*args, **kwargs).arguments
            pending: Pending = given.pop("pending") if added else given["pending"]
            if store in pending.left_out:
                return
            if IN_AWS[store](pending) is None:
                yield finding(spec_of(guarded).id, Level.OK, store, f"There is no {store}.", pending.reading)
            else:
                yield from function(**given)

        guarded.__signature__ = whole  # type: ignore[attr-defined]  # what the collector reads a check's facts from
        guarded.__annotations__ = {**function.__annotations__, "pending": Pending}
        return guarded

    return guard


_PENDING = inspect.Parameter("pending", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Pending)
