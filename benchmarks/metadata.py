"""Reads by alias and new versions: requests a second on both sides, in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.hallmark_server import HallmarkServer
from benchmarks.load import Target, check, drive
from benchmarks.mlflow_server import MlflowServer
from benchmarks.processes import cpu_s, resting, settle
from benchmarks.report import Row
from registry.testing.postgres import PostgresServer

#: Models of as many teams, asked for and written to at the same time.
SPREAD = 8
CHECKED = 50
WARM_UP_S = 2.0
TEAMS = [f"team-{number}" for number in range(SPREAD)]
#: What is to be reached, by database.
GOALS = {"sqlite": (15.0, 12.0), "postgresql": (8.0, 5.0)}


def measure(database: str, *, rounds: int, seconds: float) -> Iterator[Row]:
    """Both sides on one database system, each on a database of its own."""
    reads_goal, creates_goal = GOALS[database]
    with _servers(database) as (theirs, ours):
        yield _reads(theirs, ours, f"read by alias, {database}", reads_goal, rounds, seconds)
        yield _creates(theirs, ours, f"create version, {database}", creates_goal, rounds, seconds)


@contextmanager
def _servers(database: str) -> Iterator[tuple[MlflowServer, HallmarkServer]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = ("", "")
        if database == "postgresql":
            postgres = stack.enter_context(PostgresServer())
            urls = (postgres.new_database(), postgres.new_database())
        theirs = stack.enter_context(MlflowServer(folder / "mlflow", database_url=urls[0]))
        ours = stack.enter_context(HallmarkServer(folder / "hallmark", database_url=urls[1]))
        ours.claim(TEAMS)
        yield theirs, ours


def _reads(
    theirs: MlflowServer,
    ours: HallmarkServer,
    what: str,
    goal: float,
    rounds: int,
    seconds: float,
) -> Row:
    row = Row(what=what, unit="requests/s", goal=goal)
    their_targets = theirs.reads([f"{team}-scorer" for team in TEAMS])
    our_targets = ours.reads([f"{team}/scorer" for team in TEAMS])
    turns = _Turns(row, theirs, ours)
    for _ in range(rounds):
        turns.take(their_targets, our_targets, seconds)
        with resting(theirs.pid):
            check(our_targets, requests=CHECKED)
        with resting(ours.pid):
            check(their_targets, requests=CHECKED)
    turns.tell()
    return row


def _creates(
    theirs: MlflowServer,
    ours: HallmarkServer,
    what: str,
    goal: float,
    rounds: int,
    seconds: float,
) -> Row:
    """Into new models in each round, so that both sides fill theirs alike."""
    row = Row(what=what, unit="requests/s", goal=goal)
    turns = _Turns(row, theirs, ours)
    for number in range(rounds):
        their_models = [f"{team}-created-{number}" for team in TEAMS]
        our_models = [f"{team}/created-{number}" for team in TEAMS]
        their_targets, our_targets = theirs.creates(their_models), ours.creates(our_models)
        turns.take(their_targets, our_targets, seconds)
        _check_made(theirs, their_models, their_targets)
        _check_made(ours, our_models, our_targets)
    turns.tell()
    return row


def _check_made(
    server: MlflowServer | HallmarkServer, models: list[str], targets: list[Target]
) -> None:
    """Raise SystemExit unless so many requests make so many versions."""
    before = [server.latest(model) for model in models]
    check(targets, requests=CHECKED)
    made = [server.latest(model) for model in models]
    if made != [each + CHECKED for each in before]:
        raise SystemExit(f"{models}: {before} and {CHECKED} more made {made} versions")


class _Side:
    """One server's rounds of a row."""

    def __init__(self, server: MlflowServer | HallmarkServer, rates: list[float]) -> None:
        self.server = server
        self._rates = rates
        self._cpu_ms: list[float] = []
        self._slowest_ms: list[float] = []

    def load(self, targets: list[Target], seconds: float) -> None:
        drive(targets, seconds=WARM_UP_S)
        before = cpu_s(self.server.pid)
        load = drive(targets, seconds=seconds)
        self._rates.append(load.per_s)
        self._cpu_ms.append(1e3 * (cpu_s(self.server.pid) - before) / load.count)
        self._slowest_ms.append(load.max_ms)
        # Requests that were cut off at the end are still being answered.
        settle(self.server.pid)

    @property
    def cpu_ms(self) -> float:
        """Processor time a request, in the round that needed least."""
        return min(self._cpu_ms)

    @property
    def slowest_ms(self) -> float:
        """The slowest answer of all rounds."""
        return max(self._slowest_ms)


class _Turns:
    """Rounds of one row: they, then we, the other side's processes stopped meanwhile."""

    def __init__(self, row: Row, theirs: MlflowServer, ours: HallmarkServer) -> None:
        self._row = row
        self._theirs = _Side(theirs, row.theirs)
        self._ours = _Side(ours, row.ours)

    def take(self, theirs: list[Target], ours: list[Target], seconds: float) -> None:
        with resting(self._ours.server.pid):
            self._theirs.load(theirs, seconds)
        with resting(self._theirs.server.pid):
            self._ours.load(ours, seconds)

    def tell(self) -> None:
        """Note what a request costs the servers, and how long the slowest took."""
        theirs, ours = self._theirs, self._ours
        self._row.note = (
            f"CPU {theirs.cpu_ms:.2f} / {ours.cpu_ms:.2f} ms a request; "
            f"slowest {theirs.slowest_ms:.0f} / {ours.slowest_ms:.0f} ms"
        )
