"""Bytes on their way in: resumed, verified, stored; cut, wrong, late and foreign ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from registry.domain.access import Role
from registry.domain.manifests import ManifestFile
from registry.domain.uploads import UploadFileState, staging_key
from registry.errors import (
    DatabaseUnavailableError,
    DigestMismatchError,
    NotFoundError,
    OffsetMismatchError,
    StorageFullError,
    TicketError,
    TooLargeError,
    UploadBusyError,
)
from registry.names import ModelName, PrincipalName, TokenName, UploadName
from registry.ports.blobs import BlobStat
from registry.services.reception import RECHECK_US, STALLED_US, FileStatus
from registry.services.tickets import UploadTicket
from registry.services.uploads import UploadService, UploadView
from registry.testing.blobs import MemoryBlobStore
from registry.testing.world import DAY_US, Login, World, grant, manifest_file

SCORER = ModelName(path="fraud/scorer")
DATA = b"0123456789"
FILE = manifest_file("model.bin", DATA)


class CutError(Exception):
    """The sender is gone."""


@pytest.fixture
def ada(world: World) -> Login:
    world.model("fraud/scorer")
    return world.login("ada", grant(Role.REGISTRANT), ttl_us=90 * DAY_US)


def open_session(world: World, login: Login, *files: ManifestFile) -> UploadView:
    return world.uploads.create(login.caller, SCORER, files, upload=None, request_id="")


@pytest.fixture
def session(world: World, ada: Login) -> UploadView:
    return open_session(world, ada, FILE)


@pytest.fixture
def ticket(session: UploadView) -> str:
    return session.files[0].ticket


def seen(status: FileStatus) -> tuple[str, int]:
    assert status.size_bytes == len(DATA)
    return ("failed" if status.failed else status.state.value, status.offset_bytes)


def restarted(world: World) -> UploadService:
    """The service of a server that has just started: it remembers nothing."""
    return UploadService(
        database=world.database,
        blobs=world.blobs,
        clock=world.clock,
        signer=world.signer,
        authenticator=world.authenticator,
    )


def test_bytes_come_in_parts_and_are_stored_with_the_last(world: World, ticket: str) -> None:
    """Each request goes on where the one before ended; the last one answers `stored`."""
    assert seen(world.uploads.state(ticket)) == ("receiving", 0)
    assert seen(world.uploads.append(ticket, 0, [b"012", b"3"])) == ("receiving", 4)
    assert seen(world.uploads.append(ticket, 4, [])) == ("receiving", 4)
    assert world.blobs.stat(FILE.sha256) is None
    assert seen(world.uploads.append(ticket, 4, [b"456789"])) == ("stored", 10)
    assert seen(world.uploads.state(ticket)) == ("stored", 10)
    assert world.blobs.stat(FILE.sha256) is not None
    assert list(world.blobs.list_staged()) == []


def test_stored_bytes_belong_to_the_namespace(world: World, ticket: str) -> None:
    """Once verified, and not before, the namespace may refer to the bytes."""

    def known() -> set[str]:
        return world.database.read(lambda tx: tx.blob_grants.known("fraud", {FILE.sha256}))

    world.uploads.append(ticket, 0, [DATA[:9]])
    assert known() == set()
    world.uploads.append(ticket, 9, [DATA[9:]])
    assert known() == {FILE.sha256}


def test_a_cut_loses_nothing(world: World, ticket: str) -> None:
    """What came before the sender vanished is kept, and the next request goes on there."""

    def cut() -> Iterator[bytes]:
        yield b"0123"
        raise CutError

    with pytest.raises(CutError):
        world.uploads.append(ticket, 0, cut())
    assert seen(restarted(world).state(ticket)) == ("receiving", 4)
    assert seen(world.uploads.append(ticket, 4, [DATA[4:]])) == ("stored", 10)


def test_another_offset_is_refused_and_told(world: World, session: UploadView, ticket: str) -> None:
    """A sender that goes on at the wrong place is told the right one, and nothing changes."""
    world.uploads.append(ticket, 0, [b"0123"])
    for offset in (0, 3, 5, 10):
        with pytest.raises(OffsetMismatchError) as refused:
            world.uploads.append(ticket, offset, [])
        assert refused.value.stored == 4
        assert refused.value.what == f"'model.bin' in {session.upload.name}"
    assert seen(world.uploads.state(ticket)) == ("receiving", 4)


def test_a_repeat_after_a_lost_reply(world: World, session: UploadView, ticket: str) -> None:
    """Who did not hear that the file is stored may ask again, but has nothing left to send."""
    world.uploads.append(ticket, 0, [DATA])
    assert seen(world.uploads.append(ticket, 10, [])) == ("stored", 10)
    with pytest.raises(OffsetMismatchError) as refused:
        world.uploads.append(ticket, 0, [DATA])
    assert refused.value.stored == 10
    assert refused.value.what == f"'model.bin' in {session.upload.name}"
    with pytest.raises(TooLargeError):
        world.uploads.append(ticket, 10, [b"x"])


def test_more_bytes_than_announced_are_refused(world: World, ticket: str) -> None:
    """A body that is too long is refused at once where its length is known, else when it is."""
    with pytest.raises(TooLargeError):
        world.uploads.append(ticket, 0, [DATA], length=11)
    assert seen(world.uploads.state(ticket)) == ("receiving", 0)
    with pytest.raises(TooLargeError):
        world.uploads.append(ticket, 0, [DATA[:5], DATA[5:] + b"x"])
    assert seen(world.uploads.state(ticket)) == ("receiving", 5)
    assert seen(world.uploads.append(ticket, 5, [DATA[5:]], length=5)) == ("stored", 10)


def test_other_bytes_than_announced_are_thrown_away(
    world: World, session: UploadView, ticket: str
) -> None:
    """Bytes of the right size and another digest fail; the file starts again at 0."""
    with pytest.raises(DigestMismatchError) as refused:
        world.uploads.append(ticket, 0, [b"9876543210"])
    assert refused.value.what == f"'model.bin' in {session.upload.name}"
    assert refused.value.expected == FILE.sha256
    assert seen(world.uploads.state(ticket)) == ("failed", 0)
    assert world.blobs.stat(FILE.sha256) is None
    assert seen(world.uploads.append(ticket, 0, [b"01"])) == ("receiving", 2)
    assert seen(world.uploads.append(ticket, 2, [DATA[2:]])) == ("stored", 10)


def test_one_address_for_equal_files(world: World, ada: Login) -> None:
    """Two paths of one digest share an address and are stored together."""
    view = open_session(world, ada, FILE, manifest_file("copy.bin", DATA))
    first, second = view.files
    assert first.ticket == second.ticket
    world.uploads.append(first.ticket, 0, [DATA])
    after = world.uploads.get(ada.caller, UploadName(upload=view.upload.id))
    assert {progress.state for progress in after.files} == {UploadFileState.STORED}


def test_one_request_at_a_time_writes(world: World, ticket: str) -> None:
    """While one request sends, a second is refused; HEAD still answers; then it goes on."""
    refused: list[bool] = []

    def pieces() -> Iterator[bytes]:
        yield b"01"
        try:
            world.uploads.append(ticket, 2, [b"x"])
        except UploadBusyError:
            refused.append(True)
        assert seen(world.uploads.state(ticket)) == ("receiving", 2)
        yield b"23"

    assert seen(world.uploads.append(ticket, 0, pieces())) == ("receiving", 4)
    assert refused == [True]
    assert seen(world.uploads.append(ticket, 4, [DATA[4:]])) == ("stored", 10)


def test_a_stalled_sender_gives_way(world: World, ticket: str) -> None:
    """A client that lost its connection unnoticed goes on at once after a while; the old request
    adds nothing any more."""

    def pieces() -> Iterator[bytes]:
        yield b"01"
        world.clock.advance(STALLED_US)
        assert seen(world.uploads.append(ticket, 2, [b"23"])) == ("receiving", 4)
        yield b"xx"

    with pytest.raises((UploadBusyError, OffsetMismatchError)):
        world.uploads.append(ticket, 0, pieces())
    assert seen(world.uploads.state(ticket)) == ("receiving", 4)
    assert seen(world.uploads.append(ticket, 4, [DATA[4:]])) == ("stored", 10)


class SlowVerifying(MemoryBlobStore):
    """Verifies when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.verifying, self.go_on = threading.Event(), threading.Event()

    def commit(self, key: str, sha256: str, size_bytes: int) -> BlobStat:
        self.verifying.set()
        assert self.go_on.wait(60)
        return super().commit(key, sha256, size_bytes)


