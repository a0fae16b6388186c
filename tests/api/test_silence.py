"""Who opens calls without a credential and says nothing keeps nobody else waiting."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from registry.api import server
from registry.api.server import CALLS_MAX, THREADS
from registry.testing.api import TIMEOUT_S, Api, outcome
from registry.testing.world import World
from registry.v1 import server_pb2, server_pb2_grpc

REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@pytest.mark.parametrize(
    ("method", "count"),
    [
        ("/registry.v1.AuditService/ExportEvents", 2 * THREADS),
        pytest.param(
            "/registry.v1.PrincipalService/GetCaller", CALLS_MAX + 100, marks=pytest.mark.slow
        ),
        pytest.param(
            "/registry.v1.VersionService/GetVersion", CALLS_MAX + 100, marks=pytest.mark.slow
        ),
    ],
)
def test_silent_calls_keep_nobody_waiting(api: Api, method: str, count: int) -> None:
    """However many calls are opened of which no message comes, others are answered."""
    end = threading.Event()

    def silence() -> Iterator[bytes]:
        assert end.wait(TIMEOUT_S)
        yield b""

    channel: Any
    with grpc.insecure_channel(api.target) as channel:
        ask = channel.stream_stream(method)
        opened = [ask(silence()) for _ in range(count)]
        other: Any
        with grpc.insecure_channel(api.target) as other:
            stub = server_pb2_grpc.ServerServiceStub(other)
            asked = server_pb2.GetServerInfoRequest()
            for _ in range(3):
                assert outcome(lambda: stub.GetServerInfo(asked, timeout=TIMEOUT_S / 4)) == "OK"
        for call in opened:
            call.cancel()
        end.set()


def test_silent_reflection_has_threads_of_its_own(api: Api) -> None:
    """Who asks which services there are and then nothing is refused where many do so, and takes no
    thread from other calls."""
    end = threading.Event()

    def silence() -> Iterator[bytes]:
        assert end.wait(TIMEOUT_S)
        yield b""

    channel: Any
    with grpc.insecure_channel(api.target) as channel:
        ask = channel.stream_stream(REFLECTION)
        opened = [ask(silence(), timeout=TIMEOUT_S / 2) for _ in range(2 * THREADS)]
        # Of calls on one connection the last one's head comes last.
        assert outcome(lambda: next(opened[-1])) == "RESOURCE_EXHAUSTED"
        stub = server_pb2_grpc.ServerServiceStub(channel)
        asked = server_pb2.GetServerInfoRequest()
        assert outcome(lambda: stub.GetServerInfo(asked, timeout=TIMEOUT_S / 4)) == "OK"
        for call in opened:
            call.cancel()
        end.set()


def test_tools_are_told_which_services_there_are(api: Api) -> None:
    """All of ours, without a credential."""
    channel: Any
    with grpc.insecure_channel(api.target) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="*")
        found = next(stub.ServerReflectionInfo(iter([asked]), timeout=TIMEOUT_S))
    names = {service.name for service in found.list_services_response.service}
    assert {servicer.DESCRIPTOR.full_name for servicer in api.servicers} < names


def test_connections_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the server has files for are cut, and those that are open go on."""
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 4)
    api = Api(world)
    channel: Any
    with grpc.insecure_channel(api.target) as channel, ExitStack() as opened:
        stub = server_pb2_grpc.ServerServiceStub(channel)
        asked = server_pb2.GetServerInfoRequest()
        stub.GetServerInfo(asked, timeout=TIMEOUT_S)
        host, _, port = api.target.rpartition(":")
        silent = [
            opened.enter_context(socket.create_connection((host, int(port)), TIMEOUT_S))
            for _ in range(10)
        ]
        # The last one, of which nothing is heard, has been cut.
        assert silent[-1].recv(1) == b""
        stub.GetServerInfo(asked, timeout=TIMEOUT_S)
    api.close()
