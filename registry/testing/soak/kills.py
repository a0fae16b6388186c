"""Kill -9, again and again: load, a kill at a random moment, a restart, a look at what is there."""

from __future__ import annotations

import random
import time
from collections.abc import Collection
from pathlib import Path

from registry.client import Client
from registry.testing.server import ServerProcess
from registry.testing.soak.checker import Checker, fsck, summary
from registry.testing.soak.ledger import UNKNOWN, Key, Ledger
from registry.testing.soak.people import People
from registry.testing.soak.ports import settled_addresses
from registry.testing.soak.workload import Load, Worker

WORKERS = 6
LOAD_S_MAX = 2.0
#: In so many of the cycles the server is killed once more while it starts.
KILLED_AT_START = 0.2
START_S_MAX = 2.0
FSCK_EVERY = 25
SAMPLED_KEYS = 30


class KillDriver:
    """One registry, killed as often as wanted. `problems` stays empty where all is well."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._random = random.Random(seed)
        self._ledger = Ledger()
        self._server = ServerProcess(folder / "home", settled_addresses())
        self._people = People.invite(self._server.client())
        self._workers = [
            Worker(
                f"w{number}",
                ledger=self._ledger,
                folder=folder / "work",
                seed=f"{seed}",
                tolerated=UNKNOWN,
            )
            for number in range(WORKERS)
        ]
        self._load = Load(self._workers, self._people)
        self._kills = 0
        self._pulled = 0

    def run(self, cycles: int) -> list[str]:
        """Kill so often, then check everything; what is wrong."""
        try:
            for cycle in range(1, cycles + 1):
                problems = self._cycle() or (
                    fsck(self._server.home, quick=True) if cycle % FSCK_EVERY == 0 else []
                )
                if problems:
                    return [f"cycle {cycle}: {problem}" for problem in problems]
            return self._check_all()
        finally:
            self._load.end()
            self._server.kill()

    def figures(self) -> str:
        return (
            f"{self._kills} kill -9, {self._ledger.acknowledged} writes acknowledged "
            f"({summary(self._ledger)}), {self._ledger.unknown} without an answer, "
            f"{self._pulled} versions pulled and compared"
        )

    def _cycle(self) -> list[str]:
        made = {worker.name: len(worker.made) for worker in self._workers}
        before = {key: self._ledger.may_be(key) for key in self._ledger.known()}
        self._load.start(self._impatient, self._patient)
        time.sleep(self._random.uniform(0.05, LOAD_S_MAX))
        self._kill()
        self._load.stop()
        if self._random.random() < KILLED_AT_START:
            self._server.start_and_kill(self._random.uniform(0.1, START_S_MAX))
            self._kills += 1
        self._server.start()
        failures = self._load.end()
        if failures:
            return failures
        changed = [k for k in self._ledger.known() if self._ledger.may_be(k) != before.get(k)]
        fresh = [one for worker in self._workers for one in worker.made[made[worker.name] :]]
        with self._patient(self._people.tokens["alice"]) as client:
            checker = Checker(client, self._ledger, self._folder)
            self._pulled += len(fresh)
            return checker.settle(changed + self._sample(before)) + checker.pull(fresh)

    def _check_all(self) -> list[str]:
        made = [made for worker in self._workers for made in worker.made]
        with self._patient(self._people.tokens["alice"]) as client:
            checker = Checker(client, self._ledger, self._folder)
            problems = checker.settle(self._ledger.known()) + checker.pull(made)
        with self._patient(self._people.tokens["ada"]) as auditor:
            auditor.events.verify()
        return problems + fsck(self._server.home, quick=False)

    def _kill(self) -> None:
        self._server.kill()
        self._kills += 1

    def _sample(self, keys: Collection[Key]) -> list[Key]:
        return self._random.sample(sorted(keys), min(SAMPLED_KEYS, len(keys)))

    def _patient(self, token: str) -> Client:
        return Client(self._server.http_url, token=token, patience_s=60)

    def _impatient(self, token: str) -> Client:
        return Client(self._server.http_url, token=token, patience_s=0)
