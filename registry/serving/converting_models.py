"""Models of ONNX whose tensors move beside them or back, from outside the jail."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.domain.file_formats import role_of
from registry.jail.process import Limits
from registry.serving.converting_batch import Batch, ConvertedFile
from registry.serving.converting_process import Prisoner, ProblemError, differs, shown
from registry.serving.converting_values import size_bytes_max

#: The library holds a model as bytes, as message and as bytes again.
_COPIES = 4
#: A file for each tensor is what some exporters write; each is open at once.
_FILES_MAX = 4000


def convert_models(batch: Batch, limits: Limits, *, inline: bool) -> None:
    """All models of the batch that it makes a difference to."""
    paths = [path for path in batch.files if role_of(path) == "onnx"]
    if not paths:
        return
    # Any file may be one that a model refers to.
    all_bytes = sum(batch.sizes.values())
    limits = dataclasses.replace(
        limits,
        memory_bytes=limits.memory_bytes + _COPIES * all_bytes,
        descriptors=_FILES_MAX + limits.descriptors,
    )
    writing = dataclasses.replace(limits, file_bytes=size_bytes_max(all_bytes))
    with (
        Prisoner(writing, onnx=True) as writer,
        Prisoner(limits, onnx=True) as source,
        Prisoner(limits, onnx=True) as reader,
    ):
        writer.start()
        models = _Models(batch, writer, source, reader, inline=inline)
        for path in paths:
            try:
                models.convert(path)
            except ProblemError as error:
                batch.problem(path, str(error))
        models.replace_data()


class _Models:
    def __init__(
        self, batch: Batch, writer: Prisoner, source: Prisoner, reader: Prisoner, *, inline: bool
    ) -> None:
        self._batch = batch
        self._writer = writer
        self._source = source
        self._reader = reader
        self._inline = inline
        #: Files beside models that were converted, and beside others.
        self._moved: set[str] = set()
        self._used: set[str] = set()

    def convert(self, path: str) -> None:
        batch = self._batch
        said = _read(self._writer, batch.files, batch.sizes, path, again=False)
        beside = {f"{_folder(path)}{location}" for location in said["locations"]}
        data = "" if self._inline else f"{path}.data"
        if not (said["external"] if self._inline else said["large"] or beside - {data}):
            self._used |= beside
            return
        if data in batch.files and data not in beside:
            raise ProblemError(f"its tensors would go to {data}, which is there already; rename it")
        if not batch.problems:
            self._write(path, data, int(said["size_bytes"]))
            self._compare(path, data, int(said["size_bytes"]))
        self._moved |= beside
        batch.replaced.add(path)
        becomes = (path, data) if data else (path,)
        batch.written += becomes
        batch.converted.append(
            ConvertedFile(
                path=path,
                becomes=becomes,
                tensors=int(said["tensors"]),
                size_bytes=int(said["size_bytes"]),
            )
        )

    def _write(self, path: str, data: str, size_bytes: int) -> None:
        batch = self._batch
        outputs = {"model": batch.into / path}
        if data:
            outputs["data"] = batch.into / data
        batch.watcher.begin("convert", path, size_bytes)
        try:
            for done in self._writer.write(outputs, location=data.rpartition("/")[2]):
                batch.watcher.advance(path, done)
        finally:
            batch.watcher.end()

    def _compare(self, path: str, data: str, size_bytes: int) -> None:
        """Both are read anew: the same graph, and the same tensors of the same bytes."""
        batch = self._batch
        results = {each: batch.into / each for each in (path, data) if each}
        sizes = {each: place.stat().st_size for each, place in results.items()}
        _read(self._source, batch.files, batch.sizes, path)
        _read(self._reader, results, sizes, path)
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        batch.watcher.begin("compare", path, 2 * size_bytes)
        try:
            for prisoner, found in ((self._source, before), (self._reader, after)):
                for done in prisoner.digest(found):
                    batch.watcher.advance(path, done)
        finally:
            batch.watcher.end()
        if before["rest"] != after["rest"]:
            raise differs(path, "the graph without its tensors")
        for one, other in zip(before["tensors"], after["tensors"], strict=True):
            if one != other:
                raise differs(path, f"tensor {shown(one['name'])}: {one} became {other}")

    def replace_data(self) -> None:
        """Files beside that nothing refers to any more are not kept."""
        self._batch.replaced |= self._moved - self._used


def _read(
    prisoner: Prisoner,
    files: Mapping[str, Path],
    sizes: Mapping[str, int],
    path: str,
    *,
    again: bool = True,
) -> Mapping[str, Any]:
    """What the model holds, once it has all files that it refers to."""
    said = prisoner.read(files[path], role="onnx", formats=("onnx",), files=sizes, again=again)
    if "locations" not in said:
        raise ProblemError("found no model of ONNX in it, expected what its name says")
    if len(said["locations"]) > _FILES_MAX:
        raise ProblemError(
            f"found tensors in {len(said['locations']):,} files beside it, expected at most "
            f"{_FILES_MAX:,}. Save it with onnx.save_model(..., all_tensors_to_one_file=True)."
        )
    for location in said["locations"]:
        beside = f"{_folder(path)}{location}"
        if beside not in files:
            raise ProblemError(f"found no file {shown(beside)}, which it refers to; put it there")
        prisoner.beside(location, files[beside])
    return said


def _folder(path: str) -> str:
    folder, slash, _ = path.rpartition("/")
    return f"{folder}{slash}"
