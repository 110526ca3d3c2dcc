"""Who did it: one person is one approver, by a name that nobody chooses; of its jobs GitHub itself is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as prop
from hypothesis import strategies as st

from omc.config import Environment, load
from omc.config.people import NO_PEOPLE, People, canonical_name
from omc.config.tables import GitHubSettings
from omc.engine import actors, github
from omc.engine.actors import Actor, actor_of, of_caller
from omc.engine.github import given_by_reviewers, refuse_fleeting_record, reviews_needed
from omc.errors import AccessDenied, BadAnswer, Refused, StackError, Unknown
from omc.facts.account import PERMISSION_SETS, Caller, read_caller
from omc.store.location import StoreLocation
from support.fake_gateway import FakeGateway
from support.github import github_api, job_of, review

ROOT = Path(__file__).parents[4]
ACCOUNT = "123456789012"
PRODUCTION = load(ROOT / "omc.toml").environments["production"]
LOCAL = load(ROOT / "omc.toml").environments["local"]


def role(name: str, session: str, partition: str = "aws") -> str:
    return f"arn:{partition}:sts::{ACCOUNT}:assumed-role/{name}/{session}"


def in_arn(arn: str, known: People = NO_PEOPLE) -> Actor:
    """By its ARN alone; a role that is named like Identity Center's is one of them."""
    is_one = ":assumed-role/AWSReservedSSO_" in arn and arn.split("/")[1].endswith("_0123456789abcdef")
    return of_caller(Caller(arn, ACCOUNT, is_one), known)


MADE_BY_PROGRAMS = [
    "botocore-session-1700000000",  # boto3, the aws CLI with role_arn
    "aws-sdk-js-1700000000000",
    "aws-sdk-js-session-1700000000000",
    "aws-go-sdk-1700000000000000000",
    "aws-sdk-java-1700000000000",
    "1700000000000000000",  # Go's and Rust's
    "assume-role-provider-session",
    "AWSCLI-Session",
    "AWSPowershell-Session",
    "session1",
    "GitHubActions",
    "gitlab-runner-4711",
    "i-0123456789abcdef0",  # an instance
    "0123456789abcdef0123456789abcdef",  # an ECS task
    "eks-cluster-default-0b7f3d2a-1c5e-4d4e-9a51-0a8f0c7d1e11",
    "my-function",  # Lambda's: the function's name
    "terraform-20240101000000000000000001",
    "aws-sdk-terraform",
    "codebuild-1234",
    "ann@example.com",  # whoever assumes the role may write this
    "bob",
]


@pytest.mark.parametrize("session", MADE_BY_PROGRAMS)
@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_the_session_of_a_plain_role_is_never_a_person(session: str, partition: str) -> None:
    actor = in_arn(role("deployer", session, partition))
    assert (actor.name, actor.person) == ("role/deployer", "role/deployer")
    assert actor.words == "role deployer, person unknown"


@prop(st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="+=,.@-_"), min_size=2))
def test_whatever_name_a_session_has_the_role_counts_once(session: str) -> None:
    assert in_arn(role("deployer", session)).person == in_arn(role("Deployer", "other")).person


