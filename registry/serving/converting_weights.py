"""Checkpoints of torch that become files of safetensors, from outside the jail."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from registry.domain.file_formats import role_of
from registry.jail.process import Limits
from registry.serving.converting_batch import Batch, ConvertedFile
from registry.serving.converting_process import (
    Prisoner,
    ProblemError,
    Shape,
    differs,
    shapes_of,
    shown,
)
from registry.serving.converting_values import size_bytes_max

#: Names under which torch.save's files are found; what their bytes are decides.
_ROLES = ("torch-pickle", "bin", "pickle")
_ENDINGS = re.compile(r"\.(bin|pt|pth|ckpt|pkl|pickle)(\.tar)?$", re.I)
_INDEX = re.compile(r"\.bin\.index\.json$")


def convert_weights(batch: Batch, limits: Limits) -> None:
    """All checkpoints of the batch, and the indexes of those that are in several files."""
    paths = [path for path in batch.files if role_of(path) in _ROLES]
    if not paths:
        return
    largest = max(batch.sizes[path] for path in paths)
    bound = size_bytes_max(largest)
    writing = dataclasses.replace(limits, file_bytes=bound)
    # A file is mapped to be read again: that counts as memory that could be taken.
    again = dataclasses.replace(limits, memory_bytes=limits.memory_bytes + largest)
    result = dataclasses.replace(limits, memory_bytes=limits.memory_bytes + bound)
    with (
        Prisoner(writing, onnx=False) as writer,
        Prisoner(again, onnx=False) as source,
        Prisoner(result, onnx=False) as reader,
    ):
        writer.start()
        weights = _Weights(batch, writer, source, reader)
        for path in paths:
            try:
                weights.convert(path)
            except ProblemError as error:
                batch.problem(path, str(error))
        # Of what is not converted an index would only tell the same once more.
        for path in [] if batch.problems else filter(_INDEX.search, batch.files):
            try:
                weights.convert_index(path)
            except ProblemError as error:
                batch.problem(path, str(error))


def renamed(path: str) -> str:
    """`pytorch_model-00001-of-00002.bin` is `model-00001-of-00002.safetensors`, as transformers has
    them; other names change their ending alone."""
    folder, slash, name = path.rpartition("/")
    stem = re.sub(r"^pytorch_model(?=[.-]|$)", "model", _ENDINGS.sub("", name))
    return f"{folder}{slash}{stem}.safetensors"


class _Weights:
    def __init__(self, batch: Batch, writer: Prisoner, source: Prisoner, reader: Prisoner) -> None:
        self._batch = batch
        self._writer = writer
        self._source = source
        self._reader = reader
        #: What each converted file holds, by its old path.
        self._held: dict[str, Mapping[str, Shape]] = {}

    def convert(self, path: str) -> None:
        batch = self._batch
        said = self._read(self._writer, path, again=False)
        if "tensors" not in said:
            return
        becomes = renamed(path)
        if becomes in batch.files or becomes in batch.written:
            raise ProblemError(
                f"it would become {becomes}, which is there already. If both hold the same, leave "
                f"this one out: --without {path}"
            )
        tensors = shapes_of(said)
        if not batch.problems:
            batch.watcher.begin("convert", path, int(said["size_bytes"]))
            try:
                for done in self._writer.write({"model": batch.into / becomes}):
                    batch.watcher.advance(path, done)
            finally:
                batch.watcher.end()
            self._compare(path, batch.into / becomes, tensors, int(said["size_bytes"]))
        self._held[path] = tensors
        batch.replaced.add(path)
        batch.written.append(becomes)
        batch.converted.append(_converted(path, becomes, said))

    def _read(self, prisoner: Prisoner, path: str, *, again: bool) -> Mapping[str, Any]:
        return prisoner.read(
            self._batch.files[path],
            role=role_of(path),
            formats=("torch",),
            files=self._batch.sizes,
            again=again,
        )

    def _compare(
        self, path: str, result: Path, tensors: Mapping[str, Shape], size_bytes: int
    ) -> None:
        """Both are read anew, and have the same tensors of the same bytes."""
        watcher = self._batch.watcher
        before = shapes_of(self._read(self._source, path, again=True))
        after = self._read_result(result)
        found: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        watcher.begin("compare", path, 2 * size_bytes)
        try:
            for prisoner, digests in zip((self._source, self._reader), found, strict=True):
                for done in prisoner.digest(digests):
                    watcher.advance(path, done)
        finally:
            watcher.end()
        if result.stat().st_size != size_bytes:
            raise differs(path, f"{result.stat().st_size} bytes instead of {size_bytes}")
        for name in sorted({*tensors, *before, *after}):
            if not tensors.get(name) == before.get(name) == after.get(name):
                what = f"{before.get(name)} became {after.get(name)}"
                raise differs(path, f"tensor {shown(name)}: {what}")
            if found[0][name] != found[1][name]:
                raise differs(path, f"the bytes of tensor {shown(name)}")

    def _read_result(self, result: Path) -> Mapping[str, Shape]:
        return shapes_of(
            self._reader.read(
                result, role="safetensors", formats=("safetensors",), files={}, again=True
            )
        )

    def convert_index(self, path: str) -> None:
        """The index of shards, made anew from what they hold; what it said has to be that."""
        batch = self._batch
        folder, slash, _ = path.rpartition("/")
        named = {
            key: f"{folder}{slash}{file}"
            for key, file in self._writer.index(batch.files[path]).items()
        }
        if not set(named.values()) & set(self._held):
            # Of files that are none of torch's, or could not be converted, as was told.
            return
        for key, file in named.items():
            if key not in self._held.get(file, {}):
                raise ProblemError(
                    f"it says that {shown(key)} is in {shown(file)}, where no such tensor is. Save "
                    "the model again with its index."
                )
        shards = sorted(set(named.values()))
        becomes = renamed(_INDEX.sub(".bin", path)) + ".index.json"
        if becomes in batch.files:
            raise ProblemError(f"it would become {becomes}, which is there already")
        text = json.dumps(self._index(shards), indent=2, sort_keys=True) + "\n"
        place = batch.into / becomes
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        batch.replaced.add(path)
        batch.written.append(becomes)

    def _index(self, shards: list[str]) -> Mapping[str, Any]:
        weights = {
            key: renamed(file).rpartition("/")[2] for file in shards for key in self._held[file]
        }
        sizes = {each.path: each.size_bytes for each in self._batch.converted}
        total = sum(sizes[file] for file in shards)
        return {"metadata": {"total_size": total}, "weight_map": weights}


def _converted(path: str, becomes: str, said: Mapping[str, Any]) -> ConvertedFile:
    return ConvertedFile(
        path=path,
        becomes=(becomes,),
        tensors=len(said["tensors"]),
        size_bytes=int(said["tensor_bytes"]),
        within=shown(said["within"]),
        left_out=tuple((shown(name), shown(what)) for name, what in said["left_out"]),
        left_out_count=int(said["left_out_count"]),
        ties=tuple(tuple(map(shown, group)) for group in said["ties"]),
    )
