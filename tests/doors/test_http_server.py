"""The server: addresses, TLS, and how it ends."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import threading
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from starlette.types import Receive, Scope, Send

from registry.doors import http_server
from registry.doors.http_server import HttpServer
from registry.errors import StartError
from registry.testing.certificates import Authority
from registry.testing.site import Site


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers everything with nothing."""
    if scope["type"] == "lifespan":
        for done in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{done}.complete"})
        return
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def broken(scope: Scope, receive: Receive, send: Send) -> None:
    """Cannot start."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


def status_at(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/")
    status = connection.getresponse().status
    connection.close()
    return status


def test_any_free_port_is_found_and_told() -> None:
    """Port 0 becomes a port, known before the first request is served."""
    server = HttpServer(host="127.0.0.1", port=0)
    server.start(app)
    assert server.port > 0
    assert status_at(server.port) == 204
    server.stop(0)


def test_a_port_in_use_says_which_setting_to_change() -> None:
    """The second server on a port does not start, and the first one goes on."""
    first = HttpServer(host="127.0.0.1", port=0)
    with pytest.raises(StartError, match="HALLMARK_HTTP_ADDRESS") as caught:
        HttpServer(host="127.0.0.1", port=first.port)
    assert str(first.port) in str(caught.value)
    first.start(app)
    assert status_at(first.port) == 204
    first.stop(0)


def test_an_application_that_cannot_start_is_told() -> None:
    """The starting thread learns of it, and nothing is left running."""
    server = HttpServer(host="127.0.0.1", port=0)
    with pytest.raises(StartError):
        server.start(broken)
    with pytest.raises(ConnectionRefusedError):
        status_at(server.port)


def test_a_port_is_free_again_after_the_end() -> None:
    """Stopping closes the address at once, whether it was served or not."""
    idle = HttpServer(host="127.0.0.1", port=0)
    idle.stop(0)
    served = HttpServer(host="127.0.0.1", port=idle.port)
    served.start(app)
    assert status_at(served.port) == 204
    served.stop(0)
    with pytest.raises(ConnectionRefusedError):
        status_at(served.port)
    HttpServer(host="127.0.0.1", port=served.port).stop(0)


@pytest.mark.slow
def test_requests_in_progress_may_end_within_the_grace(fresh: Site) -> None:
    """A file that is being fetched when the server stops arrives whole."""
    data = bytes(20_000_000)
    with fresh.connect() as client:
        client.sendall(f"GET {fresh.download('a', data)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = bytearray(client.recv(1))
        stopping = threading.Thread(target=fresh.stop, args=(20.0,))
        stopping.start()
        while piece := client.recv(1 << 20):
            received += piece
        stopping.join()
    assert received.endswith(b"\r\n\r\n" + data)


@dataclass(frozen=True, kw_only=True)
class Pem:
    certificate: bytes
    key: bytes


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def pem(authority: Authority) -> Pem:
    issued = authority.issue("127.0.0.1")
    return Pem(certificate=issued.certificate.read_bytes(), key=issued.key.read_bytes())


@pytest.mark.slow
def test_tls_is_served(authority: Authority, pem: Pem) -> None:
    """With certificate and key the server speaks TLS, and only that."""
    server = HttpServer(host="127.0.0.1", port=0, tls=pem)
    server.start(app)
    context = ssl.create_default_context(cafile=authority.certificate)
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=20, context=context)
    connection.request("GET", "/")
    assert connection.getresponse().status == 204
    connection.close()
    with pytest.raises((http.client.HTTPException, OSError)):
        status_at(server.port)
    server.stop(0)


@pytest.mark.slow
def test_a_wrong_certificate_stops_the_start(pem: Pem) -> None:
    """What is no key says which settings to look at."""
    with pytest.raises(StartError, match="HALLMARK_TLS_KEY_FILE"):
        HttpServer(host="127.0.0.1", port=0, tls=Pem(certificate=pem.certificate, key=b"no"))


def test_silent_connections_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are opened and say nothing, or half a head, whoever comes later is answered;
    whoever is being answered is not cut for them."""
    monkeypatch.setattr(http_server, "CONNECTIONS_MAX", 8)
    begun, may_end = threading.Event(), threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/slow":
            begun.set()
            await asyncio.to_thread(may_end.wait)
        await app(scope, receive, send)

    server = HttpServer(host="127.0.0.1", port=0)
    server.start(slow)
    held = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    held.request("GET", "/slow")
    assert begun.wait(20)
    with ExitStack() as opened:
        for said in (b"", b"GET / HTTP/1.1\r\nX: ") * 15:
            client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
            opened.enter_context(client).sendall(said)
            assert status_at(server.port) == 204
        may_end.set()
        assert held.getresponse().status == 204
    held.close()
    server.stop(0)
