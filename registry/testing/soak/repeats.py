"""Creating calls whose answers are lost: the client repeats them, and each must happen once."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from registry.client import Client, File, VersionSpec
from registry.client.values import Dataset
from registry.testing.fault_proxy import Fault, FaultProxy
from registry.testing.people import vetted
from registry.testing.soak.people import NAMESPACE

MODEL = f"{NAMESPACE}/repeated"
STAGE = "production"
LOSSES_MAX = 3
_DATASET = Dataset(name="held back", digest="sha256:" + "0" * 64)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of creation. `create` is given a number of its own each time, and returns what the
    reply names; `found` lists what there is, in the same words."""

    name: str
    who: str
    create: Callable[[Client, int], str]
    found: Callable[[Client], Iterable[str]]


class RepeatDriver:
    """`connect` makes a client of somebody, to whom or to whose server the faults happen; `direct`
    makes one to whom nothing happens."""

    def __init__(
        self,
        *,
        connect: Callable[[str], Client],
        direct: Callable[[str], Client],
        proxy: FaultProxy,
        faults: Sequence[Callable[[], Fault]],
        seed: int,
    ) -> None:
        self._connect = connect
        self._direct = direct
        self._proxy = proxy
        self._faults = faults
        self._random = random.Random(seed)
        self._created: dict[str, list[str]] = {}
        self._calls = 0
        self._lost = 0
        with direct("alice") as registrant, direct("bob") as reviewer:
            file = _prepare(registrant, reviewer)
        self._kinds = (*_KINDS, *_kinds_of_files(file), _rollbacks())

    def run(self, lost_calls: int) -> list[str]:
        """Create until so many calls lost an answer; what is there twice, or not at all."""
        while self._lost < lost_calls:
            self._create(self._kinds[self._calls % len(self._kinds)])
        return [problem for kind in self._kinds for problem in self._check(kind)]

    def figures(self) -> str:
        kinds = ", ".join(f"{name} {len(made)}" for name, made in sorted(self._created.items()))
        return (
            f"{self._lost} of {self._calls} creating calls ({kinds}) lost "
            f"{self._proxy.done} answers and were repeated"
        )

    def _create(self, kind: Kind) -> None:
        self._calls += 1
        before = self._proxy.done
        losses = self._random.randint(1, LOSSES_MAX)
        with self._connect(kind.who) as client:
            self._proxy.spoil(*(self._random.choice(self._faults)() for _ in range(losses)))
            created = kind.create(client, self._calls)
            self._proxy.calm()
        self._created.setdefault(kind.name, []).append(created)
        self._lost += self._proxy.done > before

    def _check(self, kind: Kind) -> list[str]:
        created = Counter(self._created.get(kind.name, []))
        with self._direct("admin") as client:
            found = Counter(kind.found(client))
        return [
            f"{kind.name} {name}: found {found[name]}, acknowledged {created[name]}"
            for name in found | created
            if found[name] != created[name]
        ]


def _prepare(registrant: Client, reviewer: Client) -> File:
    """A model whose versions 1 and 2 were in production; a file of theirs."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "weights.txt").write_bytes(b"weights")
        for number in (1, 2):
            made = registrant.push(folder, MODEL, new=True)
            vetted(registrant, f"{MODEL}@{number}")
            asked = registrant.promotions.create(_version(number), STAGE)
            reviewer.promotions.decide(asked.number, "approve", digest=made.digest)
    return made.files[0]


def _version(number: int) -> str:
    return f"models/{MODEL}/versions/{number}"


def _create_token(client: Client, number: int) -> str:
    end = datetime.now(UTC) + timedelta(days=1)
    return client.tokens.create("ada", label=f"n{number}", expire_time=end).token.name


def _create_upload(client: Client, number: int) -> str:
    file = File(path="a", size_bytes=1, sha256=f"{number:064x}")
    name = client.transfers.create_upload(MODEL, [file]).name
    # Only so many may wait for bytes.
    client.transfers.delete_upload(name)
    return name


def _create_promotion(client: Client, number: int) -> str:
    name = client.promotions.create(_version(1), "staging", note=f"n{number}").name
    # There is one open promotion of a version to a stage at a time.
    client.promotions.withdraw(name)
    return name


def _add_evaluation(client: Client, number: int) -> str:
    return client.versions.evaluate(f"{MODEL}@1", f"n{number}", {"auc": 0.5}, dataset=_DATASET).uid


_KINDS = (
    Kind(
        name="namespaces",
        who="admin",
        create=lambda client, n: client.namespaces.create(f"{NAMESPACE}-{n}").uid,
        found=lambda client: [n.uid for n in client.namespaces.list() if n.id != NAMESPACE],
    ),
    Kind(
        name="principals",
        who="admin",
        create=lambda client, n: client.principals.create(f"n-{n}", kind="robot").uid,
        found=lambda client: [p.uid for p in client.principals.list() if p.kind == "robot"],
    ),
    Kind(
        name="tokens",
        who="admin",
        create=_create_token,
        found=lambda client: [t.name for t in client.tokens.list("ada") if t.label],
    ),
    Kind(
        name="models",
        who="alice",
        create=lambda client, n: client.models.create(f"{NAMESPACE}/n-{n}").uid,
        found=lambda client: [m.uid for m in client.models.list(NAMESPACE) if m.path != MODEL],
    ),
    Kind(
        name="uploads",
        who="ann",
        create=_create_upload,
        found=lambda client: [
            event.resource
            for event in client.events.list(
                NAMESPACE, action="upload.create", actor="principals/ann"
            )
        ],
    ),
    Kind(
        name="promotions",
        who="alice",
        create=_create_promotion,
        found=lambda client: [
            p.name for p in client.promotions.list(MODEL) if p.stage == "staging"
        ],
    ),
    Kind(
        name="evaluations",
        who="bob",
        create=_add_evaluation,
        found=lambda client: [e.uid for e in client.versions.evaluations(f"{MODEL}@1")],
    ),
)


def _kinds_of_files(file: File) -> tuple[Kind, ...]:
    """What is made of a file that is stored."""

    def create_version(client: Client, number: int) -> str:
        spec = VersionSpec(parameters={"number": str(number)})
        return client.versions.create(MODEL, files=[file], spec=spec).name

    def create_commit(client: Client, number: int) -> str:
        return client.commits.create(MODEL, f"n{number}", branch="work", files=[file]).name

    return (
        Kind(
            name="versions",
            who="alice",
            create=create_version,
            found=lambda client: [v.name for v in client.versions.list(MODEL) if v.number > 2],
        ),
        Kind(
            name="commits",
            who="alice",
            create=create_commit,
            found=lambda client: [c.name for c in client.commits.list(MODEL, "work")],
        ),
    )


def _rollbacks() -> Kind:
    """Back and forth between the two versions that were in production."""
    current = 2

    def create(client: Client, number: int) -> str:
        nonlocal current
        current = 3 - current
        period = client.promotions.rollback(MODEL, STAGE, version=_version(current))
        return str(period.start_time)

    return Kind(
        name="rollbacks",
        who="dora",
        create=create,
        found=lambda client: [
            str(p.start_time) for p in client.promotions.history(MODEL, STAGE) if p.rollback
        ],
    )
