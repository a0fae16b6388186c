"""Downloads: who gets an address, what it is good for, and for how long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.domain.access import Role
from registry.domain.versions import Version, VersionState
from registry.errors import (
    CorruptBytesError,
    DatabaseUnavailableError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    TicketError,
    TooLargeError,
)
from registry.names import ModelName, PrincipalName, TokenName, VersionName
from registry.ports.tables import EventQuery
from registry.services.downloads import RECHECK_US, Downloadable, DownloadService
from registry.services.tickets import TicketSigner
from registry.testing.world import DAY_US, Login, World, grant

FILES = {"a.json": b"{}", "onnx/model.onnx": b"o" * 3000, "z.txt": b""}


@pytest.fixture
def version(world: World) -> Version:
    world.model("fraud/scorer")
    return world.version("fraud/scorer", FILES)


@pytest.fixture
def ada(world: World) -> Login:
    return world.login("ada", grant(Role.READER, "fraud"))


def name_of(version: Version) -> VersionName:
    return VersionName(model=ModelName(path=version.model), number=version.number)


def tickets(
    world: World, login: Login, version: Version, *paths: str, digest: str = ""
) -> dict[str, str]:
    made = world.downloads.create(login.caller, name_of(version), digest=digest, paths=paths)
    return {file.path: ticket for file, ticket in made.files}


def set_state(world: World, version: Version, state: VersionState) -> None:
    yanked = state is VersionState.YANKED
    world.database.write(
        lambda tx: tx.versions.set_state(
            version.key,
            state,
            yank_reason="bad" if yanked else "",
            yanked_from=version.state if yanked else None,
        )
    )


def count(world: World, version: Version) -> int:
    model = world.database.read(lambda tx: tx.models.get(version.model))
    assert model is not None
    return model.download_count


def pulls(world: World) -> list[tuple[str, str, str]]:
    """Who fetched which version, with which digest, by the audit log."""
    query = EventQuery(namespace="fraud", action="version.fetch")
    found = world.database.read(lambda tx: tx.events.list(query, None, 100))
    return [(each.actor, each.resource, json.loads(each.detail_json)["digest"]) for each in found]


def test_each_file_is_fetched_by_its_ticket(world: World, version: Version, ada: Login) -> None:
    """All files come, in path order, with the bytes, size, type and name that they have."""
    made = tickets(world, ada, version)
    assert list(made) == sorted(FILES)
    for path, ticket in made.items():
        found = world.downloads.open(ticket)
        assert b"".join(world.downloads.read(found)) == FILES[path]
        assert (found.size_bytes, found.filename) == (len(FILES[path]), path.split("/")[-1])
        assert (found.version, found.digest) == (version.name, version.digest)
    assert world.downloads.open(made["onnx/model.onnx"]).media_type == "application/x-onnx"


def test_ranges_are_read(world: World, version: Version, ada: Login) -> None:
    """A part of a file is what lies there."""
    found = world.downloads.open(tickets(world, ada, version)["onnx/model.onnx"])
    assert b"".join(world.downloads.read(found, 2990, 5)) == b"o" * 5


def test_named_paths_only(world: World, version: Version, ada: Login) -> None:
    """With paths only these come, each once; one that the version lacks is NOT_FOUND."""
    assert list(tickets(world, ada, version, "z.txt", "a.json", "z.txt")) == ["a.json", "z.txt"]
    for path in ("b.json", "../a.json", "A.json", "", "a.json\x00"):
        with pytest.raises(NotFoundError):
            tickets(world, ada, version, "a.json", path)


def test_more_than_a_thousand_files_are_named(world: World, version: Version, ada: Login) -> None:
    """A large version is fetched by naming its files, at most a thousand at a time."""
    many = world.version("fraud/scorer", {f"f{number:04}": b"x" for number in range(1001)})
    with pytest.raises(TooLargeError):
        tickets(world, ada, many)
    paths = [f"f{number:04}" for number in range(1001)]
    with pytest.raises(TooLargeError):
        tickets(world, ada, many, *paths)
    assert len(tickets(world, ada, many, *paths[:1000])) == 1000


@pytest.mark.parametrize("state", [s for s in VersionState if s is not VersionState.RELEASED])
@pytest.mark.parametrize("by_digest", [True, False])
def test_the_state_is_judged_for_addresses_and_each_request(
    world: World, version: Version, ada: Login, state: VersionState, by_digest: bool
) -> None:
    """Out of RELEASED no address is made, and those made before are refused at once; but a
    yanked version goes on for who named its digest."""
    digest = version.digest if by_digest else ""
    ticket = tickets(world, ada, version, digest=digest)["a.json"]
    set_state(world, version, state)
    if state is VersionState.YANKED and by_digest:
        assert tickets(world, ada, version, digest=digest)
        assert world.downloads.open(ticket).size_bytes == 2
        return
    with pytest.raises(InvalidStateError):
        tickets(world, ada, version, digest=digest)
    with pytest.raises(TicketError, match=state.value.upper()):
        world.downloads.open(ticket)


def test_a_version_yanked_before_its_release_goes_to_nobody(
    world: World, version: Version, ada: Login
) -> None:
    """A yank does not let out what was never released, by no name."""
    held = world.version("fraud/scorer", {"a": b"new"}, state=VersionState.QUARANTINED)
    set_state(world, held, VersionState.YANKED)
    with pytest.raises(InvalidStateError):
        tickets(world, ada, held, digest=held.digest)


def test_another_digest_is_refused(world: World, version: Version, ada: Login) -> None:
    """A digest that is not the version's is a mistake that is told."""
    for digest in ("sha256:" + "0" * 64, version.digest.removeprefix("sha256:"), "x"):
        with pytest.raises(InvalidFieldError, match="digest"):
            tickets(world, ada, version, digest=digest)


