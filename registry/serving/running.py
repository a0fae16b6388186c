"""The dry run of the one model that a report is about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from registry.domain.readiness import ModelReport, Report
from registry.serving.dry_run import Subject, dry_run
from registry.serving.folder_models import FolderModel, models_in, sizes_below


def run(report: Report, top: str, previous: str) -> Report:
    """With what the run told, and nothing else; `previous` is the top of the version before it, or
    empty. The model is the one of that name and folder."""
    (model,) = report.models
    assert model.signature is not None, "a model that cannot be read is not run"
    sizes = sizes_below(top)
    found = _named(model, models_in(sizes))
    assert found is not None, f"there is no model {model.name!r}"
    done = dry_run(
        Subject(
            top=Path(top),
            path=found.path,
            folder=found.folder,
            signature=model.signature,
            sizes=sizes,
            previous=_previous(model, previous),
        )
    )
    ran = replace(
        model, runs=tuple(done.runs), peak_bytes=done.peak_bytes, points=tuple(done.points)
    )
    return replace(report, models=(ran,))


def _previous(model: ModelReport, top: str) -> Path | None:
    """None also where the version before had no such model."""
    found = _named(model, models_in(sizes_below(top))) if top else None
    return Path(top) / found.path if found else None


def _named(model: ModelReport, models: Iterable[FolderModel]) -> FolderModel | None:
    wanted = (model.name, model.folder)
    return next((each for each in models if (each.name, each.folder) == wanted), None)
