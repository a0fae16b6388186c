"""Commits: their ids are made of the canonical JSON of what they say."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.canonical import INTEGER_MAX, canonical_json
from registry.domain.commits import commit_id
from registry.errors import InvalidFieldError

texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(texts, st.lists(texts, max_size=3).map(tuple), texts, st.integers(0, INTEGER_MAX), texts)
def test_the_id_is_of_the_canonical_json(
    tree: str, parents: tuple[str, ...], author: str, create_time_us: int, message: str
) -> None:
    """Who knows what a commit says makes its id with `canonical_json`."""
    members = {
        "schema": "hallmark.commit.v1",
        "tree": tree,
        "parents": parents,
        "author": author,
        "create_time_us": create_time_us,
        "message": message,
    }
    found = commit_id(
        tree=tree,
        parents=parents,
        author=author,
        create_time_us=create_time_us,
        message=message,
    )
    assert found == hashlib.sha256(canonical_json(members)).hexdigest()[:40]


def test_a_lone_surrogate_has_no_id() -> None:
    """What UTF-8 cannot hold is refused, as `canonical_json` refuses it."""
    with pytest.raises(InvalidFieldError, match="lone surrogate"):
        commit_id(tree="", parents=(), author="ann", create_time_us=1, message="\udfff")
