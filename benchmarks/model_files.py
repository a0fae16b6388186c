"""Sound model files of any size, by the writers that make the test vectors.

All tensors have the same bytes: one piece of float32 numbers as weights are, distributed normally
about 0. Files are written piece by piece and synced, so nothing of them is in the way when they are
read.
"""

from __future__ import annotations

import array
import os
import pickle
import random
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO

from registry.testing.sound import weights_header
from registry.testing.vectors import gguf, npy, onnx, tar, torch_files
from registry.testing.vectors import safetensors as st
from registry.testing.vectors.pickling import whole

#: As many small objects in a pickle as megabytes of tensors elsewhere, times this.
OBJECTS_A_MB = 25
#: Of each tensor: 8 MiB.
ROWS, COLUMNS = 2048, 1024
_TENSOR_BYTES = ROWS * COLUMNS * 4
_PIECE_BYTES = 1 << 20
_MB = 1 << 20
_VOCABULARY = 32_000


@cache
def piece() -> bytes:
    """The same in each run: what a scanner says of a file doesn't change by chance."""
    drawn = random.Random(1)
    numbers = array.array("f", (drawn.gauss(0, 0.02) for _ in range(_PIECE_BYTES // 4)))
    if sys.byteorder != "little":
        numbers.byteswap()
    return numbers.tobytes()


def _tensors(size_mb: int) -> int:
    return max(1, size_mb * _MB // _TENSOR_BYTES)


def _write_tensor(out: BinaryIO) -> None:
    for _ in range(_TENSOR_BYTES // _PIECE_BYTES):
        out.write(piece())


@contextmanager
def synced(path: Path) -> Iterator[BinaryIO]:
    with path.open("wb") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())


def safetensors(path: Path, size_mb: int) -> None:
    count = _tensors(size_mb)
    places = range(0, count * _TENSOR_BYTES, _TENSOR_BYTES)
    header = {
        f"layers.{number}.weight": st.tensor("F32", [ROWS, COLUMNS], at, at + _TENSOR_BYTES)
        for number, at in enumerate(places)
    }
    with synced(path) as out:
        out.write(st.safetensors(header))
        for _ in range(count):
            _write_tensor(out)


def torch(path: Path, size_mb: int) -> None:
    """A state dict as torch.save writes it: a zip of a pickle and of storages as they are."""
    count = _tensors(size_mb)
    state = torch_files.state_dict(
        {
            f"layers.{number}.weight": torch_files.tensor(
                torch_files.storage(str(number), items=ROWS * COLUMNS),
                (ROWS, COLUMNS),
                (COLUMNS, 1),
            )
            for number in range(count)
        }
    )
    members = {"model/data.pkl": whole(state), "model/byteorder": b"little"}
    storages = {f"model/data/{number}": b"" for number in range(count)}
    _write_zip(path, members, storages, {"model/version": b"3\n"})


def npz(path: Path, size_mb: int) -> None:
    header = npy.npy(shape=f"({ROWS}, {COLUMNS})", data=b"")
    _write_zip(path, {}, {f"layer_{number}.npy": header for number in range(_tensors(size_mb))}, {})


def zip_archive(path: Path, size_mb: int) -> None:
    header = weights_header(_TENSOR_BYTES)
    names = [f"model/part-{number}.safetensors" for number in range(_tensors(size_mb))]
    _write_zip(path, {}, dict.fromkeys(names, header), {})


def _write_zip(
    path: Path,
    before: Mapping[str, bytes],
    with_tensors: Mapping[str, bytes],
    behind: Mapping[str, bytes],
) -> None:
    """Members as they are, then those with a tensor behind what stands here, then more as they are;
    none is packed."""
    with synced(path) as out, zipfile.ZipFile(out, "w") as into:
        for name, data in before.items():
            into.writestr(zipfile.ZipInfo(name), data)
        for name, head in with_tensors.items():
            member = zipfile.ZipInfo(name)
            member.file_size = len(head) + _TENSOR_BYTES
            with into.open(member, "w") as opened:
                opened.write(head)
                _write_tensor(opened)  # type: ignore[arg-type]
        for name, data in behind.items():
            into.writestr(zipfile.ZipInfo(name), data)


def tar_archive(path: Path, size_mb: int) -> None:
    header = weights_header(_TENSOR_BYTES)
    size_bytes = len(header) + _TENSOR_BYTES
    with synced(path) as out:
        for number in range(_tensors(size_mb)):
            out.write(tar.header(f"model/part-{number}.safetensors", size_bytes) + header)
            _write_tensor(out)
            out.write(bytes(-size_bytes % 512))
        out.write(tar.END)


def gguf_model(path: Path, size_mb: int) -> None:
    """With a vocabulary, which is most of what there is to parse."""
    count = _tensors(size_mb)
    keys = (
        ("general.architecture", gguf.words("llama")),
        ("llama.context_length", gguf.scalar(4, 4096)),
        ("tokenizer.ggml.model", gguf.words("gpt2")),
        ("tokenizer.ggml.tokens", gguf.array(8, [gguf.text(f"t{n}") for n in range(_VOCABULARY)])),
        ("tokenizer.chat_template", gguf.words("{{ messages[0].content }}")),
    )
    tensors = [
        gguf.tensor(f"blk.{number}.ffn_up.weight", [COLUMNS, ROWS], 0, number * _TENSOR_BYTES)
        for number in range(count)
    ]
    with synced(path) as out:
        out.write(gguf.gguf(keys, tensors))
        for _ in range(count):
            _write_tensor(out)


def onnx_model(path: Path, size_mb: int) -> None:
    """With tensors in `raw_data`, below the 2 GiB that a message may have."""
    heads = []
    for number in range(_tensors(size_mb)):
        inner = onnx.tensor(onnx.FLOAT, [ROWS, COLUMNS], name=f"layer.{number}")
        inner += onnx.varint(9 << 3 | 2) + onnx.varint(_TENSOR_BYTES)
        size_bytes = len(inner) + _TENSOR_BYTES
        heads.append(onnx.varint(5 << 3 | 2) + onnx.varint(size_bytes) + inner)
    rest = onnx.graph(onnx.field(1, onnx.node("Relu")))
    size_bytes = sum(map(len, heads)) + len(heads) * _TENSOR_BYTES + len(rest)
    with synced(path) as out:
        # Behind the last field's number stands its length, 0.
        out.write(onnx.model(b"")[:-1] + onnx.varint(size_bytes))
        for head in heads:
            out.write(head)
            _write_tensor(out)
        out.write(rest)


def pickle_of_objects(path: Path, size_mb: int) -> None:
    """A list of small dicts, in Python's default protocol."""
    drawn = random.Random(1)
    rows = [
        {"id": number, "word": f"word-{number}", "score": drawn.random(), "at": (number % 7, None)}
        for number in range(max(1, size_mb * OBJECTS_A_MB))
    ]
    with synced(path) as out:
        out.write(pickle.dumps(rows))


#: By what a table calls it: the name that it is pushed under, and who writes it.
FILES: Mapping[str, tuple[str, Callable[[Path, int], None]]] = {
    "safetensors": ("model.safetensors", safetensors),
    "torch zip": ("model.pt", torch),
    "GGUF": ("model.gguf", gguf_model),
    "ONNX, raw tensors": ("model.onnx", onnx_model),
    "npz": ("arrays.npz", npz),
    "tar of safetensors": ("model.tar", tar_archive),
    "zip of safetensors": ("model.zip", zip_archive),
    "pickle of small objects": ("rows.pkl", pickle_of_objects),
}
