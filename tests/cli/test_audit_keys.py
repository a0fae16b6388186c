"""The key of the audit log changed, and lost, on the command line and on real servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.testing.command import CommandLine
from registry.testing.server import running_server

pytestmark = pytest.mark.slow


def test_a_key_is_changed(
    command: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old key hands over after a restart, so who believes it need believe nothing anew."""
    home, pem = tmp_path / "home", tmp_path / "pem"
    file = home / "audit.key"
    with running_server(home) as server, server.client() as client:
        client.audit.checkpoint()
        monkeypatch.setenv("HALLMARK_TOKEN", server.admin_token)
        found = command("audit", "keys", "--out", str(pem), "--url", server.http_url)
        assert found.code == 0
    done = command("audit", "rotate-key", "--home", str(home))
    assert (done.code, "hallmark audit checkpoint" in done.out) == (0, True)
    assert file.stat().st_mode & 0o777 == 0o600
    again = command("audit", "rotate-key", "--home", str(home))
    assert (again.code, "Restart the server" in again.err) == (1, True)
    with running_server(home) as server, server.client() as client:
        for name in ("fraud", "vision"):
            client.namespaces.create(name)
            client.audit.checkpoint()
        assert len(client.audit.keys().keys) == 2
    assert command("audit", "verify", "--home", str(home), "--key", str(pem)).code == 0
    assert command("audit", "rotate-key", "--home", str(home)).code == 0
    assert [path.name for path in home.iterdir() if "audit.key" in path.name] == ["audit.key"]


def test_a_key_is_lost_before_it_signed(
    command: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one handed over, and then the new one was gone: it is listed, and none signs."""
    home = tmp_path / "home"
    with running_server(home) as server, server.client() as client:
        client.audit.checkpoint()
        monkeypatch.setenv("HALLMARK_TOKEN", server.admin_token)
    command("audit", "rotate-key", "--home", str(home))
    with running_server(home) as server, server.client() as client:
        client.audit.checkpoint()
        lost = client.audit.keys().keys[-1].public_key
    (home / "audit.key").unlink()
    with running_server(home) as server, server.client() as client:
        address = ("--url", server.http_url)
        keys = client.audit.keys().keys
        assert [key.current for key in keys] == [False] * 3
        assert keys[1].public_key == lost
        done = command("audit", "replace-lost-key", lost[:16], "--note", "x", *address)
        assert (done.code, "is a new beginning" in done.out) == (0, True)
        assert client.audit.keys().keys[-1].current
        assert command("audit", "verify", *address).code == 0


def test_a_key_is_lost(
    command: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is signed until somebody says so; then every verification tells of it."""
    home, pem = tmp_path / "home", tmp_path / "pem"
    with running_server(home) as server, server.client() as client:
        lost = client.audit.checkpoint().public_key
        monkeypatch.setenv("HALLMARK_TOKEN", server.admin_token)
        command("audit", "keys", "--out", str(pem), "--url", server.http_url)
    (home / "audit.key").unlink()
    with running_server(home) as server, server.client() as client:
        client.namespaces.create("fraud")
        address = ("--url", server.http_url)
        refused = command("audit", "checkpoint", *address)
        remedy = f"hallmark audit replace-lost-key {lost[:16]} --note WHY"
        assert (refused.code, remedy in refused.err) == (4, True)
        for wrong in (lost[:7], "f" * 64):
            done = command("audit", "replace-lost-key", wrong, "--note", "x", *address)
            assert done.code == 2
        done = command("audit", "replace-lost-key", lost[:16], "--note", "x", *address)
        assert (done.code, "is a new beginning" in done.out) == (0, True)
        told = command("audit", "verify", *address)
        assert (told.code, f"since {lost[:8]}" in told.out) == (0, True)
        found = json.loads(command("audit", "verify", "--json", *address).out)
    alone = command("audit", "verify", "--home", str(home), "--json")
    assert json.loads(alone.out) == found
    assert [each["lost_key"] for each in found["beginnings"]] == [lost]
    old = command("audit", "verify", "--home", str(home), "--key", str(pem))
    assert (old.code, "checkpoint 2: it begins anew" in old.err) == (1, True)
