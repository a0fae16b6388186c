"""Files of torch.save in its older format: pickles, and raw storages behind them."""

from __future__ import annotations

from collections.abc import Mapping

from registry.testing.vectors import Vector
from registry.testing.vectors.pickling import (
    CALLEE,
    ORDERED,
    called,
    dumped,
    mapping,
    named,
    number,
    several,
    text,
    whole,
)

_MAGIC = 0x1950A86A20F9469CFC6C
_FACTS = {
    "protocol_version": 1001,
    "little_endian": True,
    "type_sizes": {"short": 2, "int": 4, "long": 4},
}
_HOOKS = called(*ORDERED)
RUN = called(*CALLEE, text("echo"))


def storage(
    key: str = "0",
    kind: tuple[str, str] = ("torch", "FloatStorage"),
    items: int = 4,
    *,
    place: str = "cpu",
    view: bytes | None = None,
    typename: str = "storage",
) -> bytes:
    """What a persistent id refers to. A view is of the older format: None or three parts."""
    parts = [text(typename), named(*kind), text(key), text(place), number(items)]
    return several(*parts, *([view] if view is not None else [])) + b"Q"


def tensor(
    of: bytes, size: tuple[int, ...] = (2, 2), stride: tuple[int, ...] = (2, 1), offset: int = 0
) -> bytes:
    return called(
        "torch._utils",
        "_rebuild_tensor_v2",
        of,
        number(offset),
        several(*map(number, size)),
        several(*map(number, stride)),
        b"\x89",
        _HOOKS,
    )


def state_dict(tensors: Mapping[str, bytes]) -> bytes:
    """An OrderedDict with the versions of its modules."""
    items = b"".join(text(name) + each for name, each in tensors.items())
    metadata = mapping((text("_metadata"), called(*ORDERED)))
    return called(*ORDERED) + b"(" + items + b"u" + metadata + b"b"


def legacy(
    body: bytes,
    storages: Mapping[str, tuple[int, bytes]],
    *,
    magic: bytes = dumped(_MAGIC, 2),
    version: bytes = dumped(1001, 2),
    facts: object = _FACTS,
    keys: bytes | None = None,
) -> bytes:
    """A pickle's body, and storages by key: elements as they are said, and bytes."""
    head = magic + version + dumped(facts, 2) + whole(body)
    tail = b"".join(items.to_bytes(8, "little") + data for items, data in storages.values())
    return head + (dumped([*storages], 2) if keys is None else keys) + tail


def _view(key: str = "0", **how: object) -> bytes:
    return storage(key, view=b"N", **how)  # type: ignore[arg-type]


_A = {"0": (4, bytes(16))}
_GOOD = state_dict({"a": tensor(_view())})


def _sound(name: str, data: bytes, path: str = "model.pt") -> Vector:
    return Vector(name=f"older-{name}", path=path, data=data)


def _bad(name: str, rule: str, data: bytes, path: str = "model.pt") -> Vector:
    return Vector(name=f"older-{name}", path=path, data=data, rule=rule)


def _one(of: bytes) -> bytes:
    return legacy(mapping((text("a"), of)), _A)


def _with_tar_sum() -> bytes:
    """Torch would take it for a tar archive: it looks there first."""
    data = legacy(mapping((text("x" * 400), tensor(_view()))), _A)
    found = bytearray(data[:512])
    at = data.index(b"xxxx")
    assert at < 148 < 156 < at + 400
    found[148:156] = b" " * 8
    return data[:148] + f"{sum(found):06o}\0 ".encode() + data[156:]


_PER_CHANNEL = several(
    named("torch", "per_channel_affine"),
    tensor(_view("1", kind=("torch", "DoubleStorage"), items=2), (2,), (1,)),
    tensor(_view("2", kind=("torch", "LongStorage"), items=2), (2,), (1,)),
    number(0),
)


def _quantized(parameters: bytes) -> bytes:
    body = called(
        "torch._utils",
        "_rebuild_qtensor",
        _view(kind=("torch", "QInt8Storage")),
        number(0),
        several(number(2), number(2)),
        several(number(2), number(1)),
        parameters,
        b"\x89",
        _HOOKS,
    )
    return mapping((text("a"), body))


