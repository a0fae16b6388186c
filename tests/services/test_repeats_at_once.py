"""Repeats that arrive at the same moment, on PostgreSQL, where units of work really overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from registry.domain.access import Caller, PrincipalKind, Role
from registry.domain.models import ModelFields
from registry.domain.uploads import staging_key
from registry.domain.versions import LineageKind
from registry.errors import AlreadyExistsError, LastAdminError, StaleEtagError
from registry.names import ModelName, NamespaceName, PrincipalName, UploadName, VersionName
from registry.services.uploads import UploadService
from registry.testing.policies import shipped_files
from registry.testing.postgres import PostgresServer
from registry.testing.world import DAY_US, World, grant, manifest_file

pytestmark = pytest.mark.slow
TWINS = 16
SCORER = ModelName(path="fraud/scorer")


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(fsync=False) as server:
        yield server


@pytest.fixture
def world(postgres: PostgresServer, tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, url=postgres.new_database())
    yield made
    made.close()


@pytest.fixture
def ada(world: World) -> Caller:
    world.model("fraud/scorer")
    for number in (1, 2):
        world.version("fraud/scorer", {"a": b"%d" % number})
    return world.caller("ada", *(grant(role) for role in Role))


def namespace(world: World, caller: Caller, request_id: str) -> str:
    return world.namespaces.create(
        caller, "vision", description="", owner="", request_id=request_id
    ).uid


def principal(world: World, caller: Caller, request_id: str) -> str:
    return world.principals.create(
        caller,
        "bob",
        kind=PrincipalKind.PERSON,
        display_name="",
        grants=(),
        request_id=request_id,
    ).uid


def token(world: World, caller: Caller, request_id: str) -> str:
    made, _ = world.tokens.create(
        caller,
        PrincipalName(principal="ada"),
        label="",
        expire_time_us=world.clock.now_us() + DAY_US,
        request_id=request_id,
    )
    return made.id


def model(world: World, caller: Caller, request_id: str) -> str:
    return world.models.create(caller, "fraud", "m", ModelFields(), request_id=request_id).uid


def upload(world: World, caller: Caller, request_id: str) -> str:
    files = [manifest_file("a", b"a")]
    view = world.uploads.create(caller, SCORER, files, upload=None, request_id=request_id)
    return view.upload.id


def edge(world: World, caller: Caller, request_id: str) -> str:
    child, parent = (VersionName(model=SCORER, number=number) for number in (1, 2))
    made = world.lineage.create(caller, child, parent, LineageKind.MERGE, request_id=request_id)
    return f"{made.child} {made.parent} {made.create_time_us}"


def terms(world: World, caller: Caller, request_id: str) -> str:
    return world.terms.set(
        caller,
        SCORER,
        label="v1",
        text="No evil.",
        url="",
        validity_days=0,
        approval_required=True,
        etag="",
        request_id=request_id,
    ).digest


def access(world: World, caller: Caller, request_id: str) -> str:
    return world.acceptances.request(
        caller,
        SCORER,
        terms_digest=terms(world, caller, "terms"),
        reason="research",
        on_behalf_of="",
        request_id=request_id,
    ).name


def proposal(world: World, caller: Caller, request_id: str) -> str:
    files = dict(shipped_files())
    files["settings.yaml"] = files["settings.yaml"].replace(b"2160h", b"24h")
    return world.policies.propose(
        caller, list(files.items()), note="why", validate_only=False, request_id=request_id
    ).name


Creation = Callable[[World, Caller, str], str]


@pytest.mark.parametrize(
    "create", [namespace, principal, token, model, upload, edge, terms, access, proposal]
)
def test_twins_get_one_result(world: World, ada: Caller, create: Creation) -> None:
    """Sixteen equal requests with one request_id create one thing, and all are told which."""
    with ThreadPoolExecutor(TWINS) as pool:
        results = set(pool.map(lambda _: create(world, ada, "r"), range(TWINS)))
    assert len(results) == 1
    assert create(world, ada, "r") in results


@pytest.mark.parametrize("create", [namespace, principal, model])
def test_of_strangers_one_wins(world: World, ada: Caller, create: Creation) -> None:
    """Without a common request_id one of sixteen creates, and the others hear that it is taken."""

    def attempt(number: int) -> bool:
        try:
            create(world, ada, f"r{number}")
        except AlreadyExistsError:
            return False
        return True

    with ThreadPoolExecutor(TWINS) as pool:
        assert sum(pool.map(attempt, range(TWINS))) == 1


def test_racing_removals_leave_one_administrator(world: World, ada: Caller) -> None:
    """Sixteen administrators who are disabled at the same time leave one enabled."""
    ids = ["ada", *(f"admin{number}" for number in range(TWINS - 1))]
    for id in ids[1:]:
        world.caller(id, grant(Role.ADMIN))

    def disable(id: str) -> bool:
        try:
            world.principals.update(
                ada,
                PrincipalName(principal=id),
                display_name="",
                grants=(),
                disabled=True,
                mask=["disabled"],
                etag="",
            )
        except LastAdminError:
            return False
        return True

    with ThreadPoolExecutor(TWINS) as pool:
        assert sum(pool.map(disable, ids)) == TWINS - 1
    assert world.database.read(lambda tx: tx.principals.enabled_admins()) == 1


def test_racing_additions_are_all_kept(world: World, ada: Caller) -> None:
    """Sixteen requests that add a file each to one session lose none."""
    name = UploadName(upload=upload(world, ada, ""))
    files = [manifest_file(f"f{number}", b"%d" % number) for number in range(TWINS)]

    def add(number: int) -> None:
        world.uploads.create(ada, SCORER, [files[number]], upload=name, request_id="")

    with ThreadPoolExecutor(TWINS) as pool:
        list(pool.map(add, range(TWINS)))
    assert len(world.uploads.get(ada, name).upload.files) == TWINS + 1


def test_several_servers_may_verify_a_file_at_once(world: World, ada: Caller) -> None:
    """Servers that find the same bytes unverified may all store them."""
    file = manifest_file("a", b"a")
    view = world.uploads.create(ada, SCORER, [file], upload=None, request_id="")
    world.blobs.append(staging_key(view.upload.id, file.sha256), 0, [b"a"])
    servers = [
        UploadService(
            database=world.database,
            blobs=world.blobs,
            clock=world.clock,
            signer=world.signer,
            authenticator=world.authenticator,
        )
        for _ in range(TWINS)
    ]

    def ask(server: UploadService) -> str:
        return server.state(view.files[0].ticket).state.value

    with ThreadPoolExecutor(TWINS) as pool:
        # Who looks between another's blob and its COMMIT finds no bytes any more.
        assert set(pool.map(ask, servers)) <= {"stored", "receiving"}
    assert {ask(server) for server in servers} == {"stored"}
    known = world.database.read(lambda tx: tx.blob_grants.known("fraud", {file.sha256}))
    assert known == {file.sha256}


def test_unconditional_updates_all_succeed(world: World, ada: Caller) -> None:
    """Sixteen updates without an etag are all made, one after the other."""

    def update(number: int) -> str:
        fields = ModelFields(task=str(number))
        return world.models.update(ada, SCORER, fields, mask=["task"], etag="").fields.task

    with ThreadPoolExecutor(TWINS) as pool:
        assert list(pool.map(update, range(TWINS))) == [str(number) for number in range(TWINS)]


def test_unconditional_updates_of_a_namespace_all_succeed(world: World, ada: Caller) -> None:
    """The same for four updates of a namespace; of sixteen with a common etag one is made."""
    fraud = NamespaceName(namespace="fraud")

    def update(etag: str) -> str:
        try:
            return world.namespaces.update(
                ada, fraud, description="", owner="x", mask=["owner"], etag=etag
            ).etag
        except StaleEtagError:
            return ""

    with ThreadPoolExecutor(TWINS) as pool:
        assert len(set(pool.map(update, [""] * 4)) - {""}) == 4
        current = world.namespaces.get(ada, fraud).etag
        assert list(pool.map(update, [current] * TWINS)).count("") == TWINS - 1
