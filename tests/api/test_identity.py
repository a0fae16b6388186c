"""Logging in over gRPC: who is let in from where, and what the reply holds."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from registry.api.peer import peer_of
from registry.domain.access import Role
from registry.domain.group_roles import GroupRoles, GroupRule
from registry.testing.api import Api, info_of, reason_of, refusal
from registry.testing.directory import MemoryDirectory
from registry.testing.world import World
from registry.v1 import identity_pb2, identity_pb2_grpc, principals_pb2, principals_pb2_grpc

ROLES = GroupRoles(rules=(GroupRule(group="ml", role=Role.READER, namespace_pattern="fraud"),))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    directory = MemoryDirectory()
    made = World(tmp_path, directory=directory, group_roles=ROLES)
    directory.clock = made.clock
    directory.add("alice", groups=["ml"])
    yield made
    made.close()


def log_in(api: Api, user: str, password: str, label: str = "") -> identity_pb2.LoginResponse:
    stub = identity_pb2_grpc.IdentityServiceStub(api.channel(None))
    request = identity_pb2.LoginRequest(user=user, password=password, label=label)
    answer: identity_pb2.LoginResponse = stub.Login(request)
    return answer


def test_a_password_becomes_a_token(api: Api) -> None:
    """The reply holds who it is, with which groups and what these are given, and the secret."""
    answer = log_in(api, "alice", "pw-alice", "laptop")
    assert answer.caller.principal.name == "principals/alice"
    assert list(answer.caller.groups) == ["ml"]
    assert answer.caller.group_grants[0].namespace_pattern == "fraud"
    assert answer.caller.token.label == "laptop"
    left = answer.caller.token.expire_time.seconds - answer.caller.token.create_time.seconds
    assert left == 12 * 3600
    stub = principals_pb2_grpc.PrincipalServiceStub(api.channel(answer.secret))
    assert stub.GetCaller(principals_pb2.GetCallerRequest()) == answer.caller


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        ("alice", "canary-wrong", "LOGIN_REFUSED"),
        ("", "", "LOGIN_REFUSED"),
        ("x" * 10_000, "canary-wrong", "LOGIN_REFUSED"),
        ("alice\n{}", "canary-wrong\0", "LOGIN_REFUSED"),
    ],
    ids=ascii,
)
def test_a_refusal_and_the_log_hold_no_password(
    api: Api, caplog: pytest.LogCaptureFixture, user: str, password: str, reason: str
) -> None:
    """Neither what was typed as password nor what was typed as name comes back or is logged."""
    caplog.set_level(logging.DEBUG)
    error = refusal(partial(log_in, api, user, password))
    assert reason_of(error) == reason
    shown = f"{error.details()}{info_of(error)}{caplog.text}"
    assert "canary" not in shown
    assert not user or user not in shown


def test_too_many_failures_are_told_with_a_time(api: Api) -> None:
    """Who is throttled learns until when, and nothing of whether there is such a user."""
    for user in ("alice", "nobody"):
        for _ in range(4):
            refusal(partial(log_in, api, user, "wrong"))
        error = refusal(partial(log_in, api, user, "pw-alice"))
        assert reason_of(error) == "LOGIN_THROTTLED"
        assert info_of(error).metadata["retry_time"] in error.details()


class Context:
    """What gRPC says of a connection."""

    def __init__(self, peer: str, kind: bytes) -> None:
        self._peer = peer
        self._kind = kind

    def peer(self) -> str:
        return self._peer

    def auth_context(self) -> dict[str, list[bytes]]:
        return {"transport_security_type": [self._kind]}


@pytest.mark.parametrize(
    ("peer", "kind", "address", "confidential"),
    [
        ("ipv4:127.0.0.1:5", b"insecure", "127.0.0.1", True),
        ("ipv6:%5B::1%5D:5", b"insecure", "::1", True),
        ("ipv6:%5B::ffff:127.0.0.1%5D:5", b"insecure", "127.0.0.1", True),
        ("ipv4:10.0.0.7:5", b"insecure", "10.0.0.7", False),
        ("ipv4:10.0.0.7:5", b"ssl", "10.0.0.7", True),
        ("ipv6:%5B2001:db8::a:1%5D:5", b"insecure", "2001:db8::/64", False),
        ("ipv6:%5Bfe80::1%25eth0%5D:5", b"insecure", "fe80::/64", False),
        ("unix:", b"insecure", "unix", False),
    ],
)
def test_where_a_call_comes_from(peer: str, kind: bytes, address: str, confidential: bool) -> None:
    """Confidential is what is encrypted or stays on this machine; an IPv6 network counts as one."""
    context: Any = Context(peer, kind)
    found = peer_of(context)
    assert (found.address, found.is_confidential) == (address, confidential)
