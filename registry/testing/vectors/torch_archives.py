"""Archives of torch.save, and what else may lie in them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from registry.testing.vectors import Vector
from registry.testing.vectors.pickling import (
    ORDERED,
    called,
    mapping,
    named,
    number,
    several,
    text,
    whole,
)
from registry.testing.vectors.torch_files import RUN, state_dict, storage, tensor

_NOTES = {
    ".format_version": b"1",
    ".storage_alignment": b"64",
    "byteorder": b"little",
    "version": b"3\n",
    ".data/serialization_id": b"1234567890123456789012345678901234567890",
}


def archive(
    body: bytes,
    storages: Mapping[str, bytes],
    *,
    more: Mapping[str, bytes] | None = None,
    folder: str = "model/",
    method: int = zipfile.ZIP_STORED,
) -> bytes:
    """A pickle's body, storages by key, and members beside them, by their names in the folder."""
    members = {
        "data.pkl": whole(body),
        **_NOTES,
        **{f"data/{key}": data for key, data in storages.items()},
        **(more or {}),
    }
    return packed({folder + name: data for name, data in members.items()}, method=method)


def packed(members: Mapping[str, bytes], *, method: int = zipfile.ZIP_STORED) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", method) as into:
        for name, data in members.items():
            into.writestr(zipfile.ZipInfo(name), data, method)
    return found.getvalue()


def _sound(name: str, data: bytes, path: str = "model.pt") -> Vector:
    return Vector(name=f"archive-{name}", path=path, data=data)


def _bad(name: str, rule: str, data: bytes, path: str = "model.pt") -> Vector:
    return Vector(name=f"archive-{name}", path=path, data=data, rule=rule)


_GOOD = state_dict({"a": tensor(storage())})
_A = {"0": bytes(16)}
_V3 = called(
    "torch._utils",
    "_rebuild_tensor_v3",
    storage(kind=("torch.storage", "UntypedStorage"), items=16),
    number(0),
    several(number(2), number(4)),
    several(number(4), number(1)),
    b"\x89",
    called(*ORDERED),
    named("torch", "uint16"),
)
_SCRIPT = {"constants.pkl": whole(b")"), "code/__torch__.py": b"def forward(self): ...\n"}

VECTORS = (
    _sound("state-dict", archive(_GOOD, _A)),
    _sound("state-dict-in-bin", archive(_GOOD, _A), "pytorch_model-00001-of-00002.bin"),
    _sound("state-dict-in-other-bin", archive(_GOOD, _A), "diffusion_pytorch_model.bin"),
    _sound("state-dict-in-ckpt", archive(_GOOD, _A), "model.ckpt"),
    _sound("state-dict-in-pkl", archive(_GOOD, _A), "weights.pkl"),
    _sound("state-dict-in-tar", archive(_GOOD, _A), "model_best.pth.tar"),
    _bad("system-in-pkl", "PICKLE-8", archive(RUN, {}), "weights.pkl"),
    _bad("system-in-tar", "PICKLE-8", archive(RUN, {}), "model_best.pth.tar"),
    _sound("deflated", archive(_GOOD, _A, method=zipfile.ZIP_DEFLATED)),
    _sound(
        "of-torch-1.6",
        packed(
            {
                "archive/data.pkl": whole(_GOOD),
                "archive/data/0": bytes(16),
                "archive/version": b"3\n",
            }
        ),
    ),
    _sound("big-endian", archive(_GOOD, _A, more={"byteorder": b"big"})),
    _sound("type-without-storage", archive(mapping((text("a"), _V3)), _A)),
    _sound("none", archive(b"}", {})),
    _bad("system", "PICKLE-8", archive(RUN, {})),
    _bad("system-as-a-tensor", "PICKLE-8", archive(state_dict({"a": RUN}), {})),
    _bad("pickle-behind", "PICKLE-3", archive(_GOOD + b"." + RUN, _A)),
    _bad(
        "id-of-the-older-format", "PICKLE-12", archive(mapping((text("a"), storage(view=b"N"))), _A)
    ),
    _bad(
        "tensor-beyond-its-storage",
        "TORCH-1",
        archive(state_dict({"a": tensor(storage(), (9,), (1,))}), _A),
    ),
    _bad(
        "type-of-two",
        "TORCH-2",
        archive(
            state_dict(
                {"a": tensor(storage()), "b": tensor(storage(kind=("torch", "IntStorage")))}
            ),
            _A,
        ),
    ),
    _bad("storage-not-there", "TORCH-4", archive(_GOOD, {})),
    _bad("storage-not-referred-to", "TORCH-4", archive(_GOOD, {**_A, "1": whole(RUN)})),
    _bad("storage-that-is-no-number", "TORCH-4", archive(_GOOD, {**_A, "x.py": b"import os"})),
    _bad("storage-cut", "TORCH-5", archive(_GOOD, {"0": bytes(15)})),
    _bad("storage-too-long", "TORCH-5", archive(_GOOD, {"0": bytes(16) + whole(RUN)})),
    _bad("member-of-its-own", "TORCH-7", archive(_GOOD, _A, more={"hook.py": b"import os"})),
    _bad("second-pickle", "TORCH-7", archive(_GOOD, _A, more={"evil.pkl": whole(RUN)})),
    _bad("two-folders", "TORCH-7", packed({"a/data.pkl": whole(_GOOD), "b/data.pkl": whole(RUN)})),
    _bad("no-folder", "TORCH-7", archive(_GOOD, _A, folder="")),
    _bad("no-pickle", "TORCH-7", packed({"a/version": b"3\n"})),
    _bad("pickle-deeper", "TORCH-7", archive(_GOOD, _A, folder="a/b/")),
    _bad("other-byte-order", "TORCH-8", archive(_GOOD, _A, more={"byteorder": b"middle"})),
    _bad("version-of-code", "TORCH-8", archive(_GOOD, _A, more={"version": whole(RUN)})),
    _bad("long-note", "TORCH-8", archive(_GOOD, _A, more={".data/serialization_id": b"1" * 99})),
    _bad("script", "TORCH-9", archive(_GOOD, _A, more=_SCRIPT)),
    _bad("constants-alone", "TORCH-9", archive(_GOOD, _A, more={"constants.pkl": whole(RUN)})),
)
