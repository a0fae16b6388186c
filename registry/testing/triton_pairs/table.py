"""All pairs."""

from __future__ import annotations

from dataclasses import replace

from registry.testing.triton_pairs import Pair
from registry.testing.triton_pairs.batching import BATCHING
from registry.testing.triton_pairs.ensembles import ENSEMBLES
from registry.testing.triton_pairs.graphs import GRAPHS
from registry.testing.triton_pairs.layouts import LAYOUTS
from registry.testing.triton_pairs.resources import RESOURCES
from registry.testing.triton_pairs.syntax import SYNTAX
from registry.testing.triton_pairs.tensors import TENSORS

#: What a server needs to have for these, which we cannot know.
_NEEDS = {
    "operators_missing": "the library of operators",
    "agent_unknown": "the agent",
    "cc_file_name": "GPUs of another compute capability",
    "graph_type_without_kernel": "a GPU, whose execution provider may have the kernel",
    "ensemble_model_missing": "the model, pushed by somebody else",
}
_APART = {
    "layout_named_file_outside": "A version of ours has no empty folder, such as the one that is "
    "loaded here.",
    "ensemble_without_version": "Nor has an ensemble of ours, so whoever lays it out makes it.",
    "graph_external_outside": "Vetting lets no model out of its folder.",
}
_ALL: tuple[Pair, ...] = (
    *LAYOUTS,
    *SYNTAX,
    *TENSORS,
    *BATCHING,
    *RESOURCES,
    *ENSEMBLES,
    *GRAPHS,
)
PAIRS: tuple[Pair, ...] = tuple(
    replace(
        each,
        depends_on=each.depends_on or _NEEDS.get(each.name, ""),
        apart=_APART.get(each.name, ""),
    )
    for each in _ALL
)