@pytest.mark.parametrize(
    ("arn", "name", "words"),
    [
        (role("AWSReservedSSO_Admin_0123456789abcdef", "jo@example.com"), "jo@example.com", "IAM Identity Center user"),
        (role("AWSReservedSSO_A_b_0123456789abcdef", "jo", "aws-cn"), "jo", "IAM Identity Center user jo"),
        (role("AWSReservedSSO_Admin", "jo"), "role/AWSReservedSSO_Admin", "person unknown"),
        (role("AWSReservedSSO_Admin_0123456789abcdeg", "jo"), "role/AWSReservedSSO_Admin_0123", "person unknown"),
        (role("xAWSReservedSSO_Admin_0123456789abcdef", "jo"), "role/xAWSReservedSSO_Admin", "person unknown"),
        (f"arn:aws:iam::{ACCOUNT}:user/ann", "ann", "IAM user ann"),
        (f"arn:aws-us-gov:iam::{ACCOUNT}:user/team/a/ann", "ann", "IAM user ann"),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/bob", f"federated-user/{ACCOUNT}", "person unknown"),
        (f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:root", f"root user of account {ACCOUNT}, person"),
    ],
)
def test_who_an_arn_is_and_how_that_is_known(arn: str, name: str, words: str) -> None:
    actor = in_arn(arn)
    assert actor.name.startswith(name)
    assert words in actor.words


@pytest.mark.parametrize(
    "arn",
    [
        *(
            "",
            "nonsense",
            "arn:aws:iam",
            f"arn:aws:iam::{ACCOUNT}:",
            f"arn:aws:iam::{ACCOUNT}:user",
            "arn:aws:iam:::user/",
        ),
        *(
            f"arn:aws:iam::{ACCOUNT}:user/",
            f"arn:aws:iam::{ACCOUNT}:user/team/",
            f"arn:aws:sts::{ACCOUNT}:assumed-role/",
        ),
        *(
            role("", "jo"),
            role("deployer", ""),
            "arn:::::/bob",
            ":::::user/",
        ),
    ],
)
def test_who_has_no_name_may_change_nothing(arn: str) -> None:
    with pytest.raises(BadAnswer, match=r"^Who this is can't be determined: STS gives .* Nothing was changed\."):
        in_arn(arn)


def gateway_of_role(name: str, path: str, *denied: str, session: str = "jo@example.com") -> FakeGateway:
    """A gateway of a caller whose role has this path, and which IAM denies these operations."""

    def get_role(request: Mapping[str, str]) -> dict[str, Any]:
        assert request == {"RoleName": name}
        return answer("GetRole", {"Role": {"Path": path, "RoleName": name}})

    def list_roles(request: Mapping[str, str]) -> dict[str, Any]:
        assert request["PathPrefix"] == PERMISSION_SETS
        there = [{"RoleName": name, "Path": path}] if path.startswith(PERMISSION_SETS) else []
        first = {"Roles": [{"RoleName": "another", "Path": PERMISSION_SETS}], "nextToken": "2"}
        return answer("ListRoles", {"Roles": there} if "nextToken" in request else first)

    def answer(operation: str, response: dict[str, Any]) -> dict[str, Any]:
        if operation in denied:
            raise AccessDenied(f"iam {operation} is not allowed: the credentials lack it.", f"iam:{operation}")
        return response

    identity = {"Arn": role(name, session), "Account": ACCOUNT}
    answers = {
        ("sts", "get_caller_identity"): identity,
        ("iam", "get_role"): get_role,
        ("iam", "list_roles"): list_roles,
    }
    return FakeGateway(answers, LOCAL)


ADMIN = "AWSReservedSSO_Admin_0123456789abcdef"
UNREADABLE = ("GetRole", "ListRoles")
NOT_RESERVED = (
    "/aws-reserved/",
    "/",
    "/sso/",
    "/aws-reserved/sso.amazonaws.com.evil/",
    "/aws-reserved/sso.amazonaws.com",
)


@pytest.mark.parametrize(
    ("name", "path", "denied", "words"),
    [
        (ADMIN, PERMISSION_SETS, (), "IAM Identity Center user jo@example.com"),
        (ADMIN, f"{PERMISSION_SETS}ap-southeast-2/", (), "IAM Identity Center user jo@example.com"),
        (ADMIN, PERMISSION_SETS, ("GetRole",), "IAM Identity Center user jo@example.com"),
        (ADMIN, f"{PERMISSION_SETS}eu-west-2/", ("GetRole",), "IAM Identity Center user jo@example.com"),
        (ADMIN, PERMISSION_SETS, UNREADABLE, "whether IAM Identity Center made it is not known: iam ListRoles is not"),
        (ADMIN, "/", UNREADABLE, "whether IAM Identity Center made it is not known"),
        *((ADMIN, path, (), f"IAM Identity Center didn't make it: its path is {path}") for path in NOT_RESERVED),
        *((ADMIN, path, ("GetRole",), "IAM Identity Center didn't make it") for path in NOT_RESERVED),
        ("AWSReservedSSO_Admin", PERMISSION_SETS, UNREADABLE, "role AWSReservedSSO_Admin, person unknown"),
        ("deployer", "/", UNREADABLE, "role deployer, person unknown"),
    ],
)
def test_a_name_like_identity_centers_is_believed_by_its_path(
    name: str, path: str, denied: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    actor = actor_of(gateway_of_role(name, path, *denied))
    assert words in actor.words
    is_person = words.startswith("IAM Identity Center user")
    assert actor.person == ("jo@example.com" if is_person else f"role/{name}".lower())
    other = actor_of(gateway_of_role(name, path, *denied, session="bob"))
    assert (other.person == actor.person) is not is_person
    assert read_caller(gateway_of_role(name, path, *denied)).is_permission_set is is_person


SAME = ["bob", "Bob", "BOB", " bob ", "ｂｏｂ", "bo\u200bb", "\ufeffbob", "b\u2060ob", "ＢＯＢ", "bo\u00adb", "𝐛𝐨𝐛"]  # noqa: RUF001


@pytest.mark.parametrize("name", SAME)
def test_one_name_however_it_is_written(name: str) -> None:
    assert Actor(name).person == Actor("github:bob").person == in_arn(f"arn:aws:iam::{ACCOUNT}:user/Bob").person


@prop(st.text())
def test_folding_is_done_once_for_all(name: str) -> None:
    assert canonical_name(canonical_name(name)) == canonical_name(name)


PEOPLE = """
[people.jo]
aws = ["jo@example.com", "jo.admin", "role/jo-breakglass"]
github = ["jo-gh"]

[people.second-bob]
github = ["bob"]
"""


def people(tmp_path: Path, text: str) -> People:
    file = tmp_path / "omc.toml"
    file.write_text((ROOT / "omc.toml").read_text() + text)
    return load(file).environments["staging"].people


def test_the_names_of_one_person_are_one(tmp_path: Path) -> None:
    known = people(tmp_path, PEOPLE)
    names = [
        in_arn(role("AWSReservedSSO_Admin_0123456789abcdef", "Jo@Example.com"), known),
        in_arn(f"arn:aws:iam::{ACCOUNT}:user/JO.admin", known),
        in_arn(role("jo-breakglass", "botocore-session-1"), known),
        actors.of_github("Jo-GH", None, known, "confirmed"),
    ]
    assert {actor.person for actor in names} == {"jo"}
    assert names[2].words == "role/jo-breakglass, which is jo's by omc.toml"
    bobs = (in_arn(f"arn:aws:iam::{ACCOUNT}:user/bob", known), actors.of_github("bob", None, known, "confirmed"))
    assert [bob.person for bob in bobs] == ["bob", "second-bob"]  # two people, since the file says so


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[people.jo]\naws = "jo"', "people.jo.aws is"),
        ('[people.jo]\ngithub = ["github:jo"]', 'people.jo.github[1] is "github:jo"; it must be a login of GitHub'),
        ('[people.jo]\ngithub = ["j o"]', 'people.jo.github[1] is "j o"'),
        ('[people.jo]\nslack = ["jo"]', "people.jo.slack is not a key here"),
        ("[people.jo]", "people.jo is empty"),
        ('[people.Jo]\naws = ["jo"]', "people.Jo is not a name"),
        ('[people.a]\naws = ["jo"]\n[people.b]\naws = ["JO"]', 'people.b.aws has "JO", which already belongs to a'),
        ('[people.a]\ngithub = ["jo"]\n[people.b]\ngithub = ["Jo"]', "which already belongs to a"),
        ('[github]\nrepository = "name"', "github.repository is"),
        ('[github]\napi = "github"', "github.api is"),
        ('[approvals.staging]\ngithub_review = "no"', "approvals.staging.github_review is"),
    ],
)
def test_a_mistake_about_people_is_one_sentence_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(StackError) as refused:
        people(tmp_path, f"\n{text}\n")
    assert problem in refused.value.message
    assert "line " in refused.value.message


