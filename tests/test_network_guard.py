"""The guard that keeps tests away from the network."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.org", 80)])
def test_connecting_outside_fails(address: tuple[str, int]) -> None:
    """A connection to another host is refused before a packet leaves."""
    with pytest.raises(RuntimeError, match="only use loopback"):
        socket.create_connection(address, timeout=1)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "192.0.2.1"])
def test_listening_for_outside_fails(host: str) -> None:
    """A server that others could reach is refused too."""
    with socket.socket() as server, pytest.raises(RuntimeError, match="only use loopback"):
        server.bind((host, 0))


def test_datagrams_outside_fail() -> None:
    """So is a single packet."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as sender,
        pytest.raises(RuntimeError, match="only use loopback"),
    ):
        sender.sendto(b"x", ("192.0.2.1", 9))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_open(host: str) -> None:
    """Servers on this machine can be reached."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection((host, server.getsockname()[1])) as client,
    ):
        assert client.getpeername()[0] == "127.0.0.1"


def test_unix_sockets_are_open(tmp_path: Path) -> None:
    """So can Unix sockets."""
    path = os.fspath(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)


def test_no_proxy_is_in_sight() -> None:
    """Clients started by tests inherit no way around the guard."""
    assert not [name for name in os.environ if name.lower().endswith("_proxy")]
