"""One server for a run, a namespace and people of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    made = Team(server, f"team-{next(_NAMESPACES)}")
    yield made
    made.close()


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads or writes what the user of this machine has set up."""
    for name in ("HALLMARK_URL", "HALLMARK_TOKEN", "HALLMARK_TOKEN_FILE", "HALLMARK_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HALLMARK_CONFIG", str(tmp_path / "config"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small model with a card."""
    made = tmp_path / "model"
    (made / "onnx").mkdir(parents=True)
    (made / "README.md").write_text(
        "---\nlicense: mit\npipeline_tag: tabular-classification\nlibrary_name: onnx\n"
        "tags: [fraud]\nlanguage: no\n---\n# Scorer\n"
    )
    (made / "config.json").write_text("{}")
    (made / "onnx" / "model.safetensors").write_bytes(weights(bytes(range(256)) * 4096))
    return made
