"""Manifests: what a version's files are, to the byte. A version's digest is its manifest's.

The digest is "sha256:" and the sha256, in lower-case hex, of this canonical JSON (see
`registry/domain/canonical.py`), here broken at two places for the reader, in truth one line
without a newline at its end:

    {"files":[{"media_type":"application/json","path":"config.json",
    "sha256":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    "size_bytes":2}],"schema":"hallmark.manifest.v1"}

The one file of this example holds the two bytes `{}`; the manifest's digest is

    sha256:38143657c5306954bbc669444e73b2dbe5a078c6ba5ae2506dff75e9730f5374

Files are sorted by the UTF-8 bytes of their paths. A client makes the bytes in Python with

    json.dumps({"files": files, "schema": "hallmark.manifest.v1"}, sort_keys=True,
               ensure_ascii=False, separators=(",", ":")).encode()
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Self

from registry.domain.canonical import quoted, utf8
from registry.errors import InvalidFieldError, TooLargeError
from registry.names.paths import find_conflicts, refuse_all, safe_path
from registry.names.rules import check_sha256
from registry.names.text import invalid, show

SCHEMA = "hallmark.manifest.v1"
FILES_MAX = 100_000
FILE_SIZE_BYTES_MAX = 2**50
#: Of all files together: 4 PiB, which every JSON reader still holds exactly.
TOTAL_SIZE_BYTES_MAX = 2**52
#: Of all paths together, so that a manifest stays a few tens of megabytes.
TOTAL_PATH_BYTES_MAX = 16 * 2**20

_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")


@dataclass(frozen=True, kw_only=True)
class ManifestFile:
    """One file: where it lies, and what its bytes are. Checked by `Manifest.of`, not here."""

    path: str
    size_bytes: int
    #: 64 lower-case hex digits, of the whole file.
    sha256: str
    media_type: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Files in the order of their paths' UTF-8 bytes. Made by `of`; the constructor trusts."""

    files: tuple[ManifestFile, ...]

    @classmethod
    def of(cls, files: Iterable[ManifestFile], *, field: str = "files") -> Self:
        """The manifest of these files, whatever their order; no files make an empty one.

        An empty media type is guessed from the path.

        Raises InvalidFieldError or InvalidRequestError (several problems: all are told) where a
        path is unsafe or at odds with another, or a sha256, size or media type is malformed;
        TooLargeError past 100,000 files, 4 PiB, or 16 MiB of paths.
        """
        given = tuple(_typed(file) for file in islice(files, FILES_MAX + 1))
        _check_totals(given, field)
        problems = [
            problem
            for number, file in enumerate(given)
            for problem in _problems_of(file, f"{field}[{number}]")
        ]
        refuse_all(problems or list(find_conflicts((file.path for file in given), field=field)))
        # Code points sort as their UTF-8 bytes do.
        return cls(files=tuple(sorted(given, key=lambda file: file.path)))

    @cached_property
    def digest(self) -> str:
        """`sha256:<64 hex>` of the canonical JSON, in the form described above."""
        return f"sha256:{hashlib.sha256(self.canonical_json).hexdigest()}"

    @property
    def canonical_json(self) -> bytes:
        """The bytes that the digest is of."""
        listed = ",".join(map(_file_json, self.files))
        return utf8(f'{{"files":[{listed}],"schema":{quoted(SCHEMA)}}}', field="files")

    @property
    def size_bytes(self) -> int:
        """Of all files together; bytes that two files share count twice."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, kw_only=True)
class FileChange:
    before: ManifestFile
    after: ManifestFile


@dataclass(frozen=True, kw_only=True)
class ManifestDiff:
    """What to do to one manifest to get another; each part in path order, no file in two parts."""

    added: tuple[ManifestFile, ...]
    removed: tuple[ManifestFile, ...]
    #: Same path, other bytes or media type.
    changed: tuple[FileChange, ...]
    #: Same bytes, other path. In the order of the new paths.
    renamed: tuple[FileChange, ...]


def diff(before: Manifest, after: Manifest) -> ManifestDiff:
    """How `after` differs from `before`. Law: `before`, so changed, is `after`.

    Of several files with the same bytes the first one gone is taken to be the first one new.
    """
    old = {file.path: file for file in before.files}
    new = {file.path: file for file in after.files}
    gone: defaultdict[str, deque[ManifestFile]] = defaultdict(deque)
    for file in before.files:
        if file.path not in new:
            gone[file.sha256].append(file)
    added, renamed, changed = [], [], []
    for file in after.files:
        if file.path in old:
            if old[file.path] != file:
                changed.append(FileChange(before=old[file.path], after=file))
        elif gone[file.sha256]:
            renamed.append(FileChange(before=gone[file.sha256].popleft(), after=file))
        else:
            added.append(file)
    left = {file.path for files in gone.values() for file in files}
    return ManifestDiff(
        added=tuple(added),
        removed=tuple(file for file in before.files if file.path in left),
        changed=tuple(changed),
        renamed=tuple(renamed),
    )


def guess_media_type(path: str) -> str:
    """The media type by the path's extension, in any case; unknown ones are plain bytes.

    Nothing that a browser would run (HTML, SVG, script) is ever guessed.
    """
    _, dot, extension = path.rpartition("/")[2].rpartition(".")
    return _MEDIA_TYPES.get(extension.lower(), _BYTES) if dot else _BYTES


_BYTES = "application/octet-stream"
_MEDIA_TYPES = {
    "bin": _BYTES,
    "csv": "text/csv",
    "gguf": "application/x-gguf",
    "gz": "application/gzip",
    "h5": "application/x-hdf5",
    "hdf5": "application/x-hdf5",
    "jinja": "text/plain",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "keras": "application/zip",
    "md": "text/markdown",
    "npy": "application/x-npy",
    "npz": "application/x-npz",
    "onnx": "application/x-onnx",
    "parquet": "application/vnd.apache.parquet",
    "pbtxt": "text/plain",
    "pdf": "application/pdf",
    "png": "image/png",
    "safetensors": "application/x-safetensors",
    "tar": "application/x-tar",
    "tflite": "application/x-tflite",
    "toml": "application/toml",
    "txt": "text/plain",
    "wav": "audio/wav",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zip": "application/zip",
    "zst": "application/zstd",
}


def _typed(file: ManifestFile) -> ManifestFile:
    return file if file.media_type else replace(file, media_type=guess_media_type(file.path))


def _file_json(file: ManifestFile) -> str:
    return (
        f'{{"media_type":{quoted(file.media_type)},"path":{quoted(file.path)},'
        f'"sha256":{quoted(file.sha256)},"size_bytes":{file.size_bytes}}}'
    )


def _check_totals(files: tuple[ManifestFile, ...], field: str) -> None:
    if len(files) > FILES_MAX:
        raise TooLargeError(
            what=field,
            found=f"more than {FILES_MAX} files",
            limit=f"{FILES_MAX} files",
            fix="Pack small files into one, such as a tar file.",
        )
    size_bytes = sum(file.size_bytes for file in files)
    if size_bytes > TOTAL_SIZE_BYTES_MAX:
        raise TooLargeError(
            what=field,
            found=f"{size_bytes} bytes in all",
            limit=f"{TOTAL_SIZE_BYTES_MAX} bytes",
            fix="Part the files into several models.",
        )
    # Lone surrogates are refused later, with their place.
    path_bytes = sum(len(file.path.encode(errors="surrogatepass")) for file in files)
    if path_bytes > TOTAL_PATH_BYTES_MAX:
        raise TooLargeError(
            what=field,
            found=f"{path_bytes} bytes of paths in all",
            limit=f"{TOTAL_PATH_BYTES_MAX} bytes",
            fix="Shorten the folders' names, or pack small files into one.",
        )


def _problems_of(file: ManifestFile, field: str) -> list[InvalidFieldError]:
    """Everything wrong with one file by itself."""
    problems = []
    try:
        safe_path(file.path, field=f"{field}.path")
    except InvalidFieldError as error:
        problems.append(error)
    try:
        check_sha256(file.sha256, field=f"{field}.sha256")
    except InvalidFieldError as error:
        problems.append(error)
    if not 0 <= file.size_bytes <= FILE_SIZE_BYTES_MAX:
        found = f"{file.size_bytes} for {show(file.path)}"
        expected = f"0 to {FILE_SIZE_BYTES_MAX} bytes"
        fix = "Part the file, for instance into safetensors shards."
        problems.append(invalid(f"{field}.size_bytes", found, expected, fix))
    if not _MEDIA_TYPE.fullmatch(file.media_type):
        found = f"{show(file.media_type)} for {show(file.path)}"
        expected = "a media type in lower case without parameters, like application/json"
        fix = "Leave it out to have it guessed from the extension."
        problems.append(invalid(f"{field}.media_type", found, expected, fix))
    return problems
