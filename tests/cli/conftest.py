"""The command line in this process, against one server for the run."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.testing.command import CommandLine, Done
from registry.testing.people import Team
from registry.testing.server import RunningServer, running_server
from registry.testing.sound import weights

_NAMESPACES = itertools.count(1)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("registry") / "home") as running:
        yield running


@pytest.fixture
def team(server: RunningServer) -> Iterator[Team]:
    made = Team(server, f"crew-{next(_NAMESPACES)}")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads or writes what the user of this machine has set up."""
    for name in ("HALLMARK_URL", "HALLMARK_TOKEN", "HALLMARK_TOKEN_FILE", "HALLMARK_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HALLMARK_CONFIG", str(tmp_path / "config"))


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Hallmark as it is without any login."""
    return CommandLine(capsys)


@pytest.fixture
def hallmark(
    command: CommandLine, team: Team, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Run hallmark as somebody of the team, by default alice; `code` is how it has to end."""

    def call(*words: str, who: str = "alice", code: int = 0) -> Done:
        tokens = {
            "alice": team.alice_token,
            "bob": team.bob_token,
            "admin": team.server.admin_token,
        }
        monkeypatch.setenv("HALLMARK_URL", team.server.http_url)
        monkeypatch.setenv("HALLMARK_TOKEN", tokens[who])
        done = command(*words)
        assert done.code == code, f"{words}: {done}"
        return done

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model with a card."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "README.md").write_text("---\nlicense: mit\n---\n# Scorer\n")
    (made / "weights.safetensors").write_bytes(weights(bytes(range(256)) * 100))
    return made
