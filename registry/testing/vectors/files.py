"""Files whose names and bytes disagree, and formats that no parser covers."""

from __future__ import annotations

from registry.testing.vectors import Vector
from registry.testing.vectors.safetensors import safetensors

VECTORS = (
    Vector(
        name="safetensors-bytes",
        path="model.pkl",
        data=safetensors({}),
        rule="FILE-1",
    ),
    Vector(name="no-bytes", path="model.safetensors", data=b"", rule="FILE-1"),
    Vector(
        name="bytes-of-no-kind",
        path="weights.dat",
        data=bytes(range(256)),
        rule="FILE-2",
        fails=False,
    ),
)
