"""Cut transfers: pushes and pulls over a network that fails, resumed until they are through."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from registry.client import Client
from registry.client.progress import FileStep
from registry.testing.fault_proxy import End, Fault, FaultProxy, Side, after
from registry.testing.people import vetted
from registry.testing.soak.people import NAMESPACE
from registry.testing.sound import weights

MODEL = f"{NAMESPACE}/cut"
FILE_BYTES_MAX = 12 << 20
CUTS_MAX = 4
#: Stalls longer than a server waits before it lets another request go on in a stalled one's place.
STALLS_S = (0.3, 0.3, 0.3, 12.0)
#: What a cut may cost: what was on its way, through buffers of several megabytes on each side; and
#: what all cuts may cost on average.
LOST_BYTES_MAX = 12 << 20
LOST_BYTES_MEAN_MAX = 1 << 20
#: Requests and answers beside the bytes, for each connection.
HEAD_BYTES_MAX = 64 << 10
#: In so many transfers the client dies as well, and another one goes on.
DIES = 0.2


class ClientDiedError(Exception):
    """Stands for the death of the client's process."""


class Dying:
    """Progress that watches, and ends the client when so many bytes went over the wire."""

    def __init__(self, watch: Callable[[], None], after_bytes: int | None) -> None:
        self._watch = watch
        self._left = after_bytes
        self._moving = False

    def begin(self, step: str, files: Sequence[FileStep]) -> None:
        self._moving = step in ("send", "fetch")
        self._watch()

    def advance(self, path: str, count: int) -> None:
        self._watch()
        if self._left is not None and self._moving:
            self._left -= count
            if self._left < 0:
                self._left = None
                raise ClientDiedError

    def end(self) -> None:
        self._watch()


class TransferDriver:
    """`connect` makes clients whose bytes go through the proxy; `direct` goes past it."""

    def __init__(
        self,
        *,
        connect: Callable[[], Client],
        direct: Client,
        proxy: FaultProxy,
        folder: Path,
        seed: int,
    ) -> None:
        self._connect = connect
        self._direct = direct
        self._proxy = proxy
        self._folder = folder
        self._random = random.Random(seed)
        self._size_bytes = 0
        self._deaths = 0
        self._transfers = 0
        self._overhead_bytes = 0
        self._cuts = 0

    def run(self, transfers: int) -> None:
        """So many, pushes and pulls in turn, each with a cut at least."""
        self._direct.models.create(MODEL)
        for number in range(1, transfers // 2 + 1):
            source = self._folder / f"source-{number}"
            target = self._folder / f"target-{number}"
            size_bytes = self._fill(source)
            self._transfer(Side.UP, size_bytes, partial(self._push, source, number))
            vetted(self._direct, f"{MODEL}@{number}")
            self._transfer(Side.DOWN, size_bytes, partial(self._pull, number, target))
            _compare(source, target)
            shutil.rmtree(source)
            shutil.rmtree(target)
        mean = self._overhead_bytes // max(1, self._cuts)
        assert mean <= LOST_BYTES_MEAN_MAX, f"a cut costs {mean} bytes"

    def figures(self) -> str:
        return (
            f"{self._transfers} transfers of {self._size_bytes >> 20} MiB resumed to the right "
            f"digest over {self._proxy.done} cuts and {self._deaths} deaths of the client; "
            f"where no client died {self._overhead_bytes >> 10} KiB beside the files, for "
            f"{self._cuts} cuts"
        )

    def _fill(self, folder: Path) -> int:
        folder.mkdir()
        total = 0
        for number in range(self._random.randint(1, 3)):
            # Each at most a half of the one before, so that the first is the larger half.
            data = weights(
                self._random.randbytes(self._random.randint(1, FILE_BYTES_MAX) >> number)
            )
            (folder / f"part-{number}.safetensors").write_bytes(data)
            total += len(data)
        return total

    def _transfer(self, side: Side, size_bytes: int, run: Callable[[int | None], None]) -> None:
        """Run to the end, with another client where one died, and see what went over the wire."""
        done, connections = self._proxy.done, self._proxy.connections
        moved = self._proxy.moved[side]
        self._proxy.spoil(*self._faults(side, size_bytes))
        dies = self._random.random() < DIES
        if dies:
            with suppress(ClientDiedError):
                run(self._random.randrange(size_bytes))
        run(None)
        self._proxy.calm()
        cuts = self._proxy.done - done
        overhead = self._proxy.moved[side] - moved - size_bytes
        allowed = cuts * LOST_BYTES_MAX + (self._proxy.connections - connections) * HEAD_BYTES_MAX
        assert cuts or dies, "no cut came about"
        self._transfers += 1
        self._size_bytes += size_bytes
        if dies:
            # What it held in memory died with it.
            self._deaths += 1
            return
        assert overhead <= allowed, f"{overhead} bytes more than {size_bytes}, {cuts} cuts"
        self._overhead_bytes += overhead
        self._cuts += cuts

    def _faults(self, side: Side, size_bytes: int) -> list[Fault]:
        """The first is sure to come about: one file is larger than the others together."""
        count = self._random.randint(1, CUTS_MAX)
        return [self._fault(side, size_bytes, sure=number == 0) for number in range(count)]

    def _fault(self, side: Side, size_bytes: int, *, sure: bool) -> Fault:
        end = self._random.choice((End.CUT, End.CUT, End.RESET, End.RESET, End.STALL))
        stall_s = self._random.choice(STALLS_S) if end is End.STALL else 0.0
        other = Side.DOWN if side is Side.UP else Side.UP
        if not sure and self._random.random() < 0.2:
            # The question or the answer, in place of the bytes.
            count = self._random.randint(1, 600)
            return Fault(side=other, trigger=after(count), end=end, stall_s=stall_s)
        count = self._random.randint(1, max(1, size_bytes // CUTS_MAX))
        return Fault(side=side, trigger=after(count), end=end, stall_s=stall_s)

    def _push(self, source: Path, number: int, dies_after: int | None) -> None:
        def watch() -> None:
            newest = self._direct.versions.newest(MODEL)
            assert (newest.number if newest else 0) == number - 1, "a version of half a push"

        with self._connect() as client:
            client.push(source, MODEL, create_model=False, progress=Dying(watch, dies_after))

    def _pull(self, number: int, target: Path, dies_after: int | None) -> None:
        def watch() -> None:
            assert not target.exists(), "half a pull"

        with self._connect() as client:
            client.pull(f"{MODEL}@{number}", target, progress=Dying(watch, dies_after))


def _compare(source: Path, target: Path) -> None:
    for path in source.iterdir():
        assert (target / path.name).read_bytes() == path.read_bytes(), path.name
