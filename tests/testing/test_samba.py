"""The private Active Directory: it leaves nothing behind, and says what it lacks."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from registry.testing import samba
from registry.testing.certificates import Authority
from registry.testing.samba import SambaServer


@pytest.mark.soak
def test_nothing_is_left_of_it(tmp_path: Path) -> None:
    """Once it has ended, neither its folder nor its port is there."""
    with SambaServer(authority=Authority(tmp_path)) as server:
        home = server.home
        assert home.is_dir()
        socket.create_connection((server.address, 389), timeout=10).close()
    assert not home.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.address, 389), timeout=10)


def test_a_missing_samba_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where it is not installed, the failure says what to install."""
    monkeypatch.setattr(samba, "_ENVIRONMENT", {"PATH": str(tmp_path)})
    (tmp_path / "authority").mkdir()
    server = SambaServer(authority=Authority(tmp_path / "authority"))
    with pytest.raises(RuntimeError, match="apt-get install samba"), server:
        raise AssertionError("it started")
