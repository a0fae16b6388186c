"""Inside the jail: reads files that are to be converted, and writes what they become.

    python -m registry.serving.converting_jailed DESCRIPTOR

How it is told and heard stands in `registry/jail/inside.py`. It can open nothing: files to read
come with requests, and so do those to write, opened by whoever asks. One file is under way at a
time; each request does a part of it, so that whoever waits sees how far it is:

    read      a file, with it its role and the sizes of its neighbours: what it holds; `again`,
              where another process has read all of its bytes
    beside    a file that an ONNX model refers to
    to        a file to write, `model` or `data`
    write     begin to write; digest: begin to read each tensor's bytes anew
    more      go on for a while
    index     the shards that an index names, on its own
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry.formats import strict_json
from registry.formats.inspect import PARSERS
from registry.formats.kinds import content_of
from registry.formats.look import Notebook, SpentError, StopLooking
from registry.formats.source import FileSource, SourceError
from registry.jail.inside import begin, lock_in
from registry.serving.converting_comparing import digests
from registry.serving.converting_elements import gathered
from registry.serving.converting_reading import check_sound, read_again, read_whole
from registry.serving.converting_safetensors import header_of, laid_out, tensors_of
from registry.serving.converting_torch import TorchFile, read_torch
from registry.serving.converting_values import CannotConvertError, NamedTensor

if TYPE_CHECKING:
    from registry.serving.converting_onnx import OnnxModel

#: Of work between two answers.
_STEP_BYTES = 64 * 1024 * 1024
_INDEX_BYTES_MAX = 64 * 1024 * 1024


@dataclass(kw_only=True)
class Work:
    """One file under way."""

    descriptor: int
    source: FileSource
    #: What its strict parser left behind.
    book: Notebook = field(default_factory=Notebook)
    tensors: Sequence[NamedTensor] = ()
    model: OnnxModel | None = None
    #: All that is open for it, by what it is for.
    opened: dict[str, int] = field(default_factory=dict)
    #: What is left to do: numbers of bytes that were done, at the end perhaps the result.
    steps: Iterator[Any] = field(default_factory=lambda: iter(()))

    def close(self) -> None:
        for descriptor in (self.descriptor, *self.opened.values()):
            os.close(descriptor)


def main(arguments: list[str]) -> None:
    channel, setup = begin(arguments[0])
    if setup["onnx"]:
        try:
            # Now, since its files cannot be opened later. Its threads would not be let in.
            os.environ["OPENBLAS_NUM_THREADS"] = "1"
            import registry.serving.converting_onnx  # noqa: F401
        except ImportError as error:
            channel.send({"unfit": f"the onnx library cannot be loaded: {error}"})
            return
    # Like onnx's, its machinery is loaded before the lock.
    ctypes.CDLL(None)
    channel.send({"open_layers": lock_in(setup)})
    prisoner = Prisoner()
    while request := channel.receive():
        head, descriptors = request
        channel.send(prisoner.answer(head, descriptors))


class Prisoner:
    """Answers requests, one after the other."""

    def __init__(self) -> None:
        self._work: Work | None = None

    def close(self) -> None:
        """What is open for the file under way."""
        if self._work is not None:
            self._work.close()
            self._work = None

    def answer(self, head: Mapping[str, Any], descriptors: Sequence[int]) -> Mapping[str, Any]:
        """`cannot` is why the file is none to convert, `hindered` what kept it from being read or
        written, and its number."""
        acts = {
            "read": self._read,
            "beside": self._beside,
            "to": self._to,
            "write": self._write,
            "digest": self._digest,
            "more": self._more,
            "index": self._index,
        }
        try:
            return acts[head["do"]](head, descriptors)
        except CannotConvertError as error:
            return {"cannot": str(error)}
        except (SpentError, StopLooking) as error:
            return {"cannot": str(error) or "it cannot be read to its end"}
        except SourceError as error:
            return {"hindered": str(error), "errno": errno.EIO}
        except OSError as error:
            return {"hindered": error.strerror or str(error), "errno": error.errno or 0}

    def _read(self, head: Mapping[str, Any], descriptors: Sequence[int]) -> Mapping[str, Any]:
        self.close()
        role = head["role"]
        source = FileSource(descriptors[0])
        # At once, so that what cannot be read to its end is closed too.
        self._work = work = Work(descriptor=descriptors[0], source=source)
        parser = PARSERS.get((role, content_of(source)))
        format = parser.format if parser else ""
        if format not in head["formats"]:
            return {"format": format}
        assert parser is not None
        if head["again"]:
            work.book = read_again(source, role, head["files"], parser.read)
        else:
            work.book = read_whole(source, role, head["files"])
        if format == "torch":
            return {"format": format, **self._read_torch(work, role)}
        if format == "onnx":
            return {"format": format, **_read_onnx(work)}
        check_sound(work.book)
        header_bytes = int.from_bytes(source.read(0, 8), "little")
        work.tensors = tensors_of(work.book.facts["tensors"], header_bytes)
        return {"format": format, "tensors": _told(work.tensors)}

    def _read_torch(self, work: Work, role: str) -> Mapping[str, Any]:
        found: TorchFile = read_torch(work.source, work.book, role)
        work.tensors = laid_out(found.tensors)
        tensor_bytes = sum(each.elements.size_bytes for each in work.tensors)
        return {
            "tensors": _told(work.tensors),
            "left_out": found.named.left_out,
            "left_out_count": found.named.left_out_count,
            "within": found.named.within,
            "ties": found.ties,
            "tensor_bytes": tensor_bytes,
            "size_bytes": len(header_of(work.tensors)) + tensor_bytes,
        }

    def _beside(self, head: Mapping[str, Any], descriptors: Sequence[int]) -> Mapping[str, Any]:
        work = self._work
        assert work is not None
        assert work.model is not None
        work.opened[f"beside {head['location']}"] = descriptors[0]
        work.model.give(head["location"], FileSource(descriptors[0]))
        return {}

    def _to(self, head: Mapping[str, Any], descriptors: Sequence[int]) -> Mapping[str, Any]:
        assert self._work is not None
        self._work.opened[head["what"]] = descriptors[0]
        return {}

    def _write(self, head: Mapping[str, Any], descriptors: Sequence[int]) -> Mapping[str, Any]:
        work = self._work
        assert work is not None
        model = _writing(work.opened["model"])
        if work.model is None:
            work.steps = _write_safetensors(work, model)
        elif head["location"]:
            data = _writing(work.opened["data"])
            work.steps = work.model.externalise(head["location"], data, model)
        else:
            work.steps = work.model.inline(model)
        return {}

    def _digest(self, head: Mapping[str, Any], descriptors: Sequence[int]) -> Mapping[str, Any]:
        work = self._work
        assert work is not None
        if work.model is None:
            work.steps = digests(work.descriptor, work.source.size_bytes, work.tensors)
        else:
            work.steps = work.model.tell()
        return {}

    def _more(self, head: Mapping[str, Any], descriptors: Sequence[int]) -> Mapping[str, Any]:
        assert self._work is not None
        done = 0
        for step in self._work.steps:
            if not isinstance(step, int):
                return {"done": done, "is_over": True, "result": _result(step)}
            done += step
            if done >= _STEP_BYTES:
                return {"done": done, "is_over": False}
        return {"done": done, "is_over": True}

    def _index(self, head: Mapping[str, Any], descriptors: Sequence[int]) -> Mapping[str, Any]:
        try:
            data = FileSource(descriptors[0]).read(0, _INDEX_BYTES_MAX)
            weights = strict_json.loads(data)["weight_map"]
        except (strict_json.JsonError, KeyError, TypeError) as error:
            raise CannotConvertError(f"found no weight_map in the index: {error!r:.100}") from error
        finally:
            os.close(descriptors[0])
        if not isinstance(weights, dict) or not all(isinstance(v, str) for v in weights.values()):
            raise CannotConvertError("found a weight_map that does not map names to names of files")
        return {"weight_map": weights}


def _read_onnx(work: Work) -> Mapping[str, Any]:
    from registry.serving.converting_onnx import OnnxModel

    check_sound(work.book)
    work.model = model = OnnxModel(work.source)
    return {
        "locations": model.locations,
        "tensors": model.tensor_count,
        "size_bytes": model.size_bytes,
        "external": model.external_count,
        "large": model.large_count,
    }


def _write_safetensors(work: Work, write: Any) -> Iterator[int]:
    write(header_of(work.tensors))
    for tensor in work.tensors:
        for piece in gathered(work.source, tensor.elements):
            write(piece)
            yield len(piece)


def _writing(descriptor: int) -> Any:
    def write(data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]

    return write


def _told(tensors: Sequence[NamedTensor]) -> list[list[Any]]:
    return [[each.name, each.dtype, list(each.shape)] for each in tensors]


def _result(step: Any) -> Any:
    if isinstance(step, tuple):
        from registry.serving.converting_onnx import told_as_json

        skeleton, told = step
        return {"rest": skeleton, "tensors": told_as_json(told)}
    return step


if __name__ == "__main__":
    main(sys.argv[1:])