# -- GitHub ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def at_github(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Be in a job that this person started, with an API that knows these reviews."""
    with ExitStack() as opened:

        def be(who: str = "starter", reviews: Any = (), *, says: Any = None, **variables: str) -> GitHubSettings:
            api = opened.enter_context(github_api(reviews, **(says or {})))
            for name, value in job_of(who, api, **variables).items():
                monkeypatch.setenv(name, value)
            return GitHubSettings(api=api)

        yield be


def at(settings: GitHubSettings, **policy: bool) -> Environment:
    return replace(PRODUCTION, github=settings, approvals=replace(PRODUCTION.approvals, **policy))


def gateway_of_job(environment: Environment) -> FakeGateway:
    """A gateway whose credentials are a role's."""
    identity = {"Arn": role("ohmycoins-production-github-apply", "GitHubActions"), "Account": ACCOUNT}
    return FakeGateway({("sts", "get_caller_identity"): identity}, environment)


def test_whoever_started_this_attempt_asks(at_github: Any) -> None:
    settings = at_github("bob", ACTOR="bob", TRIGGERING_ACTOR="bob")
    actor = actor_of(gateway_of_job(at(settings)))
    assert (actor.name, actor.words, actor.is_certain) == ("github:bob", "GitHub user bob, confirmed", True)


