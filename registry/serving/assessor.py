"""Assesses versions of a server: their files from the store, the jail over them, reports."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

from registry.domain.manifests import ManifestFile
from registry.domain.readiness import Report, TritonRelease
from registry.errors import NotFoundError
from registry.jail.process import NoJailError
from registry.ports.blobs import BlobStore
from registry.ports.readiness import HinderedError
from registry.serving.assessing import assess
from registry.serving.releases import Release
from registry.serving.work_folder import wholly_needed, work_folder

#: The code is the rules, as in vetting: below the package's folder, all that makes a report.
SOURCES = (
    "serving/**/*",
    "jail/**/*.py",
    "formats/inspect.py",
    "formats/look.py",
    "formats/onnx*.py",
    "formats/protobuf_wire.py",
    "domain/readiness.py",
)
LIBRARIES = ("numpy", "onnx", "onnxruntime", "protobuf", "tritonclient")
_PACKAGE = Path(__file__).parents[1]


class TritonAssessor:
    """Implements `registry/ports/readiness.py`. May be used by many threads."""

    def __init__(
        self,
        *,
        blobs: BlobStore,
        releases: Mapping[str, Release],
        work_dir: Path | None = None,
        bare: bool = False,
    ) -> None:
        """`work_dir` is where files are laid out while they are read; `bare` assesses also where
        this machine cannot close the jail."""
        self._blobs = blobs
        self._releases = releases
        self._work_dir = work_dir
        self._bare = bare

    @cached_property
    def tools_digest(self) -> str:
        parts = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
        parts += [repr(each) for _, each in sorted(self._releases.items())]
        found = {path for pattern in SOURCES for path in _PACKAGE.glob(pattern) if path.is_file()}
        for path in sorted(found):
            if "__pycache__" not in path.parts:
                name = path.relative_to(_PACKAGE).as_posix()
                parts.append(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}")
        return f"sha256:{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()}"

    @cached_property
    def releases(self) -> Sequence[TritonRelease]:
        return [
            TritonRelease(
                name=each.name,
                server=each.server,
                onnxruntime=each.onnxruntime,
                tensorrt=each.tensorrt,
            )
            for _, each in sorted(self._releases.items(), reverse=True)
        ]

    def assess(
        self,
        model_id: str,
        files: Sequence[ManifestFile],
        releases: Sequence[str],
        data: Collection[str],
        previous: Sequence[ManifestFile] = (),
    ) -> Sequence[Report]:
        try:
            with (
                self._folder(files, data) as folder,
                self._folder(previous, data) as before,
            ):
                return assess(
                    folder,
                    [self._releases[each] for each in releases],
                    name=model_id,
                    is_folder_named=False,
                    previous=before if previous else None,
                    bare=self._bare,
                )
        except NoJailError as error:
            raise HinderedError(str(error)) from error
        except NotFoundError as error:
            raise HinderedError(f"bytes are missing in the store: {error}") from error
        except OSError as error:
            raise HinderedError(f"files cannot be laid out to be read: {error}") from error

    def _folder(
        self, files: Sequence[ManifestFile], data: Collection[str]
    ) -> AbstractContextManager[Path]:
        whole = wholly_needed(files, data)
        return work_folder(self._work_dir, files, self._blobs, lambda file: file.path in whole)
