"""Secrets at rest."""

from __future__ import annotations

import pytest

from registry.errors import StorageError
from registry.jobs.secret_box import AesSecretBox

SECRET = "whsec_AAAA"


def test_what_was_sealed_opens() -> None:
    """Under the same key, for the same webhook, in any process; and never looks alike twice."""
    one = AesSecretBox(b"k" * 32)
    sealed = one.seal(SECRET, of="w1")
    assert AesSecretBox(b"k" * 32).open(sealed, of="w1") == SECRET
    assert one.seal(SECRET, of="w1") != sealed
    assert SECRET not in sealed


@pytest.mark.parametrize(
    ("key", "of", "spoil"),
    [
        (b"x" * 32, "w1", lambda sealed: sealed),
        (b"k" * 32, "w2", lambda sealed: sealed),
        (b"k" * 32, "w1", lambda sealed: sealed[:-8]),
        (
            b"k" * 32,
            "w1",
            lambda sealed: "A" + sealed[1:] if sealed[0] != "A" else "B" + sealed[1:],
        ),
        (b"k" * 32, "w1", lambda sealed: ""),
        (b"k" * 32, "w1", lambda sealed: "no base64!"),
    ],
)
def test_anything_else_is_refused(key: bytes, of: str, spoil) -> None:  # type: ignore[no-untyped-def]
    """Another key, another webhook's secret put in its place, and damage are told apart from it."""
    sealed = AesSecretBox(b"k" * 32).seal(SECRET, of="w1")
    with pytest.raises(StorageError, match="hallmark webhook rotate") as caught:
        AesSecretBox(key).open(spoil(sealed), of=of)
    assert SECRET not in str(caught.value)
