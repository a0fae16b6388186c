"""Small checkpoints of torch with known tensors, in both of its formats."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from registry.testing.vectors.pickling import called, mapping, named, number, several, text
from registry.testing.vectors.torch_archives import archive
from registry.testing.vectors.torch_files import legacy, state_dict, storage

#: Torch's storage type and bytes an element, by safetensors' name of the dtype.
STORAGES = {
    "F32": ("FloatStorage", 4),
    "F64": ("DoubleStorage", 8),
    "F16": ("HalfStorage", 2),
    "BF16": ("BFloat16Storage", 2),
    "C64": ("ComplexFloatStorage", 8),
    "I64": ("LongStorage", 8),
    "I32": ("IntStorage", 4),
    "I16": ("ShortStorage", 2),
    "I8": ("CharStorage", 1),
    "U8": ("ByteStorage", 1),
    "BOOL": ("BoolStorage", 1),
}


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One tensor of a checkpoint."""

    dtype: str = "F32"
    shape: tuple[int, ...] = (2, 3)
    #: None: those of C order.
    strides: tuple[int, ...] | None = None
    offset: int = 0
    #: Which storage; those of one key are one.
    key: str = "0"
    items: int = 6

    @property
    def steps(self) -> tuple[int, ...]:
        if self.strides is not None:
            return self.strides
        return tuple(math.prod(self.shape[index + 1 :]) for index in range(len(self.shape)))

    @property
    def storage_bytes(self) -> bytes:
        """Different ones for each key and each byte of it."""
        size = self.items * STORAGES[self.dtype][1]
        start = int(self.key) * 7
        # A boolean is 0 or 1.
        top = 2 if self.dtype == "BOOL" else 251
        return bytes((start + index) % top for index in range(size))

    @property
    def data(self) -> bytes:
        """Its elements in C order, by the definition of strides."""
        item = STORAGES[self.dtype][1]
        stored = self.storage_bytes
        found = b""
        for indices in itertools.product(*map(range, self.shape)):
            at = self.offset + sum(i * s for i, s in zip(indices, self.steps, strict=True))
            found += stored[at * item : (at + 1) * item]
        return found

    def pickled(self, *, view: bytes | None = None) -> bytes:
        kind = ("torch", STORAGES[self.dtype][0])
        return called(
            "torch._utils",
            "_rebuild_tensor_v2",
            storage(self.key, kind, self.items, view=view),
            number(self.offset),
            several(*map(number, self.shape)),
            several(*map(number, self.steps)),
            b"\x89",
            called("collections", "OrderedDict"),
        )


SAMPLES: Mapping[str, Sample] = {
    **{
        f"dtypes.{dtype}": Sample(dtype=dtype, key=str(10 + place))
        for place, dtype in enumerate(STORAGES)
    },
    "whole": Sample(shape=(4, 6), items=24),
    "tied": Sample(shape=(4, 6), items=24),
    "transposed": Sample(shape=(6, 4), strides=(1, 6), items=24),
    "column": Sample(shape=(4,), strides=(6,), offset=2, items=24),
    "expanded": Sample(shape=(5, 3), strides=(0, 1), key="1", items=3),
    "channels_last": Sample(
        dtype="F16", shape=(2, 3, 2, 2), strides=(12, 1, 6, 3), key="2", items=24
    ),
    "scalar": Sample(dtype="I64", shape=(), key="3", items=1),
    "empty": Sample(shape=(0, 7), key="4", items=0),
}


def archived(samples: Mapping[str, Sample], *, body: bytes | None = None) -> bytes:
    """A zip archive as torch.save writes it."""
    pickled = state_dict({name: each.pickled() for name, each in samples.items()})
    storages = {each.key: each.storage_bytes for each in samples.values()}
    return archive(pickled if body is None else body, storages)


def older(samples: Mapping[str, Sample]) -> bytes:
    """The same in the format before."""
    pickled = state_dict({name: each.pickled(view=b"N") for name, each in samples.items()})
    storages = {each.key: (each.items, each.storage_bytes) for each in samples.values()}
    return legacy(pickled, storages)


def in_training(samples: Mapping[str, Sample]) -> bytes:
    """A state dict among an optimizer's state and settings."""
    inner = state_dict({name: each.pickled() for name, each in samples.items()})
    moment = next(iter(samples.values())).pickled()
    state = mapping((number(0), mapping((text("exp_avg"), moment))))
    optimizer = mapping((text("state"), state), (text("param_groups"), b"]"))
    settings = mapping((text("lr"), number(1)), (number(0), text("a")))
    return archived(
        samples,
        body=mapping(
            (text("state_dict"), inner),
            (text("optimizer"), optimizer),
            (text("rng_state"), moment),
            (text("epoch"), number(3)),
            (text("args"), settings),
            (text("dtype"), named("torch", "float16")),
        ),
    )


def loaded(data: bytes) -> Mapping[str, tuple[str, tuple[int, ...], bytes]]:
    """Dtype, shape and bytes by name, of a file as the safetensors library reads it."""
    import safetensors

    found = safetensors.deserialize(data)  # type: ignore[no-untyped-call] # published without types
    return {
        name: (str(each["dtype"]), tuple(each["shape"]), bytes(each["data"]))
        for name, each in found
    }