def test_addresses_end_after_a_day_or_with_the_token(world: World, version: Version) -> None:
    """An address lives 24 h, and never longer than the token it was made with."""
    for ttl_us, expected in ((30 * DAY_US, DAY_US), (1000, 1000)):
        login = world.login("ada", grant(Role.READER), ttl_us=ttl_us)
        made = world.downloads.create(login.caller, name_of(version), digest="", paths=())
        assert made.expire_time_us == world.clock.now_us() + expected
        world.clock.advance(expected - 1)
        world.downloads.open(made.files[0][1])
        world.clock.advance(1)
        with pytest.raises(TicketError, match="its time ended"):
            world.downloads.open(made.files[0][1])


def test_addresses_die_with_token_principal_permission_and_version(
    world: World, version: Version, ada: Login
) -> None:
    """What is taken from the caller on this server is refused by the very next request."""
    root = world.caller("root", grant(Role.ADMIN))
    ticket = tickets(world, ada, version)["a.json"]
    world.downloads.open(ticket)
    name = PrincipalName(principal="ada")

    def change(*mask: str, disabled: bool = False, role: Role = Role.READER) -> None:
        world.principals.update(
            root,
            name,
            display_name="",
            grants=(grant(role, "fraud"),),
            disabled=disabled,
            mask=mask,
            etag="",
        )

    change("disabled", disabled=True)
    with pytest.raises(TicketError, match="disabled"):
        world.downloads.open(ticket)
    change("disabled", "grants", role=Role.AUDITOR)
    with pytest.raises(TicketError, match=r"version\.fetch"):
        world.downloads.open(ticket)
    change("grants")
    world.downloads.open(ticket)
    other = tickets(world, world.login("ada"), version)["a.json"]
    world.tokens.revoke(root, TokenName(principal=name, token=ada.caller.token.id))
    with pytest.raises(TicketError, match="revoked"):
        world.downloads.open(ticket)
    world.downloads.open(other)
    world.models.delete(root, ModelName(path="fraud/scorer"), etag="", validate_only=False)
    with pytest.raises(TicketError, match="deleted"):
        world.downloads.open(other)


def test_a_foreign_registrys_ticket_is_refused(world: World, version: Version, ada: Login) -> None:
    """A ticket signed under another key is good for nothing."""
    foreign = DownloadService(
        database=world.database,
        blobs=world.blobs,
        clock=world.clock,
        signer=TicketSigner(key=b"f" * 32, clock=world.clock),
        authenticator=world.authenticator,
        policies=world.active,
        facts=world.facts,
    )
    made = foreign.create(ada.caller, name_of(version), digest="", paths=())
    with pytest.raises(TicketError, match="not from this registry"):
        world.downloads.open(made.files[0][1])


def test_permission_comes_before_existence(world: World, version: Version) -> None:
    """Without version.fetch a version that is not there looks like one that is."""
    for role in (Role.AUDITOR, Role.ADMIN):
        login = world.login(role.value, grant(role))
        for number in (1, 99):
            name = VersionName(model=ModelName(path="fraud/scorer"), number=number)
            with pytest.raises(PermissionDeniedError):
                world.downloads.create(login.caller, name, digest="", paths=())


