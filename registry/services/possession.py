"""Which bytes a caller may refer to by digest. Knowing a digest grants nothing.

The rule: the bytes were sent to this namespace or lie in a commit of it, or in a RELEASED version
that the caller may fetch, and they are stored with the size that the caller says. Empty files
belong to everybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

from registry.domain.access import Action, Caller
from registry.domain.manifests import ManifestFile
from registry.ports.blobs import BlobStore
from registry.ports.database import Database, Transaction

EMPTY_SHA256 = hashlib.sha256().hexdigest()


def stored_for(
    database: Database,
    blobs: BlobStore,
    caller: Caller,
    namespace: str,
    files: Collection[ManifestFile],
) -> set[str]:
    """The sha256s of those files whose bytes are here and may be referred to by the caller.

    Asks the blob store, hence is called before the unit of work; that calls `granted` once more,
    since what nothing refers to may be freed in between.
    """
    here = stored(blobs, files)
    return database.read(lambda tx: granted(tx, caller, namespace, here))


def stored(blobs: BlobStore, files: Collection[ManifestFile]) -> set[str]:
    """The sha256s of those files whose bytes are here. Not to be told to a caller as it is."""
    sizes: dict[str, set[int]] = {}
    for file in files:
        sizes.setdefault(file.sha256, set()).add(file.size_bytes)
    return {sha256 for sha256, said in sizes.items() if _is_stored(blobs, sha256, said)}


def granted(tx: Transaction, caller: Caller, namespace: str, sha256s: Iterable[str]) -> set[str]:
    """Those that the caller may refer to in this namespace, stored or not."""
    wanted = set(sha256s)
    found = wanted & {EMPTY_SHA256}
    found |= tx.blob_grants.known(namespace, wanted - found)
    if wanted - found:
        reach = caller.reach(Action.VERSION_FETCH)
        found |= tx.blob_grants.fetchable(reach, wanted - found)
    return found


def _is_stored(blobs: BlobStore, sha256: str, sizes: set[int]) -> bool:
    stat = blobs.stat(sha256)
    if stat is None and sha256 == EMPTY_SHA256:
        # Nobody ever sends it: committing a key without bytes stores the empty blob.
        stat = blobs.commit(f"empty-{sha256}", sha256, 0)
    return stat is not None and sizes == {stat.size_bytes}