LIES: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"answers": 404}, {}),
    ({"answers": 401}, {}),
    ({"answers": 500}, {}),
    ({"status": "completed"}, {}),
    ({"status": None}, {}),
    ({"id": 8}, {}),
    ({"run_attempt": 2}, {}),
    ({"triggering_actor": {"login": "alice"}}, {}),
    ({"triggering_actor": None}, {}),
    ({"triggering_actor": {"login": ""}}, {}),
    ({"actor": {"login": "alice"}}, {}),
    ({"repository": {"full_name": "mallory/r"}}, {}),
    ({"repository": None}, {}),
    ({}, {"TRIGGERING_ACTOR": "alice"}),
    ({}, {"ACTOR": "alice"}),
    ({}, {"TOKEN": ""}),
    ({}, {"TOKEN": "ghp_of_a_person"}),
    ({}, {"RUN_ATTEMPT": ""}),
    ({}, {"RUN_ATTEMPT": "1/../../9"}),
    ({}, {"RUN_ID": "7?x=1"}),
    ({}, {"RUN_ID": "0"}),
    ({}, {"REPOSITORY": "o/r/../../x"}),
    ({}, {"API_URL": "http://127.0.0.1:1"}),
    ({}, {"API_URL": "https://api.github.com.example.com"}),
    ({}, {"API_URL": "not a url"}),
]


@pytest.mark.parametrize(("says", "variables"), LIES)
def test_what_github_does_not_confirm_is_not_believed(
    at_github: Any, says: dict[str, Any], variables: dict[str, str]
) -> None:
    settings = at_github("bob", [review("ann")], says=says, **variables)
    assert given_by_reviewers("production", None, settings) == []
    actor = actor_of(gateway_of_job(at(settings)))
    assert (actor.name, actor.is_certain) == ("role/ohmycoins-production-github-apply", False)
    assert "which GitHub has not confirmed" in actor.words
    with pytest.raises(Unknown, match=r"^It is not known whether anybody approved .* Nothing was changed\."):
        reviews_needed(at(settings))


def test_a_run_of_another_repository_is_not_this_stacks(at_github: Any) -> None:
    settings = at_github("bob")
    assert isinstance(github.confirmed(settings), github.Job)
    assert "omc.toml says other/r" in str(github.confirmed(GitHubSettings(api=settings.api, repository="other/r")))
    assert isinstance(github.confirmed(GitHubSettings(api=settings.api, repository="O/R")), github.Job)


