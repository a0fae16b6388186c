"""Headers of .npy files: our grammar against NumPy's own writer."""

from __future__ import annotations

import io
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats.inspect import inspect
from registry.formats.look import Effect
from registry.formats.npy_header import HeaderError, parse
from registry.formats.source import BytesSource

SCALARS = [
    *("?", "i1", "u1", "<i2", ">u4", "<i8", "<f2", ">f4", "<f8", "<c8", "<c16"),
    *("S5", "<U3", "V7", "<M8[ns]", "<m8[3h]"),
]
DTYPES = st.sampled_from(SCALARS) | st.lists(
    st.tuples(st.sampled_from(SCALARS), st.lists(st.integers(1, 3), max_size=2)),
    min_size=1,
    max_size=4,
).map(lambda fields: [(f"f{n}", dtype, tuple(axes)) for n, (dtype, axes) in enumerate(fields)])


@given(DTYPES, st.lists(st.integers(0, 4), max_size=4), st.booleans())
def test_what_numpy_writes_passes(dtype: object, shape: list[int], is_fortran: bool) -> None:
    """Of any dtype without objects, shape and order."""
    array = np.zeros(shape, dtype, order="F" if is_fortran else "C")  # type: ignore[call-overload]
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)

    found = inspect(BytesSource(out.getvalue()), "numpy", {})
    assert found.effect is Effect.ADVICE, found.book.notes
    assert found.book.facts["tensors"][0]["shape"] == shape


@pytest.mark.parametrize("is_packed", [False, True])
def test_archives_of_numpy_pass(is_packed: bool) -> None:
    out = io.BytesIO()
    arrays = {"layer/w:0": np.ones((2, 3)), "b": np.arange(4)}
    (np.savez_compressed if is_packed else np.savez)(out, **arrays)  # type: ignore[arg-type]

    found = inspect(BytesSource(out.getvalue()), "numpy", {})
    assert found.effect is Effect.ADVICE, found.book.notes
    assert {each["name"] for each in found.book.facts["tensors"]} == arrays.keys()


@pytest.mark.parametrize("dtype", [object, [("a", "i4"), ("b", object)]])
def test_arrays_of_objects_fail(dtype: object) -> None:
    out = io.BytesIO()
    np.save(out, np.zeros(2, dtype), allow_pickle=True)  # type: ignore[call-overload]

    found = inspect(BytesSource(out.getvalue()), "numpy", {})
    assert found.effect is Effect.FAIL
    assert {note.rule.id for note in found.book.notes} == {"NPY-3"}


@given(st.text(alphabet="{}[](),:'\"TrueFals0123 LOdescr<>|+*-.\\\n", max_size=60))
def test_any_text_is_a_dict_or_an_error(text: str) -> None:
    """The grammar ends, and says so in one way."""
    with suppress(HeaderError):
        assert isinstance(parse(text), dict)
