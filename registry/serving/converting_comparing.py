"""Tensors' bytes read for a second time, by another way than that by which they were written."""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from registry.serving.converting_elements import PIECE_BYTES, counted
from registry.serving.converting_values import NamedTensor

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (
    *(ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int),
    ctypes.c_long,
)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_FAILED = ctypes.c_void_p(-1).value
#: Pages that were looked at are given back that often, as they count as this process's memory.
_KEPT_BYTES = 4 * PIECE_BYTES


def digests(
    descriptor: int, size_bytes: int, tensors: Sequence[NamedTensor]
) -> Iterator[int | Mapping[str, str]]:
    """At the end the sha256 of each tensor's bytes in C order, by its name; before that, how many
    bytes were done."""
    found = {}
    kept = 0
    with _mapped(descriptor, size_bytes) as (address, view):
        for tensor in tensors:
            digest = hashlib.sha256()
            for piece in counted(view, tensor.elements):
                digest.update(piece)
                kept += len(piece)
                if kept >= _KEPT_BYTES:
                    _libc.madvise(address, size_bytes, mmap.MADV_DONTNEED)
                    yield kept
                    kept = 0
            found[tensor.name] = digest.hexdigest()
        yield kept
    yield found


@contextmanager
def _mapped(descriptor: int, size_bytes: int) -> Iterator[tuple[int, memoryview]]:
    """All bytes of a file. Not by Python's mmap, which makes another descriptor: in the jail there
    are none. Whoever cuts the file meanwhile ends this process, which is told then."""
    address = _libc.mmap(None, size_bytes, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
    if address == _FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    try:
        array = (ctypes.c_ubyte * size_bytes).from_address(address)
        yield address, memoryview(array).cast("B")
    finally:
        _libc.munmap(address, size_bytes)
