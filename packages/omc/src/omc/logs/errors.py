"""Errors among log events, grouped by shape, and which of them came with the last deployment. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from omc.facts.log_errors import error_of, is_cut_off, is_rest_of_a_line, without_escapes
from omc.facts.logs import TRACEBACK
from omc.logs.model import Deployed, ErrorShape, LogEvent
from omc.logs.shapes import shapes_of
from omc.redaction import mask

UNSHAPED = "(an empty line)"


@dataclass(slots=True)
class _Group:
    events: list[LogEvent] = field(default_factory=list)

    def moments(self) -> list[datetime]:
        return sorted(event.at for event in self.events if event.at)


def errors_by_shape(
    events: Iterable[LogEvent],
    deployed: Mapping[str, Deployed] | None = None,
    services: Mapping[str, str] | None = None,
    begin: datetime | None = None,
) -> tuple[ErrorShape, ...]:
    """The errors among the events, most frequent first.

    ``services``: a log group to the service that writes it. ``deployed``: the last deployment by service. An error is
    new where all of it came after a deployment that lies within the time looked at, which starts at ``begin``.
    """
    services, deployed = services or {}, deployed or {}
    found = list(_errors_in(list(events)))
    groups: dict[str, _Group] = {}
    for (event, _), shape in zip(found, shapes_of([text for _, text in found]), strict=True):
        groups.setdefault(shape, _Group()).events.append(event)
    shapes = [_shape(shape or UNSHAPED, group, deployed, services, begin) for shape, group in groups.items()]
    return tuple(sorted(shapes, key=lambda each: (-each.count, each.sources, each.shape)))


def _errors_in(events: Sequence[LogEvent]) -> Iterable[tuple[LogEvent, str]]:
    """Each event that reports an error, once, and what it says."""
    explained = {(event.source, event.stream) for event in events if event.message.strip() != TRACEBACK}
    started = {_second(event) for event in events if is_cut_off(event.message)}
    for event in events:
        message = mask(without_escapes(event.message))
        if message.strip() == TRACEBACK and (event.source, event.stream) in explained:
            continue  # what it was follows on a line of its own
        if is_rest_of_a_line(message) and _second(event) in started:
            continue
        error = error_of(message)
        if error is not None:
            yield LogEvent(event.at, event.source, event.stream, message.strip()), error


def _second(event: LogEvent) -> tuple[str, str, datetime | None]:
    return event.source, event.stream, event.at.replace(microsecond=0) if event.at else None


def _shape(
    shape: str, group: _Group, deployed: Mapping[str, Deployed], services: Mapping[str, str], begin: datetime | None
) -> ErrorShape:
    moments = group.moments()
    sources = sorted({services.get(event.source, event.source) for event in group.events})
    newest = max(group.events, key=lambda event: (event.at is not None, event.at.timestamp() if event.at else 0.0))
    since = _since(sources, moments, deployed)
    return ErrorShape(
        shape=shape,
        count=len(group.events),
        first=moments[0] if moments else None,
        last=moments[-1] if moments else None,
        sources=tuple(sources),
        streams=len({(event.source, event.stream) for event in group.events}),
        example=newest.message,
        is_new=_is_new(moments, since, begin),
        since=since,
    )


def _since(sources: Sequence[str], moments: Sequence[datetime], deployed: Mapping[str, Deployed]) -> Deployed | None:
    """The last deployment of a service that wrote it: of several, the latest that began before the error did."""
    known = sorted((deployed[name] for name in sources if name in deployed), key=lambda each: each.at)
    before = [each for each in known if moments and each.at <= moments[0]]
    return before[-1] if before else known[-1] if known else None


def _is_new(moments: Sequence[datetime], since: Deployed | None, begin: datetime | None) -> bool | None:
    if not moments or since is None or begin is None:
        return None
    if moments[0] < since.at:
        return False
    return True if begin < since.at else None  # of what was before the deployment nothing was read
