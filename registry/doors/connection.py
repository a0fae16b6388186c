"""One HTTP connection: uvicorn's protocol, with the bounds it lacks and a short way for bodies.

What uvicorn's httptools protocol takes without end gets one here: the size of a request's head,
the time until a head is whole, the time without progress in either direction. What is no HTTP is
told in our JSON. Times are looked at once a second for all connections, which costs a request
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from registry.doors.body import Body
from registry.doors.errors import HeadTooLargeError, MalformedRequestError, SlowRequestError
from registry.doors.requests import HttpCall, error_answer
from registry.errors import CallCancelledError, HallmarkError

#: Of request line and headers, and of whatever else comes between two bytes of a body.
HEAD_BYTES_MAX = 32 * 1024
HEADERS_MAX = 100
#: From a head's first byte to its last; and for the first request from the connection on.
HEAD_WAIT_S = 20
#: Without any byte of a body that we wait for, or any byte taken of an answer.
STALLED_S = 60
#: Who goes on sending after the answer may send so much until the connection is cut: a reset at
#: once would often reach the client before the answer.
LINGER_BYTES_MAX = 64 * 1024 * 1024

_EXTENSION = "hallmark.body"


def body_of(scope: Scope) -> Body:
    """The body of a request that is served by a Connection; instead of `receive`, and once."""
    take = cast(Callable[[], Body], scope["extensions"][_EXTENSION])
    return take()


class Receiver(asyncio.BufferedProtocol):
    """What uvicorn makes for each connection: a Connection that receives into one's own memory.

    As asyncio.Protocol it would get at most 256 kB at once, each in fresh memory. All connections
    of an event loop share `buffer`: whoever gets bytes is done with them before anybody gets more.
    """

    def __init__(self, buffer: memoryview, **of_uvicorn: Any) -> None:
        self._buffer = buffer
        self._connection = Connection(**of_uvicorn)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.data_received(self._buffer[:nbytes])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection.connection_made(cast(asyncio.Transport, transport))

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def eof_received(self) -> bool:
        return self._connection.waits_for_answer()

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()


class Connection(HttpToolsProtocol):
    """One connection's state. `sweep` is to be called every second."""

    transport: asyncio.Transport

    def __init__(self, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._in_head = True
        self._head_bytes = 0
        #: Received since the last byte of a body, or the end of a request.
        self._idle_bytes = 0
        #: When the client last did what we wait for.
        self._since_s = self.loop.time()
        self._unsent_bytes = 0
        self._lingered_bytes = 0
        self._problem: HallmarkError | None = None
        self._body: Body | None = None

    # -- what the network says

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._make_room()

    def data_received(self, data: bytes | memoryview) -> None:
        if not self._idle_bytes:
            self._since_s = self.loop.time()
        self._idle_bytes += len(data)
        # The parser takes any buffer, and copies what it hands on.
        super().data_received(cast(bytes, data))
        if self._idle_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self._refuse(_too_large(f"more than {HEAD_BYTES_MAX} bytes"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._body is not None:
            self._body.fail(CallCancelledError(what="An upload"))
        super().connection_lost(exc)

    def waits_for_answer(self) -> bool:
        """Who has sent a whole request may stop sending, and still gets the answer."""
        cycle = self.cycle
        if not self._in_head or self._idle_bytes or cycle is None or cycle.response_complete:
            return False
        cycle.keep_alive = False
        return True

    # -- what the parser says

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        self._lingered_bytes = 0
        if not self._idle_bytes:
            self._idle_bytes, self._since_s = 1, self.loop.time()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes after a chunked body is nobody's header, and may not change the request.
        if self._in_head:
            super().on_header(name, value)
            self._count_head(len(name) + len(value))

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_head = False
        self._body = None
        scope = cast(dict[str, Any], self.scope)
        scope["extensions"] = {_EXTENSION: partial(self._take_body, self.cycle)}

    def on_body(self, body: bytes) -> None:
        self._idle_bytes, self._since_s = 0, self.loop.time()
        if self.cycle.response_complete:
            self._linger(len(body))
        elif self._body is None:
            super().on_body(body)
        elif not self._body.put(body):
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        self._in_head = True
        self._idle_bytes = 0
        if self._body is not None:
            self._body.end()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Called by uvicorn where the parser found no HTTP."""
        self._refuse(self._problem or MalformedRequestError(problem="its parts do not parse"))

    # -- what time says

    def sweep(self) -> None:
        """Cut the connection where its client keeps us waiting for too long."""
        waited_s = self.loop.time() - self._since_s
        unsent_bytes = self.transport.get_write_buffer_size()
        if unsent_bytes != self._unsent_bytes:
            # uvicorn lets it fall to the low mark before it adds more: any step is progress.
            self._unsent_bytes, self._since_s = unsent_bytes, self.loop.time()
        elif unsent_bytes or self.transport.is_closing():
            if waited_s > STALLED_S:
                self.transport.abort()
        elif self._in_head:
            answered = self.cycle is None or self.cycle.response_complete
            begun = self._idle_bytes or self.cycle is None
            if answered and begun and waited_s > HEAD_WAIT_S:
                self._refuse(SlowRequestError(part="head", limit_s=HEAD_WAIT_S))
        elif self.flow.read_paused or self.cycle.waiting_for_100_continue:
            self._since_s = self.loop.time()
        elif waited_s > STALLED_S:
            self._refuse(SlowRequestError(part="piece of the body", limit_s=STALLED_S))

    # --

    @property
    def _is_idle(self) -> bool:
        """Nobody is being answered here: no request has come, or the last one is dealt with."""
        return self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> None:
        """Cut the connection that has been idle for longest: anybody can open as many as there may
        be and say nothing, and whoever came later would be refused."""
        others = [cast(Connection, each) for each in self.connections if each is not self]
        idle = [each for each in others if each._is_idle]
        if idle:
            oldest = min(idle, key=lambda each: each._since_s)
            oldest.transport.abort()
            self.connections.discard(oldest)

    def _count_head(self, size: int) -> None:
        """A head may come in one piece, and is then parsed before anybody looks at its size."""
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            self._problem = _too_large(f"more than {HEAD_BYTES_MAX} bytes")
        elif len(self.headers) > HEADERS_MAX:
            self._problem = _too_large(f"more than {HEADERS_MAX} headers")
        if self._problem is not None:
            # The parser stops at any error of a callback.
            raise self._problem

    def _take_body(self, cycle: RequestResponseCycle) -> Body:
        loop = self.loop
        body = Body(want=partial(loop.call_soon_threadsafe, self._more, cycle))
        if cycle.body:
            body.put(bytes(cycle.body))
            cycle.body = bytearray()
        if not cycle.more_body:
            body.end()
        elif cycle.disconnected:
            body.fail(CallCancelledError(what="An upload"))
        else:
            self._body = body
        return body

    def _more(self, cycle: RequestResponseCycle) -> None:
        """The body's reader has room, and has begun to read at all."""
        if self.transport.is_closing() or cycle.response_complete or not cycle.more_body:
            return
        if cycle.waiting_for_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            cycle.waiting_for_100_continue = False
        self.flow.resume_reading()

    def _linger(self, size: int) -> None:
        self._lingered_bytes += size
        if self._lingered_bytes > LINGER_BYTES_MAX:
            self.transport.close()

    def _refuse(self, error: HallmarkError) -> None:
        """Answer with the error and close; or just cut, where that would end in another answer."""
        call = HttpCall(method="(no route)")
        status, headers, body = error_answer(error, call)
        call.http_status = status
        call.log()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started or self.pipeline:
                self.transport.abort()
                return
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        lines += [
            f"{name.decode()}: {value.decode()}"
            for name, value in self.server_state.default_headers
        ]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += ["connection: close", "", ""]
        self.transport.write("\r\n".join(lines).encode("latin-1") + body)
        self.transport.close()


def _too_large(found: str) -> HeadTooLargeError:
    limit = f"{HEAD_BYTES_MAX} bytes in {HEADERS_MAX} headers"
    return HeadTooLargeError(found=found, limit=limit)
