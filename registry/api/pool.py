"""Threads for gRPC's calls: each call is given one when its message is here, not before.

gRPC hands a call to its threads when the call's head has come. The thread asks for the message and
sleeps until gRPC's own thread has it, mostly at once. All of these fight for one interpreter's
lock: that makes ten changes of threads in a call that needs three, and a third of its processor
time. Besides, whoever sends heads alone would hold as many threads as he likes.

So the message is asked for before a thread is. There is no public way to that. Where a release of
gRPC has changed the private one, calls are handed over as they come; a test notices.

Calls without their message count among those that gRPC allows at once. Anybody may send them, so
that they are few: beyond, the oldest of them is refused, and no other call.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: Calls whose message has not come; a client sends it right behind the head.
SILENT_MAX = 256

#: Without types.
_server: Any = import_module("grpc._server")


class CallThreads(ThreadPoolExecutor):
    """For `grpc.server`, or as a method's `experimental_thread_pool`; of one server.

    Methods that are sent streams get their threads as ever. The future of a call is done when the
    call is; it has no result, but an exception where there are no threads any more.
    """

    def __init__(
        self,
        max_workers: int,
        thread_name_prefix: str = "",
        initializer: Callable[[], object] | None = None,
        *,
        silent_max: int = SILENT_MAX,
        streams_waiting_max: int | None = None,
    ) -> None:
        """`streams_waiting_max`: calls that are sent streams, and have no thread yet; more are
        refused. None: any number."""
        super().__init__(max_workers, thread_name_prefix, initializer)
        self._silent_max = silent_max
        self._streams_waiting_max = streams_waiting_max
        #: Event and state of each call whose message has not come, the oldest first. Seen by gRPC's
        #: own thread alone.
        self._silent: dict[int, tuple[Any, Any]] = {}

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        given: tuple[Any, ...] = args
        if _waits_for_message(given):
            return self._submit_late(fn, *given)
        waiting_max = self._streams_waiting_max
        if waiting_max is not None and _IS_KNOWN and self._work_queue.qsize() >= waiting_max:
            refused: Future[Any] = Future()
            _refuse(given[1], given[2])
            refused.set_result(None)
            return refused
        return super().submit(fn, *args, **kwargs)

    def _submit_late(
        self,
        fn: Callable[..., Any],
        answer: Any,
        event: Any,
        state: Any,
        behavior: Any,
        ask: Callable[[], Any],
        *codecs: Any,
    ) -> Future[Any]:
        # Called by gRPC's own thread with the call's lock held; `arrived` comes in the same thread.
        received = _server._receive_message(state, event.call, codecs[0])
        done: Future[Any] = Future()

        def message() -> Any:
            with state.condition:
                found, state.request = state.request, None
                is_refused = state.statused
            # Where the client sent none or has gone, or was refused just before its message came,
            # gRPC's own way knows what to do.
            return ask() if found is None or is_refused else found

        def arrived(batch: Any) -> Any:
            self._silent.pop(id(event), None)
            finished = received(batch)
            try:
                job = ThreadPoolExecutor.submit(
                    self, fn, answer, event, state, behavior, message, *codecs
                )
            except RuntimeError as error:
                # Shut down meanwhile. Raised here, it would end the thread that serves all calls.
                done.set_exception(error)
            else:
                job.add_done_callback(lambda _: done.set_result(None))
            return finished

        operation = _server.cygrpc.ReceiveMessageOperation(_server._EMPTY_FLAGS)
        event.call.start_server_batch((operation,), arrived)
        state.due.add(_server._RECEIVE_MESSAGE_TOKEN)
        self._silent[id(event)] = (event, state)
        if len(self._silent) > self._silent_max:
            _refuse(*self._silent.pop(next(iter(self._silent))))
        return done


def _refuse(event: Any, state: Any) -> None:
    """Answer that there are too many of them; what still comes of the call finds it ended."""
    with state.condition:
        code = _server.cygrpc.StatusCode.resource_exhausted
        _server._abort(state, event.call, code, b"Too many calls wait to be sent.")


def _waits_for_message(args: tuple[Any, ...]) -> bool:
    """True for what gRPC submits for a call that is sent one message."""
    return (
        _IS_KNOWN
        and len(args) == len(_ANSWER) + 1
        and args[0] in (_server._unary_response_in_pool, _server._stream_response_in_pool)
        and getattr(args[4], "__name__", "") == "unary_request"
    )


_ANSWER = (
    *("rpc_event", "state", "behavior", "argument_thunk"),
    *("request_deserializer", "response_serializer"),
)
_NEEDED = {
    "_unary_response_in_pool": _ANSWER,
    "_stream_response_in_pool": _ANSWER,
    "_abort": ("state", "call", "code", "details"),
    "_receive_message": ("state", "call", "request_deserializer"),
    "_unary_request": ("rpc_event", "state", "request_deserializer"),
}


def _is_known() -> bool:
    """True where gRPC's private functions are those that this was written for."""
    return all(
        name in vars(_server) and tuple(inspect.signature(vars(_server)[name]).parameters) == form
        for name, form in _NEEDED.items()
    ) and all(name in vars(_server) for name in ("_EMPTY_FLAGS", "_RECEIVE_MESSAGE_TOKEN"))


_IS_KNOWN = _is_known()
