"""What one principal may take up, as an operator sets it and a client meets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from registry.client import Client
from registry.client.errors import ClientError
from registry.client.values import Grant
from registry.testing.api import refusal
from registry.testing.server import RunningServer, ServerProcess, running_server
from registry.v1 import principals_pb2, principals_pb2_grpc

pytestmark = pytest.mark.slow


def ask(server: RunningServer) -> None:
    metadata = (("authorization", f"Bearer {server.admin_token}"),)
    with grpc.insecure_channel(server.grpc_target) as channel:
        stub = principals_pb2_grpc.PrincipalServiceStub(channel)
        for _ in range(100):
            stub.GetCaller(principals_pb2.GetCallerRequest(), metadata=metadata)


def test_a_principal_that_calls_too_often(tmp_path: Path) -> None:
    """Beyond HALLMARK_CALLS_PER_MINUTE calls are RESOURCE_EXHAUSTED, with RetryInfo for programs
    that read it; our client waits as long and then goes on."""
    with running_server(tmp_path / "home", {"HALLMARK_CALLS_PER_MINUTE": "60"}) as server:
        error = refusal(lambda: ask(server))
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        status = rpc_status.from_call(error)
        assert status is not None
        delay = error_details_pb2.RetryInfo()
        assert [each.Unpack(delay) for each in status.details].count(True) == 1
        assert delay.retry_delay.seconds == 1
        with Client(server.http_url, token=server.admin_token, patience_s=10) as client:
            for _ in range(3):
                assert client.principals.caller().principal.name == "principals/admin"


def test_a_client_without_patience(tmp_path: Path) -> None:
    """A client that must not wait so long is told why, and when to come again."""
    with (
        running_server(tmp_path / "home", {"HALLMARK_CALLS_PER_MINUTE": "1"}) as server,
        Client(server.http_url, token=server.admin_token, patience_s=0.5) as client,
    ):
        client.principals.caller()
        with pytest.raises(ClientError, match=r"more than the 1 calls a minute.*Retry in") as told:
            client.principals.caller()
        assert told.value.reason == "RATE_LIMITED"


def test_a_principal_that_announces_too_much(tmp_path: Path) -> None:
    """Beyond HALLMARK_UPLOAD_BYTES a push is refused before a byte is sent."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.txt").write_bytes(b"12345")
    with running_server(tmp_path / "home", {"HALLMARK_UPLOAD_BYTES": "4"}) as server:
        with server.client() as admin:
            admin.namespaces.create("fraud")
            grants = [Grant(role="registrant", namespace_pattern="fraud")]
            admin.principals.create("ada", grants=grants)
            ends = datetime.now(UTC) + timedelta(days=1)
            token = admin.tokens.create("ada", expire_time=ends).secret
        with server.client(token) as ada, pytest.raises(ClientError, match="found 5") as told:
            ada.push(folder, "fraud/scorer")
        assert told.value.reason == "QUOTA"


def test_a_server_has_all_the_files_that_it_may(tmp_path: Path) -> None:
    """Started with few, as by most shells, it takes all that it may, in each of its processes."""
    with ServerProcess(tmp_path / "home", prefix=["prlimit", "--nofile=256:4096"]) as started:
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
        assert children
        for pid in (str(started.pid), *children):
            limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
            (files,) = (line for line in limits if line.startswith("Max open files"))
            assert files.split()[3:5] == ["4096", "4096"]
