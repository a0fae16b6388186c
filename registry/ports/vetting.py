"""The vetting ports: what is in these bytes, and may they be let out?"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from registry.domain.manifests import ManifestFile
from registry.domain.versions import Version, Vetting


class Vetter(Protocol):
    @property
    def rules_digest(self) -> str:
        """Digest of the rules and the tools that judge; verdicts under another one are stale."""

    def vet(self, version: Version, files: tuple[ManifestFile, ...], now_us: int) -> Vetting | None:
        """Judge one version by what is known of its files; None where they have to be looked at
        first, which this then asks for. A check that crashes, hangs or cannot tell yields UNKNOWN,
        never an error; StorageError where it cannot be told now, so that it is tried again."""


class Inspector(Protocol):
    """Looks at files of versions: `InspectionService` says at which, and keeps what it finds."""

    @property
    def rules_digest(self) -> str: ...

    def want(self, digests: Collection[str]) -> None:
        """Have all files of these manifests looked at, sooner or later. Asking again is harmless
        while that is in progress, and makes it tried again where it came to nothing."""
