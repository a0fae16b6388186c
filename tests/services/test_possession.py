"""Which bytes a caller may refer to: those sent here, and those one may fetch; never by digest."""

from __future__ import annotations

import dataclasses

import pytest

from registry.domain.access import Caller, Role
from registry.domain.manifests import ManifestFile
from registry.domain.versions import VersionState
from registry.names import NamespaceName
from registry.services.possession import EMPTY_SHA256, stored_for
from registry.testing.world import World, grant, manifest_file

DATA = b"weights"
FILE = manifest_file("model.bin", DATA)


def stored(
    world: World, caller: Caller, *files: ManifestFile, namespace: str = "fraud"
) -> set[str]:
    return stored_for(world.database, world.blobs, caller, namespace, files)


def test_knowing_a_digest_grants_nothing(world: World) -> None:
    """Bytes that lie here but were sent by nobody, or to another namespace, are not to be had."""
    ada = world.caller("ada", *(grant(role) for role in Role))
    world.store(DATA)
    assert stored(world, ada, FILE) == set()
    world.database.write(lambda tx: tx.blob_grants.add("vision", {FILE.sha256}))
    assert stored(world, ada, FILE) == set()
    assert stored(world, ada, FILE, namespace="vision") == {FILE.sha256}


def test_a_namespace_claimed_anew_knows_nothing(world: World) -> None:
    """Bytes that were sent to an earlier namespace of the same name are not to be had in it."""
    ada = world.caller("ada", *(grant(role) for role in Role))
    world.claim("fraud")
    world.store(DATA)
    world.database.write(lambda tx: tx.blob_grants.add("fraud", {FILE.sha256}))
    name = NamespaceName(namespace="fraud")
    for validate_only, expected in ((True, {FILE.sha256}), (False, set[str]())):
        world.namespaces.delete(ada, name, etag="", validate_only=validate_only)
        assert stored(world, ada, FILE) == expected
    world.claim("fraud")
    assert stored(world, ada, FILE) == set()


@pytest.mark.parametrize(
    ("role", "state", "expected"),
    [
        (Role.READER, VersionState.RELEASED, True),
        (Role.AUDITOR, VersionState.RELEASED, False),
        (Role.ADMIN, VersionState.RELEASED, False),
        (Role.READER, VersionState.QUARANTINED, False),
        (Role.READER, VersionState.VETTED, False),
        (Role.READER, VersionState.REJECTED, False),
        (Role.READER, VersionState.YANKED, False),
        (Role.READER, VersionState.RECALLED, False),
    ],
)
def test_what_may_be_fetched_may_be_referred_to(
    world: World, role: Role, state: VersionState, expected: bool
) -> None:
    """Files of a released version count for those who hold version.fetch there."""
    world.model("vision/base")
    world.version("vision/base", {"model.bin": DATA}, state=state)
    ada = world.caller("ada", grant(Role.REGISTRANT, "fraud"), grant(role, "vis*"))
    eve = world.caller("eve", grant(Role.REGISTRANT, "fraud"))
    assert stored(world, ada, FILE) == ({FILE.sha256} if expected else set())
    assert stored(world, eve, FILE) == set()


def test_bytes_that_are_gone_or_of_another_size_do_not_count(world: World) -> None:
    """A grant alone is not enough: the bytes are here, with the size that is said."""
    ada = world.caller("ada")
    world.database.write(lambda tx: tx.blob_grants.add("fraud", {FILE.sha256}))
    assert stored(world, ada, FILE) == set()
    world.store(DATA)
    longer = dataclasses.replace(FILE, path="b.bin", size_bytes=99)
    assert stored(world, ada, FILE) == {FILE.sha256}
    assert stored(world, ada, longer) == set()
    assert stored(world, ada, FILE, longer) == set()


def test_empty_files_belong_to_everybody(world: World) -> None:
    """Nobody sends an empty file, and yet it is stored when it is asked for."""
    empty = manifest_file("__init__.py", b"")
    assert stored(world, world.caller("ada"), empty) == {EMPTY_SHA256}
    assert b"".join(world.blobs.open_range(EMPTY_SHA256)) == b""


def test_many_files_are_asked_for_at_once(world: World) -> None:
    """Thousands of digests are judged together."""
    ada = world.caller("ada")
    files = [manifest_file(f"{number}.bin", f"{number}".encode()) for number in range(5000)]
    for number in range(0, 5000, 1000):
        world.store(f"{number}".encode())
    world.database.write(lambda tx: tx.blob_grants.add("fraud", {file.sha256 for file in files}))
    assert stored(world, ada, *files) == {files[number].sha256 for number in range(0, 5000, 1000)}
