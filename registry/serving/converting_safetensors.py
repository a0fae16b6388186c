"""A file of safetensors as the safetensors library writes it, byte for byte.

Source: `prepare` in safetensors/src/tensor.rs, https://github.com/huggingface/safetensors: tensors
of dtypes with large elements first, which keeps all of them aligned; the same dtype by name; a
header padded with spaces to eight bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from registry.formats.safetensors import BITS, HEADER_BYTES_MAX, METADATA_KEY
from registry.serving.converting_values import CannotConvertError, Elements, NamedTensor

#: In the order that the library lays them out.
DTYPES = (
    *("U64", "I64", "F64", "C64", "F32", "U32", "I32", "BF16", "F16", "U16", "I16"),
    *("F8_E5M2FNUZ", "F8_E4M3FNUZ", "F8_E8M0", "F8_E4M3", "F8_E5M2", "I8", "U8", "F4", "BOOL"),
)
#: What readers know whom it is for by.
METADATA = {"format": "pt"}
_ALIGNMENT = 8


def laid_out(tensors: Iterable[NamedTensor]) -> list[NamedTensor]:
    """In the order of their bytes."""
    places = {dtype: place for place, dtype in enumerate(DTYPES)}
    return sorted(tensors, key=lambda each: (places[each.dtype], each.name))


def header_of(tensors: Sequence[NamedTensor]) -> bytes:
    """All that lies before the first tensor's bytes, of tensors as they are laid out.

    CannotConvertError where names are more than a header can hold.
    """
    entries: dict[str, Any] = {METADATA_KEY: METADATA}
    at = 0
    for tensor in tensors:
        end = at + tensor.elements.size_bytes
        entries[tensor.name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [at, end],
        }
        at = end
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > HEADER_BYTES_MAX:
        raise CannotConvertError(
            f"found {len(tensors):,} tensors, whose names take {len(text):,} bytes; a header of "
            f"safetensors holds at most {HEADER_BYTES_MAX:,}. Save fewer tensors in one file."
        )
    return len(text).to_bytes(8, "little") + text


def tensors_of(facts: Iterable[Mapping[str, Any]], header_bytes: int) -> list[NamedTensor]:
    """Those of a file that its strict parser found sound, by the facts that it left: they follow
    one another without a gap."""
    found = []
    at = 8 + header_bytes
    for fact in facts:
        shape = tuple(fact["shape"])
        count = 1
        for axis in shape:
            count *= axis
        size_bytes = count * BITS[fact["dtype"]] // 8
        # As bytes: what they mean is of no account here.
        elements = Elements(begin=at, item_bytes=1, shape=(size_bytes,), strides=(1,))
        found.append(
            NamedTensor(name=fact["name"], dtype=fact["dtype"], shape=shape, elements=elements)
        )
        at += size_bytes
    return found
