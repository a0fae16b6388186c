"""The benchmarks still measure: run for a moment, without asking how fast anything is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest

from benchmarks import access, audit, policy, transfers
from benchmarks.hallmark_server import HallmarkServer
from benchmarks.load import Target, grpc_frame
from benchmarks.report import Bound, table

pytestmark = pytest.mark.slow

#: A difference of two figures, which noise may bring below nothing.
DIFFERENCE = "added to a read"


def measured(value: float) -> bool:
    return math.isfinite(value) and value > 0


def send(target: Target) -> None:
    """What is to be sent under load, once, by an ordinary gRPC client; raises where it fails."""
    address = urlsplit(target.url)
    assert target.body is not None
    with grpc.insecure_channel(address.netloc) as channel:
        call: Any = channel.unary_unary(address.path)
        framed = target.body.read_bytes()
        metadata = [each for each in target.headers if each[0] == "authorization"]
        call(framed[len(grpc_frame(b"")) :], metadata=metadata)


def test_access() -> None:
    """For both callers: alone, over gRPC with it and without, and what it adds."""
    rows = list(access.measure(rounds=1, seconds=0, calls=3))
    assert len(rows) == 8
    added = [row for row in rows if row.what.startswith(DIFFERENCE)]
    assert len(added) == 2
    assert all(math.isfinite(row.value) for row in added)
    assert all(measured(row.value) for row in rows if row not in added)
    assert len(table(rows).splitlines()) == 9


def test_policy() -> None:
    """A promotion with its parts, and the other gates."""
    rows = list(policy.measure(rounds=1, seconds=0, calls=3))
    assert len(rows) == 6
    assert all(isinstance(row, Bound) and measured(row.value) for row in rows)
    assert len(table(rows).splitlines()) == 7


def test_audit() -> None:
    """Hashing, checkpoints, a proof, a look at the whole log."""
    figures = list(audit.measure(32))
    assert len(figures) == 8
    assert all(measured(figure.value) for figure in figures)
    assert all(figure.what in figure.line() for figure in figures)


def test_transfers(tmp_path: Path) -> None:
    """A file up and down, and what the machine can do; nginx is left out."""
    size_bytes = 2 * transfers.PIECE_BYTES
    rows = transfers.measure(tmp_path, size_bytes=size_bytes, rounds=1, with_nginx=False)
    assert len(rows) == 6
    assert all(measured(rate) for row, _ in rows for rate in row.rates)
    assert all(len(row.rates) == 1 and row.line(base) for row, base in rows)


def test_our_side_beside_mlflow(tmp_path: Path) -> None:
    """What is asked for under load: models under an alias, and others that get more versions."""
    with HallmarkServer(tmp_path / "ours") as ours:
        ours.claim(["team-0"])
        (read,) = ours.reads(["team-0/scorer"])
        (create,) = ours.creates(["team-0/created"])
        assert read.answer_bytes > 0
        for target in (read, create):
            send(target)
        assert (ours.latest("team-0/scorer"), ours.latest("team-0/created")) == (1, 2)
