"""The HTTP server: uvicorn on a socket of ours, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from functools import partial
from typing import Protocol, cast

import uvicorn
from starlette.types import ASGIApp

from registry.doors.connection import Connection, Receiver
from registry.errors import StartError

BACKLOG = 2048
#: With more connections than this at once the one that was idle for longest is cut; where none is,
#: requests are answered 503.
CONNECTIONS_MAX = 512
#: Longer than proxies and clients keep idle connections, so that these are closed by them.
KEEP_ALIVE_S = 75
#: At once, from one connection.
RECEIVED_BYTES_MAX = 1 << 20
_TICKS_A_SECOND = 10
_FIX = "Stop the program that listens there, or choose another address with HALLMARK_HTTP_ADDRESS."


class Tls(Protocol):
    """Certificate chain and private key, both as PEM."""

    @property
    def certificate(self) -> bytes: ...
    @property
    def key(self) -> bytes: ...


class HttpServer:
    """Listens from the constructor on, serves from `start` until `stop`.

    `port` is the one that was bound, also where 0 was asked for. Raises StartError where the
    address cannot be had, or certificate and key are none.
    """

    def __init__(self, *, host: str, port: int, tls: Tls | None = None) -> None:
        self._context = None if tls is None else _context(tls)
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self, app: ASGIApp) -> None:
        """Serve; returns once requests are answered. To be called once."""
        context = self._context
        buffer = memoryview(bytearray(RECEIVED_BYTES_MAX))
        self._server = server = _Server(
            uvicorn.Config(
                app,
                # uvloop moves fewer bytes here (README.md), and raises where one writes to a
                # connection that has just been lost.
                loop="asyncio",
                http=cast(type[asyncio.Protocol], partial(Receiver, buffer)),
                ws="none",
                lifespan="on",
                interface="asgi3",
                # Every failure of a request is logged by the frame around it.
                log_config=None,
                log_level="critical",
                access_log=False,
                proxy_headers=False,
                forwarded_allow_ips=[],
                server_header=False,
                limit_concurrency=CONNECTIONS_MAX,
                timeout_keep_alive=KEEP_ALIVE_S,
                backlog=BACKLOG,
                workers=1,
                ssl_context_factory=None if context is None else lambda *_: context,
            )
        )
        self._thread = threading.Thread(
            target=server.run_until_stopped, args=(self._socket,), name="http"
        )
        self._thread.start()
        server.ready.wait()
        if not server.started:
            self._thread.join()
            raise StartError(
                what="The HTTP server",
                found="it ended while it started",
                fix="The log says why.",
            ) from server.failure

    def stop(self, grace_s: float) -> None:
        """Refuse new connections, let requests in progress end, cut those left after the grace."""
        if self._server is None or self._thread is None:
            self._socket.close()
            return
        # uvicorn passes it to asyncio.wait_for, which takes parts of a second.
        self._server.config.timeout_graceful_shutdown = cast(int, grace_s)
        self._server.should_exit = True
        self._thread.join()


class _Server(uvicorn.Server):
    """uvicorn's server, which looks after its connections every second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self.failure: BaseException | None = None

    def run_until_stopped(self, listener: socket.socket) -> None:
        try:
            self.run(sockets=[listener])
        except BaseException as failure:  # noqa: BLE001 - uvicorn ends by SystemExit; `start` tells
            self.failure = failure
        finally:
            listener.close()
            self.ready.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_A_SECOND == 0:
            for connection in list(self.server_state.connections):
                cast(Connection, connection).sweep()
        return await super().on_tick(counter)


def _listen(host: str, port: int) -> socket.socket:
    listener: socket.socket | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        # A restart need not wait for old connections' addresses to be forgotten.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        return listener
    except OSError as error:
        if listener is not None:
            listener.close()
        raise StartError(
            what=f"HTTP address {host}:{port}",
            found=f"it cannot be bound: {error.strerror}",
            fix=_FIX,
        ) from error


def _context(tls: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # OpenSSL reads files only; this one lies in memory, and nobody else can open it.
    memory = os.memfd_create("tls", os.MFD_CLOEXEC)
    try:
        os.write(memory, tls.certificate + b"\n" + tls.key)
        context.load_cert_chain(f"/proc/self/fd/{memory}")
    except (ssl.SSLError, OSError) as error:
        raise StartError(
            what="Certificate and key for HTTP",
            found=f"they cannot be used ({error})",
            fix="Set HALLMARK_TLS_CERTIFICATE_FILE and HALLMARK_TLS_KEY_FILE to a chain in PEM "
            "and its unencrypted key.",
        ) from error
    finally:
        os.close(memory)
    return context