def test_without_a_gateway_the_variables_are_all_there_is(at_github: Any) -> None:
    at_github("bob", [review("bob")], ACTOR="alice", RUN_ATTEMPT="2")
    actor = actor_of(None)
    assert (actor.name, actor.is_certain) == ("github:bob", False)
    assert given_by_reviewers("production") == []


REVIEWS = [
    ([], []),
    ([review("ann")], ["github:ann"]),
    ([review("ann"), review("ann")], ["github:ann"]),
    ([review("ann"), review("ANN")], ["github:ann"]),
    ([review("ann", "rejected")], []),
    ([review("ann", "pending")], []),
    ([review("ann", environment="staging")], []),
    ([review("ann", environment="Production")], []),
    ([review("starter")], []),
    ([review("Starter")], []),
    ([review("jo-gh"), review("jo-other")], ["github:jo-gh"]),
    ([review("starter-2")], []),  # the same person by [people]
    ([review("robot[bot]", type="Bot")], []),
    ([review("ann"), review("cy")], ["github:ann", "github:cy"]),
    ([{"state": "approved"}, "x", None, {"state": "approved", "user": "ann", "environments": "production"}], []),
    ([{"state": "approved", "user": {"login": 7}, "environments": [{"name": "production"}]}], []),
]


@pytest.mark.parametrize(("reviews", "counted"), REVIEWS)
def test_which_reviews_count(at_github: Any, reviews: list[Any], counted: list[str]) -> None:
    known = People({}, {"jo-gh": "jo", "jo-other": "jo", "starter": "sam", "starter-2": "sam"})
    settings = at_github("starter", reviews)
    assert [provided.by for provided in given_by_reviewers("production", known, settings)] == counted
    for attempt in ("2", "3", "17"):  # a review carries no attempt
        settings = at_github("starter", reviews, says={"run_attempt": int(attempt)}, RUN_ATTEMPT=attempt)
        assert isinstance(github.confirmed(settings), github.Job)
        assert given_by_reviewers("production", known, settings) == []


def test_what_nobody_reviewed_is_refused_in_every_environment(at_github: Any) -> None:
    settings = at_github("starter")
    for name in ("staging", "production"):
        environment = replace(load(ROOT / "omc.toml").environments[name], github=settings)
        with pytest.raises(Refused, match=rf"Nobody other than starter approved this job's deployment to {name}"):
            reviews_needed(environment)
    assert reviews_needed(at(settings, github_review=False)) == []
    again = at_github("starter", [review("ann")], says={"run_attempt": 2}, RUN_ATTEMPT="2")
    with pytest.raises(Refused, match=r"^This is attempt 2 .* Start a new run of the workflow"):
        reviews_needed(at(again))
    [provided] = reviews_needed(at(at_github("starter", [review("ann")])))
    assert provided.known == "GitHub user ann, reviewer of production on GitHub"


def test_a_lone_operators_reviews_still_count_where_there_are_any(at_github: Any) -> None:
    [provided] = reviews_needed(at(at_github("starter", [review("ann")]), github_review=False))
    assert provided.by == "github:ann"
    assert reviews_needed(at(at_github("starter", TOKEN=""), github_review=False)) == []


def test_a_local_cloud_and_a_laptop_need_no_review(at_github: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    at_github("starter", TOKEN="")
    assert reviews_needed(LOCAL) == []
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert reviews_needed(PRODUCTION) == []
    assert given_by_reviewers("production") == []


def test_a_record_that_goes_with_the_job_is_refused(at_github: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    at_github("starter")
    folder, url = StoreLocation(folder=Path("/nowhere/.omc")), StoreLocation(url="postgresql://omc@db.example.com/omc")
    with pytest.raises(Refused, match=r"gone with this job.*Give the step OMC_STORE_URL .*\[store\] url"):
        refuse_fleeting_record(folder, PRODUCTION)
    refuse_fleeting_record(url, PRODUCTION)
    refuse_fleeting_record(folder, LOCAL)
    monkeypatch.delenv("GITHUB_ACTIONS")
    refuse_fleeting_record(folder, PRODUCTION)