def test_a_download_counts_once(world: World, version: Version, ada: Login) -> None:
    """All files and ranges of one call count as one download; asking and opening count none."""
    made = [world.downloads.open(ticket) for ticket in tickets(world, ada, version).values()]
    assert count(world, version) == 0
    for found in made * 2:
        world.downloads.read(found).close()
    assert count(world, version) == 1
    assert pulls(world) == [("principals/ada", version.name, version.digest)]
    again = world.downloads.open(tickets(world, ada, version)["a.json"])
    world.downloads.read(again).close()
    assert len(pulls(world)) == 2
    usage = world.usage.get(ada.caller, ModelName(path="fraud/scorer"))
    assert (usage.download_count, usage.versions[0].download_count) == (2, 2)


def test_parallel_ranges_count_once(world: World, version: Version, ada: Login) -> None:
    """Sixteen ranges that start at the same moment are one download."""
    found = world.downloads.open(tickets(world, ada, version)["onnx/model.onnx"])

    def read(number: int) -> int:
        return sum(map(len, world.downloads.read(found, number * 10, 10)))

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(read, range(16))) == 160
    assert count(world, version) == 1


def test_a_database_that_cannot_be_written_keeps_no_bytes_back(
    world: World, version: Version, ada: Login
) -> None:
    """The bytes come all the same, and the download is counted when the database is back."""
    found = world.downloads.open(tickets(world, ada, version)["a.json"])
    world.database.error = DatabaseUnavailableError(cause="full")
    assert b"".join(world.downloads.read(found)) == b"{}"
    with pytest.raises(DatabaseUnavailableError):
        world.downloads.flush()
    world.database.error = None
    world.downloads.flush()
    world.downloads.flush()
    assert count(world, version) == 1


def test_a_blob_cut_short_is_told_before_its_first_byte(
    world: World, version: Version, ada: Login
) -> None:
    """Bytes that the store lost are an error of their own, and count as no download."""
    found: Downloadable = world.downloads.open(tickets(world, ada, version)["onnx/model.onnx"])
    world.memory.damage(found.sha256, b"o" * 2999)
    with pytest.raises(CorruptBytesError):
        world.downloads.read(found)
    assert count(world, version) == 0


def test_a_lost_blob_is_damage(world: World, version: Version, ada: Login) -> None:
    """It is the registry's failure, not a name that the caller got wrong."""
    found = world.downloads.open(tickets(world, ada, version)["onnx/model.onnx"])
    world.memory.delete(found.sha256)
    with pytest.raises(CorruptBytesError):
        world.downloads.read(found)
    assert count(world, version) == 0


def begun(world: World, login: Login, digest: str = "") -> tuple[Version, Iterator[bytes]]:
    """A version with a file of several pieces, of which the first is taken."""
    made = world.version("fraud/scorer", {"big.bin": b"x" * 3_000_000})
    ticket = tickets(world, login, made, digest=digest)["big.bin"]
    pieces = world.downloads.read(world.downloads.open(ticket))
    assert next(pieces)
    return made, pieces


@pytest.mark.parametrize("state", [VersionState.QUARANTINED, VersionState.RECALLED])
def test_what_is_taken_slowly_ends_with_the_leave_to_have_it(
    world: World, ada: Login, version: Version, state: VersionState
) -> None:
    """Whoever draws a download out gets no more of a version that was withdrawn meanwhile."""
    made, pieces = begun(world, ada)
    set_state(world, made, state)
    world.clock.advance(RECHECK_US)
    with pytest.raises(TicketError):
        list(pieces)


def test_what_is_taken_slowly_ends_with_the_token(
    world: World, ada: Login, version: Version
) -> None:
    """Not at once, but soon after it was revoked; what has only expired may end what began."""
    _, pieces = begun(world, ada)
    root = world.caller("root", grant(Role.ADMIN))
    world.tokens.revoke_all(root, PrincipalName(principal="ada"), except_current=False)
    world.clock.advance(RECHECK_US)
    with pytest.raises(TicketError, match="revoked"):
        list(pieces)
    made, pieces = begun(world, world.login("ada"))
    world.clock.advance(1000 * DAY_US)
    assert len(next(pieces)) > 0
    set_state(world, made, VersionState.RECALLED)
    world.clock.advance(RECHECK_US)
    with pytest.raises(TicketError, match="RECALLED"):
        list(pieces)
