"""Names as people write them."""

from __future__ import annotations

import pytest

from registry.client import names
from registry.client.errors import InvalidRequestError


def test_both_spellings() -> None:
    """A name with and without its collection is the same name."""
    assert names.model_name("fraud/scorer") == names.model_name("models/fraud/scorer")
    assert names.namespace_name("fraud") == names.namespace_name("namespaces/fraud")
    assert names.principal_name("bob") == names.principal_name("principals/bob")
    assert names.promotion_name(42) == names.promotion_name("promotions/42") == "promotions/42"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("fraud/scorer@7", ("models/fraud/scorer", "7")),
        ("models/fraud/scorer@production", ("models/fraud/scorer", "production")),
        ("models/fraud/scorer/versions/7", ("models/fraud/scorer", "7")),
        (
            f"huggingface/BAAI/bge@sha256:{'a' * 64}",
            ("models/huggingface/BAAI/bge", f"sha256:{'a' * 64}"),
        ),
    ],
)
def test_references(text: str, parts: tuple[str, str]) -> None:
    """A reference is its model and what stands behind the @; a version's own name is one too."""
    assert names.split_reference(text) == parts


def test_numbers_need_no_server() -> None:
    """Only a reference by number says by itself which version it is."""
    assert names.numbered("models/fraud/scorer", "7") == "models/fraud/scorer/versions/7"
    assert names.numbered("models/fraud/scorer", "production") == ""
    assert names.numbered("models/fraud/scorer", "1234567890abcdef") == ""


def test_scopes() -> None:
    """Nothing means everywhere, a word a namespace, a path a model."""
    assert names.scope_name("") == names.scope_name("-") == "namespaces/-"
    assert names.scope_name("fraud") == "namespaces/fraud"
    assert names.scope_name("fraud/scorer") == "models/fraud/scorer"


@pytest.mark.parametrize(
    "text", ["fraud", "fraud/", "Fraud/scorer", "fraud/sc orer", "fraud/x/y", "../x"]
)
def test_models_that_are_none(text: str) -> None:
    """A malformed name is refused here, before anything is sent."""
    with pytest.raises(InvalidRequestError) as caught:
        names.model_name(text)
    assert caught.value.field_violations


@pytest.mark.parametrize("text", ["fraud/scorer", "fraud/scorer@", "fraud/scorer@a b", "@7"])
def test_references_that_are_none(text: str) -> None:
    """A reference without a model or without a selector is refused."""
    with pytest.raises(InvalidRequestError):
        names.split_reference(text)
