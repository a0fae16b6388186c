"""Upload sessions: opened, found again, added to, ended."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.domain.access import Caller, Role
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.pages import PageRequest
from registry.domain.uploads import UploadFileState, UploadState, staging_key
from registry.domain.versions import VersionState
from registry.errors import (
    HallmarkError,
    InvalidFieldError,
    InvalidRequestError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    QuotaError,
    RequestIdReusedError,
    TooLargeError,
)
from registry.names import ModelName, UploadName
from registry.ports.tables import EventQuery
from registry.services.uploads import ORPHAN_US, UploadService, UploadView
from registry.testing.world import DAY_US, World, grant, manifest_file

SCORER = ModelName(path="fraud/scorer")
A = manifest_file("a.bin", b"aaaa")
B = manifest_file("b.bin", b"bbbb")
C = manifest_file("c.bin", b"cccc")
EMPTY = manifest_file("empty", b"")


@pytest.fixture
def ada(world: World) -> Caller:
    world.model("fraud/scorer")
    return world.login("ada", grant(Role.REGISTRANT), ttl_us=90 * DAY_US).caller


def create(
    world: World,
    caller: Caller,
    *files: ManifestFile,
    upload: str = "",
    request_id: str = "",
    model: ModelName = SCORER,
) -> UploadView:
    name = UploadName(upload=upload) if upload else None
    return world.uploads.create(caller, model, files, upload=name, request_id=request_id)


def get(world: World, caller: Caller, view: UploadView) -> UploadView:
    return world.uploads.get(caller, UploadName(upload=view.upload.id))


def tickets(view: UploadView) -> dict[str, str]:
    return {progress.file.path: progress.ticket for progress in view.files}


def test_a_session_says_what_is_missing(world: World, ada: Caller) -> None:
    """Files come in path order; what is stored has no ticket, empty files are stored at once."""
    view = create(world, ada, EMPTY, B, A)
    assert [progress.file for progress in view.files] == [A, B, EMPTY]
    assert [progress.state.value for progress in view.files] == ["receiving"] * 2 + ["stored"]
    assert [bool(progress.ticket) for progress in view.files] == [True, True, False]
    assert view.state is UploadState.RECEIVING
    assert view.upload.digest == Manifest.of([A, B, EMPTY]).digest
    assert view.upload.expire_time_us == world.clock.now_us() + DAY_US


def test_bytes_that_one_may_refer_to_need_not_come_again(world: World, ada: Caller) -> None:
    """A second session for the same files, or those of a released base, is complete at once."""
    view = create(world, ada, A)
    world.uploads.append(tickets(view)["a.bin"], 0, [b"aaaa"])
    world.model("vision/base")
    world.version("vision/base", {"b": b"bbbb"})
    again = create(world, ada, A, B)
    assert again.state is UploadState.COMPLETE
    eve = world.caller("eve", grant(Role.REGISTRANT, "other"))
    world.model("other/m")
    assert create(world, eve, A, B, model=ModelName(path="other/m")).state is UploadState.RECEIVING


def test_bytes_in_quarantine_must_come_again(world: World, ada: Caller) -> None:
    """What lies in a version that nobody may fetch is not given away to who knows its digest."""
    world.model("vision/base")
    world.version("vision/base", {"b": b"bbbb"}, state=VersionState.QUARANTINED)
    assert create(world, ada, B).state is UploadState.RECEIVING


def test_a_cut_push_finds_its_session_again(world: World, ada: Caller) -> None:
    """The same request_id and files return the session with what has arrived since."""
    first = create(world, ada, A, B, request_id="r")
    world.uploads.append(tickets(first)["a.bin"], 0, [b"aaaa"])
    world.uploads.append(tickets(first)["b.bin"], 0, [b"bb"])
    again = create(world, ada, B, A, request_id="r")
    assert again.upload.id == first.upload.id
    assert [progress.offset_bytes for progress in again.files] == [4, 2]
    assert tickets(again)["a.bin"] == ""
    with pytest.raises(RequestIdReusedError):
        create(world, ada, A, request_id="r")


def test_an_ended_session_is_not_found_again(world: World, ada: Caller) -> None:
    """After its end the same request opens a new session, which later repeats find."""
    first = create(world, ada, A, request_id="r")
    world.clock.advance(DAY_US)
    second = create(world, ada, A, request_id="r")
    assert second.upload.id != first.upload.id
    assert create(world, ada, A, request_id="r").upload.id == second.upload.id
    world.uploads.delete(ada, UploadName(upload=second.upload.id))
    with pytest.raises(RequestIdReusedError):
        create(world, ada, B, request_id="r")
    assert create(world, ada, A, request_id="r").upload.id != second.upload.id


def test_a_session_whose_bytes_were_lost_is_not_found_again(world: World, ada: Caller) -> None:
    """The same push sends again what the store no longer has, and only that."""
    first = create(world, ada, A, B, request_id="r")
    world.uploads.append(tickets(first)["a.bin"], 0, [b"aaaa"])
    world.uploads.append(tickets(first)["b.bin"], 0, [b"bbbb"])
    assert create(world, ada, A, B, request_id="r").upload.id == first.upload.id
    world.memory.delete(A.sha256)
    again = create(world, ada, A, B, request_id="r")
    assert [progress.file.path for progress in again.files if progress.ticket] == ["a.bin"]
    world.uploads.append(tickets(again)["a.bin"], 0, [b"aaaa"])
    assert world.blobs.stat(A.sha256) is not None
    assert create(world, ada, A, B, request_id="r").upload.id == again.upload.id


def test_racing_twins_open_one_session(world: World, ada: Caller) -> None:
    """Sixteen equal requests with one id share one session."""
    with ThreadPoolExecutor(16) as pool:
        views = list(pool.map(lambda _: create(world, ada, A, request_id="r"), range(16)))
    assert len({view.upload.id for view in views}) == 1


def test_files_are_added_to_an_open_session(world: World, ada: Caller) -> None:
    """Added files join those that are there; the digest is that of all; repeats add nothing."""
    view = create(world, ada, A)
    world.uploads.append(tickets(view)["a.bin"], 0, [b"aaaa"])
    copy = dataclasses.replace(A, path="copy.bin")
    joined = create(world, ada, B, copy, A, upload=view.upload.id)
    assert joined.upload.id == view.upload.id
    assert joined.upload.digest == Manifest.of([A, B, copy]).digest
    assert [progress.state for progress in joined.files] == [
        UploadFileState.STORED,
        UploadFileState.RECEIVING,
        UploadFileState.STORED,
    ]
    assert create(world, ada, B, upload=view.upload.id).upload == joined.upload


def test_what_does_not_fit_a_session_is_refused(world: World, ada: Caller) -> None:
    """Other bytes under a path, colliding paths, another model, foreign and ended sessions."""
    view = create(world, ada, A)
    id = view.upload.id
    world.model("fraud/other")
    bob = world.caller("bob", grant(Role.REGISTRANT))
    attempts: list[tuple[Caller, ManifestFile, ModelName, type[HallmarkError]]] = [
        (ada, manifest_file("a.bin", b"other"), SCORER, InvalidFieldError),
        (ada, manifest_file("A.bin", b"x"), SCORER, InvalidFieldError),
        (ada, manifest_file("a.bin/x", b"x"), SCORER, InvalidFieldError),
        (ada, dataclasses.replace(A, path="c", size_bytes=5), SCORER, InvalidFieldError),
        (ada, B, ModelName(path="fraud/other"), InvalidFieldError),
        (bob, B, SCORER, NotFoundError),
    ]
    for caller, file, model, error in attempts:
        with pytest.raises(error):
            create(world, caller, file, upload=id, model=model)
    with pytest.raises(NotFoundError):
        create(world, ada, B, upload="none")
    assert get(world, ada, view).upload == view.upload
    world.uploads.delete(ada, UploadName(upload=id))
    with pytest.raises(InvalidStateError, match="EXPIRED"):
        create(world, ada, B, upload=id)


def test_racing_additions_are_all_kept(world: World, ada: Caller) -> None:
    """Sixteen requests that add a file each at the same time lose none, and the digest is right."""
    view = create(world, ada, A)
    files = [manifest_file(f"f{number}", b"%d" % number) for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda file: create(world, ada, file, upload=view.upload.id), files))
    upload = get(world, ada, view).upload
    assert len(upload.files) == 17
    assert upload.digest == Manifest.of([A, *files]).digest


@pytest.mark.parametrize(
    "files",
    [
        [dataclasses.replace(A, sha256="x")],
        [dataclasses.replace(A, size_bytes=-1)],
        [dataclasses.replace(A, size_bytes=0)],
        [dataclasses.replace(EMPTY, size_bytes=1)],
        [A, dataclasses.replace(A, path="b", size_bytes=5)],
        [A, A],
        [A, dataclasses.replace(B, path="A.BIN")],
        [dataclasses.replace(A, path="../a")],
        [dataclasses.replace(A, path="a\x00")],
        [dataclasses.replace(A, media_type="no type")],
    ],
)
def test_bad_files_are_refused(world: World, ada: Caller, files: list[ManifestFile]) -> None:
    """Unsafe or colliding paths, malformed digests, sizes that cannot be: nothing is opened."""
    with pytest.raises((InvalidFieldError, InvalidRequestError)):
        create(world, ada, *files)
    assert world.database.read(lambda tx: tx.uploads.awaiting_count("ada", 0)) == 0


def test_more_bytes_than_one_may_announce(world: World, ada: Caller) -> None:
    """What would go past the bytes that one principal may leave unsent is refused, in a new session
    and in one that is open; what is stored, and what others announce, does not count."""
    uploads = UploadService(
        database=world.database,
        blobs=world.blobs,
        clock=world.clock,
        signer=world.signer,
        authenticator=world.authenticator,
        awaited_bytes_max=A.size_bytes + B.size_bytes,
    )

    def open_with(*files: ManifestFile, by: Caller = ada, upload: UploadName | None = None) -> str:
        return uploads.create(by, SCORER, files, upload=upload, request_id="").upload.id

    first = open_with(A)
    with pytest.raises(QuotaError, match="announced and did not send"):
        open_with(A, B)
    with pytest.raises(QuotaError, match="delete one of them"):
        open_with(B, C, upload=UploadName(upload=first))
    open_with(A, by=world.caller("grace", grant(Role.REGISTRANT, "fraud")))
    open_with(B, upload=UploadName(upload=first))
    with pytest.raises(QuotaError):
        open_with(C)
    uploads.delete(ada, UploadName(upload=first))
    open_with(C)


def test_too_many_files_are_refused(world: World, ada: Caller) -> None:
    """A request holds at most 25,000 files."""
    files = [dataclasses.replace(A, path=f"f{number}") for number in range(25_001)]
    with pytest.raises(TooLargeError):
        create(world, ada, *files)


@pytest.mark.slow
def test_large_sessions_show_what_is_to_come(world: World, ada: Caller) -> None:
    """Of more than 2,000 files only those not stored are shown, at most 2,000 at a time."""
    files = [manifest_file(f"f{number:04}", b"%d" % number) for number in range(2001)]
    view = create(world, ada, *files)
    assert len(view.files) == 2000
    for number in range(3):
        world.uploads.append(tickets(view)[f"f{number:04}"], 0, [b"%d" % number])
    shown = [progress.file.path for progress in get(world, ada, view).files]
    assert shown == [file.path for file in files[3:]]


@pytest.mark.slow
def test_long_paths_make_a_shorter_reply(world: World, ada: Caller) -> None:
    """However long the paths are, a reply stays below the bound of a message."""
    folder = "/".join(["ü" * 100] * 5)
    files = [dataclasses.replace(A, path=f"{folder}/{number:04}") for number in range(1990)]
    view = create(world, ada, *files)
    assert sum(len(p.file.path.encode()) + len(p.ticket) for p in view.files) < 3_000_000


@pytest.mark.slow
def test_a_hundred_sessions_may_wait_for_bytes(world: World, ada: Caller) -> None:
    """One more is refused until one is deleted or has ended; those of others do not count."""
    views = [create(world, ada, A) for _ in range(100)]
    with pytest.raises(QuotaError):
        create(world, ada, A)
    create(world, world.caller("bob", grant(Role.REGISTRANT)), A)
    world.uploads.delete(ada, UploadName(upload=views[0].upload.id))
    create(world, ada, A)
    world.clock.advance(DAY_US)
    create(world, ada, A)


@pytest.mark.slow
def test_complete_sessions_do_not_count(world: World, ada: Caller) -> None:
    """Who pushes a hundred times a day may go on, but not make complete sessions wait again."""
    for number in range(101):
        data = b"%d" % number
        view = create(world, ada, manifest_file("f", data))
        world.uploads.append(tickets(view)["f"], 0, [data])
    complete = create(world, ada, manifest_file("empty", b""))
    for _ in range(100):
        create(world, ada, A)
    create(world, ada, manifest_file("empty", b""))
    with pytest.raises(QuotaError):
        create(world, ada, manifest_file("more", b"more"), upload=complete.upload.id)


def test_sessions_are_their_creators_alone(world: World, ada: Caller) -> None:
    """For anybody else a session is NOT_FOUND, an administrator included."""
    view = create(world, ada, A)
    name = UploadName(upload=view.upload.id)
    for other in (world.caller("bob", *(grant(role) for role in Role)), world.caller("eve")):
        with pytest.raises(NotFoundError):
            world.uploads.get(other, name)
        with pytest.raises(NotFoundError):
            world.uploads.delete(other, name)
    assert get(world, ada, view).upload == view.upload


def test_permission_comes_before_existence(world: World, ada: Caller) -> None:
    """Without version.create a model that is not there looks like one that is."""
    bob = world.caller("bob", grant(Role.READER), grant(Role.REGISTRANT, "vision"))
    for path in ("fraud/scorer", "fraud/none"):
        with pytest.raises(PermissionDeniedError):
            create(world, bob, A, model=ModelName(path=path))
    with pytest.raises(NotFoundError):
        create(world, ada, A, model=ModelName(path="fraud/none"))


def test_a_deleted_session_leaves_nothing(world: World, ada: Caller) -> None:
    """Staged bytes are thrown away, stored ones stay; a repeat is no error and writes no event."""
    view = create(world, ada, A, B)
    world.uploads.append(tickets(view)["a.bin"], 0, [b"aaaa"])
    world.uploads.append(tickets(view)["b.bin"], 0, [b"bb"])
    name = UploadName(upload=view.upload.id)
    for _ in range(2):
        world.uploads.delete(ada, name)
    assert list(world.blobs.list_staged()) == []
    assert world.blobs.stat(A.sha256) is not None
    ended = get(world, ada, view)
    assert ended.state is UploadState.EXPIRED
    assert set(tickets(ended).values()) == {""}
    olga = world.caller("olga", grant(Role.AUDITOR))
    query = EventQuery(namespace="fraud", resource=view.upload.name)
    actions = [e.action for e in world.events.list(olga, query, "time", PageRequest()).items]
    assert actions == ["upload.create", "upload.store", "upload.delete"]


def test_overdue_sessions_are_ended_and_swept(world: World, ada: Caller) -> None:
    """The sweep ends what ran out of time, throws its bytes away, and leaves live ones alone."""
    old = create(world, ada, A)
    world.uploads.append(tickets(old)["a.bin"], 0, [b"aa"])
    world.clock.advance(DAY_US - 1)
    live = create(world, ada, B)
    world.uploads.append(tickets(live)["b.bin"], 0, [b"bb"])
    world.clock.advance(1)
    assert world.uploads.expire_overdue() == 1
    assert world.uploads.expire_overdue() == 0
    keys = [staged.key for staged in world.blobs.list_staged()]
    assert keys == [staging_key(live.upload.id, B.sha256)]


def test_orphans_are_swept_after_eight_days(world: World, ada: Caller) -> None:
    """Staged bytes that a crash left without a session go when no session can be so old."""
    world.blobs.append("somebody-elses", 0, [b"x"])
    world.clock.advance(ORPHAN_US)
    world.uploads.expire_overdue()
    assert len(list(world.blobs.list_staged())) == 1
    world.clock.advance(1)
    world.uploads.expire_overdue()
    assert list(world.blobs.list_staged()) == []