def test_verifying_is_told(world: World, ada: Login, ticket: str) -> None:
    """While the server reads the bytes back it says so, and takes no others."""
    blobs = SlowVerifying()
    uploads = UploadService(
        database=world.database,
        blobs=blobs,
        clock=world.clock,
        signer=world.signer,
        authenticator=world.authenticator,
    )
    sender = threading.Thread(target=uploads.append, args=(ticket, 0, [DATA]))
    sender.start()
    try:
        assert blobs.verifying.wait(60)
        assert seen(uploads.state(ticket)) == ("verifying", 10)
        world.clock.advance(STALLED_US * 2)
        with pytest.raises(UploadBusyError, match="verifying"):
            uploads.append(ticket, 10, [])
    finally:
        blobs.go_on.set()
        sender.join()
    assert seen(uploads.state(ticket)) == ("stored", 10)


def test_a_restart_before_verifying_is_made_good(world: World, ticket: str) -> None:
    """A server that stopped between the last byte and its verification verifies when asked."""
    key = staging_key(world.signer.read(ticket, UploadTicket).upload, FILE.sha256)
    world.blobs.append(key, 0, [DATA])
    assert seen(restarted(world).state(ticket)) == ("stored", 10)


def test_a_restart_before_verifying_wrong_bytes(world: World, ticket: str) -> None:
    """The same with other bytes than announced says `failed`."""
    key = staging_key(world.signer.read(ticket, UploadTicket).upload, FILE.sha256)
    world.blobs.append(key, 0, [DATA[::-1]])
    uploads = restarted(world)
    assert seen(uploads.state(ticket)) == ("failed", 0)
    assert seen(uploads.append(ticket, 0, [DATA])) == ("stored", 10)


