"""All pairs."""

from __future__ import annotations

from registry.testing.triton_pairs import Pair
from registry.testing.triton_pairs.batching import BATCHING
from registry.testing.triton_pairs.ensembles import ENSEMBLES
from registry.testing.triton_pairs.graphs import GRAPHS
from registry.testing.triton_pairs.layouts import LAYOUTS
from registry.testing.triton_pairs.resources import RESOURCES
from registry.testing.triton_pairs.syntax import SYNTAX
from registry.testing.triton_pairs.tensors import TENSORS

PAIRS: tuple[Pair, ...] = (
    *LAYOUTS,
    *SYNTAX,
    *TENSORS,
    *BATCHING,
    *RESOURCES,
    *ENSEMBLES,
    *GRAPHS,
)
