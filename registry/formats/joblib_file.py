"""joblib.dump: a pickle with arrays' bytes between its opcodes, compressed as a whole or not.

Sources: joblib/numpy_pickle.py (`NumpyArrayWrapper`), joblib/compressor.py. An array is pickled as
a wrapper that tells its shape and dtype; after the BUILD that completes it the pickle pauses
for a byte with the length of a padding, the padding of 0xff, and the array's bytes. Before joblib
1.2 there is no padding. Arrays of objects have a further pickle there, and are refused.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from registry.formats.look import Look, Rule
from registry.formats.pickle_file import check_end, learn_tensors
from registry.formats.pickle_machine import Family, PickleMachine
from registry.formats.pickle_numpy import NDARRAY, NUMPY, fill, is_dtype, size_of
from registry.formats.pickle_opcodes import DecodeError, OpcodeReader
from registry.formats.pickle_values import (
    Array,
    Dtype,
    Global,
    Inline,
    Items,
    Listed,
    Made,
    Names,
    UnfitError,
    Value,
    ints_of,
)
from registry.formats.source import Source, Unpacked, pieces

_PIECE_BYTES = 1024 * 1024
#: Of xz and lzma, whose files say how much they need; joblib's highest level needs 65 MB.
_MEMORY_BYTES = 128 * 1024 * 1024

_DUMP = "Write it again with joblib.dump, and push a new version."
WRAPPER = Rule(
    "JOBLIB-1",
    "An array's wrapper says class ndarray, shape, order, dtype, and how it is mapped; no more.",
    _DUMP,
)
BYTES = Rule("JOBLIB-2", "An array's bytes follow its wrapper, after padding of 0xff.", _DUMP)
WHOLE = Rule(
    "JOBLIB-3", "A compressed file is one stream, sound to its end, with nothing behind it.", _DUMP
)
RULES = (WRAPPER, BYTES, WHOLE)

_STATE = {"subclass", "shape", "order", "dtype", "allow_mmap"}
_ALIGNMENT = "numpy_array_alignment_bytes"


def read(look: Look) -> None:
    """Facts: `tensors` and `globals` as of pickles; `compression`, where there is one."""
    source = _unpacked(look)
    reader = OpcodeReader(source)
    value = PickleMachine(look, reader, _FAMILY).run()
    check_end(look, reader)
    learn_tensors(look, value)


# Arrays ---------------------------------------------------------------------------------------


def _wrapper() -> Value:
    return Made("NumpyArrayWrapper", build=_set_wrapper)


def _set_wrapper(state: Value) -> Value:
    entries = state.entries if isinstance(state, Items) and state.kind == "dict" else {}
    if (
        not isinstance(state, Items)
        or state.other_keys
        or not _STATE <= entries.keys() <= _STATE | {_ALIGNMENT}
    ):
        raise UnfitError(
            f"found {state!r} as state, expected {sorted(_STATE)}", WRAPPER, is_end=True
        )
    kind, alignment = entries["subclass"], entries.get(_ALIGNMENT)
    if (
        not isinstance(kind, Global)
        or (kind.module, kind.name) != NDARRAY
        or entries["order"] not in ("C", "F")
        or type(entries["allow_mmap"]) is not bool
        or not is_dtype(entries["dtype"])
        or not (alignment is None or (type(alignment) is int and 1 <= alignment <= 255))
    ):
        raise UnfitError("found another class, order, dtype or alignment", WRAPPER, is_end=True)
    dtype, shape = entries["dtype"], entries["shape"]
    assert isinstance(dtype, Dtype)
    size_bytes = size_of(ints_of(shape, "shape"), dtype)

    def take(reader: OpcodeReader) -> Value:
        try:
            _skip_padding(reader, alignment)
            reader.skip(size_bytes)
        except DecodeError as error:
            raise UnfitError(str(error), BYTES) from error
        made = Array("array")
        fill(made, shape, dtype, size_bytes)
        return made

    return Inline("array's wrapper", take=take)


def _skip_padding(reader: OpcodeReader, alignment: Value) -> None:
    if not isinstance(alignment, int):
        return
    length = reader.take(1)[0]
    if length > alignment:
        raise UnfitError(f"found padding of {length} bytes, expected at most {alignment}", BYTES)
    padding = reader.take(length)
    if padding.strip(b"\xff"):
        raise UnfitError(f"found {padding!r:.60} as padding, expected bytes 0xff", BYTES)


_NAMES: Names = {
    **NUMPY,
    NDARRAY: Listed(reason="The class that a wrapper's array has; never called.", is_value=True),
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): Listed(
        reason="Tells of an array whose bytes follow; its state is of five or six known things.",
        new=_wrapper,
    ),
}
_FAMILY = Family(name="numpy_plain with joblib's arrays", names=_NAMES)


# Compression ----------------------------------------------------------------------------------


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def next(self, data: bytes) -> bytes: ...

    @property
    def hungry(self) -> bool: ...


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def hungry(self) -> bool:
        return not self._inner.unconsumed_tail

    def next(self, data: bytes) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, _PIECE_BYTES)


class _Other:
    def __init__(self, inner: bz2.BZ2Decompressor | lzma.LZMADecompressor) -> None:
        self._inner = inner

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def hungry(self) -> bool:
        return self._inner.needs_input

    def next(self, data: bytes) -> bytes:
        return self._inner.decompress(data, _PIECE_BYTES)


def _lzma(form: int) -> _Decompressor:
    return _Other(lzma.LZMADecompressor(form, memlimit=_MEMORY_BYTES))


#: By the first bytes, as joblib tells them apart.
_COMPRESSORS: tuple[tuple[bytes, str, Callable[[], _Decompressor]], ...] = (
    (b"\x78", "zlib", lambda: _Zlib(zlib.MAX_WBITS)),
    (b"\x1f\x8b", "gzip", lambda: _Zlib(zlib.MAX_WBITS | 16)),
    (b"BZ", "bzip2", lambda: _Other(bz2.BZ2Decompressor())),
    (b"\xfd7zXZ", "xz", lambda: _lzma(lzma.FORMAT_XZ)),
    (b"\x5d\x00", "lzma", lambda: _lzma(lzma.FORMAT_ALONE)),
)


def _unpacked(look: Look) -> Source:
    head = look.source.read(0, 8)
    found = [(name, new) for magic, name, new in _COMPRESSORS if head.startswith(magic)]
    if not found:
        return look.source
    name, new = found[0]
    look.facts["compression"] = name
    # Once for its length and soundness, once to read it.
    size_bytes = sum(map(len, _unpack(look, new())))
    return Unpacked(lambda: _unpack(look, new()), size_bytes)


def _unpack(look: Look, decompressor: _Decompressor) -> Iterator[bytes]:
    at = 0
    try:
        for packed in pieces(look.source):
            at += len(packed)
            for found in _out_of(decompressor, packed):
                look.budget.unpack(len(found))
                yield found
            if decompressor.eof:
                break
    except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        look.stop(WHOLE, f"found a stream that is broken: {error}")
    if not decompressor.eof:
        look.stop(WHOLE, "found no end of the compressed stream")
    rest = look.source.size_bytes - at + len(decompressor.unused_data)
    if rest:
        look.stop(WHOLE, f"found {rest} bytes after the compressed stream")


def _out_of(decompressor: _Decompressor, packed: bytes) -> Iterator[bytes]:
    """All that comes of these bytes, a piece at a time."""
    found = decompressor.next(packed)
    while found:
        yield found
        if decompressor.eof or (decompressor.hungry and len(found) < _PIECE_BYTES):
            return
        found = decompressor.next(b"")
