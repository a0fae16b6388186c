"""What is there, or an error that says what is not and how to find what is."""

from __future__ import annotations

from registry.domain.access import Caller
from registry.domain.events import EventDraft
from registry.domain.manifests import Manifest
from registry.domain.models import Model
from registry.domain.versions import Version
from registry.errors import NotFoundError, StorageError
from registry.names import ModelName, VersionName
from registry.ports.database import Transaction


def model_of(tx: Transaction, name: ModelName, *, lock: bool = False) -> Model:
    """The model; with `lock`, without its stages, and nobody else locks it until the transaction
    ends.

    Whoever writes to a model's branches, references, stages or promotions locks it first, then the
    version, then the promotion: in one order, so that two writers never wait for each other.
    """
    found = tx.models.lock(name.path) if lock else tx.models.get(name.path)
    if found is None:
        raise no_model(name)
    return found


def no_model(name: ModelName) -> NotFoundError:
    return NotFoundError(
        kind="model", name=str(name), fix=f"Create it with: hallmark model create {name.path}"
    )


def version_of(tx: Transaction, name: VersionName, *, lock: bool = False) -> Version:
    """The version; with `lock`, nobody else locks it until the transaction ends."""
    get = tx.versions.lock if lock else tx.versions.get
    found = get(name.model.path, name.number)
    if found is None:
        raise NotFoundError(
            kind="version",
            name=str(name),
            fix=f"See which there are: hallmark version list {name.model.path}",
        )
    return found


def whole_manifest(tx: Transaction, version: Version) -> Manifest:
    """All files of a version."""
    found = tx.manifests.get(version.digest)
    if found is None:
        raise manifest_missing(version)
    return found


def manifest_missing(version: Version) -> StorageError:
    return StorageError(
        what=f"Manifest {version.digest} of {version.name}",
        store="database",
        cause="it is not there",
    )


def event(
    caller: Caller, action: str, resource: str, namespace: str, detail: dict[str, object]
) -> EventDraft:
    """An audit event of what a caller did."""
    return EventDraft(
        action=action,
        resource=resource,
        namespace=namespace,
        actor=caller.principal.name,
        detail=detail,
    )
