"""Every text, list and number of every request in turn holds something that nobody expects."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from registry.domain.access import Role
from registry.testing.api import Api, code_of, outcome, refusal
from registry.testing.postgres import PostgresServer
from registry.testing.world import World, grant
from registry.v1 import (
    commits_pb2,
    events_pb2,
    inbox_pb2,
    lineage_pb2,
    models_pb2,
    namespaces_pb2,
    principals_pb2,
    promotions_pb2,
    references_pb2,
    reviews_pb2,
    terms_pb2,
    transfers_pb2,
    usage_pb2,
    versions_pb2,
    waivers_pb2,
)

SERVICES = [
    service
    for module in (
        *(commits_pb2, events_pb2, lineage_pb2, models_pb2, namespaces_pb2, principals_pb2),
        *(promotions_pb2, references_pb2, transfers_pb2, usage_pb2, versions_pb2),
        *(waivers_pb2, inbox_pb2, terms_pb2, reviews_pb2),
    )
    for service in module.DESCRIPTOR.services_by_name.values()
]
VERSION = "models/fraud/scorer/versions/1"
#: What fields of these names hold where all is well.
GOOD: dict[str, object] = {
    "parent": "models/fraud/scorer",
    "model": "models/fraud/scorer",
    "version": VERSION,
    "base": VERSION,
    "other": VERSION,
    "page_size": 10,
}
TEXTS = [
    "\0",
    "a\0b",
    "models/fraud/scorer\0",
    "\x1b[31m",
    "'; DROP TABLE events; --",
    "%_\\%",
    "../../etc/passwd",
    "\U0010ffff\u202e",
    "x" * 20_000,
    "models/" + "a/" * 500,
    "9" * 400,
]
TOKEN = base64.urlsafe_b64encode(json.dumps(["x" * 16, "\0"]).encode()).decode()
NUMBERS: dict[int, list[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: [-1, 2**31 - 1, -(2**31)],
    FieldDescriptor.CPPTYPE_INT64: [-1, 2**63 - 1, -(2**63)],
    FieldDescriptor.CPPTYPE_ENUM: [0, 99, 2**31 - 1, -1],
    FieldDescriptor.CPPTYPE_DOUBLE: [float("nan"), float("inf"), -0.0, 1e308],
}


def good(message: Message) -> Message:
    for field in message.DESCRIPTOR.fields:
        value = GOOD.get(field.name)
        if value is not None and field.cpp_type in (
            FieldDescriptor.CPPTYPE_STRING,
            FieldDescriptor.CPPTYPE_INT32,
        ):
            setattr(message, field.name, value)
    return message


def variants(message: Any, depth: int = 0) -> Iterator[Message]:
    """Copies of a message in each of which one field, at any depth, holds one odd value."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for text in TEXTS[:3]:
                yield _mapped(message, field.name, text)
        elif field.message_type is not None and depth < 3:
            for inner in variants(GetMessageClass(field.message_type)(), depth + 1):
                changed = copy.deepcopy(message)
                if field.is_repeated:
                    getattr(changed, field.name).append(inner)
                else:
                    getattr(changed, field.name).CopyFrom(inner)
                yield changed
        elif field.message_type is None:
            for value in odd_values(field):
                changed = copy.deepcopy(message)
                if field.is_repeated:
                    getattr(changed, field.name).append(value)
                else:
                    setattr(changed, field.name, value)
                yield changed


def odd_values(field: FieldDescriptor) -> list[Any]:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return [*TEXTS, TOKEN] if field.name == "page_token" else TEXTS
    numbers: list[Any] = NUMBERS.get(field.cpp_type, [])
    return numbers


def _mapped(message: Any, name: str, text: str) -> Any:
    changed = copy.deepcopy(message)
    values = getattr(changed, name)
    for value in (text, float("nan"), -1):
        try:
            values[text] = value
        except TypeError:
            continue
        break
    return changed


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("hostile")
    if request.param == "sqlite":
        yield from _served(World(folder))
    else:
        with PostgresServer(fsync=False) as server:
            yield from _served(World(folder, url=server.new_database()))


def _served(world: World) -> Iterator[Api]:
    world.model("fraud/scorer")
    world.version("fraud/scorer", {"a": b"a"})
    api = Api(world)
    yield api
    api.close()
    world.close()


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
def test_odd_requests_are_answered_or_refused(served: Api, service: Any) -> None:
    """Nothing that can be said in a request makes a call fail in a way that nobody foresaw."""
    name = f"root-{service.name.lower()}"
    secret = served.world.login(name, *(grant(role) for role in Role)).secret
    channel: Any = served.channel(secret)
    expected = ("OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION")
    unforeseen = []
    for method in service.methods:
        call = channel.unary_unary(f"/{service.full_name}/{method.name}")
        for request in variants(good(GetMessageClass(method.input_type)())):
            found = outcome(partial(call, request.SerializeToString()))
            if found not in expected:
                unforeseen.append(f"{method.name} {str(request)[:200]!r} -> {found}")
    assert unforeseen == []


def test_the_list_of_odd_requests_is_long() -> None:
    """The walk over messages finds the fields in lists, maps and nested messages."""
    request = versions_pb2.CreateVersionRequest()
    shown = [str(variant) for variant in variants(request)]
    assert len(shown) > 100
    assert any("parameters" in text for text in shown)
    assert any("bases" in text for text in shown)


def test_a_good_request_is_answered(served: Api) -> None:
    """The request that is varied is one that would be answered."""
    secret = served.world.login("rosa", grant(Role.READER)).secret
    channel: Any = served.channel(secret)
    call = channel.unary_unary("/registry.v1.UsageService/GetUsage")
    call(good(usage_pb2.GetUsageRequest()).SerializeToString())
    error = refusal(partial(call, usage_pb2.GetUsageRequest(model="\0").SerializeToString()))
    assert code_of(error) == "INVALID_ARGUMENT"