VECTORS = (
    _sound("state-dict", legacy(_GOOD, _A)),
    _sound("state-dict-in-bin", legacy(_GOOD, _A), "pytorch_model.bin"),
    _sound("state-dict-in-other-bin", legacy(_GOOD, _A), "lora.bin"),
    _sound("checkpoint", legacy(mapping((text("model"), _GOOD), (text("epoch"), number(3))), _A)),
    _sound(
        "shared",
        legacy(state_dict({"a": tensor(_view()), "b": tensor(_view(), (2,), (1,), 2)}), _A),
    ),
    _sound("expanded", _one(tensor(_view(), (9, 4), (0, 1)))),
    _sound("none", legacy(b"}", {})),
    _sound("scalar", _one(tensor(_view(), (), ()))),
    _sound("of-no-elements", _one(tensor(_view(), (0, 7), (7, 1)))),
    _sound(
        "view", _one(tensor(storage(view=several(text("9"), number(2), number(2))), (2,), (1,)))
    ),
    _sound(
        "parameter",
        _one(called("torch._utils", "_rebuild_parameter", tensor(_view()), b"\x88", _HOOKS)),
    ),
    _sound(
        "per-channel",
        legacy(
            _quantized(_PER_CHANNEL), {"0": (4, bytes(4)), "1": (2, bytes(16)), "2": (2, bytes(16))}
        ),
    ),
    _sound("dtype", legacy(mapping((text("d"), named("torch", "float16"))), {})),
    _bad("tensor-beyond-its-storage", "TORCH-1", _one(tensor(_view(), (2, 3), (3, 1)))),
    _bad("offset-beyond-its-storage", "TORCH-1", _one(tensor(_view(), offset=2**31 - 1))),
    _bad("stride-beyond-its-storage", "TORCH-1", _one(tensor(_view(), stride=(2**31 - 1, 1)))),
    _bad("shape-that-overflows", "TORCH-1", _one(tensor(_view(), (2**31 - 1,) * 3, (0, 0, 0)))),
    _bad(
        "view-beyond-its-storage",
        "TORCH-1",
        _one(tensor(storage(view=several(text("9"), number(3), number(2))), (2,), (1,))),
    ),
    _bad(
        "axis-beyond-the-shape",
        "TORCH-1",
        legacy(
            _quantized(several(named("torch", "per_channel_affine"), b"]", b"]", number(7))),
            {"0": (4, bytes(4))},
        ),
    ),
    _bad(
        "too-few-scales",
        "TORCH-1",
        legacy(
            _quantized(several(named("torch", "per_channel_affine"), b"]", b"]", number(0))),
            {"0": (4, bytes(4))},
        ),
    ),
    _bad(
        "storage-of-two-sizes",
        "TORCH-2",
        legacy(state_dict({"a": tensor(_view()), "b": tensor(_view(items=8))}), _A),
    ),
    _bad("other-number", "TORCH-3", legacy(_GOOD, _A, magic=dumped(1, 2))),
    _bad("other-version", "TORCH-3", legacy(_GOOD, _A, version=dumped(1002, 2))),
    _bad("other-facts", "TORCH-3", legacy(_GOOD, _A, facts={**_FACTS, "more": 1})),
    _bad("big-endian", "TORCH-3", legacy(_GOOD, _A, facts={**_FACTS, "little_endian": False})),
    _bad("plain-pickle", "TORCH-3", whole(b"}")),
    _bad(
        "number-that-is-computed",
        "PICKLE-8",
        whole(called("builtins", "int", text("1"))) + dumped(1001, 2),
    ),
    _bad("system", "PICKLE-8", legacy(mapping((text("a"), RUN)), {})),
    _bad("storage-not-there", "TORCH-4", legacy(_GOOD, {})),
    _bad("storage-not-referred-to", "TORCH-4", legacy(_GOOD, {**_A, "1": (4, bytes(16))})),
    _bad("keys-that-are-none", "TORCH-4", legacy(_GOOD, _A, keys=whole(b"N"))),
    _bad("cut", "TORCH-5", legacy(_GOOD, {"0": (4, bytes(15))})),
    _bad("bytes-behind", "TORCH-5", legacy(_GOOD, _A) + whole(RUN)),
    _bad("other-size", "TORCH-5", legacy(_GOOD, {"0": (5, bytes(16))})),
    _bad("also-a-tar", "TORCH-6", _with_tar_sum()),
    _bad("module", "PICKLE-12", _one(_view(typename="module"))),
    _bad("key-that-is-a-path", "PICKLE-12", _one(_view("../0"))),
    _bad("storage-on-a-url", "PICKLE-12", _one(_view(place="http://x"))),
    _bad("storage-without-view", "PICKLE-12", _one(storage())),
    _bad(
        "hooks",
        "PICKLE-9",
        legacy(
            mapping(
                (
                    text("a"),
                    called(
                        "torch._utils",
                        "_rebuild_tensor_v2",
                        _view(),
                        number(0),
                        several(number(1)),
                        several(number(1)),
                        b"\x89",
                        mapping((number(0), b"N")),
                    ),
                )
            ),
            _A,
        ),
    ),
    _bad("negative-offset", "PICKLE-9", _one(tensor(_view(), offset=-1))),
    _bad("negative-size", "PICKLE-9", _one(tensor(_view(), (-2, -2)))),
    _bad("too-few-strides", "PICKLE-9", _one(tensor(_view(), stride=(1,)))),
    _bad("tensor-of-no-storage", "PICKLE-9", legacy(mapping((text("a"), tensor(b"N"))), {})),
    _bad("tensor-by-state", "PICKLE-10", _one(tensor(_view()) + b"}b")),
    _bad("storage-of-another-kind", "PICKLE-12", _one(_view(kind=("torch", "float32")))),
    _bad(
        "sparse",
        "PICKLE-8",
        legacy(called("torch._utils", "_rebuild_sparse_tensor", b"N", b"N"), {}),
    ),
    _bad(
        "whole-module",
        "PICKLE-8",
        legacy(named("torch.nn.modules.linear", "Linear") + b")\x81}b", {}),
    ),
    _bad("pickle-0", "PICKLE-8", b"cos\nsystem\n(S'echo'\ntR."),
    _bad("pickle-0-in-bin", "PICKLE-8", b"cos\nsystem\n(S'echo'\ntR.", "weights.bin"),
    _bad("pickle-in-bin", "PICKLE-8", whole(RUN), "weights.bin"),
    _bad("pickle-in-ckpt", "PICKLE-8", whole(RUN), "model.ckpt"),
)
