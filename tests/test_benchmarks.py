"""The benchmarks still measure: run for a moment, without asking how fast anything is."""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest

from benchmarks import (
    access,
    audit,
    policy,
    readiness,
    readiness_sides,
    scanning,
    serving_while_vetting,
    transfers,
    vetting,
)
from benchmarks.hallmark_server import HallmarkServer
from benchmarks.load import Target, grpc_frame
from benchmarks.model_files import FILES
from benchmarks.report import Bound, table
from registry.domain.file_formats import role_of
from registry.formats.inspect import inspect
from registry.formats.look import Effect
from registry.formats.source import BytesSource
from registry.testing.onnx_cases import cases_on_disk
from registry.testing.vectors.pickling import whole
from registry.testing.vectors.torch_files import RUN

pytestmark = pytest.mark.slow

#: A difference of two figures, which noise may bring below nothing.
DIFFERENCE = "added to a read"
#: What a process takes at least that has loaded ONNX Runtime and numpy: 53 were measured.
BARE_MB = 40


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


@pytest.mark.parametrize("what", FILES)
def test_model_files_are_sound(tmp_path: Path, what: str) -> None:
    """Each file that vetting is measured by is of its format, and passes."""
    name, write = FILES[what]
    write(tmp_path / name, 9)
    found = inspect(BytesSource((tmp_path / name).read_bytes()), role_of(name), {})
    assert found.effect is Effect.ADVICE, found.book.notes
    assert found.format


def test_vetting(tmp_path: Path) -> None:
    """A file and the smallest ones by Hallmark and sha256; scanners, which are elsewhere, are left
    out."""
    (found,) = vetting.measure(tmp_path, size_mb=16, rounds=1, scanners=None, files=["torch zip"])
    ours, hashed = found.sides
    assert ours.said == f"pass {hashed.said}"
    assert measured(found.ratio(hashed))
    assert all(measured(each) for side in found.sides for each in (*side.seconds, *side.peaks_mb))
    # In one reading: what is beyond the file are modules that the jail imports.
    assert found.size_bytes <= ours.read_bytes < 2 * found.size_bytes
    assert len(list(vetting.starts(tmp_path, rounds=1, scanners=None))) == 4


def test_serving_while_vetting(tmp_path: Path) -> None:
    """Reads of an idle server and of one that vets, which it does from first to last."""
    (found,) = serving_while_vetting.measure(tmp_path, rounds=1, seconds=1)
    assert found.vetting.left
    assert (all(found.vetting.jail_s), any(found.idle.jail_s)) == (True, False)
    assert all(measured(row) for window in (found.idle, found.vetting) for row in window.taken_ms)
    assert measured(found.ratio(0.5))
    assert [row[0] for row in serving_while_vetting.rows([found])] == ["p50, ms", "p99, ms"]


@pytest.mark.parametrize("part", [readiness.MODEL, readiness.EXTERNAL])
def test_readiness(tmp_path: Path, part: str) -> None:
    """A model by all sides, its weights within and beside it; that it is found sound is checked by
    the benchmark itself. Nothing of it stays."""
    found = readiness.measure(tmp_path, part, size_mb=64, rounds=1)
    assert found.size_bytes > 64e6
    for side in found.sides:
        assert all(measured(each) for each in (*side.seconds, *side.cpu_s, *side.peaks_mb))
    # All weights are looked at, and a session keeps them all, which it does not of equal ones.
    assert found.side(readiness_sides.READING).read_bytes > found.size_bytes
    assert max(found.side(readiness_sides.SESSION).peaks_mb) > 64 + BARE_MB
    assert [line[-2] for line in found.lines()] == [
        "",
        "",
        "CPU < 1 s" if part == readiness.MODEL else "",
        "memory <= 1.3",
        "",
    ]
    assert list(tmp_path.iterdir()) == []


def test_readiness_of_many_models(tmp_path: Path) -> None:
    """Each is vetted, judged, and loaded by a bare session."""
    found = readiness.measure_cases(tmp_path, itertools.islice(cases_on_disk(), 2))
    assert sum(found.vetted.values()) == found.vetted["pass"] == 2
    assert sum(found.told.values()) == 2
    assert found.refused == {}
    for times in (found.session, found.report, found.vetting):
        assert len(times.seconds) == 2
        assert all(measured(each) for each in times.seconds)
    assert [row[0] for row in found.lines()] == ["bare session", "report", "vetting"]
    assert len(list(found.words())) == 3


def test_scanner_that_breaks_is_told(tmp_path: Path) -> None:
    """Of a scanner without an answer the table has its words, and neither rate nor ratio."""
    for name in vetting.SCANNERS:
        python = tmp_path / name / "bin" / "python"
        python.parent.mkdir(parents=True)
        # An environment in which none of them is.
        python.symlink_to(Path(sys.executable).resolve())
    (found,) = vetting.measure(
        tmp_path, size_mb=1, rounds=1, scanners=tmp_path, files=["pickle of small objects"]
    )
    shown = found.lines()[-len(vetting.SCANNERS) :]
    assert {line[1:] for line in shown} == {("", "", "", "", "error: exit status 1", "", "", "")}


def test_words_of_a_scanner(tmp_path: Path) -> None:
    """What picklescan, which is here, makes of a sound pickle, of a bad one and of none."""
    scan = scanning.SIDES["picklescan"]()
    said = {}
    for what, data in {
        "good": whole(b"N"),
        "bad": whole(RUN),
        "none": b"PK\5\6" + bytes(18),
    }.items():
        (tmp_path / what).write_bytes(data)
        said[what] = scan(tmp_path / what)
    assert said == {"good": scanning.CLEAN, "bad": "dangerous", "none": scanning.SKIPS}


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
