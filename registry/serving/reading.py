"""What the files of a folder say, without running any: a report for each release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from registry.domain.readiness import ModelReport, Point, Report, Weight
from registry.formats.look import Rule
from registry.serving.folder_models import FolderModel, models_in, sizes_below
from registry.serving.onnx_model import OnnxModel, UnreadableError, read_model
from registry.serving.onnx_rules import Runtime, check
from registry.serving.points import point

_BACKEND = "onnxruntime"
MEASURED = Rule(
    "READY-2",
    "What the release's ONNX Runtime knows was measured.",
    "Ask for a release whose ONNX Runtime was measured.",
)
RULES = (MEASURED,)


class Reader:
    """`releases`: versions of Triton, each with that of its ONNX Runtime; `runtimes`: what those
    versions know, as far as it was measured."""

    def __init__(
        self, releases: Sequence[tuple[str, str]], runtimes: Mapping[str, Runtime]
    ) -> None:
        self._releases = releases
        self._runtimes = runtimes

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
                models=tuple(self._model(model, read, runtime) for model, read in found),
            )
            for version, runtime in self._releases
        ]

    def _model(
        self, model: FolderModel, read: OnnxModel | UnreadableError, version: str
    ) -> ModelReport:
        report = ModelReport(name=model.name, folder=model.folder, backend=_BACKEND)
        if isinstance(read, UnreadableError):
            return replace(report, points=(read.point,))
        points = (*read.points, *self._of_release(read, version))
        return replace(report, signature=read.signature, points=points)

    def _of_release(self, read: OnnxModel, version: str) -> Sequence[Point]:
        runtime = self._runtimes.get(version)
        if runtime is not None:
            return check(read, runtime)
        known = ", ".join(self._runtimes) or "none"
        return [
            point(
                MEASURED,
                Weight.DOUBTS,
                subject="ONNX Runtime",
                found=f"found version {version}",
                expected=f"one that was measured: {known}",
                path=read.path,
            )
        ]
