"""Racing promotions: requests, decisions, rollbacks and withdrawals on few models from many
threads, watched by readers all the while."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from registry.client import Client, ClientError
from registry.client.errors import NotFoundError
from registry.client.values import Resolved, StagePeriod
from registry.testing.people import vetted
from registry.testing.soak.people import NAMESPACE

THREADS = 16
WATCHERS = 2
MODELS = tuple(f"{NAMESPACE}/raced-{number}" for number in range(3))
VERSIONS = 8
STAGE = "production"
#: What may be said to those who come too late.
LATE = {
    "ALREADY_EXISTS",
    "ALREADY_IN_STAGE",
    "CONFLICT",
    "INVALID_STATE",
    "NOTHING_BEFORE",
    "TARGET_MOVED",
}


@dataclass(kw_only=True)
class Acknowledged:
    """What the racers were told, by model. Lists and sets are added to by several threads."""

    #: By number, with the version that the stage had to hold.
    asked: dict[int, int] = field(default_factory=dict)
    completed: set[int] = field(default_factory=set)
    #: With the version that the stage had to hold.
    rollbacks: list[tuple[StagePeriod, int]] = field(default_factory=list)


class RaceDriver:
    """`connect` makes a client of somebody on one of several servers of one database."""

    def __init__(
        self, connects: Sequence[Callable[[str], Client]], *, folder: Path, seed: int
    ) -> None:
        self._connects = connects
        self._seed = seed
        self._open = ExitStack()
        self._clients: dict[str, list[Client]] = {}
        self._told = {model: Acknowledged() for model in MODELS}
        self._left = threading.Semaphore(0)
        self._done = threading.Event()
        self._late: Counter[str] = Counter()
        self._watched: Counter[str] = Counter()
        self._prepare(folder)

    def close(self) -> None:
        self._open.close()

    @property
    def told(self) -> dict[str, Acknowledged]:
        return self._told

    def run(self, promotions: int) -> list[str]:
        """Race until so many promotions were asked for; what the racers and readers found wrong."""
        self._left = threading.Semaphore(promotions)
        with ThreadPoolExecutor(THREADS + WATCHERS) as pool:
            watchers = [pool.submit(self._watch, number) for number in range(WATCHERS)]
            racers = [pool.submit(self._race, number) for number in range(THREADS)]
            problems = [problem for racer in racers for problem in racer.result()]
            self._done.set()
            return problems + [problem for each in watchers for problem in each.result()]

    def figures(self) -> str:
        late = ", ".join(f"{reason} {count}" for reason, count in sorted(self._late.items()))
        told = self._told.values()
        return (
            f"{sum(len(t.asked) for t in told)} promotions raced by {THREADS} threads on "
            f"{len(MODELS)} models and {len(self._connects)} servers, "
            f"{sum(len(t.completed) for t in told)} completed, "
            f"{sum(len(t.rollbacks) for t in told)} rollbacks, {sum(self._watched.values())} "
            f"looks meanwhile; came too late: {late}"
        )

    def client(self, who: str, number: int = 0) -> Client:
        """Of somebody; which server, by any number."""
        if who not in self._clients:
            self._clients[who] = [
                self._open.enter_context(connect(who)) for connect in self._connects
            ]
        return self._clients[who][number % len(self._connects)]

    def _prepare(self, folder: Path) -> None:
        for who in ("alice", "bob", "ben", "dora", "ada"):
            self.client(who)
        alice = self.client("alice")
        source = folder / "weights.txt"
        for model in MODELS:
            for number in range(1, VERSIONS + 1):
                source.write_bytes(f"{model} {number}".encode())
                alice.push(source, model)
        for model in MODELS:
            for number in range(1, VERSIONS + 1):
                vetted(alice, f"{model}@{number}")

    # --- Racers -----------------------------------------------------------------------------------

    def _race(self, number: int) -> list[str]:
        chance = random.Random(f"{self._seed} {number}")
        while True:
            model = chance.choice(MODELS)
            step = chance.choices(
                (self._ask, self._decide, self._roll_back, self._withdraw), (10, 12, 3, 1)
            )[0]
            if step == self._ask and not self._left.acquire(blocking=False):
                return []
            try:
                problems = step(model, chance)
            except ClientError as error:
                self._late[error.reason] += 1
                if error.reason not in LATE:
                    return [f"{model}: {error.reason}: {error}"]
                if step == self._ask:
                    self._left.release()
            else:
                if problems:
                    return problems

    def _ask(self, model: str, chance: random.Random) -> list[str]:
        expected = self._expected(model, chance)
        asked = self._anybody("dora", chance).promotions.create(
            f"models/{model}/versions/{chance.randint(1, VERSIONS)}",
            STAGE,
            expected_current=expected,
        )
        self._told[model].asked[asked.number] = expected
        return []

    def _decide(self, model: str, chance: random.Random) -> list[str]:
        number = self._open_one(model, chance)
        if number is None:
            return []
        reviewer = self._anybody(chance.choice(("bob", "ben")), chance)
        outcome = "approve" if chance.random() < 0.9 else "reject"
        digest = reviewer.promotions.get(number).digest
        decided = reviewer.promotions.decide(number, outcome, digest=digest)
        if decided.state != "completed":
            return []
        self._told[model].completed.add(number)
        return self._see_own(model, decided.end_time, f"promotion {number}", chance)

    def _roll_back(self, model: str, chance: random.Random) -> list[str]:
        expected = max(0, self._expected(model, chance))
        version = f"models/{model}/versions/{chance.randint(1, VERSIONS)}"
        way = chance.randrange(4)
        period = self._anybody("dora", chance).promotions.rollback(
            model,
            STAGE,
            version=version if way == 0 else "",
            to_empty=way == 1,
            expected_current=expected,
        )
        self._told[model].rollbacks.append((period, expected))
        return self._see_own(model, period.start_time, "a rollback", chance)

    def _withdraw(self, model: str, chance: random.Random) -> list[str]:
        number = self._open_one(model, chance)
        if number is not None:
            self._anybody("dora", chance).promotions.withdraw(number)
        return []

    def _see_own(
        self, model: str, since: datetime | None, what: str, chance: random.Random
    ) -> list[str]:
        """Whoever moved a stage sees that, or something later, on every server."""
        shown = _resolve(self._anybody("ada", chance), model)
        assert since is not None
        if shown is None or (shown.since_time is not None and shown.since_time >= since):
            return []
        return [f"{model}: found what was there at {shown.since_time}, after {what} at {since}"]

    def _expected(self, model: str, chance: random.Random) -> int:
        """Mostly no condition; else what the stage holds just now, or -1 for nothing."""
        if chance.random() < 0.7:
            return 0
        return self._anybody("ada", chance).models.get(model).stages.get(STAGE, -1)

    def _open_one(self, model: str, chance: random.Random) -> int | None:
        """One of the latest, most of which are open still."""
        latest = sorted(self._told[model].asked.copy())[-6:]
        return chance.choice(latest) if latest else None

    def _anybody(self, who: str, chance: random.Random) -> Client:
        return self.client(who, chance.randrange(len(self._connects)))

    # --- Readers ----------------------------------------------------------------------------------

    def _watch(self, number: int) -> list[str]:
        """Look until the race is over; what no reader may ever see."""
        client = self.client("ada", number)
        latest: dict[str, datetime] = {}
        while not self._done.is_set():
            for model in MODELS:
                held = [v.number for v in client.versions.list(model) if STAGE in v.stages]
                if len(held) > 1:
                    return [f"{model}: versions {held} are in {STAGE}"]
                shown = _resolve(client, model)
                self._watched[model] += 1
                if shown is None or shown.since_time is None:
                    continue
                before = latest.setdefault(model, shown.since_time)
                if shown.since_time < before:
                    return [f"{model}: found {shown.since_time} after {before} had been seen"]
                latest[model] = shown.since_time
        return []


def _resolve(client: Client, model: str) -> Resolved | None:
    try:
        return client.resolve(f"{model}@{STAGE}")
    except NotFoundError:
        return None
