"""Nested values as text: the bytes that databases hold, and the way back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.db.documents import names_of, names_text, spec_of, spec_text
from registry.domain.canonical import canonical_json
from registry.domain.versions import Base, CodeRevision, Dataset, LineageKind, VersionSpec
from registry.errors import InvalidFieldError

names = st.lists(st.text(st.characters(codec="utf-8"), max_size=10), max_size=4).map(tuple)


@given(names)
@example(())
@example(('"', "\\", "\n", "\x1f", "\x7f", "\0"))
@example(("plain", "\u00e9\u2028"))
def test_names_are_canonical_json_and_come_back(given_names: tuple[str, ...]) -> None:
    """Names are spelled as `canonical_json` spells them, and read as they were."""
    text = names_text(given_names, field="owners")
    assert text.encode() == canonical_json(given_names)
    assert names_of(text) == given_names


def test_a_name_that_utf8_cannot_hold_is_told_with_its_place() -> None:
    """A lone surrogate among names is refused, and which of them has it is said."""
    with pytest.raises(InvalidFieldError, match="lone surrogate") as caught:
        names_text(("fine", "half \ud800"), field="owners")
    assert "owners[1]" in str(caught.value)


def test_the_bytes_of_a_spec_stay_as_they_are() -> None:
    """What a version's registrant said is stored in these bytes, and read from them."""
    spec = VersionSpec(
        description='say "\u00e9"',
        parameters=(("depth", "3"),),
        metrics=(("auc", 0.5), ("loss", 1e-7)),
        datasets=(Dataset(name="train", digest="d", uri="s3://b/k", role="training"),),
        code=CodeRevision(repository="r", revision="v", dirty=True),
        run_url="u",
        bases=(Base(version="models/a/b/versions/1", kind=LineageKind.FINETUNE),),
    )
    text = spec_text(spec)
    assert text == (
        '{"bases":[["models/a/b/versions/1","finetune"]],'
        '"code":{"dirty":true,"repository":"r","revision":"v"},'
        '"datasets":[{"digest":"d","name":"train","role":"training","uri":"s3://b/k"}],'
        '"description":"say \\"\u00e9\\"","metrics":[["auc",0.5],["loss",1e-07]],'
        '"parameters":[["depth","3"]],"run_url":"u"}'
    )
    assert spec_of(text) == spec
