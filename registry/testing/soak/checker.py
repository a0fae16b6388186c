"""Is everything there that was promised, once, whole, and nothing twice?"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path

from registry.app.offline import run_fsck
from registry.client import Client
from registry.client.errors import NotFoundError
from registry.client.values import Version
from registry.testing.soak.ledger import Key, Ledger, Value
from registry.testing.soak.workload import Made

RELEASE_WAIT_S = 600.0


class Checker:
    """Reads as one client. What it returns are problems, each with what was found."""

    def __init__(self, client: Client, ledger: Ledger, folder: Path) -> None:
        self._client = client
        self._ledger = ledger
        self._folder = folder
        self._versions: dict[str, list[Version]] = {}

    def settle(self, keys: Collection[Key]) -> list[str]:
        """Compare what is shown now with what was promised."""
        self._versions.clear()
        problems = [
            problem for key in keys for problem in self._ledger.settle(key, self._read_value)
        ]
        return problems + self._crowded({key[1] for key in keys})

    def pull(self, versions: Collection[Made]) -> list[str]:
        """Fetch all bytes of each version, which the client proves by its digest."""
        problems = []
        for made in versions:
            target = self._folder / "pulled"
            found = self._released(made)
            if found.digest != made.digest:
                problems.append(f"{made.name}: found {found.digest}, pushed was {made.digest}")
                continue
            self._client.pull(f"{made.model}@{made.number}", target)
            shutil.rmtree(target)
        return problems

    def _released(self, made: Made) -> Version:
        """The version, once vetting has let it out of quarantine by itself."""
        until = time.monotonic() + RELEASE_WAIT_S
        while True:
            found = self._client.versions.get(f"{made.model}@{made.number}")
            if found.state == "released":
                return found
            assert time.monotonic() < until, f"{made.name} is still {found.state}"
            time.sleep(0.05)

    def _crowded(self, models: set[str]) -> list[str]:
        """Models of which one list shows several versions in production."""
        problems = []
        for model in models & self._versions.keys():
            held = [v.number for v in self._versions[model] if "production" in v.stages]
            if len(held) > 1:
                problems.append(f"{model}: versions {held} are in production")
        return problems

    def _read_value(self, key: Key) -> Value:
        readers: dict[str, Callable[..., Value]] = {
            "model": self._model,
            "version": self._version,
            "alias": self._alias,
            "like": self._like,
            "production": self._production,
        }
        try:
            return readers[key[0]](*key[1:])
        except NotFoundError:
            return None

    def _model(self, path: str) -> Value:
        return self._client.models.get(path).description

    def _version(self, model: str, attempt: str) -> Value:
        if model not in self._versions:
            self._versions[model] = list(self._client.versions.list(model))
        found = [
            version
            for version in self._versions[model]
            if version.spec.parameters["attempt"] == attempt
        ]
        if len(found) > 1:
            return f"{len(found)} versions"
        return found[0].digest if found else None

    def _alias(self, model: str, name: str) -> Value:
        return self._client.references.get(model, name).target

    def _like(self, model: str) -> Value:
        return 1 if self._client.usage.get(model).liked else None

    def _production(self, model: str) -> Value:
        return self._client.models.get(model).stages.get("production")


def fsck(home: Path, *, quick: bool, repair: bool = False) -> list[str]:
    """What a check of the whole registry finds, beside a server that may be running.

    Unless it repairs: that takes a server that has ended.
    """
    return list(run_fsck(home, repair=repair, quick=quick, tell=lambda _: None).problems)


def summary(ledger: Ledger) -> str:
    """What was promised, by kind."""
    kinds = Counter(key[0] for key in ledger.known())
    return ", ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))
