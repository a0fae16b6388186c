"""A folder that the jail may read, with the files of one version in it.

Files that models are made of lie there whole, as copies, since onnx refuses files that have a
second name. Of others, which may be a hundred times as large, the size and the two ends are enough:
what can be told of them is in their headers.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from registry.domain.manifests import ManifestFile
from registry.ports.blobs import BlobStore

PREFIX = "hallmark-readiness-"
#: Whatever is not longer lies there whole.
SMALL_BYTES = 16 * 1024 * 1024
#: Of what is longer and no part of a model that is run.
END_BYTES = 1024 * 1024


@contextmanager
def work_folder(
    parent: Path | None,
    files: Sequence[ManifestFile],
    blobs: BlobStore,
    is_whole: Callable[[ManifestFile], bool],
) -> Iterator[Path]:
    """The folder, as long as it is needed; below `parent`, or where temporary files go. OSError,
    StorageError or NotFoundError where it cannot be filled."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent) as made:
        folder = Path(made)
        for file in files:
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            if is_whole(file):
                blobs.copy_to(file.sha256, path)
            else:
                _write_ends(path, file, blobs)
        yield folder


def wholly_needed(files: Collection[ManifestFile], data: Collection[str]) -> set[str]:
    """Paths of files that are read to their end: ONNX models, what they keep beside them (`data`),
    and all that is small."""
    return {
        file.path
        for file in files
        if file.path in data or file.path.endswith(".onnx") or file.size_bytes <= SMALL_BYTES
    }


def _write_ends(path: Path, file: ManifestFile, blobs: BlobStore) -> None:
    with open(path, "wb") as out:
        for start in (0, file.size_bytes - END_BYTES):
            out.seek(start)
            for piece in blobs.open_range(
                file.sha256, start, END_BYTES, size_bytes=file.size_bytes
            ):
                out.write(piece)
        os.ftruncate(out.fileno(), file.size_bytes)


def stored_bytes(top: Path) -> int:
    """Of all files below it together; of one that has holes, without these."""
    found = (os.stat(top / path, follow_symlinks=False) for path in sizes_below(str(top)))
    return sum(min(each.st_size, each.st_blocks * 512) for each in found)


def sizes_below(top: str) -> Mapping[str, int]:
    """Of all regular files by their paths from there; links are none. OSError where it cannot be
    listed."""
    sizes: dict[str, int] = {}
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(os.path.join(top, folder)) as entries:
            for entry in entries:
                path = os.path.join(folder, entry.name)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(path)
                elif entry.is_file(follow_symlinks=False):
                    sizes[path] = entry.stat(follow_symlinks=False).st_size
    return dict(sorted(sizes.items()))
