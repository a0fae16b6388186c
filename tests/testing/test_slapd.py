"""The private slapd: it is the real one, and it leaves nothing behind."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from registry.testing import slapd
from registry.testing.slapd import SlapdServer, person


@pytest.mark.slow
def test_nothing_is_left_of_it() -> None:
    """Once it has ended, neither its folder nor its port is there."""
    with SlapdServer(ldif=person("alice")) as server:
        home = server.home
        port = int(server.url.rpartition(":")[2])
        assert home.is_dir()
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    assert not home.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


@pytest.mark.slow
def test_what_it_cannot_take_is_told() -> None:
    """Entries that are wrong fail the start with slapd's own words."""
    broken = person("alice").replace("sn: alice", "nonsense: alice")
    with pytest.raises(RuntimeError, match="nonsense"), SlapdServer(ldif=broken):
        raise AssertionError("it started")


def test_a_missing_slapd_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where it is not installed, the failure says what to install."""
    monkeypatch.setattr(slapd, "_MODULES", tmp_path)
    with pytest.raises(RuntimeError, match="apt-get install slapd"), SlapdServer():
        raise AssertionError("it started")
