"""What the people of a rota are told in time: a reminder before a shift, that a shift has moved, the weekly summary;
and what a channel is told: who is on call.

Pure. A responder asks what has become due since it asked last, and puts each notice into the outbox under its key: one
that it asks for twice is sent once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from omc.model.pages import SHORT, Message, Page
from omc.model.people import Channel, ContactMethod, Person
from omc.oncall.clock import local_of, moment_of
from omc.oncall.model import Rota, Shift, Tile, WeeklyTime
from omc.oncall.schedule import on_call, shifts
from omc.times import format_duration, format_time, zone_named

LOOK_AHEAD = timedelta(days=60)
"""So far, and to the end of each override that changed, a change of somebody's shifts is looked for."""
LOOK_BACK = timedelta(days=14)
"""So far back the beginning of a duty is looked for that is under way when it changes."""


class NoticeKind(StrEnum):
    """Of a notice."""

    REMINDER = "reminder"
    MOVED = "moved"
    SUMMARY = "summary"
    ON_CALL = "on-call"
    """To the rota's channel."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell one person about one rota."""

    key: str
    """The same for the same notice, whenever it is asked for: ``notice:primary:reminder:jo:20261201t220000z:1440``."""
    kind: NoticeKind
    rota: str
    person: str
    """Her id; the channel of a notice to one."""
    due_at: datetime
    sentence: str
    """What to tell, without the summary's contents."""
    begin: datetime
    """Of the duty that it is about, or of the week that a summary covers."""
    end: datetime
    others: tuple[str, ...] = ()
    """Who hands over or takes over, for a summary."""


@dataclass(frozen=True, slots=True)
class Duty:
    """A time in which one person is on call without a break, whatever the shifts are that it consists of."""

    person: str
    begin: datetime
    end: datetime


def due_notices(rota: Rota, since: datetime, until: datetime, before: Rota | None = None) -> tuple[Notice, ...]:
    """What became due after ``since`` and up to ``until``, the earliest first. ``before`` is the rota as it was at
    ``since`` where more than its overrides has changed: another version of omc.toml, an import."""
    now, was = rota.as_of(until), (before or rota).as_of(since)
    found = [
        *_reminders(now, since, until),
        *_moved(was, now, until),
        *_summaries(now, since, until),
        *_told_to_channel(was, now, since, until),
    ]
    return tuple(sorted(found, key=lambda notice: (notice.due_at, notice.key)))


def duties(rota: Rota, begin: datetime, end: datetime, person: str | None = None) -> tuple[Duty, ...]:
    """Everybody's duties in a period, or one person's, cut to the period and in the order in which they begin."""
    open_: dict[str, Duty] = {}
    found: list[Duty] = []
    for tile in shifts(rota, begin, end):
        people = tile.people if isinstance(tile, Shift) else ()
        found += [open_.pop(name) for name in list(open_) if name not in people]
        for name in people:
            duty = open_.get(name)
            open_[name] = Duty(name, duty.begin if duty else tile.begin, tile.end)
    found += open_.values()
    wanted = [each for each in found if person is None or each.person == person]
    return tuple(sorted(wanted, key=lambda duty: (duty.begin, duty.person)))


def _reminders(rota: Rota, since: datetime, until: datetime) -> Iterator[Notice]:
    for minutes in rota.remind_minutes:
        ahead = timedelta(minutes=minutes)
        # From a little earlier, so that a duty that goes on over the edge isn't taken for one that begins.
        begin, end = since + ahead, until + ahead
        for duty in duties(rota, begin - timedelta(seconds=1), end + LOOK_AHEAD):
            if not begin < duty.begin <= end:
                continue
            when = format_time(duty.begin, rota.zone)
            length = format_duration(duty.end - duty.begin)
            yield Notice(
                _key(rota, NoticeKind.REMINDER, duty.person, duty.begin, str(minutes)),
                NoticeKind.REMINDER,
                rota.name,
                duty.person,
                duty.begin - ahead,
                f"You are on call in {rota.name} in {format_duration(ahead)}, from {when} for {length}.",
                duty.begin,
                duty.end,
            )


def _moved(before: Rota, after: Rota, at: datetime) -> Iterator[Notice]:
    """What changed for whom in what is still to come: one notice for each duty that is gone, new or of other times."""
    if before == after:
        return
    changed = {*before.overrides} ^ {*after.overrides}
    end = max([at + LOOK_AHEAD, *(each.end + timedelta(days=1) for each in changed)])
    old = [each for each in duties(before, at - LOOK_BACK, end) if each.end > at]
    new = [each for each in duties(after, at - LOOK_BACK, end) if each.end > at]
    at = _changed_at(after, at)
    for person in dict.fromkeys(each.person for each in (*old, *new)):
        gone = [each for each in old if each.person == person and each not in new]
        came = [each for each in new if each.person == person and each not in old]
        for duty in came:
            was = next((each for each in gone if each.begin < duty.end and duty.begin < each.end), None)
            if was is not None:
                gone.remove(was)
                sentence = (
                    f"Your shift in {after.name} moved: it was {_times(was, after)}, it is {_times(duty, after)}."
                )
            else:
                sentence = f"You have a new shift in {after.name}: {_times(duty, after)}."
            yield _of_change(after, person, at, sentence, duty)
        for duty in gone:
            yield _of_change(
                after, person, at, f"You aren't on call in {after.name} any more: {_times(duty, after)}.", duty
            )


