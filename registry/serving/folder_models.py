"""The models of a folder, and the files that are theirs, by the paths of its files alone."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

_ENDING = ".onnx"


@dataclass(frozen=True, kw_only=True)
class FolderModel:
    """One model, by the names that its report has."""

    name: str
    #: Empty for the top.
    folder: str
    #: Of its file, from the top.
    path: str


def models_in(paths: Iterable[str]) -> list[FolderModel]:
    """Each ONNX file as a model that is named by its folder, or by itself where that has several
    or is the top. A folder whose name is a number is that of a version of the model above it."""
    found = sorted(path for path in paths if path.endswith(_ENDING))
    folders = [_folder(path) for path in found]
    models = []
    for path, folder in zip(found, folders, strict=True):
        is_alone = bool(folder) and folders.count(folder) == 1
        name = PurePosixPath(folder).name if is_alone else PurePosixPath(path).stem
        models.append(FolderModel(name=name, folder=folder, path=path))
    return models


def _folder(path: str) -> str:
    parent = PurePosixPath(path).parent
    if parent.name.isdecimal():
        parent = parent.parent
    return "" if parent == PurePosixPath() else str(parent)


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
