"""One look at a folder with one model, by one side, in a process of its own.

    python -m benchmarks.readiness_sides SIDE FOLDER

SIDE is `vetting`, `reading` (the report without a dry run), `report` (with it), each as the
commands `hallmark vet check` and `hallmark ready check` have it, or `session`: ONNX Runtime with
nothing of ours around it. The answer is that of `scanning.py`; `peak_mb` is that of the process
that asks and of the largest jail together.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.runnable_models import BATCHES, COLUMNS, MODEL
from benchmarks.scanning import Scan
from benchmarks.scanning import main as answer

VETTING, READING, REPORT, SESSION = "vetting", "reading", "report", "session"
RAN = "ran"


def newest_release() -> str:
    releases: Any = importlib.import_module("registry.serving.releases")
    return str(max(releases.shipped_releases()))


def vetting() -> Scan:
    checks: Any = importlib.import_module("registry.app.vetting")

    def scan(folder: Path) -> str:
        verdict = checks.verdict_of(list(checks.check_files([folder], bare=False)))
        return str(verdict.value)

    return scan


def reading() -> Scan:
    return _report(run=False)


def report() -> Scan:
    return _report(run=True)


def _report(*, run: bool) -> Scan:
    """What is told, and the peak of each jail that ran a model."""
    app: Any = importlib.import_module("registry.app.readiness")
    release = newest_release()

    def scan(folder: Path) -> str:
        (found,) = app.check_folder(folder, releases=[release], run=run)
        said = str(found.readiness.value)
        runs_mb = [f"{model.peak_bytes >> 20} MB" for model in found.models if run]
        return ", ".join([said, *runs_mb])

    return scan


def session() -> Scan:
    """Loads the model, and runs it with as many rows as a dry run does."""
    bare: Any = importlib.import_module("registry.testing.bare_session")
    numpy: Any = importlib.import_module("numpy")

    def scan(folder: Path) -> str:
        rows = [{"x": numpy.ones((rows, COLUMNS), numpy.float32)} for rows in BATCHES]
        bare.run(str(folder / MODEL), rows)
        return RAN

    return scan


SIDES: Mapping[str, Callable[[], Scan]] = {
    each.__name__: each for each in (vetting, reading, report, session)
}


if __name__ == "__main__":
    answer(sys.argv[1], Path(sys.argv[2]), SIDES)