def _changed_at(rota: Rota, until: datetime) -> datetime:
    """When the rota was changed last, so that the same change has the same key whoever asks."""
    times = [at for each in rota.overrides for at in (each.recorded_at, each.undone_at) if at and at <= until]
    return max([*times, *([rota.changed_at] if rota.changed_at else [])], default=until)


def _of_change(rota: Rota, person: str, at: datetime, sentence: str, duty: Duty) -> Notice:
    detail = f"{_stamp(duty.begin)}-{_stamp(duty.end)}"
    key = _key(rota, NoticeKind.MOVED, person, at, detail)
    return Notice(key, NoticeKind.MOVED, rota.name, person, at, sentence, duty.begin, duty.end)


def _times(duty: Duty, rota: Rota) -> str:
    return f"{format_time(duty.begin, rota.zone)} to {format_time(duty.end, rota.zone)}"


def _summaries(rota: Rota, since: datetime, until: datetime) -> Iterator[Notice]:
    """To who hands over and to who takes over, each week."""
    weekly = summary_time(rota)
    if weekly is None:
        return
    zone = zone_named(rota.zone)
    day = local_of(since, zone).date() - timedelta(days=1)
    day += timedelta(days=(weekly.day - day.weekday()) % 7)
    while (due := moment_of(datetime.combine(day, weekly.at), zone)) <= until:
        if due > since:
            week = due - timedelta(days=7)
            past = dict.fromkeys(duty.person for duty in duties(rota, week, due))
            tile = on_call(rota, due)
            following = dict.fromkeys(tile.people if isinstance(tile, Shift) else ())
            for person in past | following:
                others = tuple(each for each in past | following if each != person)
                role = _role(person, list(past), list(following))
                yield Notice(
                    _key(rota, NoticeKind.SUMMARY, person, due, "week"),
                    NoticeKind.SUMMARY,
                    rota.name,
                    person,
                    due,
                    f"{role} {rota.name}: what came in the past week, and what is open.",
                    week,
                    due,
                    others,
                )
        day += timedelta(days=7)


def _told_to_channel(before: Rota, rota: Rota, since: datetime, until: datetime) -> Iterator[Notice]:
    """Who is on call: where it is somebody else now than when it was looked last, and at the times of day."""
    if not rota.channel:
        return
    was, tile = on_call(before, since), on_call(rota, until)
    if "changes" in rota.tell and _people(was) != _people(tile):
        at = tile.begin if since < tile.begin <= until else _changed_at(rota, until)
        left = [each for each in _people(was) if each not in _people(tile)]
        instead = f" Before: {' and '.join(left)}." if left else ""
        yield _to_channel(rota, at, "changes", f"{_who_is_on_call(rota, tile)}{instead}", tile)
    zone = zone_named(rota.zone)
    for clock in (each for each in rota.tell if each != "changes"):
        day = local_of(since, zone).date()
        while (due := moment_of(datetime.combine(day, time.fromisoformat(clock)), zone)) <= until:
            if due > since:
                found = on_call(rota, due)
                yield _to_channel(rota, due, clock.replace(":", ""), _who_is_on_call(rota, found), found)
            day += timedelta(days=1)


def _people(tile: Tile) -> tuple[str, ...]:
    return tile.people if isinstance(tile, Shift) else ()


def _who_is_on_call(rota: Rota, tile: Tile) -> str:
    end = format_time(tile.end, rota.zone)
    if isinstance(tile, Shift):
        verb = "is" if len(tile.people) == 1 else "are"
        return f"{' and '.join(tile.people)} {verb} on call in {rota.name} until {end}."
    return f"Nobody is on call in {rota.name} until {end}: {tile.reason}."


def _to_channel(rota: Rota, at: datetime, detail: str, sentence: str, tile: Tile) -> Notice:
    key = _key(rota, NoticeKind.ON_CALL, "channel", at, detail)
    return Notice(key, NoticeKind.ON_CALL, rota.name, rota.channel, at, sentence, tile.begin, tile.end)


def _role(person: str, past: list[str], following: list[str]) -> str:
    if person in past and person in following:
        return "You stay on call in"
    return "You hand over" if person in past else "You take over"


def summary_time(rota: Rota) -> WeeklyTime | None:
    """When the weekly summary is due: as it is set, else when the first layer's first turn was handed over."""
    if rota.summary is not None or not rota.layers:
        return rota.summary
    first = rota.layers[0]
    return WeeklyTime(first.start.weekday(), first.hand_over)


def _key(rota: Rota, kind: NoticeKind, person: str, at: datetime, detail: str) -> str:
    return f"notice:{rota.name}:{kind}:{person}:{_stamp(at)}:{detail}"


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dt%H%M%Sz}"


def recipient_of(notice: Notice, persons: Mapping[str, Person]) -> Person | None:
    """Whom a notice goes to: one of ``[people]``, or a channel; None where she isn't there or can't be reached."""
    if notice.kind is NoticeKind.ON_CALL:
        return Person(notice.person, notice.person, (ContactMethod(Channel.SLACK, notice.person),))
    person = persons.get(notice.person)
    return person if person is not None and person.contacts else None


def page_of(notice: Notice, person: Person, environment: str) -> Page:
    """The notice as a page that wakes nobody up; to all of a person's contacts, in their order."""
    short = notice.sentence
    if len(short) > SHORT:
        whose = "Who is on call" if notice.kind is NoticeKind.ON_CALL else "Your shifts"
        short = f"{whose} in {notice.rota} changed. See: omc oncall schedule {notice.rota} --env {environment}"
    lines = () if short == notice.sentence else (notice.sentence,)
    message = Message(short, lines)
    return Page(notice.key, environment, person.id, person.contacts, message, is_urgent=False)