def test_a_database_that_fails_after_verifying_costs_no_byte(world: World, ticket: str) -> None:
    """Verified bytes need not come again because the database was away for a moment."""
    world.database.error = DatabaseUnavailableError(cause="gone")
    with pytest.raises(DatabaseUnavailableError):
        world.uploads.append(ticket, 0, [DATA])
    with pytest.raises(DatabaseUnavailableError):
        world.uploads.state(ticket)
    world.database.error = None
    assert seen(world.uploads.append(ticket, 10, [])) == ("stored", 10)


def test_knowing_a_digest_stores_nothing(world: World, ada: Login, ticket: str) -> None:
    """A session of somebody who has no bytes gets none, though the blob lies here."""
    world.store(DATA)
    assert seen(world.uploads.state(ticket)) == ("receiving", 0)
    with pytest.raises(OffsetMismatchError):
        world.uploads.append(ticket, 10, [])
    assert seen(world.uploads.append(ticket, 0, [])) == ("receiving", 0)


def test_a_look_that_crosses_the_last_byte_is_right(world: World, ticket: str) -> None:
    """Who asks just when the file becomes stored is not told to start again."""
    world.uploads.append(ticket, 0, [DATA[:9]])
    world.database.after_read = lambda: world.uploads.append(ticket, 9, [DATA[9:]])
    assert seen(world.uploads.state(ticket)) == ("stored", 10)


