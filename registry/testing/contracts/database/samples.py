"""Values to store: complete ones, in which tests change what they are about."""

from __future__ import annotations

import dataclasses
import hashlib
import uuid
from typing import Any

from registry.domain.access import Grant, Principal, PrincipalKind, Role, Token
from registry.domain.models import Model, ModelFields, Namespace
from registry.ports.database import Database

T0 = 1_700_000_000_000_000


def namespace(id: str = "fraud", **changes: Any) -> Namespace:
    value = Namespace(
        key=0,
        id=id,
        uid=str(uuid.uuid4()),
        description="What we know of fraud: \N{SNOWMAN}",
        owner="team-fraud",
        etag="e1",
        create_time_us=T0,
        update_time_us=T0,
        creator="principals/ann",
    )
    return dataclasses.replace(value, **changes)


def principal(id: str = "ann", *grants: tuple[Role, str], **changes: Any) -> Principal:
    value = Principal(
        key=0,
        id=id,
        uid=str(uuid.uuid4()),
        kind=PrincipalKind.PERSON,
        display_name="Ann Ähnlich",
        grants=tuple(Grant(role=role, namespace_pattern=pattern) for role, pattern in grants),
        disabled=False,
        etag="e1",
        create_time_us=T0,
        update_time_us=T0,
    )
    return dataclasses.replace(value, **changes)


def token(principal: str = "ann", id: str = "t1", **changes: Any) -> Token:
    value = Token(
        key=0,
        id=id,
        principal=principal,
        label="laptop",
        create_time_us=T0,
        expire_time_us=T0 + 3_600_000_000,
        revoke_time_us=None,
        last_use_time_us=None,
        creator="principals/ann",
    )
    return dataclasses.replace(value, **changes)


def secret_hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def model(path: str = "fraud/scorer", **changes: Any) -> Model:
    value = Model(
        key=0,
        uid=str(uuid.uuid4()),
        path=path,
        namespace=path.partition("/")[0],
        fields=ModelFields(
            description="Scores payments. 100% reliable",
            task="tabular-classification",
            library="onnx",
            license="Apache-2.0",
            tags=("fast", "b"),
            languages=("en", "de"),
            owners=("ann",),
        ),
        etag="e1",
        create_time_us=T0,
        update_time_us=T0,
        creator="principals/ann",
        latest_version=0,
        stages=(),
        like_count=0,
        download_count=0,
    )
    return dataclasses.replace(value, **changes)


def fields(**changes: Any) -> ModelFields:
    return dataclasses.replace(model().fields, **changes)


def stored_model(database: Database, path: str = "fraud/scorer", **changes: Any) -> Model:
    """A model that is there, as insert returned it."""
    value = model(path, **changes)
    stored = database.write(lambda tx: tx.models.insert(value, path.casefold()))
    assert stored is not None
    return stored
