"""The names that scanners may be suspicious of: our own exact lists, as the parsers have them."""

from __future__ import annotations

from collections.abc import Mapping

from registry.formats.pickle_numpy import NUMPY
from registry.formats.pickle_torch import TORCH
from registry.formats.pickle_values import Names


def _dotted(names: Names) -> frozenset[str]:
    return frozenset(f"{module}.{name}" for module, name in names)


_BY_ROLE: Mapping[str, frozenset[str]] = {
    "pickle": _dotted(NUMPY),
    "torch-pickle": _dotted(TORCH),
    # Its members are files of torch, each judged by the list of its own parser before.
    "torch-archive": _dotted(TORCH),
}


def is_allowed(role: str, name: str) -> bool:
    """Whether a global stands on the list of the parser of this role, exactly as it is written."""
    return name in _BY_ROLE.get(role, frozenset())
