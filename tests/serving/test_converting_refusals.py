"""What cannot be converted is refused with a sentence, before anything is written."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.domain.file_formats import role_of
from registry.serving.converting_jailed import Prisoner
from registry.serving.converting_weights import renamed
from registry.testing.checkpoints import SAMPLES, Sample, archived, in_training, loaded, older
from registry.testing.vectors import Vector, torch_archives, torch_files
from registry.testing.vectors.pickling import (
    ORDERED,
    called,
    mapping,
    named,
    number,
    several,
    text,
)
from registry.testing.vectors.torch_archives import archive
from registry.testing.vectors.torch_files import state_dict, storage, tensor

_A = {"0": bytes(16)}
_HOOKS = called(*ORDERED)


def said(folder: Path, path: str, data: bytes) -> Mapping[str, Any]:
    """What the jail would say, in this process."""
    place = folder / "file"
    place.write_bytes(data)
    descriptor = os.open(place, os.O_RDONLY)
    file = {"role": role_of(path), "files": {}}
    head = {"do": "read", "formats": ("torch",), "again": False, **file}
    with closing(Prisoner()) as prisoner:
        return prisoner.answer(head, [descriptor])


def _tensor(metadata: bytes = b"", kind: str = "FloatStorage", items: int = 4) -> bytes:
    return called(
        "torch._utils",
        "_rebuild_tensor_v2",
        storage(kind=("torch", kind), items=items),
        number(0),
        several(number(1)),
        several(number(1)),
        b"\x89",
        _HOOKS,
        *([metadata] if metadata else []),
    )


_QUANTIZED = called(
    "torch._utils",
    "_rebuild_qtensor",
    storage(kind=("torch", "QInt8Storage")),
    number(0),
    several(number(2), number(2)),
    several(number(2), number(1)),
    several(named("torch", "per_tensor_affine"), b"G" + bytes(8), number(0)),
    b"\x89",
    _HOOKS,
)
_META = called(
    "torch._utils",
    "_rebuild_meta_tensor_no_storage",
    named("torch", "float32"),
    several(number(2)),
    several(number(1)),
    b"\x89",
)
_PLAIN = tensor(storage())
_F4 = called(
    "torch._utils",
    "_rebuild_tensor_v3",
    storage(kind=("torch.storage", "UntypedStorage"), items=16),
    number(0),
    several(),
    several(),
    b"\x89",
    _HOOKS,
    named("torch", "float4_e2m1fn_x2"),
)
_SPARSE = called("torch._utils", "_rebuild_sparse_tensor", named("torch", "float32"), b"N")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (state_dict({"a": _QUANTIZED}), r"tensor 'a': found a quantised tensor \(QINT8\)"),
        (state_dict({"a": _SPARSE}), "sparse tensors"),
        (state_dict({"a": _META}), "a shape without bytes"),
        (state_dict({"a": _F4}), "F4 without an axis"),
        (
            state_dict({"a": _tensor(mapping((text("conj"), b"\x88")), "ComplexFloatStorage", 2)}),
            "still to be conjugated",
        ),
        (
            state_dict({"a": _tensor(kind="ComplexDoubleStorage", items=1)}),
            "found C128, expected what safetensors has",
        ),
        (state_dict({"__metadata__": _PLAIN}), "means something else"),
        (mapping((text("a"), mapping((number(0), _PLAIN)))), "keys that are no texts"),
        (
            mapping((text("a.b"), _PLAIN), (text("a"), mapping((text("b"), _PLAIN)))),
            "two tensors that are called 'a.b'",
        ),
        (mapping((text("epoch"), number(1))), "found no tensor of a model"),
        (
            mapping((text("state"), mapping((text("a"), _PLAIN))), (text("param_groups"), b"]")),
            "found no tensor of a model",
        ),
        (_PLAIN, "a tensor alone"),
        (state_dict({"a": tensor(storage(), (2**20, 2**10), (0, 0))}), "share or repeat"),
        (named("torch.nn.modules.linear", "Linear") + b")\x81}b", "such as a whole module"),
    ],
)
def test_what_safetensors_cannot_hold(tmp_path: Path, body: bytes, expected: str) -> None:
    """Each with what it is and what to do."""
    stored = b"_rebuild_" in body and b"Storage" in body
    data = archive(body, {"0": bytes(16 if b"QInt8" not in body else 4)} if stored else {})
    found = said(tmp_path, "model.pt", data)
    assert "cannot" in found, found
    assert found["cannot"].endswith(".")
    assert re.search(expected, found["cannot"]), found


_BAD = [each for each in (*torch_archives.VECTORS, *torch_files.VECTORS) if each.rule]


@pytest.mark.parametrize("vector", _BAD, ids=lambda vector: vector.name)
def test_what_does_not_pass_is_not_converted(tmp_path: Path, vector: Vector) -> None:
    """No file that breaks a rule of its format says what tensors it has."""
    found = said(tmp_path, vector.path, vector.data)
    assert "tensors" not in found
    assert "cannot" in found or not found["format"]


@pytest.mark.parametrize(
    "vector",
    [each for each in torch_archives.VECTORS if not each.rule],
    ids=lambda vector: vector.name,
)
def test_what_passes_is_converted_or_told(tmp_path: Path, vector: Vector) -> None:
    """A sound checkpoint has tensors, or there is a sentence why not."""
    found = said(tmp_path, vector.path, vector.data)
    reasons = {"archive-deflated": "compressed", "archive-big-endian": "big-endian"}
    reason = reasons.get(vector.name, "no tensor" if vector.name == "archive-none" else "")
    assert reason in found["cannot"] if reason else found["tensors"]


def test_a_view_of_a_storage_begins_where_it_says(tmp_path: Path) -> None:
    """In the older format a storage may be a part of another."""
    view = several(text("9"), number(2), number(2))
    data = torch_files.legacy(
        mapping((text("a"), tensor(storage(view=view), (2,), (1,)))), {"0": (4, bytes(range(16)))}
    )
    place = tmp_path / "out"
    with _reading(tmp_path, data) as prisoner:
        out = os.open(place, os.O_WRONLY | os.O_CREAT)
        prisoner.answer({"do": "to", "what": "model"}, [out])
        prisoner.answer({"do": "write", "location": ""}, [])
        assert prisoner.answer({"do": "more"}, [])["is_over"]
    assert place.read_bytes().endswith(bytes(range(8, 16)))


def test_a_file_that_gets_shorter_is_told(tmp_path: Path) -> None:
    """Whoever reads it says so, and what was written is none."""
    with _reading(tmp_path, archived(SAMPLES)) as prisoner:
        os.truncate(tmp_path / "file", 100)
        out = os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT)
        prisoner.answer({"do": "to", "what": "model"}, [out])
        prisoner.answer({"do": "write", "location": ""}, [])
        assert "the file ends" in prisoner.answer({"do": "more"}, [])["hindered"]


def test_a_file_that_is_refused_is_closed(tmp_path: Path) -> None:
    """A folder may have more of them than a process may have open."""
    (tmp_path / "file").write_bytes(_CHECKPOINTS[0][:-1])
    head = {"do": "read", "role": "torch-pickle", "formats": ("torch",), "files": {}, "again": True}
    before = os.listdir("/proc/self/fd")
    with closing(Prisoner()) as prisoner:
        for _ in range(3):
            descriptor = os.open(tmp_path / "file", os.O_RDONLY)
            assert "cannot" in prisoner.answer(head, [descriptor])
            assert len(os.listdir("/proc/self/fd")) == len(before) + 1
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_a_lone_surrogate_is_no_name(tmp_path: Path) -> None:
    """Python's pickles can hold it, and JSON in UTF-8 cannot."""
    data = older({"abc": Sample()}).replace(b"abc", b"\xed\xa0\x80")
    assert "no valid text" in said(tmp_path, "model.pt", data)["cannot"]


