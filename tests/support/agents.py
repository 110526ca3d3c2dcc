"""``omc mcp`` as a client starts it: a process, the SDK's own client over its stdin and stdout, and canned AWS."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, types
from mcp.client.stdio import StdioServerParameters

from support.canned_aws import NOW, PREFIX, CannedAws, canned_aws, healthy
from support.morning import local_stack, surroundings

GROUPS: dict[tuple[str, str], Any] = {
    ("logs", "DescribeLogGroups"): lambda params: {
        "logGroups": [{"logGroupName": params["logGroupNamePrefix"], "storedBytes": 9000, "creationTime": 1}]
    },
    ("ecs", "ListServiceDeployments"): {"serviceDeployments": []},
}


@dataclass
class Agent:
    """Somebody's client, with the server that it started."""

    client: Client
    portal: BlockingPortal
    aws: CannedAws
    folder: Path

    def tools(self) -> list[types.Tool]:
        return list(self.portal.call(self.client.list_tools).tools)

    def call(self, name: str, /, **arguments: Any) -> types.CallToolResult:
        answer: types.CallToolResult = self.portal.call(self.client.call_tool, name, arguments)
        return answer

    def begin(self, name: str, /, **arguments: Any) -> Future[types.CallToolResult]:
        """A call that can be cancelled."""
        return self.portal.start_task_soon(self.client.call_tool, name, arguments)

    def text(self, name: str, /, **arguments: Any) -> str:
        """The answer of a call that went well."""
        answer = self.call(name, **arguments)
        assert not answer.is_error, text_of(answer)
        return text_of(answer)

    def refused(self, name: str, /, **arguments: Any) -> str:
        """The sentence of one that didn't, before which AWS was asked nothing."""
        before = len(self.aws.requests)
        answer = self.call(name, **arguments)
        assert answer.is_error, text_of(answer)
        assert len(self.aws.requests) == before
        return text_of(answer)


def text_of(answer: types.CallToolResult) -> str:
    [content] = answer.content
    assert isinstance(content, types.TextContent)
    return content.text


def log_row(message: str, service: str = "backend") -> list[dict[str, str]]:
    """A row of a log query."""
    fields = {
        "@timestamp": f"{NOW:%Y-%m-%d %H:%M:%S}.000",
        "@message": message,
        "@logStream": f"{service}/{service}/1",
        "@log": f"123456789012:/ecs/{PREFIX}/{service}",
    }
    return [{"field": name, "value": value} for name, value in fields.items()]


@contextmanager
def an_agent(folder: Path, answers: Mapping[tuple[str, str], Any] | None = None, **variables: str) -> Iterator[Agent]:
    """With the environment ``local`` and no other."""
    with canned_aws({**healthy(), **GROUPS, **(answers or {})}) as aws, start_blocking_portal() as portal:
        started = StdioServerParameters(
            command=sys.executable,
            args=["-m", "omc", "mcp", "--env", "local"],
            env=surroundings("") | variables,
            cwd=local_stack(folder, aws),
        )
        with portal.wrap_async_context_manager(Client(started)) as client:
            yield Agent(client, portal, aws, folder)
