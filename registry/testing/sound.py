"""Small files that vetting passes, each with bytes that nobody else's has."""

from __future__ import annotations

import json


def weights(data: bytes) -> bytes:
    """A safetensors file with one tensor of these bytes: dtype U8, shape (len(data),)."""
    return weights_header(len(data)) + data


def weights_header(size_bytes: int) -> bytes:
    """What stands before so many bytes of that tensor."""
    tensor = {"dtype": "U8", "shape": [size_bytes], "data_offsets": [0, size_bytes]}
    header = json.dumps({"weights": tensor}).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header


def pickled(number: int) -> bytes:
    """A pickle of protocol 2 that holds a number below 2**63."""
    return b"\x80\x02\x8a\x08" + number.to_bytes(8, "little", signed=True) + b"."
