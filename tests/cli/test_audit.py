"""The audit log verified where it lies, which has to say what its server says."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from registry.testing.command import CommandLine, Done
from registry.testing.people import Team
from registry.testing.server import running_server

pytestmark = pytest.mark.slow


def contents(home: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()
    }


def change_first_event(home: Path) -> None:
    """As somebody who owns the file can: no trigger stands in the way."""
    with closing(sqlite3.connect(home / "hallmark.db")) as connection, connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f'DROP TRIGGER "{name}"')
        changed = connection.execute("UPDATE events SET action = 'nothing' WHERE number = 1")
        assert changed.rowcount


@pytest.mark.parametrize("options", [(), ("--full",), ("--json",)])
def test_the_folder_says_what_the_server_says(
    hallmark: Callable[..., Done], command: CommandLine, team: Team, options: tuple[str, ...]
) -> None:
    """Beside the server that runs, without address or token, and in the same words."""
    asked = hallmark("audit", "verify", *options, who="admin")
    read = command("audit", "verify", "--home", str(team.server.home), *options)
    assert (read.code, read.out, read.err) == (asked.code, asked.out, asked.err)


def test_a_log_is_verified_without_a_server(command: CommandLine, tmp_path: Path) -> None:
    """A folder that nobody serves is read, and left as it was."""
    home = tmp_path / "home"
    with running_server(home) as server, server.client() as client:
        client.namespaces.create("fraud")
    before = contents(home)
    done = command("audit", "verify", "--home", str(home))
    assert (done.code, "intact." in done.out) == (0, True)
    assert contents(home) == before


def test_a_changed_record_is_named_as_the_server_names_it(
    command: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1 and the same sentence, with a server and without."""
    home = tmp_path / "home"
    with running_server(home) as server:
        change_first_event(home)
        monkeypatch.setenv("HALLMARK_TOKEN", server.admin_token)
        asked = command("audit", "verify", "--url", server.http_url)
        beside = command("audit", "verify", "--home", str(home))
    alone = command("audit", "verify", "--home", str(home))
    assert (asked.code, asked.out) == (1, "")
    assert "event 1: its content hashes to" in asked.err
    assert asked == beside == alone


def test_a_folder_without_a_registry(command: CommandLine, tmp_path: Path) -> None:
    """Nothing is made where nothing is, and the error names the file that is missing."""
    done = command("audit", "verify", "--home", str(tmp_path))
    assert (done.code, "hallmark.db" in done.err) == (4, True)
    assert not any(tmp_path.iterdir())


def test_a_folder_and_a_server_at_once(command: CommandLine, tmp_path: Path) -> None:
    """Which of the two is meant has to be said."""
    done = command("audit", "verify", "--home", str(tmp_path), "--url", "http://127.0.0.1:1")
    assert (done.code, "leave out --url" in done.err) == (2, True)
