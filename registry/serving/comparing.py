"""How far an output is from another, and how far it may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from registry.names.text import show
from registry.serving.tensor_types import FLOATS, Array, as_float


@dataclass(frozen=True)
class Tolerance:
    """As numpy's `allclose`: a difference of at most `atol + rtol * |expected|`."""

    rtol: float
    atol: float

    def __str__(self) -> str:
        return f"rtol {self.rtol:g}, atol {self.atol:g}"


#: By type: what other kernels, threads and machines make of the same sums. Others are equal or not.
TOLERANCES_BY_DTYPE: Mapping[str, Tolerance] = {
    "DOUBLE": Tolerance(1e-6, 1e-9),
    "FLOAT": Tolerance(1e-3, 1e-5),
    "FLOAT16": Tolerance(1e-2, 1e-3),
    "BFLOAT16": Tolerance(5e-2, 1e-2),
}
EXACT = Tolerance(0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Between an output and what is expected of it, of the same shape and type."""

    #: Of elements that are numbers on both sides.
    greatest: float
    #: Elements beyond the tolerance, and the first of them: its index and both values.
    beyond: int = 0
    index: tuple[int, ...] = ()
    found: str = ""
    expected: str = ""


def difference(found: Array, expected: Array, dtype: str, tolerance: Tolerance) -> Difference:
    """NaN equals NaN, and an infinity itself; either is beyond any tolerance of something else."""
    if dtype in ("STRING", "BOOL"):
        unequal = np.asarray(found != expected, np.bool_)
        return _of(found, expected, np.zeros(unequal.shape), unequal)
    if dtype in FLOATS:
        found, expected = as_float(found, dtype), as_float(expected, dtype)
    ours, theirs = found.astype(np.float64), expected.astype(np.float64)
    unequal = np.asarray(found != expected, np.bool_) & ~(np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(unequal, np.abs(ours - theirs), 0.0)
        bounds = tolerance.atol + tolerance.rtol * np.abs(theirs)
    are_numbers = np.isfinite(ours) & np.isfinite(theirs)
    # Whole numbers of 64 bits may differ and be the same as floats: exact is exact.
    is_beyond = unequal if tolerance == EXACT else unequal & ~(are_numbers & (apart <= bounds))
    return _of(found, expected, np.where(are_numbers, apart, 0.0), is_beyond)


def differs(
    found: Array, expected: Array, dtype: str, tolerance: Tolerance
) -> tuple[tuple[str, str] | None, float]:
    """What is found and expected where they differ, else None; and the greatest difference."""
    if found.dtype != expected.dtype:
        return (f"found {found.dtype}", str(expected.dtype)), 0.0
    if found.shape != expected.shape:
        return (f"found shape {list(found.shape)}", f"{list(expected.shape)}"), 0.0
    apart = difference(found, expected, dtype, tolerance)
    if not apart.beyond:
        return None, apart.greatest
    more = f" and {apart.beyond - 1} more elements" if apart.beyond > 1 else ""
    within = "exactly" if tolerance == EXACT else f"within {tolerance}"
    said = (f"found {apart.found} at {list(apart.index)}{more}", f"{apart.expected} {within}")
    return said, apart.greatest


def _of(
    found: Array,
    expected: Array,
    apart: npt.NDArray[np.float64],
    is_beyond: npt.NDArray[np.bool_],
) -> Difference:
    count = int(np.count_nonzero(is_beyond))
    greatest = float(apart.max(initial=0.0))
    if not count:
        return Difference(greatest=greatest)
    index = tuple(int(at) for at in np.unravel_index(int(np.argmax(is_beyond)), is_beyond.shape))
    return Difference(
        greatest=greatest,
        beyond=count,
        index=index,
        found=_said(found[index]),
        expected=_said(expected[index]),
    )


def _said(value: Any) -> str:
    if isinstance(value, str):
        return show(value)
    return f"{value:.9g}" if isinstance(value, np.floating) else str(value)