def test_a_full_store_keeps_what_arrived(tmp_path_factory: pytest.TempPathFactory) -> None:
    """When the store has no room left the sender is told, and goes on when there is some."""
    blobs = MemoryBlobStore(capacity_bytes=6)
    world = World(tmp_path_factory.mktemp("full"), blobs=blobs)
    try:
        world.model("fraud/scorer")
        login = world.login("ada", grant(Role.REGISTRANT))
        ticket = open_session(world, login, FILE).files[0].ticket
        with pytest.raises(StorageFullError):
            world.uploads.append(ticket, 0, [DATA[:4], DATA[4:]])
        stored = world.uploads.state(ticket).offset_bytes
        assert 4 <= stored <= 6
        blobs.capacity_bytes = None
        assert seen(world.uploads.append(ticket, stored, [DATA[stored:]])) == ("stored", 10)
    finally:
        world.close()


def test_a_session_lives_a_day_after_its_last_byte(world: World, ticket: str) -> None:
    """Bytes prolong a session by 24 h from then, up to 7 days in all."""
    for number in range(7):
        world.clock.advance(DAY_US - 1)
        assert seen(world.uploads.append(ticket, number, [DATA[number : number + 1]])) == (
            "receiving",
            number + 1,
        )
    world.clock.advance(7)
    with pytest.raises(TicketError, match="ended"):
        world.uploads.append(ticket, 7, [DATA[7:]])


def test_a_session_ends_a_day_after_its_last_byte(world: World, ticket: str) -> None:
    """Without bytes it ends, and its addresses with it."""
    world.uploads.append(ticket, 0, [b"0"])
    world.clock.advance(DAY_US)
    with pytest.raises(TicketError, match="ended"):
        world.uploads.append(ticket, 1, [b"1"])
    with pytest.raises(TicketError, match="ended"):
        world.uploads.state(ticket)


@pytest.mark.parametrize("gap_us", [1, 30_000_000, 59_999_999, 60_000_000, 3_600_000_000])
def test_no_byte_counts_less_than_another(world: World, ticket: str, gap_us: int) -> None:
    """However soon after another the last byte comes, the session lives 24 h from then."""
    for number in range(3):
        world.clock.advance(gap_us)
        world.uploads.append(ticket, number, [DATA[number : number + 1]])
    world.clock.advance(DAY_US - 1)
    assert seen(world.uploads.state(ticket)) == ("receiving", 3)
    world.clock.advance(60_000_001)
    with pytest.raises(TicketError, match="ended"):
        world.uploads.state(ticket)


def test_small_pieces_do_not_write_to_the_database_each(world: World, ticket: str) -> None:
    """A session's end is moved at most once a minute, however many requests bring bytes."""
    world.clock.advance(61_000_000)
    world.uploads.append(ticket, 0, [b"0"])
    world.database.error = DatabaseUnavailableError(cause="this write is one too many")
    for number in range(1, 5):
        world.clock.advance(10_000_000)
        world.uploads.append(ticket, number, [DATA[number : number + 1]])
    world.clock.advance(30_000_000)
    with pytest.raises(DatabaseUnavailableError):
        world.uploads.append(ticket, 5, [b"5"])


