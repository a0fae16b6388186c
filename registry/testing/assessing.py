"""An assessor that says what a test wants."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from registry.domain.manifests import ManifestFile
from registry.domain.readiness import ModelReport, Point, Report, TritonRelease, Weight
from registry.ports.readiness import HinderedError

BLOCKING = Point(
    rule="GRAPH-2",
    weight=Weight.BLOCKS,
    subject="opset of the domain ai.onnx",
    found="24",
    expected="at most 23",
    fix="Export the model with opset_version=23.",
    path="model.onnx",
)


class ScriptedAssessor:
    """Implements `registry/ports/readiness.py`. Blocks the releases in `blocked`."""

    def __init__(self) -> None:
        self.tools_digest = "sha256:tools"
        self.releases = (
            TritonRelease(name="26.04", server="2.68.0", onnxruntime="1.24.4"),
            TritonRelease(name="25.10", server="2.62.0", onnxruntime="1.23.1", tensorrt="10.13"),
        )
        self.blocked: set[str] = set()
        #: What is in the way, as long as something is.
        self.problem = ""
        self.asked: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = []
        #: Digests of the files of the version that each was compared with.
        self.previous: list[tuple[str, ...]] = []

    def assess(
        self,
        model_id: str,
        files: Sequence[ManifestFile],
        releases: Sequence[str],
        data: Collection[str],
        previous: Sequence[ManifestFile] = (),
    ) -> Sequence[Report]:
        if self.problem:
            raise HinderedError(self.problem)
        self.asked.append((model_id, tuple(file.path for file in files), tuple(releases)))
        self.previous.append(tuple(file.sha256 for file in previous))
        return [self._report(model_id, release) for release in releases]

    def _report(self, model_id: str, release: str) -> Report:
        runtime = next(each.onnxruntime for each in self.releases if each.name == release)
        points = (BLOCKING,) if release in self.blocked else ()
        model = ModelReport(name=model_id, folder="", backend="onnxruntime", points=points)
        return Report(release=release, onnxruntime=runtime, models=(model,))
