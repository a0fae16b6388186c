"""Pull: a version's files into a folder that is there whole, verified, or not at all.

Bytes go into a hidden folder beside the target, named by the version's digest, and only a complete
one is renamed. What a cut left there is used again: it is read back and gone on with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from registry.client import layouts
from registry.client.connection import Connection
from registry.client.errors import DamagedError, checked_locally
from registry.client.layouts import Part
from registry.client.names import split_reference
from registry.client.parallel import Crew
from registry.client.progress import Progress
from registry.client.readiness import ReadinessReports, await_report
from registry.client.receiving import PATIENCE_S, Receiver
from registry.client.references import References
from registry.client.target import Target
from registry.client.transfers import DOWNLOAD_PATHS_MAX, Transfers
from registry.client.values import File, Version
from registry.client.versions import Versions
from registry.domain.manifests import Manifest, ManifestFile


@dataclass(frozen=True, kw_only=True)
class PullResult:
    """What a pull did."""

    version: Version
    reference: str
    target: Path
    files: tuple[File, ...]
    size_bytes: int
    #: Bytes that came over the wire; the rest was there from an earlier pull.
    received_bytes: int
    #: True where the target held exactly this already, verified again.
    already_there: bool


class Puller:
    """One pull. `run` may be called once."""

    def __init__(
        self,
        connection: Connection,
        *,
        progress: Progress,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._connection = connection
        self._references = References(connection)
        self._versions = Versions(connection)
        self._transfers = Transfers(connection)
        self._progress = progress
        self._patience_s = patience_s
        self._crew = Crew(ca_file=connection.access.ca_file)
        #: The release of Triton that it is for, or empty.
        self._triton = ""

    def run(
        self,
        reference: str,
        target: Path,
        *,
        layout: str = "",
        triton: str = "",
        replace: bool = False,
        sync: bool = False,
    ) -> PullResult:
        """`sync`: the target also outlives a power cut from the moment it is there.

        TargetError unless the target is absent, empty, or this version already. DamagedError where
        bytes are not those of the version's digest, after one more try.
        """
        self._triton = triton
        version = self._references.resolve(reference).version
        parts = self._parts(version, self._files(version), layout)
        places = [Target(target / part.folder, replace=replace) for part in parts]
        received, already_there = 0, True
        try:
            for place, part in zip(places, parts, strict=True):
                files = _placed(part)
                if not place.holds(
                    version, files, part.texts, crew=self._crew, progress=self._progress
                ):
                    already_there = False
                    received += self._fetch(reference, version, place, part, files, sync=sync)
        finally:
            self._crew.close()
        fetched = tuple(file for part in parts for file in _placed(part, below=part.folder))
        return PullResult(
            version=version,
            reference=reference,
            target=places[0].path if len(parts) == 1 else target.expanduser().resolve(),
            files=fetched,
            size_bytes=sum(file.size_bytes for file in fetched),
            received_bytes=received,
            already_there=already_there,
        )

    def _parts(self, version: Version, files: Sequence[File], layout: str) -> list[Part]:
        if not layout:
            return layouts.plain(files)
        if layout == "hf":
            return layouts.hf(version, files)
        if layout == "mlflow" and layouts.mlflow_home(files) is not None:
            return layouts.mlflow(version, files, None)
        reports = ReadinessReports(self._connection)
        release = self._triton or reports.releases()[0].name
        report = await_report(reports, version.name, release)
        if layout == "mlflow":
            return layouts.mlflow(version, files, report)
        return layouts.triton(version, files, report)

    def _files(self, version: Version) -> tuple[File, ...]:
        """The version's files, proven by its digest, so that no list can smuggle one in."""
        files = tuple(self._versions.files_of(version.name))
        with checked_locally():
            manifest = Manifest.of(
                ManifestFile(
                    path=file.path,
                    size_bytes=file.size_bytes,
                    sha256=file.sha256,
                    media_type=file.media_type,
                )
                for file in files
            )
        if manifest.digest != version.digest:
            raise DamagedError(
                f"{version.ref}: found a list of files with digest {manifest.digest}, expected "
                f"{version.digest}. Nothing was fetched; tell the registry's operator.",
                metadata={"found": manifest.digest, "expected": version.digest},
            )
        return files

    def _fetch(
        self,
        reference: str,
        version: Version,
        place: Target,
        part: Part,
        files: Sequence[File],
        *,
        sync: bool,
    ) -> int:
        digest = _digest_to_show(reference, version)

        def addresses(wanted: Sequence[File]) -> list[str]:
            originals = [part.files[file.path] for file in wanted]
            is_all = len(originals) == version.file_count
            return list(self._addresses(version.name, digest, originals, is_all=is_all))

        with place.filling(version) as folder:
            receiver = Receiver(
                folder,
                crew=self._crew,
                progress=self._progress,
                addresses=addresses,
                patience_s=self._patience_s,
            )
            received = receiver.run(files)
            place.finish(
                version,
                files,
                part.texts,
                reference=reference,
                server=self._connection.access.url,
                sync=sync,
            )
        return received

    def _addresses(
        self, version: str, digest: str, wanted: Sequence[File], *, is_all: bool
    ) -> Iterator[str]:
        """An address for each file, in the order given."""
        left = iter(wanted)
        while batch := list(islice(left, DOWNLOAD_PATHS_MAX)):
            # All are named by none.
            paths = () if is_all and len(batch) == len(wanted) else [file.path for file in batch]
            downloads = self._transfers.create_downloads(
                version, digest=digest, paths=paths, triton=self._triton
            )
            urls = {each.file.path: each.url for each in downloads}
            for file in batch:
                yield self._connection.address(urls[file.path])


def _placed(part: Part, *, below: str = "") -> tuple[File, ...]:
    """The part's files under the paths that they have there."""
    prefix = f"{below}/" if below else ""
    return tuple(
        dataclasses.replace(file, path=f"{prefix}{path}")
        for path, file in sorted(part.files.items())
    )


def _digest_to_show(reference: str, version: Version) -> str:
    """The digest guards against mix-ups; a yanked version's must come from the caller himself."""
    _, selector = split_reference(reference)
    if version.state == "yanked" and not selector.startswith("sha256:"):
        return ""
    return version.digest
