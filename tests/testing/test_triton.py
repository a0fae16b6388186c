"""The private Triton: its stand-in answers right, and it leaves nothing behind."""

from __future__ import annotations

import base64
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

from registry.testing import triton
from registry.testing.certificates import Authority
from registry.testing.postgres import unprivileged_account
from registry.testing.triton import Key, TritonServer
from registry.testing.triton_pairs.backend_models import (
    BACKEND_MODELS,
    check_answer,
    name_of,
    read_case,
)
from registry.testing.triton_pairs.making import relu

ONES = {"x": np.ones((2, 4), np.float32)}
#: Models in a server at once: without a config each has two processes.
WAVE = 10


@pytest.fixture(scope="module")
def server() -> Iterator[TritonServer]:
    with TritonServer() as started:
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("start", range(0, len(BACKEND_MODELS), WAVE))
def test_models_without_config_answer_as_they_should(start: int, server: TritonServer) -> None:
    """Completed by the stand-in alone, each of onnx's own cases gives the case's outputs."""
    cases = {name_of(path): read_case(path) for path in BACKEND_MODELS[start : start + WAVE]}
    server.put({f"{name}/1/model.onnx": case.model for name, case in cases.items()})
    try:
        found = server.load_many(list(cases))
        assert {name: each.message for name, each in found.items() if not each.accepted} == {}
        for name, case in cases.items():
            check_answer(server, name, case)
    finally:
        server.unload_all()


@pytest.mark.slow
def test_config_is_completed_as_the_backend_does(server: TritonServer) -> None:
    """Where each first axis is free it is the batch, of up to four, and dynamic."""
    server.put({"m/1/model.onnx": relu()})
    try:
        assert server.load("m").accepted
        found = server.config("m")
    finally:
        server.unload_all()
    assert found["backend"] == "onnxruntime"
    assert found["max_batch_size"] == 4
    assert "dynamic_batching" in found
    tensors = [(each["name"], each["data_type"], each["dims"]) for each in found["input"]]
    assert tensors == [("x", "TYPE_FP32", [4])]
    assert [each["name"] for each in found["output"]] == ["y"]


@pytest.mark.slow
def test_nothing_is_left_of_it() -> None:
    """Once it has ended, its folder, its port and its shared memory are gone, models or not."""
    with TritonServer() as started:
        started.put({"m/1/model.onnx": relu()})
        assert started.load("m").accepted
        assert started.infer("m", ONES)["y"].tolist() == [[1.0] * 4] * 2
        assert started.shared_memory
        home, port = started.repository.parent, httpx.URL(started.url).port
    assert not home.exists()
    assert started.shared_memory == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


@pytest.mark.slow
def test_nothing_is_left_of_files_that_came_with_a_call() -> None:
    """They lie in a folder below /tmp, which goes with the server, whoever is still connected."""
    with httpx.Client(timeout=60) as client, TritonServer() as started:
        # By a file that no other server's has, since others may run beside.
        mark = secrets.token_hex(8)
        contents = {"file:1/model.onnx": relu(), f"file:{mark}": b""}
        files = {path: base64.b64encode(each).decode() for path, each in contents.items()}
        said = {"parameters": {"config": '{"backend": "onnxruntime"}', **files}}
        client.post(f"{started.url}/v2/repository/models/m/load", json=said)
        assert started.infer("m", ONES)["y"].tolist() == [[1.0] * 4] * 2
        (made,) = Path("/tmp").glob(f"folder*/{mark}")
    assert not made.parent.exists()


@pytest.mark.slow
def test_it_runs_without_privileges() -> None:
    """Root can have it run as another account, whose models load and answer."""
    with TritonServer(account=unprivileged_account()) as started:
        started.put({"m/1/model.onnx": relu()})
        assert started.load("m").accepted
        assert started.infer("m", ONES)["y"].tolist() == [[1.0] * 4] * 2


@pytest.mark.slow
def test_restricted_parts_want_their_key() -> None:
    """Without the header a model cannot be loaded, but the server's life is told."""
    key = Key(protocols=("model-repository",), header="admin-key", value="canary")
    with TritonServer(keys=(key,)) as started:
        started.put({"m/1/model.onnx": relu()})
        load = f"{started.url}/v2/repository/models/m/load"
        assert httpx.post(load).status_code == httpx.codes.FORBIDDEN
        assert httpx.get(f"{started.url}/v2/health/live").status_code == httpx.codes.OK
        assert started.load("m").accepted


def is_live(address: str, trusted: bytes | None) -> bool:
    """Whether gRPC answers within a few seconds, over TLS where an authority is trusted."""
    if trusted is None:
        channel = grpc.insecure_channel(address)
    else:
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(trusted))
    with channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/inference.GRPCInferenceService/ServerLive"
        )
        try:
            answer: bytes = call(b"", timeout=5)
        except grpc.RpcError:
            return False
    # Field 1, true.
    return answer == b"\x08\x01"


@pytest.mark.slow
def test_grpc_takes_tls_alone(tmp_path: Path) -> None:
    """With a certificate, a caller that trusts its authority is answered, and a plain one not."""
    authority = Authority(tmp_path)
    with TritonServer(certificate=authority.issue("127.0.0.1")) as started:
        assert is_live(started.grpc_address, authority.certificate.read_bytes())
        assert not is_live(started.grpc_address, None)


def test_a_missing_server_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where it is not installed, the failure says what to run."""
    monkeypatch.setattr(triton, "ENVIRONMENT", tmp_path)
    with pytest.raises(RuntimeError, match=r"\.ci/triton\.sh"), TritonServer():
        raise AssertionError("it started")


@pytest.mark.slow
def test_what_it_cannot_take_is_told() -> None:
    """An option that is wrong fails the start with Triton's own words."""
    wrong = "--cache-config=none,size=1"
    with (
        pytest.raises(RuntimeError, match="libtritoncache_none"),
        TritonServer(options=(wrong,)),
    ):
        raise AssertionError("it started")
