"""The port of readiness: will this model load and answer on a release of Triton?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from registry.domain.manifests import ManifestFile
from registry.domain.readiness import Report, TritonRelease


class HinderedError(Exception):
    """Nothing can be assessed now; the text says what is in the way. It is tried again."""


class Assessor(Protocol):
    @property
    def tools_digest(self) -> str:
        """Digest of the rules, tables and tools; reports under another one are stale."""

    @property
    def releases(self) -> Sequence[TritonRelease]:
        """Those that are known, the newest first."""

    def assess(
        self,
        model_id: str,
        files: Sequence[ManifestFile],
        releases: Sequence[str],
        data: Collection[str],
        previous: Sequence[ManifestFile] = (),
    ) -> Sequence[Report]:
        """A report for each release, in their order. `data` are paths of files in which ONNX models
        keep their tensors. `previous` are files of another version, whose answers to the same
        inputs are compared. Takes seconds to minutes. A model that trips the assessment is a doubt
        in its report and no error. HinderedError; StorageError where the bytes cannot be had
        now."""
