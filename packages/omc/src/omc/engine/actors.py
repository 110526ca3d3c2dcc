"""Who asks for a change: the person behind the AWS credentials, or in CI the person who started the job.

A person is known only by a name that its bearer can't choose. The session name of a plain role is chosen by whoever
assumes it, as is a federated user's: there the person can't be told, and all who may use the role count as one.
Its ``sts`` source identity is no better: no call returns that of a session, CloudTrail has it minutes after a call and
not for every one, and only a trust policy that compares it keeps its bearer from choosing that, too.
"""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass

from omc.aws.gateway import Gateway, access_to
from omc.config import Environment
from omc.config.people import NO_PEOPLE, People, canonical_name
from omc.engine import github
from omc.errors import BadAnswer, Unknown
from omc.facts.account import Caller, read_caller
from omc.output import echo, line


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody, by a name that is the same whenever it is the same person."""

    name: str
    link: str | None = None
    """Where it can be looked at: a job of GitHub's, or the ARN."""
    known: str = ""
    """By whom the name is given: ``IAM Identity Center user jo@example.com``, ``role deployer, person unknown``."""
    of: str = ""
    """The person, where it isn't simply the name."""
    is_certain: bool = True
    """False in a job that GitHub doesn't confirm: who started it is not known, and so it may not approve anything."""

    @property
    def person(self) -> str:
        """Two actors with the same are one person, as far as can be told."""
        return self.of or canonical_name(self.name.removeprefix("github:"))

    @property
    def words(self) -> str:
        """For people: who it is and how that is known."""
        return self.known or self.name


def actor_of(gateway: Gateway | None) -> Actor:
    """Who this is. In a job of GitHub Actions that GitHub confirms, whoever started this attempt of it; else whom STS
    says. Without a gateway, in a job that GitHub doesn't confirm: whom the variables name, as an uncertain actor."""
    people = gateway.environment.people if gateway else NO_PEOPLE
    settings = gateway.environment.github if gateway else None
    named = ""
    if github.is_job():
        job = github.confirmed(settings)
        if isinstance(job, github.Job):
            return of_github(job.started_by, job.link, people, "confirmed")
        named = github.named()
        if gateway is None:
            words = f"GitHub user {named}, not confirmed: {job}"
            return Actor(f"github:{named}", None, words, people.at(named, "github"), is_certain=False)
    assert gateway is not None  # outside of GitHub Actions every caller has one  # noqa: S101
    actor = of_caller(read_caller(gateway), people)
    if not named:
        return actor
    words = f"{actor.words} (in a job that says it is {named}'s, which GitHub has not confirmed)"
    return Actor(actor.name, actor.link, words, actor.of, is_certain=False)


def actor_or_user(environment: Environment) -> Actor:
    """Who this is, for what is recorded also when AWS can't be asked: then, with a word on stderr, by the name of this
    machine's user, as an uncertain actor."""
    try:
        return actor_of(Gateway(environment, access_to(environment)))
    except Unknown as error:
        who = f"{getpass.getuser()}@{socket.gethostname()}"
        echo(line(f"{error.message} So the record names you {who}."), err=True)
        return Actor(who, is_certain=False)


def of_github(login: str, link: str | None, people: People, how: str) -> Actor:
    """A GitHub user whom GitHub itself has named."""
    return Actor(f"github:{login}", link, f"GitHub user {login}, {how}", people.at(login, "github"))


def of_caller(caller: Caller, people: People = NO_PEOPLE) -> Actor:
    """Who calls, by what STS and IAM say. ``BadAnswer`` where that names nobody: an empty name would be anybody's."""
    arn, account = caller.arn, caller.account
    kind, _, rest = (arn.split(":", 5)[5] if arn.count(":") >= 5 else "").partition("/")
    if kind != "root" and not (kind and rest.partition("/")[0] and rest.rpartition("/")[2]):
        raise BadAnswer(
            f"Who this is can't be determined: STS gives {arn or 'an empty text'} as the caller's ARN, which "
            "names nobody. "
            "Nothing was changed. Check what answers in place of STS (AWS_ENDPOINT_URL)."
        )
    name, known, is_reported = arn, f"{arn}, person unknown", False
    if kind == "assumed-role":
        role, _, session = rest.partition("/")
        if caller.is_permission_set:
            name, known, is_reported = session, f"IAM Identity Center user {session}", True
        else:
            why = f" ({caller.doubt})" if caller.doubt else ""
            name, known = f"role/{role}", f"role {role}, person unknown{why}"
    elif kind == "user":
        name = rest.rpartition("/")[2]
        known, is_reported = f"IAM user {name}", True
    elif kind == "federated-user":  # its name is an argument of GetFederationToken
        name, known = f"federated-user/{account}", f"a federated user of account {account}, person unknown"
    elif kind == "root":
        known = f"root user of account {account}, person unknown"
    person = people.at(name, "aws")
    if not is_reported and person != canonical_name(name):
        known = f"{name}, which is {person}'s by omc.toml"
    return Actor(name, arn, known, person)
