"""Calls get a thread when their message is here, and end as they would with gRPC's own threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import pytest

from registry.api.pool import CallThreads
from registry.testing.api import outcome

TIMEOUT_S = 30.0

#: Takes a number of threads and options of the server; gives a channel to it.
Serve = Callable[..., Any]


class Gate:
    """A method that tells when it has begun and ends when it may."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()

    def __call__(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.begun.set()
        assert self.may_end.wait(TIMEOUT_S)
        return request

    def joined(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        self.begun.set()
        return b"".join(requests)


def echo(request: bytes, context: grpc.ServicerContext) -> bytes:
    return request


def fail(request: bytes, context: grpc.ServicerContext) -> bytes:
    raise ValueError("no such thing")


def doubled(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    yield request
    yield request


def joined(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    return b"".join(requests)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def serve(gate: Gate) -> Iterator[Serve]:
    """Starts servers; they end with the test."""
    opened: list[Callable[[], object]] = []

    def start(threads: int, pool_options: Any = None, **options: Any) -> Any:
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Echo": grpc.unary_unary_rpc_method_handler(echo),
            "Fail": grpc.unary_unary_rpc_method_handler(fail),
            "Gate": grpc.unary_unary_rpc_method_handler(gate),
            "Twice": grpc.unary_stream_rpc_method_handler(doubled),
            "Hold": grpc.stream_unary_rpc_method_handler(gate.joined),
            "Join": grpc.stream_unary_rpc_method_handler(joined),
        }
        pool = CallThreads(threads, **(pool_options or {}))
        server = grpc.server(
            pool, [grpc.method_handlers_generic_handler("test.Test", methods)], **options
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        opened.extend([pool.shutdown, lambda: server.stop(0).wait(), channel.close])
        return channel

    yield start
    gate.may_end.set()
    for close in reversed(opened):
        close()


@pytest.mark.parametrize(("method", "answer"), [("Echo", [b"late"]), ("Twice", [b"late"] * 2)])
def test_a_call_without_its_message_holds_no_thread(
    serve: Serve, method: str, answer: list[bytes]
) -> None:
    """Others are answered meanwhile, and it is too once its message comes; so it is with calls that
    are answered by streams."""
    channel, send = serve(1), threading.Event()

    def late() -> Iterator[bytes]:
        assert send.wait(TIMEOUT_S)
        yield b"late"

    waiting = [channel.stream_stream(f"/test.Test/{method}")(late()) for _ in range(5)]
    for number in range(5):
        body = b"%d" % number
        assert channel.unary_unary("/test.Test/Echo")(body, timeout=TIMEOUT_S) == body
    send.set()
    assert [list(call) for call in waiting] == [answer] * 5


def test_calls_without_their_message_keep_nobody_out(serve: Serve) -> None:
    """However many there are, the oldest are refused, and the others do not fill what gRPC allows
    at once."""
    channel = serve(1, {"silent_max": 3}, maximum_concurrent_rpcs=20)
    send = threading.Event()

    def late() -> Iterator[bytes]:
        assert send.wait(TIMEOUT_S)
        yield b"late"

    waiting = []
    for number in range(50):
        waiting.append(channel.stream_unary("/test.Test/Echo").future(late()))
        body = b"%d" % number
        assert channel.unary_unary("/test.Test/Echo")(body, timeout=TIMEOUT_S) == body
    send.set()
    got = [outcome(partial(call.result, TIMEOUT_S)) for call in waiting]
    # The call between two of them is one itself until its message is here.
    assert set(got[:47]) == {"RESOURCE_EXHAUSTED"}
    assert got[-2:] == ["OK", "OK"]


def test_streams_that_say_nothing_do_not_queue_up(serve: Serve, gate: Gate) -> None:
    """Those for which there is neither a thread nor a place are refused."""
    channel, send = serve(1, {"streams_waiting_max": 2}), threading.Event()

    def late() -> Iterator[bytes]:
        assert send.wait(TIMEOUT_S)
        yield b"late"

    ask = channel.stream_unary("/test.Test/Hold")
    waiting = [ask.future(late())]
    assert gate.begun.wait(TIMEOUT_S)
    waiting += [ask.future(late()) for _ in range(9)]
    refused = [call for call in waiting[3:] if outcome(call.result) == "RESOURCE_EXHAUSTED"]
    send.set()
    assert len(refused) == 7
    assert [call.result(TIMEOUT_S) for call in waiting[:3]] == [b"late"] * 3


@pytest.mark.slow
def test_calls_at_once_get_their_own_answers(serve: Serve) -> None:
    """None is lost or mixed up, with fewer threads than calls."""
    ask = serve(3).unary_unary("/test.Test/Echo")
    with ThreadPoolExecutor(16) as clients:
        bodies = [b"%d" % number for number in range(2000)]
        assert list(clients.map(lambda body: ask(body, timeout=TIMEOUT_S), bodies)) == bodies


def test_an_empty_message_is_one(serve: Serve) -> None:
    """It is not taken for none."""
    assert serve(1).unary_unary("/test.Test/Echo")(b"", timeout=TIMEOUT_S) == b""


def test_a_call_that_ends_without_message_is_refused(serve: Serve) -> None:
    """With the status that gRPC has for that."""
    ask = serve(1).stream_unary("/test.Test/Echo")
    with pytest.raises(grpc.RpcError) as refused:
        ask(iter(()), timeout=TIMEOUT_S)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "exactly one request message" in str(refused.value.details())


def test_a_failing_method_has_a_status(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """gRPC logs and tells it, and the thread goes on."""
    channel = serve(1)
    ask = channel.unary_unary("/test.Test/Fail")
    for _ in range(3):
        assert outcome(lambda: ask(b"x", timeout=TIMEOUT_S)) == "UNKNOWN"
    assert "no such thing" in caplog.text
    assert channel.unary_unary("/test.Test/Echo")(b"x", timeout=TIMEOUT_S) == b"x"


def test_streams_are_served_too(serve: Serve) -> None:
    """By the same threads, message by message."""
    ask = serve(1).stream_unary("/test.Test/Join")
    assert ask(iter([b"a", b"b", b"c"]), timeout=TIMEOUT_S) == b"abc"


def test_calls_are_counted_until_they_end(serve: Serve, gate: Gate) -> None:
    """More than `maximum_concurrent_rpcs` are refused; one that has ended makes room."""
    channel = serve(4, maximum_concurrent_rpcs=1)
    ask = channel.unary_unary("/test.Test/Echo")
    held = channel.unary_unary("/test.Test/Gate").future(b"held")
    assert gate.begun.wait(TIMEOUT_S)
    assert outcome(lambda: ask(b"x", timeout=TIMEOUT_S)) == "RESOURCE_EXHAUSTED"
    gate.may_end.set()
    assert held.result(TIMEOUT_S) == b"held"
    until = time.monotonic() + TIMEOUT_S
    while outcome(lambda: ask(b"x", timeout=TIMEOUT_S)) != "OK":
        assert time.monotonic() < until


@pytest.mark.parametrize("has_message", [True, False])
def test_a_client_that_goes_leaves_nothing(serve: Serve, gate: Gate, has_message: bool) -> None:
    """The thread is free for the next call, whether the message had come or not."""
    channel, send = serve(1), threading.Event()

    def never() -> Iterator[bytes]:
        assert send.wait(TIMEOUT_S)
        yield b"never"

    if has_message:
        gone = channel.unary_unary("/test.Test/Gate").future(b"x")
        assert gate.begun.wait(TIMEOUT_S)
    else:
        gone = channel.stream_unary("/test.Test/Echo").future(never())
    gone.cancel()
    send.set()
    gate.may_end.set()
    assert channel.unary_unary("/test.Test/Echo")(b"x", timeout=TIMEOUT_S) == b"x"


@pytest.mark.slow
def test_a_stop_lets_running_calls_end(gate: Gate) -> None:
    """Within the grace; a call whose message has not come by then is cancelled."""
    handler = grpc.method_handlers_generic_handler(
        "test.Test", {"Gate": grpc.unary_unary_rpc_method_handler(gate)}
    )
    pool = CallThreads(1)
    server = grpc.server(pool, [handler])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    send = threading.Event()

    def never() -> Iterator[bytes]:
        assert send.wait(TIMEOUT_S)
        yield b"never"

    channel: Any
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        running = channel.unary_unary("/test.Test/Gate").future(b"last")
        assert gate.begun.wait(TIMEOUT_S)
        waiting = channel.stream_unary("/test.Test/Gate").future(never())
        ended = server.stop(1.0)
        gate.may_end.set()
        assert running.result(TIMEOUT_S) == b"last"
        assert waiting.exception(TIMEOUT_S) is not None
        send.set()
        assert ended.wait(TIMEOUT_S)
    pool.shutdown()