def test_a_long_request_prolongs_its_session(world: World, session: UploadView) -> None:
    """One body that takes two days is not cut off by the session's end."""

    def pieces() -> Iterator[bytes]:
        for digit in DATA:
            world.clock.advance(DAY_US // 5)
            assert world.uploads.expire_overdue() == 0
            yield bytes([digit])

    assert seen(world.uploads.append(session.files[0].ticket, 0, pieces())) == ("stored", 10)


def test_a_deleted_session_takes_nothing(
    world: World, ada: Login, session: UploadView, ticket: str
) -> None:
    """Addresses die with their session; a request that is in flight then stores nothing."""

    def pieces() -> Iterator[bytes]:
        yield DATA[:5]
        world.uploads.delete(ada.caller, UploadName(upload=session.upload.id))
        world.clock.advance(61_000_000)
        yield DATA[5:]

    with pytest.raises(TicketError, match="ended"):
        world.uploads.append(ticket, 0, pieces())
    with pytest.raises(TicketError, match="ended"):
        world.uploads.state(ticket)
    assert world.database.read(lambda tx: tx.blob_grants.known("fraud", {FILE.sha256})) == set()


def test_a_session_deleted_while_verifying_grants_nothing(
    world: World, ada: Login, session: UploadView, ticket: str
) -> None:
    """Bytes that were verified for a session that has ended meanwhile belong to nobody."""
    world.uploads.append(ticket, 0, [DATA[:9]])
    name = UploadName(upload=session.upload.id)

    def pieces() -> Iterator[bytes]:
        yield DATA[9:]
        world.uploads.delete(ada.caller, name)

    with pytest.raises(TicketError, match="ended"):
        world.uploads.append(ticket, 9, pieces())
    assert world.database.read(lambda tx: tx.blob_grants.known("fraud", {FILE.sha256})) == set()


def test_addresses_die_with_token_principal_and_permission(
    world: World, ada: Login, ticket: str
) -> None:
    """What is taken from the sender on this server is refused by the very next request."""
    root = world.caller("root", grant(Role.ADMIN))
    name = PrincipalName(principal="ada")
    world.uploads.append(ticket, 0, [b"0"])

    def change(*mask: str, disabled: bool = False, role: Role = Role.REGISTRANT) -> None:
        world.principals.update(
            root,
            name,
            display_name="",
            grants=(grant(role),),
            disabled=disabled,
            mask=mask,
            etag="",
        )

    change("disabled", disabled=True)
    with pytest.raises(TicketError, match="disabled"):
        world.uploads.append(ticket, 1, [b"1"])
    change("disabled", "grants", role=Role.READER)
    with pytest.raises(TicketError, match=r"version\.create"):
        world.uploads.state(ticket)
    change("grants")
    assert seen(world.uploads.append(ticket, 1, [b"1"])) == ("receiving", 2)
    world.tokens.revoke(root, TokenName(principal=name, token=ada.caller.token.id))
    with pytest.raises(TicketError, match="revoked"):
        world.uploads.append(ticket, 2, [b"2"])


def test_addresses_end_with_the_token(world: World) -> None:
    """An address is no longer good than the token that asked for it."""
    world.model("fraud/scorer")
    login = world.login("bob", grant(Role.REGISTRANT), ttl_us=1000)
    ticket = open_session(world, login, FILE).files[0].ticket
    world.clock.advance(1000)
    with pytest.raises(TicketError):
        world.uploads.state(ticket)


def test_a_ticket_for_what_is_not_there(world: World, ada: Login, session: UploadView) -> None:
    """A well-signed ticket for no session, a file it lacks, or another's session is NOT_FOUND."""
    good = world.signer.read(session.files[0].ticket, UploadTicket)
    world.login("eve", grant(Role.REGISTRANT))
    for change in ({"upload": "none"}, {"sha256": "0" * 64}, {"principal": "eve"}):
        values: dict[str, object] = {**vars(good), **change}
        forged = world.signer.sign(UploadTicket(**values))  # type: ignore[arg-type]
        with pytest.raises(NotFoundError):
            world.uploads.append(forged, 0, [DATA])


def test_a_long_upload_ends_with_the_leave_to_send_it(
    world: World, ada: Login, session: UploadView, ticket: str
) -> None:
    """Whoever draws an upload out is heard no more soon after the token was revoked; what came
    before is kept for another of theirs. A token that has only expired ends nothing."""
    root = world.caller("root", grant(Role.ADMIN))

    def slowly() -> Iterator[bytes]:
        yield b"0123"
        world.tokens.revoke_all(root, PrincipalName(principal="ada"), except_current=False)
        world.clock.advance(RECHECK_US)
        yield b"456789"

    with pytest.raises(TicketError, match="revoked"):
        world.uploads.append(ticket, 0, slowly())
    assert world.blobs.stat(FILE.sha256) is None
    brief = world.login("ada", ttl_us=2 * RECHECK_US)
    again = world.uploads.get(brief.caller, UploadName.parse(session.upload.name))

    def late() -> Iterator[bytes]:
        yield b"4567"
        world.clock.advance(3 * RECHECK_US)
        yield b"89"

    assert seen(world.uploads.append(again.files[0].ticket, 4, late())) == ("stored", 10)
