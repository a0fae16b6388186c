"""What the files of a folder say, without running any: a report for each release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from registry.domain.readiness import ModelReport, Report
from registry.serving.folder_models import FolderModel, models_in, sizes_below
from registry.serving.onnx_model import OnnxModel, UnreadableError, read_model

_BACKEND = "onnxruntime"


class Reader:
    """`releases`: versions of Triton, each with that of its ONNX Runtime. Whatever it needs of our
    own is read when it is made."""

    def __init__(self, releases: Sequence[tuple[str, str]]) -> None:
        self._releases = releases

    def reports(self, top: str) -> list[Report]:
        """One for each release, in their order."""
        sizes = sizes_below(top)
        found: list[tuple[FolderModel, OnnxModel | UnreadableError]] = []
        for model in models_in(sizes):
            try:
                found.append((model, read_model(Path(top), model.path, sizes)))
            except UnreadableError as error:
                found.append((model, error))
        return [
            Report(
                release=version,
                onnxruntime=runtime,
                models=tuple(self._model(model, read) for model, read in found),
            )
            for version, runtime in self._releases
        ]

    def _model(self, model: FolderModel, read: OnnxModel | UnreadableError) -> ModelReport:
        report = ModelReport(name=model.name, folder=model.folder, backend=_BACKEND)
        if isinstance(read, UnreadableError):
            return replace(report, points=(read.point,))
        return replace(report, signature=read.signature, points=read.points)
