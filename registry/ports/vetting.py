"""The vetting port: what is in these bytes, and may they be let out?"""

from __future__ import annotations

from typing import Protocol

from registry.domain.manifests import ManifestFile
from registry.domain.versions import Version, Vetting


class Vetter(Protocol):
    @property
    def rules_digest(self) -> str:
        """Digest of the rules and the tools that judge; verdicts under another one are stale."""

    def vet(self, version: Version, files: tuple[ManifestFile, ...], now_us: int) -> Vetting:
        """Judge one version. A check that crashes, hangs or cannot tell yields UNKNOWN, never an
        error; StorageError where the bytes cannot be read at all, so that it is tried again."""
