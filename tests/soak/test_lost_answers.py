"""Answers that get lost after the work was done: repeating the call does it no second time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import make_url

from registry.client import Client, ClientError
from registry.testing.fault_proxy import (
    End,
    Fault,
    FaultProxy,
    Side,
    after,
    after_request,
    after_word,
    before_reply,
)
from registry.testing.postgres import PostgresServer
from registry.testing.server import ServerProcess
from registry.testing.soak.people import NAMESPACE, People
from registry.testing.soak.repeats import RepeatDriver

#: Until a call has been repeated often enough; a repeat comes after 0.1 s, the next after 0.2 s.
PATIENCE_S = 60.0

#: Between client and server: the answer is lost, or the connection just after the question, or
#: somewhere in it.
CALL_FAULTS = (
    lambda: Fault(side=Side.DOWN, trigger=before_reply),
    lambda: Fault(side=Side.DOWN, trigger=before_reply, end=End.RESET),
    lambda: Fault(side=Side.UP, trigger=after_request),
    lambda: Fault(side=Side.UP, trigger=after(400), end=End.RESET),
)
#: Between server and database: PostgreSQL gets the COMMIT, and the server never hears of it.
COMMIT_FAULTS = (lambda: Fault(side=Side.UP, trigger=after_word(b"COMMIT\0")),)

counts = pytest.mark.parametrize(
    "lost_calls",
    [
        pytest.param(20, id="reduced", marks=pytest.mark.slow),
        pytest.param(300, id="full", marks=pytest.mark.soak),
    ],
)


@dataclass(frozen=True, kw_only=True)
class Served:
    target: str
    tokens: Mapping[str, str]

    def client(self, who: str, target: str = "") -> Client:
        url = f"grpc://{target or self.target}"
        return Client(url, token=self.tokens[who], patience_s=PATIENCE_S)


@contextmanager
def served(home: Path, settings: Mapping[str, str]) -> Iterator[Served]:
    with ServerProcess(home, settings) as server, server.client() as admin:
        tokens = {**People.invite(admin).tokens, "admin": server.admin_token}
        yield Served(target=server.grpc_target, tokens=tokens)


def behind(proxy: FaultProxy, postgres: PostgresServer) -> dict[str, str]:
    """Settings of a server that reaches a database of its own through the proxy."""
    url = make_url(postgres.new_database()).set(port=proxy.port)
    return {"HALLMARK_DATABASE_URL": url.render_as_string(hide_password=False)}


@counts
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_lost_answer_makes_nothing_twice(
    database: str,
    lost_calls: int,
    tmp_path: Path,
    seed: int,
    tell: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    """Every creating call whose connection was cut is carried out once, and its repeat gets the
    first one's result."""
    settings = {}
    if database == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        settings["HALLMARK_DATABASE_URL"] = server.new_database()
    with ExitStack() as open:
        site = open.enter_context(served(tmp_path / "home", settings))
        port = int(site.target.rpartition(":")[2])
        proxy = open.enter_context(FaultProxy(port))
        driver = RepeatDriver(
            connect=partial(site.client, target=f"127.0.0.1:{proxy.port}"),
            direct=site.client,
            proxy=proxy,
            faults=CALL_FAULTS,
            seed=seed,
        )
        problems = driver.run(lost_calls)
        tell(driver.figures())
        assert problems == []


@counts
def test_a_lost_commit_makes_nothing_twice(
    lost_calls: int,
    postgres: PostgresServer,
    tmp_path: Path,
    seed: int,
    tell: Callable[[str], None],
) -> None:
    """A creation whose COMMIT was not answered by the database is carried out once, and told."""
    with (
        FaultProxy(postgres.port) as proxy,
        served(tmp_path / "home", behind(proxy, postgres)) as site,
    ):
        driver = RepeatDriver(
            connect=site.client,
            direct=site.client,
            proxy=proxy,
            faults=COMMIT_FAULTS,
            seed=seed,
        )
        problems = driver.run(lost_calls)
        tell(driver.figures())
        assert problems == []


@pytest.mark.slow
def test_a_lost_commit_is_told_where_a_repeat_would_do_harm(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    """A deletion whose COMMIT was not answered is not sent again, which would find nothing to
    delete, but told as what it is."""
    told = set()
    model = f"{NAMESPACE}/deleted"
    with (
        FaultProxy(postgres.port) as proxy,
        served(tmp_path / "home", behind(proxy, postgres)) as site,
        site.client("alice") as client,
    ):
        version = client.push(Path(__file__), model).version
        assert version is not None
        # Now and then something that the server does by itself takes the fault.
        for _ in range(5):
            client.references.set(model, "best", version.name)
            proxy.spoil(COMMIT_FAULTS[0]())
            try:
                client.references.delete(model, "best")
            except ClientError as error:
                told.add(error.reason)
            proxy.calm()
    assert told == {"OUTCOME_UNKNOWN"}
