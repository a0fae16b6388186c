"""The structural check: are the files what the manifest says they are? Names, sizes, digests.

It reads every blob whole, once: what a blob's bytes are does not change with the version that holds
it. What the bytes mean is for other checks.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from functools import lru_cache

from registry.domain.canonical import canonical_json
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.versions import Finding, Verdict, Version, Vetting
from registry.errors import (
    CorruptBytesError,
    FieldViolation,
    InvalidFieldError,
    InvalidRequestError,
    NotFoundError,
    StorageError,
    TooLargeError,
)
from registry.ports.blobs import BlobStore

logger = logging.getLogger(__name__)

#: What the rules digest is made of: change a line whenever its check changes.
RULES = {
    "STRUCT-0": "Where a check crashes, the verdict is unknown.",
    "STRUCT-1": "Paths are safe, and can lie in one folder on any file system.",
    "STRUCT-2": "Every file's bytes are in the store.",
    "STRUCT-3": "Every file has the size that the manifest says.",
    "STRUCT-4": "Every file's bytes hash to the sha256 that the manifest says.",
    "STRUCT-5": "The manifest hashes to the version's digest.",
}
_PUSH = "Push the files again as a new version; what is stored in full is not sent twice."
_RENAME = "Rename the file and push a new version."
#: So many blobs' sizes and digests are remembered; some 10 MB.
_REMEMBERED_MAX = 65_536
#: So many manifests' names are remembered, of those with so few files; some 10 MB.
_MANIFESTS_REMEMBERED_MAX = 512
_FEW_FILES = 32


class StructureVetter:
    """Implements `registry/ports/vetting.py`. May be used by many threads."""

    def __init__(self, *, blobs: BlobStore) -> None:
        self._blobs = blobs
        content = {"schema": "hallmark.structure-rules.v1", "rules": RULES}
        self._rules_digest = f"sha256:{hashlib.sha256(canonical_json(content)).hexdigest()}"
        self._sizes = _Sizes(_REMEMBERED_MAX)

    @property
    def rules_digest(self) -> str:
        return self._rules_digest

    def vet(self, version: Version, files: tuple[ManifestFile, ...], now_us: int) -> Vetting:
        """PASS, FAIL with findings, or UNKNOWN where a check of ours crashed.

        StorageError where the bytes cannot be read.
        """
        try:
            findings = (*_names(version.digest, files), *self._bytes(files))
            verdict = Verdict.FAIL if findings else Verdict.PASS
        except StorageError:
            raise
        except Exception:
            # Whatever a check trips over must not let the version out, nor stop the others.
            logger.exception("the structural check of %s crashed", version.name)
            findings, verdict = (_crashed(),), Verdict.UNKNOWN
        return Vetting(
            verdict=verdict, findings=findings, rules_digest=self._rules_digest, time_us=now_us
        )

    def _bytes(self, files: tuple[ManifestFile, ...]) -> list[Finding]:
        return [finding for file in files if (finding := self._check(file)) is not None]

    def _check(self, file: ManifestFile) -> Finding | None:
        size_bytes = self._sizes.get(file.sha256)
        if size_bytes is None:
            try:
                size_bytes, sha256 = _read(self._blobs, file.sha256)
            except NotFoundError:
                return _finding("STRUCT-2", file, "found no bytes in the store", _PUSH)
            except CorruptBytesError as error:
                return _finding("STRUCT-4", file, f"the store refused its bytes: {error}", _PUSH)
            if sha256 != file.sha256:
                message = f"found sha256 {sha256}, expected {file.sha256}"
                return _finding("STRUCT-4", file, message, _PUSH)
            self._sizes.remember(sha256, size_bytes)
        if size_bytes != file.size_bytes:
            message = f"found {size_bytes} bytes, expected {file.size_bytes}"
            return _finding("STRUCT-3", file, message, _PUSH)
        return None


class _Sizes:
    """Sizes of blobs that were read whole and hashed to their name, the latest used ones."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, sha256: str) -> int | None:
        with self._lock:
            size_bytes = self._sizes.get(sha256)
            if size_bytes is not None:
                self._sizes.move_to_end(sha256)
            return size_bytes

    def remember(self, sha256: str, size_bytes: int) -> None:
        with self._lock:
            self._sizes[sha256] = size_bytes
            self._sizes.move_to_end(sha256)
            if len(self._sizes) > self._count_max:
                self._sizes.popitem(last=False)


def _read(blobs: BlobStore, sha256: str) -> tuple[int, str]:
    """Size and sha256 of the bytes that lie under a name."""
    digest = hashlib.sha256()
    size_bytes = 0
    for piece in blobs.open_range(sha256):
        digest.update(piece)
        size_bytes += len(piece)
    return size_bytes, digest.hexdigest()


def _names(digest: str, files: tuple[ManifestFile, ...]) -> tuple[Finding, ...]:
    """What is wrong with the paths, and with the manifest as a whole.

    It follows from the arguments alone, and many versions have the files of another one.
    """
    return (_names_remembered if len(files) <= _FEW_FILES else _judge_names)(digest, files)


def _judge_names(digest: str, files: tuple[ManifestFile, ...]) -> tuple[Finding, ...]:
    try:
        manifest = Manifest.of(files)
    except (InvalidFieldError, InvalidRequestError) as error:
        return tuple(_name_finding(violation) for violation in error.field_violations)
    except TooLargeError as error:
        return (Finding(rule="STRUCT-1", message=str(error), fix=_RENAME),)
    if manifest.digest != digest:
        message = f"found a manifest of digest {manifest.digest}, expected {digest}"
        return (Finding(rule="STRUCT-5", message=message, fix=_PUSH),)
    return ()


_names_remembered = lru_cache(_MANIFESTS_REMEMBERED_MAX)(_judge_names)


def _name_finding(violation: FieldViolation) -> Finding:
    message = f"{violation.field}: {violation.description}"
    return Finding(rule="STRUCT-1", message=message, fix=_RENAME)


def _finding(rule: str, file: ManifestFile, message: str, fix: str) -> Finding:
    return Finding(rule=rule, path=file.path, message=message, fix=fix)


def _crashed() -> Finding:
    return Finding(
        rule="STRUCT-0",
        message="a check could not tell: it failed in a way that it did not foresee",
        fix="The server's log has the details; tell its operator.",
        fails=False,
    )
