"""The dry run of the one model that a report is about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from registry.domain.readiness import ModelReport, Report
from registry.jail.memory import PeakMemory
from registry.serving.dry_run import Subject, dry_run
from registry.serving.models import FolderModel, RootName, models_of
from registry.serving.work_folder import sizes_below


def run(report: Report, top: str, previous: str, root: RootName, peak: PeakMemory) -> Report:
    """With what the run told, and nothing else; `previous` is the top of the version before it, or
    empty. The model is the one of its name and folder."""
    (model,) = report.models
    assert model.signature is not None, "a model that cannot be read is not run"
    found = _named(model, top, root)
    assert found is not None, f"there is no model {model.name!r}"
    done = dry_run(
        Subject(
            top=Path(top),
            path=found.served,
            folder=found.place.folder,
            signature=model.signature,
            sizes=sizes_below(top),
            peak=peak,
            previous=_previous(model, previous, root),
        )
    )
    ran = replace(
        model,
        signature=done.signature or model.signature,
        runs=tuple(done.runs),
        peak_bytes=done.peak_bytes,
        points=tuple(done.points),
    )
    return replace(report, models=(ran,))


def _previous(model: ModelReport, top: str, root: RootName) -> Path | None:
    """None also where the version before had no such model."""
    found = _named(model, top, root) if top else None
    return Path(top) / found.served if found else None


def _named(model: ModelReport, top: str, root: RootName) -> FolderModel | None:
    models, _ = models_of(Path(top), sizes_below(top), root)
    wanted = (model.name, model.folder)
    return next(
        (each for each in models if (each.place.name, each.place.folder) == wanted and each.served),
        None,
    )
