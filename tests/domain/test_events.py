"""Audit events: the bytes that are hashed are the canonical JSON of their members."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.canonical import INTEGER_MAX, canonical_json
from registry.domain.events import GENESIS, event_hash
from registry.errors import InvalidFieldError

texts = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers(0, INTEGER_MAX)


@given(numbers, numbers, numbers, texts, texts, texts, texts, texts, texts)
def test_the_hash_is_of_the_canonical_json(
    shard: int,
    number: int,
    time_us: int,
    actor: str,
    action: str,
    resource: str,
    namespace: str,
    detail_json: str,
    previous_hash: str,
) -> None:
    """Who has the members of an event makes its hash with `canonical_json`."""
    members = {
        "schema": "hallmark.event.v1",
        "shard": shard,
        "number": number,
        "time_us": time_us,
        "actor": actor,
        "action": action,
        "resource": resource,
        "namespace": namespace,
        "detail": detail_json,
        "previous_hash": previous_hash,
    }
    found = event_hash(
        shard=shard,
        number=number,
        time_us=time_us,
        actor=actor,
        action=action,
        resource=resource,
        namespace=namespace,
        detail_json=detail_json,
        previous_hash=previous_hash,
    )
    assert found == hashlib.sha256(canonical_json(members)).hexdigest()


def test_a_lone_surrogate_has_no_hash() -> None:
    """What UTF-8 cannot hold is refused, as `canonical_json` refuses it."""
    with pytest.raises(InvalidFieldError, match="lone surrogate"):
        event_hash(
            shard=0,
            number=1,
            time_us=1,
            actor="system",
            action="model.create",
            resource="models/fraud/\ud800",
            namespace="fraud",
            detail_json="{}",
            previous_hash=GENESIS,
        )
