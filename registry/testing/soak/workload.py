"""Clients that use a registry without pause, each on models of its own, and write down in a ledger
what they were promised."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from registry.client import Client, ClientError
from registry.client.errors import AlreadyExistsError
from registry.domain.manifests import Manifest
from registry.testing.soak.ledger import Key, Ledger
from registry.testing.soak.people import NAMESPACE, Connect, People
from registry.testing.sound import weights
from registry.testing.world import manifest_file

ALIASES = ("best", "candidate")
#: Mostly small, sometimes of several pieces, so that trouble comes at each step of a push.
SIZES_BYTES = (0, 1, 700, 20_000, 20_000, 300_000, 3_000_000)
STEPS_A_MODEL = 25
PAUSE_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Made:
    """A version that was acknowledged."""

    model: str
    number: int
    digest: str

    @property
    def name(self) -> str:
        return f"models/{self.model}/versions/{self.number}"


class Worker:
    """One user's work, to be run by one thread at a time. `failures` is what nothing excuses."""

    def __init__(
        self,
        name: str,
        *,
        ledger: Ledger,
        folder: Path,
        seed: str,
        tolerated: Collection[str],
        sizes_bytes: Sequence[int] = SIZES_BYTES,
    ) -> None:
        """`tolerated`: reasons with which calls may fail under the trouble that is made. Files are
        of one of the sizes."""
        self.name = name
        self.ledger = ledger
        self.failures: list[str] = []
        self.made: list[Made] = []
        self._folder = folder / name
        self._random = random.Random(f"{seed} {name}")
        self._tolerated = frozenset(tolerated)
        self._sizes_bytes = sizes_bytes
        self._models: list[str] = []
        self._files: tuple[str, Path, str] | None = None
        self._steps = 0

    def run(self, connect: Connect, people: People, stop: threading.Event) -> None:
        """Work until told to stop; a step that was begun is ended first."""
        with (
            connect(people.tokens["alice"]) as registrant,
            connect(people.tokens["bob"]) as reviewer,
        ):
            while not stop.is_set():
                try:
                    self._step(registrant, reviewer)
                except ClientError as error:
                    if error.reason not in self._tolerated:
                        self.failures.append(f"{self.name}: {error.reason}: {error}")
                        return
                    stop.wait(PAUSE_S)

    def _step(self, registrant: Client, reviewer: Client) -> None:
        self._steps += 1
        if not self._models or self._steps % STEPS_A_MODEL == 0:
            self._make_model(registrant)
            return
        match self._random.randrange(8):
            case 0 | 1 | 2:
                self._push(registrant)
            case 3 | 4:
                self._set_alias(registrant)
            case 5:
                self._like(registrant)
            case _:
                self._promote(registrant, reviewer)

    def _make_model(self, client: Client) -> None:
        path = f"{NAMESPACE}/{self.name}-{self._steps}"
        text = f"{path}, step {self._steps}"
        with self.ledger.change(("model", path), text):
            client.models.create(path, description=text)
        self._models.append(path)

    def _push(self, client: Client) -> None:
        """Files whose push failed are pushed again, so what arrived of them is gone on with."""
        model, folder, digest = self._files = self._files or self._fresh_files()
        attempt = str(self._steps)
        with self.ledger.change(("version", model, attempt), digest):
            spec = {"attempt": attempt}
            done = client.push(folder, model, parameters=spec, new=True, create_model=False)
        assert done.version is not None
        self.made.append(Made(model=model, number=done.version.number, digest=digest))
        shutil.rmtree(folder)
        self._files = None

    def _fresh_files(self) -> tuple[str, Path, str]:
        """A model, a folder of random files for it, and the digest that a version of them has."""
        folder = self._folder / str(self._steps)
        folder.mkdir(parents=True)
        files = []
        for number in range(self._random.randint(1, 3)):
            data = weights(self._random.randbytes(self._random.choice(self._sizes_bytes)))
            (folder / f"part-{number}.safetensors").write_bytes(data)
            files.append(manifest_file(f"part-{number}.safetensors", data))
        return self._models[-1], folder, Manifest.of(files).digest

    def _set_alias(self, client: Client) -> None:
        made = self._any_made()
        if made is None:
            return
        key = ("alias", made.model, self._random.choice(ALIASES))
        if self.ledger.may_be(key) != {None} and self._random.random() < 0.2:
            with self.ledger.change(key, None):
                client.references.delete(made.model, key[2])
        else:
            with self.ledger.change(key, made.name):
                client.references.set(made.model, key[2], made.name)

    def _like(self, client: Client) -> None:
        model = self._random.choice(self._models)
        key = ("like", model)
        if self.ledger.may_be(key) == {1}:
            with self.ledger.change(key, None):
                client.usage.unlike(model)
        else:
            with self.ledger.change(key, 1):
                client.usage.like(model)

    def _promote(self, registrant: Client, reviewer: Client) -> None:
        made = self._any_made()
        if made is None:
            return
        key: Key = ("production", made.model)
        if made.number in self.ledger.may_be(key):
            return
        if registrant.versions.get(f"{made.model}@{made.number}").state != "released":
            return
        number = self._ask(registrant, made)
        with self.ledger.change(key, made.number):
            reviewer.promotions.decide(number, "approve", digest=made.digest)

    def _ask(self, client: Client, made: Made) -> int:
        """The number of an open promotion, which may be left from a call whose answer was lost."""
        try:
            return client.promotions.create(made.name, "production").number
        except AlreadyExistsError:
            asked = client.promotions.list(made.model, state="pending", stage="production")
            return next(each.number for each in asked if each.version == made.name)

    def _any_made(self) -> Made | None:
        own = [made for made in self.made[-20:] if made.model == self._models[-1]]
        return self._random.choice(own) if own else None


class Load:
    """All workers at once, from `start` to `end`."""

    def __init__(self, workers: Collection[Worker], people: People) -> None:
        self._workers = workers
        self._people = people
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, connect: Connect, patient: Connect) -> None:
        """Every other worker gets a patient client, which repeats what the server may not have
        done; the others take the first failure for the last word."""
        self._stop.clear()
        self._threads = [
            threading.Thread(
                target=worker.run,
                args=((connect, patient)[number % 2], self._people, self._stop),
                name=worker.name,
            )
            for number, worker in enumerate(self._workers)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stop.set()

    def end(self) -> list[str]:
        """Wait for what was begun; what went wrong that nothing excuses."""
        self.stop()
        for thread in self._threads:
            thread.join()
        return [failure for worker in self._workers for failure in worker.failures]
