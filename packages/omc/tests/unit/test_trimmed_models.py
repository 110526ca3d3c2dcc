"""botocore's models, cut down to what omc sends: what is left says the same, and a damaged file costs nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.exceptions import BotoCoreError, ParamValidationError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.regions import EndpointResolver
from botocore.serialize import create_serializer

from omc.aws import trimmed_models
from omc.aws.gateway import Access, Gateway
from omc.aws.trimmed_models import ENDPOINTS, MODEL, TrimmedModels, folder_of_this_version, operations
from omc.config import load
from omc.errors import WriteRefused

EVERY = [(service, name) for service, names in sorted(operations().items()) for name in sorted(names)]
REGIONS = ("ap-southeast-2", "us-east-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1", "us-iso-east-1")


@pytest.fixture(scope="module")
def whole() -> Loader:
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def kept(folder: Path) -> TrimmedModels:
    """As the second command has them: read from the disk."""
    first = TrimmedModels(folder)
    for service in (*operations(), ENDPOINTS):
        first._kept_of(service)
    second = TrimmedModels(folder)
    for service in (*operations(), ENDPOINTS):
        assert second._read(service) == first._kept_of(service)
    return second


def model_of(loader: Loader, service: str) -> ServiceModel:
    return ServiceModel(loader.load_service_model(service, MODEL), service)


def description_of(shape: Any, above: tuple[str, ...] = ()) -> Any:
    """All that botocore knows of a shape and of what it is made of, but for words."""
    if shape is None:
        return None
    record = {key: value for key, value in vars(shape).items() if key in ("name", "type_name")}
    record |= {"metadata": shape.metadata, "serialization": shape.serialization}
    if shape.name in above:
        return record
    below = (*above, shape.name)
    if shape.type_name == "structure":
        record["members"] = {name: description_of(member, below) for name, member in shape.members.items()}
        record["kind"] = (shape.required_members, shape.is_tagged_union, shape.error_code, shape.event_stream_name)
    elif shape.type_name == "list":
        record["member"] = description_of(shape.member, below)
    elif shape.type_name == "map":
        record["pair"] = (description_of(shape.key, below), description_of(shape.value, below))
    elif shape.type_name == "string":
        record["enum"] = shape.enum
    return record


@pytest.mark.parametrize(("service", "name"), EVERY)
def test_an_operation_is_as_botocore_has_it(whole: Loader, kept: TrimmedModels, service: str, name: str) -> None:
    theirs = model_of(whole, service).operation_model(name)
    ours = model_of(kept, service).operation_model(name)
    assert description_of(ours.input_shape) == description_of(theirs.input_shape)
    assert description_of(ours.output_shape) == description_of(theirs.output_shape)
    assert [description_of(error) for error in ours.error_shapes] == [
        description_of(error) for error in theirs.error_shapes
    ]
    settings = (
        *("http", "idempotent_members", "auth_type", "resolved_auth_type", "unsigned_payload", "endpoint_discovery"),
        *("is_endpoint_discovery_operation", "endpoint", "http_checksum", "request_compression"),
        *("static_context_parameters", "context_parameters", "operation_context_parameters", "has_streaming_output"),
    )
    for setting in settings:
        assert getattr(ours, setting) == getattr(theirs, setting), setting
    assert model_of(kept, service).metadata == model_of(whole, service).metadata


def test_answers_are_parsed_and_parameters_refused_alike(whole: Loader, kept: TrimmedModels) -> None:
    body = (
        b'<DescribeSecurityGroupRulesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId>'
        b"<securityGroupRuleSet><item><securityGroupRuleId>sgr-1</securityGroupRuleId><isEgress>true</isEgress>"
        b"<fromPort>80</fromPort><tagSet><item><key>a</key><value>b</value></item></tagSet></item>"
        b"</securityGroupRuleSet><nextToken>n</nextToken></DescribeSecurityGroupRulesResponse>"
    )
    answer = {"status_code": 200, "headers": {}, "body": body}
    parsed, refused = [], []
    for loader in (whole, kept):
        operation = model_of(loader, "ec2").operation_model("DescribeSecurityGroupRules")
        assert operation.output_shape is not None
        parsed.append(create_parser("ec2").parse(answer, operation.output_shape))
        request = model_of(loader, "ecs").operation_model("DescribeServices")
        with pytest.raises(ParamValidationError) as error:
            create_serializer("json").serialize_to_request({"services": "backend", "nothing": 1}, request)
        refused.append(str(error.value))
    assert parsed[0] == parsed[1]
    assert parsed[1]["SecurityGroupRules"][0]["FromPort"] == 80
    assert refused[0] == refused[1]


@pytest.mark.parametrize("service", sorted(operations()))
def test_pages_and_rules_of_endpoints_are_botocores(whole: Loader, kept: TrimmedModels, service: str) -> None:
    rules = "endpoint-rule-set-1"
    assert kept.load_service_model(service, rules) == whole.load_service_model(service, rules)
    pages = whole.load_service_model(service, "paginators-1")["pagination"]
    ours = kept.load_service_model(service, "paginators-1")["pagination"]
    assert ours == {name: payload for name, payload in pages.items() if name in operations()[service]}


def test_endpoints_of_all_partitions_are_botocores(whole: Loader, kept: TrimmedModels) -> None:
    found, path = kept.load_data_with_path(ENDPOINTS)
    assert kept.is_builtin_path(path)
    theirs, ours = EndpointResolver(whole.load_data(ENDPOINTS)), EndpointResolver(found)
    assert ours.get_available_partitions() == theirs.get_available_partitions()
    for service in operations():
        prefix = model_of(whole, service).endpoint_prefix
        for region in REGIONS:
            for variants in ({}, {"use_fips_endpoint": True}, {"use_dualstack_endpoint": True}):
                assert _constructed(ours, prefix, region, variants) == _constructed(theirs, prefix, region, variants)
        for partition in theirs.get_available_partitions():
            regions = theirs.get_available_endpoints(prefix, partition, allow_non_regional=True)
            assert ours.get_available_endpoints(prefix, partition, allow_non_regional=True) == regions


def _constructed(resolver: EndpointResolver, service: str, region: str, variants: Any) -> Any:
    try:
        return resolver.construct_endpoint(service, region, **variants)
    except BotoCoreError as error:
        return str(error)


def damaged(file: Path) -> Iterator[None]:
    text = file.read_bytes()
    for content in (b"", b"{", text[: len(text) // 2], text.replace(b"ListTasks", b"KillTasks"), bytes(len(text))):
        file.write_bytes(content)
        yield
    file.unlink()
    file.mkdir()  # neither read nor replaced
    yield


def test_a_damaged_file_is_made_anew(tmp_path: Path, whole: Loader) -> None:
    TrimmedModels(tmp_path)._kept_of("ecs")
    file = tmp_path / "ecs.json"
    for _ in damaged(file):
        model = model_of(TrimmedModels(tmp_path), "ecs")
        assert set(model.operation_names) == operations()["ecs"]
        assert model.metadata == model_of(whole, "ecs").metadata
    assert [path.name for path in tmp_path.iterdir()] == ["ecs.json"]  # nothing is left of what was tried


def test_without_a_place_to_keep_them_they_are_made_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "omc").write_text("a file where the folder should be")
    for home in (str(tmp_path), "not/absolute"):
        monkeypatch.setenv("XDG_CACHE_HOME", home)
        folder_of_this_version.cache_clear()
        assert folder_of_this_version() is None
        assert set(model_of(TrimmedModels(), "ecs").operation_names) == operations()["ecs"]
    folder_of_this_version.cache_clear()


def test_a_folder_that_others_may_write_to_is_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder_of_this_version.cache_clear()
    folder = folder_of_this_version()
    assert folder is not None
    assert botocore.__version__ in folder.name
    folder.chmod(0o777)
    folder_of_this_version.cache_clear()
    assert folder_of_this_version() is None
    folder_of_this_version.cache_clear()


def test_models_of_the_users_own_are_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    own = tmp_path / "models" / "sqs" / "2012-11-05"
    own.mkdir(parents=True)
    theirs = Loader().load_service_model("sqs", MODEL)
    (own / f"{MODEL}.json").write_text(
        json.dumps({**theirs, "metadata": {**theirs["metadata"], "endpointPrefix": "q"}})
    )
    monkeypatch.setattr(Loader, "CUSTOMER_DATA_PATH", str(tmp_path / "models"))
    model = model_of(TrimmedModels(tmp_path / "kept"), "sqs")
    assert model.endpoint_prefix == "q"
    assert set(model.operation_names) == set(theirs["operations"])


def test_a_home_that_is_closed_to_us_has_no_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As after ``sudo -u``, with the home of who was there before; botocore doesn't look there either."""

    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_dir", closed)
    assert TrimmedModels(tmp_path).load_service_model("sts", MODEL)["operations"]


def test_another_operation_brings_other_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder_of_this_version.cache_clear()
    before = folder_of_this_version()
    monkeypatch.setattr(trimmed_models, "operations", lambda: {"ecs": frozenset({"ListTasks"})})
    folder_of_this_version.cache_clear()
    assert before != folder_of_this_version()
    folder_of_this_version.cache_clear()


def test_the_guard_stands_before_what_is_left() -> None:
    environment = load(Path(__file__).parents[4] / "omc.toml").environments["local"]
    gateway = Gateway(environment, Access("http://127.0.0.1:1", "a", "b"))
    with pytest.raises(WriteRefused):
        gateway.client("ecs").update_service(service="s")
