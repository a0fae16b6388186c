"""joblib.dump: a pickle with arrays' bytes between its opcodes, compressed as a whole or not.

Sources: joblib/numpy_pickle.py (`NumpyArrayWrapper`), joblib/compressor.py. An array is pickled as
a wrapper that tells its shape and dtype; after the BUILD that completes it the pickle pauses
for a byte with the length of a padding, the padding of 0xff, and the array's bytes. Before joblib
1.2 there is no padding. Arrays of objects have a further pickle there, and are refused.
"""

from __future__ import annotations

from registry.formats import compressed
from registry.formats.kinds import content_of
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
from registry.formats.source import Source

_DUMP = "Write it again with joblib.dump, and push a new version."
WRAPPER = Rule(
    "JOBLIB-1",
    "An array's wrapper says class ndarray, shape, order, dtype, and how it is mapped; no more.",
    _DUMP,
)
BYTES = Rule("JOBLIB-2", "An array's bytes follow its wrapper, after padding of 0xff.", _DUMP)
# JOBLIB-3 was of compressed files, of which the rules are now those of `compressed.py`.
RULES = (WRAPPER, BYTES)

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

#: First bytes by which joblib tells compressed files from pickles. Not each zlib or lzma stream
#: begins so; what begins otherwise it reads as a pickle, and so does this parser.
_MAGIC = {
    "zlib": b"\x78",
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZ",
    "xz": b"\xfd7zXZ",
    "lzma": b"\x5d\x00",
    "lz4": b"\x04\x22\x4d\x18",
}


def _unpacked(look: Look) -> Source:
    kind = content_of(look.source)
    magic = _MAGIC.get(kind)
    if magic is None or look.source.read(0, len(magic)) != magic:
        return look.source
    look.facts["compression"] = kind
    return compressed.unpack(look)
