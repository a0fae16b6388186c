"""Every rule of every parser: a file that breaks it alone does not pass, and sound files do."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import registry.testing.vectors as package
from registry.domain.file_formats import role_of
from registry.formats.inspect import ALL_RULES, FORESEEN, WHOLE, inspect
from registry.formats.look import Effect
from registry.formats.source import BytesSource
from registry.testing.vectors import Vector

MODULES = [module.name for module in pkgutil.iter_modules(package.__path__)]
VECTORS: list[Vector] = [
    vector
    for name in MODULES
    for vector in importlib.import_module(f"{package.__name__}.{name}").VECTORS
]
#: These take what they may.
LONG = ("many-nodes", "long-sum", "many-names")


@pytest.mark.parametrize(
    "vector",
    [pytest.param(each, marks=pytest.mark.slow if each.name in LONG else ()) for each in VECTORS],
    ids=lambda each: f"{each.path}-{each.name}",
)
def test_a_vector_breaks_its_rule_and_no_other(vector: Vector) -> None:
    """What is sound passes without a word; what is bad is refused for what is wrong with it."""
    files = {vector.path: 0, **vector.files}
    found = inspect(BytesSource(vector.data), role_of(vector.path), files)

    expected = [vector.rule] if vector.rule else []
    effect = Effect.FAIL if vector.fails else Effect.UNKNOWN
    said = [
        (note.rule.id, note.message)
        for note in found.book.notes
        if note.effect is not Effect.ADVICE
    ]
    assert sorted({rule for rule, _ in said}) == expected, said
    assert found.effect is (effect if vector.rule else Effect.ADVICE)
    assert bool(found.format) or vector.rule


def test_each_rule_alone_can_keep_a_file_from_passing() -> None:
    """A rule that no file breaks by itself would not be missed if its check were gone."""
    broken = {vector.rule for vector in VECTORS}
    # What takes too much, and what crashes, is shown by tests of their own.
    assert {rule.id for rule in ALL_RULES} - broken <= {FORESEEN.id, WHOLE.id}


def test_rules_have_ids_of_their_own_and_say_how_to_mend() -> None:
    """Ids are what waivers, policies and people refer to."""
    ids = [rule.id for rule in ALL_RULES]
    assert len(ids) == len(set(ids))
    assert all(rule.promise.endswith(".") and rule.fix.endswith(".") for rule in ALL_RULES)