@contextmanager
def _reading(folder: Path, data: bytes) -> Iterator[Prisoner]:
    (folder / "file").write_bytes(data)
    file = {"role": "torch-pickle", "files": {}}
    head = {"do": "read", "formats": ("torch",), "again": False, **file}
    with closing(Prisoner()) as prisoner:
        found = prisoner.answer(head, [os.open(folder / "file", os.O_RDONLY)])
        assert "tensors" in found, found
        yield prisoner


@pytest.mark.parametrize(
    ("path", "becomes"),
    [
        ("pytorch_model.bin", "model.safetensors"),
        ("a/pytorch_model-00001-of-00002.bin", "a/model-00001-of-00002.safetensors"),
        ("pytorch_model.fp16.bin", "model.fp16.safetensors"),
        ("diffusion_pytorch_model.bin", "diffusion_pytorch_model.safetensors"),
        ("pytorch_models.pt", "pytorch_models.safetensors"),
        ("best.pth.tar", "best.safetensors"),
        ("adapter_model.bin", "adapter_model.safetensors"),
        ("v1.5.ckpt", "v1.5.safetensors"),
    ],
)
def test_names_of_files(path: str, becomes: str) -> None:
    """As transformers and diffusers look for them."""
    assert renamed(path) == becomes


_CHECKPOINTS = (archived(SAMPLES), older(SAMPLES), in_training(SAMPLES))


@pytest.mark.slow
@settings(max_examples=400)
@given(
    st.sampled_from(_CHECKPOINTS),
    st.lists(st.tuples(st.integers(0, 99_999), st.integers(0, 255)), max_size=3),
)
def test_no_change_of_a_checkpoint_makes_it_trip(
    data: bytes, changes: list[tuple[int, int]]
) -> None:
    """Bytes that change lead to a sentence, or to what both ways of reading agree on."""
    changed = bytearray(data)
    for at, value in changes:
        changed[at % len(changed)] = value
    with tempfile.TemporaryDirectory() as folder, closing(Prisoner()) as prisoner:
        source, target = Path(folder, "source"), Path(folder, "target")
        source.write_bytes(changed)
        head = {"do": "read", "role": "bin", "formats": ("torch",), "files": {}, "again": True}
        found = prisoner.answer(head, [os.open(source, os.O_RDONLY)])
        if "tensors" not in found:
            assert "cannot" in found or found["format"] != "torch"
            return
        out = os.open(target, os.O_WRONLY | os.O_CREAT)
        prisoner.answer({"do": "to", "what": "model"}, [out])
        prisoner.answer({"do": "write", "location": ""}, [])
        assert prisoner.answer({"do": "more"}, [])["is_over"]
        prisoner.answer({"do": "digest"}, [])
        digests = prisoner.answer({"do": "more"}, [])["result"]
        written = loaded(target.read_bytes())
        assert digests == {
            name: hashlib.sha256(data).hexdigest() for name, (_, _, data) in written.items()
        }
