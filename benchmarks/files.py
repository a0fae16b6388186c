"""A file of 1 GB up and down, each side by its own client: the page cache is hot on both."""

from __future__ import annotations

import hashlib
import importlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.hallmark_server import HallmarkServer
from benchmarks.mlflow_server import MlflowServer
from benchmarks.processes import resting
from benchmarks.report import Row
from registry.testing.sound import weights_header

SIZE_MB = 1024
PIECE_BYTES = 1 << 20
#: More than one copy of the file, which is what the page cache is to hold.
_MEMORY_PIECES = 1536
_PIECE = bytes(PIECE_BYTES)
NAME = "weights.safetensors"
_HEADER = weights_header(SIZE_MB * PIECE_BYTES)
MODEL = "team-0/files"


def measure(*, rounds: int, seconds: float) -> Iterator[Row]:
    """Rounds in turns; `seconds` says nothing here."""
    up = Row(what=f"upload with sha256, {SIZE_MB} MB", unit="GB/s", goal=1.5)
    plain_up = Row(what="  beside MLflow's without", unit="GB/s")
    down = Row(what=f"verified download, {SIZE_MB} MB", unit="GB/s", goal=3.0)
    plain_down = Row(what="  beside MLflow's unverified", unit="GB/s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source" / NAME
        source.parent.mkdir()
        with source.open("wb") as out:
            out.write(_HEADER)
            for _ in range(SIZE_MB):
                out.write(os.urandom(PIECE_BYTES))
        with MlflowServer(folder / "mlflow") as mlflow, HallmarkServer(folder / "hallmark") as ours:
            ours.claim(["team-0"])
            theirs = _Mlflow(mlflow.url, folder / "mlflow" / "artifacts")
            for number in range(rounds + 1):
                _renew(source, number)
                with resting(ours.pid):
                    their_up, their_hash, their_down, their_check = theirs.run(source, folder)
                with resting(mlflow.pid):
                    our_up, our_down = _ours(ours, source, folder, number)
                if number:
                    # The first round of each kind only warms up.
                    up.theirs.append(_rate(their_hash + their_up))
                    plain_up.theirs.append(_rate(their_up))
                    down.theirs.append(_rate(their_down + their_check))
                    plain_down.theirs.append(_rate(their_down))
                    for row, taken_s in (
                        (up, our_up),
                        (plain_up, our_up),
                        (down, our_down),
                        (plain_down, our_down),
                    ):
                        row.ours.append(_rate(taken_s))
    up.note = "ours: hashed by both sides and synced to disk; theirs: hashed before, not synced"
    down.note = "ours: hashed as it comes; theirs: hashed behind it"
    yield from (up, plain_up, down, plain_down)


class _Mlflow:
    """MLflow's own client, with a run whose artifacts go through the server."""

    def __init__(self, url: str, stored: Path) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        mlflow: Any = importlib.import_module("mlflow")
        self._artifacts: Any = importlib.import_module("mlflow.artifacts")
        mlflow.set_tracking_uri(url)
        self._client = mlflow.MlflowClient(url)
        self._run: str = self._client.create_run("0").info.run_id
        self._stored = stored

    def run(self, source: Path, folder: Path) -> tuple[float, float, float, float]:
        """Seconds to send, to hash first, to fetch, and to hash what was fetched."""
        target = folder / "theirs"
        target.mkdir()
        hash_s = _timed(lambda: _sha256(source))
        up_s = _timed(lambda: self._client.log_artifact(self._run, str(source)))
        down_s = _timed(
            lambda: self._artifacts.download_artifacts(
                run_id=self._run, artifact_path=NAME, dst_path=str(target)
            )
        )
        check_s = _timed(lambda: _same(source, target / NAME))
        (target / NAME).unlink()
        target.rmdir()
        for path in self._stored.rglob(NAME):
            path.unlink()
        return up_s, hash_s, down_s, check_s / 2


def _ours(ours: HallmarkServer, source: Path, folder: Path, number: int) -> tuple[float, float]:
    """Seconds to push and to pull, by our client."""
    pushed: list[Any] = []
    model = f"{MODEL}-{number}"
    up_s = _timed(lambda: pushed.append(ours.client.push(source, model).version))
    ref: str = pushed[0].ref
    ours.wait_for_release(ref)
    target = folder / "ours"
    down_s = _timed(lambda: ours.client.pull(ref, target))
    _same(source, target / NAME)
    (target / NAME).unlink()
    ours.forget_bytes()
    for path in sorted(target.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    target.rmdir()
    return up_s, down_s


def _timed(work: Callable[[], object]) -> float:
    """Seconds that it takes, once the machine has given this guest the memory that it needs.

    On a virtual machine a page that is touched for the first time in a while is fetched from the
    host, at half a GB/s: then the host is measured, whatever the program.
    """
    with tempfile.TemporaryFile() as scratch:
        for _ in range(_MEMORY_PIECES):
            scratch.write(_PIECE)
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _same(one: Path, other: Path) -> None:
    if _sha256(one) != _sha256(other):
        raise SystemExit(f"{other} has other bytes than {one}")


def _renew(path: Path, number: int) -> None:
    """Bytes that nobody has sent before."""
    with path.open("r+b") as file:
        file.seek(len(_HEADER))
        file.write(f"round {number} of {os.getpid()}".encode())


def _rate(taken_s: float) -> float:
    return SIZE_MB * PIECE_BYTES / taken_s / 1e9
