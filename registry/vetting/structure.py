"""The structural check: are the files what the manifest says they are? Names, sizes, digests.

It goes by what was read of each file when it was looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from functools import lru_cache

from registry.domain.inspections import FileResult
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.versions import Finding
from registry.errors import (
    FieldViolation,
    InvalidFieldError,
    InvalidRequestError,
    TooLargeError,
)
from registry.names.paths import folded_path, is_git_path, safe_path

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
#: So many manifests' names are remembered, of those with so few files; some 10 MB.
_MANIFESTS_REMEMBERED_MAX = 512
_FEW_FILES = 32


def check_bytes(file: ManifestFile, result: FileResult) -> list[Finding]:
    """What is wrong with the bytes that lie in the store under a file's digest."""
    if not result.found_sha256:
        # They could not be read to the end, of which the result itself tells.
        return []
    if result.found_sha256 != file.sha256:
        message = f"found sha256 {result.found_sha256}, expected {file.sha256}"
        return [_finding("STRUCT-4", file.path, message)]
    if result.size_bytes != file.size_bytes:
        message = f"found {result.size_bytes} bytes, expected {file.size_bytes}"
        return [_finding("STRUCT-3", file.path, message)]
    return []


def crashed() -> Finding:
    """Of a version that a check of ours tripped over."""
    return Finding(
        rule="STRUCT-0",
        message="the check of the files' names and digests crashed",
        fix="The server's log has the details; tell its operator.",
        fails=False,
        doubts=True,
    )


def missing_bytes() -> Finding:
    """Of a file whose bytes are not in the store."""
    return _finding("STRUCT-2", "", "found no bytes in the store")


def _finding(rule: str, path: str, message: str) -> Finding:
    return Finding(rule=rule, message=message, path=path, fix=_PUSH)


def check_names(digest: str, files: tuple[ManifestFile, ...]) -> tuple[Finding, ...]:
    """What is wrong with the paths, and with the manifest as a whole.

    It follows from the arguments alone, and many versions have the files of another one.
    """
    return (_names_remembered if len(files) <= _FEW_FILES else _judge_names)(digest, files)


def bad_names(paths: Collection[str]) -> Mapping[str, Finding]:
    """What is wrong with the names of local files, by path, where something is. Git's own are no
    matter: a push leaves them out."""
    pushed = [path for path in paths if not is_git_path(path)]
    counts = Counter(map(folded_path, pushed))
    found: dict[str, Finding] = {}
    for path in pushed:
        try:
            safe_path(path)
        except InvalidFieldError as error:
            (violation,) = error.field_violations
            found[path] = _name_finding(violation)
        else:
            if counts[folded_path(path)] > 1:
                message = "found another file whose name differs by case or form alone"
                found[path] = Finding(rule="STRUCT-1", message=message, fix=_RENAME)
    return found


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
