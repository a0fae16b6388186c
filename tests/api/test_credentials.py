"""No RPC but those that say so answers without a credential that is good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor

from registry.api.calls import PUBLIC
from registry.domain.access import Role
from registry.services.authentication import new_secret
from registry.testing.api import Api, code_of, info_of, outcome, reason_of, refusal
from registry.testing.world import World, grant

SCHEMA = Path(__file__).parents[2] / "proto" / "registry" / "v1"
PUBLIC_OUTCOMES = ("OK", "FAILED_PRECONDITION")


def methods(api: Api) -> Iterator[MethodDescriptor]:
    for servicer in api.servicers:
        yield from servicer.DESCRIPTOR.methods


def call(
    channel: Any, method: MethodDescriptor, request: bytes = b"", authorization: str | None = None
) -> None:
    path = f"/{method.containing_service.full_name}/{method.name}"
    metadata = None if authorization is None else (("authorization", authorization),)
    channel.unary_unary(path)(request, timeout=60, metadata=metadata)


def is_public(method: MethodDescriptor) -> bool:
    return f"{method.containing_service.full_name}/{method.name}" in PUBLIC


def test_every_rpc_of_the_schema_is_served(api: Api) -> None:
    """The API serves every service that the schema has, with all their RPCs."""
    schema = "".join(path.read_text() for path in SCHEMA.glob("*.proto"))
    services = re.findall(r"^service (\w+) ", schema, flags=re.MULTILINE)
    calls = re.findall(r"^  rpc (\w+)\(", schema, flags=re.MULTILINE)
    assert sorted(each.DESCRIPTOR.name for each in api.servicers) == sorted(services)
    assert sorted(method.name for method in methods(api)) == sorted(calls)
    assert len(calls) > 50


def test_no_rpc_answers_without_a_credential(api: Api) -> None:
    """Each RPC that is not public is UNAUTHENTICATED without a token, and says how to log in."""
    for method in methods(api):
        if method.name == "ExchangeToken":
            # Its request is the credential, and this one is empty.
            error = refusal(partial(call, api.channel(None), method))
            assert reason_of(error) == "WORKLOAD_REFUSED"
            continue
        if is_public(method):
            # Logging in there is refused for want of a directory.
            assert outcome(partial(call, api.channel(None), method)) in PUBLIC_OUTCOMES
            continue
        error = refusal(partial(call, api.channel(None), method))
        assert code_of(error) == "UNAUTHENTICATED", method.full_name
        assert reason_of(error) == "UNAUTHENTICATED"
        assert "hallmark login" in error.details()


@pytest.mark.slow
def test_no_rpc_takes_a_bad_credential(world: World, api: Api) -> None:
    """Expired and foreign tokens, other schemes and empty ones are refused by every RPC."""
    expired = world.login("old", grant(Role.ADMIN), ttl_us=1).secret
    good = world.login("root", grant(Role.ADMIN)).secret
    world.clock.advance(1)
    bad = [
        f"Bearer {expired}",
        f"Bearer {new_secret()}",
        f"Bearer {good}x",
        f"Bearer {good[:-1]}",
        f"Basic {good}",
        good,
        "Bearer",
        "Bearer ",
        "",
    ]
    for method in methods(api):
        for text in bad if not is_public(method) else ():
            error = refusal(partial(call, api.channel(None), method, authorization=text))
            assert code_of(error) == "UNAUTHENTICATED", (method.full_name, text)
            assert good[3:] not in error.details()


def test_an_expired_token_says_so(world: World, api: Api) -> None:
    """The reason and the metadata tell which token ended when."""
    login = world.login("old", grant(Role.ADMIN), ttl_us=1)
    world.clock.advance(1)
    method = next(m for m in methods(api) if m.name == "GetCaller")
    info = info_of(refusal(lambda: call(api.channel(login.secret), method)))
    assert (info.reason, info.domain) == ("TOKEN_EXPIRED", "hallmark")
    assert info.metadata["token"] == login.caller.token.name
    assert info.metadata["expire_time"] == "2023-11-14T22:13:20Z"
    assert info.metadata["request_id"]


@pytest.mark.slow
def test_malformed_messages_are_invalid(world: World, api: Api) -> None:
    """Bytes that are no protobuf, and messages of another type, never end in INTERNAL."""
    secret = world.login("root", *(grant(role) for role in Role)).secret
    garbage = [b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xc3\x28", bytes(range(256))]
    for method in methods(api):
        for data in garbage:
            found = outcome(partial(call, api.channel(secret), method, data))
            assert found in ("OK", "INVALID_ARGUMENT", "NOT_FOUND"), method.full_name


@pytest.mark.slow
def test_oversized_requests_are_refused(world: World, api: Api) -> None:
    """A request over 4 MB is RESOURCE_EXHAUSTED before it reaches a service."""
    secret = world.login("root", grant(Role.ADMIN)).secret
    method = next(m for m in methods(api) if m.name == "GetCaller")
    error = refusal(lambda: call(api.channel(secret), method, b"\x0a" * (4 * 2**20 + 1)))
    assert code_of(error) == "RESOURCE_EXHAUSTED"
