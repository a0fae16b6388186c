"""Sixteen threads that move the same stages: one version at a time, and every move explained."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest

from registry.client import Client
from registry.testing.postgres import PostgresServer
from registry.testing.server import ServerProcess
from registry.testing.soak.checker import fsck
from registry.testing.soak.people import People
from registry.testing.soak.races import MODELS, RaceDriver
from registry.testing.soak.stage_history import check_history


def client_of(server: ServerProcess, people: People, who: str) -> Client:
    return Client(server.http_url, token=people.tokens[who], patience_s=30)


@pytest.mark.parametrize(
    "promotions",
    [
        pytest.param(100, id="reduced", marks=pytest.mark.slow),
        pytest.param(1000, id="full", marks=pytest.mark.soak),
    ],
)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_one_version_is_in_production(
    database: str,
    promotions: int,
    tmp_path: Path,
    seed: int,
    tell: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    """Whatever races, a stage holds one version at most at every moment, its history is one line
    without overlaps, and each move in it is one that was decided and acknowledged. PostgreSQL is
    served by two servers."""
    settings = {}
    if database == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        settings["HALLMARK_DATABASE_URL"] = postgres.new_database()
    with ExitStack() as open:
        servers = [open.enter_context(ServerProcess(tmp_path / "home", settings))]
        people = People.invite(servers[0].client())
        if database == "postgresql":
            servers.append(open.enter_context(ServerProcess(tmp_path / "home", settings)))
        driver = open.enter_context(
            closing(
                RaceDriver(
                    [partial(client_of, server, people) for server in servers],
                    folder=tmp_path,
                    seed=seed,
                )
            )
        )
        problems = driver.run(promotions)
        tell(driver.figures())
        assert problems == []
        reader = driver.client("ada")
        for model in MODELS:
            assert check_history(reader, model, driver.told[model]) == []
        reader.events.verify()
        if database == "sqlite":
            assert fsck(tmp_path / "home", quick=False) == []
