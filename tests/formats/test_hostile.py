"""A pickle that calls something fails, wherever it stands and whatever is wrapped around it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pickle
import tarfile
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.file_formats import role_of
from registry.formats.inspect import inspect
from registry.formats.look import Effect
from registry.formats.source import BytesSource
from registry.testing.vectors.pickling import whole
from registry.testing.vectors.torch_files import RUN

_HEADER = (
    b"\x93NUMPY\x01\x00\x46\x00"
    + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(69)
)


class Payload:
    """Pickled, and never unpickled."""

    def __init__(self, *rest: object) -> None:
        self._rest = rest

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, ("id",), *self._rest)


_PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
_PAYLOADS = st.sampled_from(
    [
        Payload(),
        Payload(None, None),
        Payload({"a": 1}),
        Payload(None, iter([1, 2])),
        Payload(None, None, iter({"a": 1}.items())),
    ]
)


def _around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Containers that hold a payload among plain values."""
    before = st.lists(_PLAIN, max_size=3)
    return st.one_of(
        st.builds(lambda a, b, c: [*a, b, *c], before, inner, before),
        st.builds(lambda a, b, c: (*a, b, *c), before, inner, before),
        st.builds(lambda a, b: {"a": a, "b": b}, before, inner),
        st.builds(lambda a, b: OrderedDict(a=a, b=b), before, inner),
        st.builds(lambda a: [a, a], inner),
    )


HOSTILE = st.recursive(_PAYLOADS, _around, max_leaves=4)


def _zip(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return packed.getvalue()


def _tar(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def _torch(data: bytes) -> bytes:
    return _zip(("a/data.pkl", data), ("a/version", b"3\n"))


def _legacy(*pickles: bytes) -> bytes:
    magic: tuple[object, ...] = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}, [])
    sound = [pickle.dumps(each, 2) for each in magic]
    return b"".join(given or own for given, own in zip(pickles, sound, strict=True))


WRAPPINGS: Mapping[str, Callable[[bytes], bytes]] = {
    **{
        f"model{ending}": lambda data: data
        for ending in (
            *("", ".pkl", ".pickle", ".bin", ".pth", ".pt", ".ckpt", ".dat", ".data", ".model"),
            *(".txt", ".json", ".h5", ".joblib", ".npy", ".safetensors", ".md", ".yaml", ".py"),
            *(".onnx", ".gguf", ".pb", ".meta", ".xml", ".png", ".zip", ".keras", ".jinja"),
        )
    },
    "input_0.pb": lambda data: data,
    "pytorch_model.bin": _torch,
    "zipped.pt": _torch,
    "deflated.pth": lambda data: _zip(("a/data.pkl", data), method=zipfile.ZIP_DEFLATED),
    "beside.pt": lambda data: _zip(("a/data.pkl", b"\x80\x02}."), ("a/b.pkl", data)),
    "named.zip": _torch,
    "any.zip": lambda data: _zip(("notes.txt", data)),
    "zip.zip": lambda data: _zip(("inner.zip", _zip(("a.pkl", data)))),
    "magic.pt": lambda data: _legacy(data, b"", b"", b"", b""),
    "facts.pt": lambda data: _legacy(b"", b"", data, b"", b""),
    "value.bin": lambda data: _legacy(b"", b"", b"", data, b""),
    "keys.ckpt": lambda data: _legacy(b"", b"", b"", b"", data),
    "packed.joblib": zlib.compress,
    "gzip.joblib": gzip.compress,
    "bzip2.joblib": bz2.compress,
    "xz.joblib": lzma.compress,
    "lzma.joblib": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "lz4.joblib": lz4.frame.compress,
    "packed.pkl.gz": gzip.compress,
    "packed.pkl.xz": lzma.compress,
    "packed.pkl.lz4": lz4.frame.compress,
    "packed.bin": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "objects.npy": lambda data: _HEADER + b"\n" + data,
    "objects.npz": lambda data: _zip(("a.npy", _HEADER + b"\n" + data)),
    "pickle.npz": lambda data: _zip(("a.npy", data)),
    "model.nemo": lambda data: _tar(("model_config.yaml", b"a: 1\n"), ("w.ckpt", _torch(data))),
    "model.mar": lambda data: _zip(("MAR-INF/MANIFEST.json", b"{}"), ("w.pt", _torch(data))),
    "model.skops": lambda data: _zip(("schema.json", b"{}"), ("a.pkl", data)),
    "models.tar": lambda data: _tar(("sub/weights.dat", data)),
    "models.tar.gz": lambda data: gzip.compress(_tar(("w.bin", data))),
}


def _effect(path: str, data: bytes) -> Effect:
    return inspect(BytesSource(data), role_of(path), {path: len(data)}).effect


@given(HOSTILE, st.integers(0, 5), st.sampled_from(sorted(WRAPPINGS)))
def test_a_payload_fails_wherever_it_is(value: object, protocol: int, path: str) -> None:
    """Not merely unknown: what it calls is on no list."""
    assert _effect(path, WRAPPINGS[path](pickle.dumps(value, protocol))) is Effect.FAIL


@pytest.mark.parametrize("path", WRAPPINGS)
@pytest.mark.parametrize("protocol", range(6))
def test_every_wrapping_of_a_payload_fails(path: str, protocol: int) -> None:
    assert _effect(path, WRAPPINGS[path](pickle.dumps(Payload(), protocol))) is Effect.FAIL


@pytest.mark.parametrize("path", WRAPPINGS)
@pytest.mark.parametrize("cut", [1, 2])
def test_a_payload_that_is_cut_fails_too(path: str, cut: int) -> None:
    """A reader has done what stands before the end by the time it finds none (nullifAI)."""
    data = whole(RUN)[:-cut] + b"\xff" * (cut - 1)
    assert _effect(path, WRAPPINGS[path](data)) is Effect.FAIL
