"""Transfers that outlive their token: time alone cuts none, whatever else is taken away does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from registry.domain.access import Caller, Grant, Role
from registry.domain.scopes import Scope
from registry.domain.uploads import staging_key
from registry.domain.versions import Version, VersionState
from registry.errors import TicketError
from registry.names import PrincipalName, TokenName, UploadName
from registry.services import downloads, reception
from registry.services.tickets import UploadTicket
from registry.testing.office import Office
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import World, grant, manifest_file

#: How long the tokens live; the next look after that finds them expired.
BRIEF_US = downloads.RECHECK_US
BIG = {"big.txt": b"x" * 3_000_000}
DATA = b"0123456789"
FILE = manifest_file("model.bin", DATA)


def outlive(world: World) -> None:
    """Let so much time pass that brief tokens have expired, and callers are asked again."""
    assert reception.RECHECK_US == downloads.RECHECK_US
    world.clock.advance(BRIEF_US)


def begun(world: World, caller: Caller, version: Version) -> Iterator[bytes]:
    """A download of which one piece was taken before the token expired and one after."""
    made = world.downloads.create(caller, name_of(version), digest="", paths=())
    pieces = world.downloads.read(world.downloads.open(made.files[0][1]))
    assert next(pieces)
    outlive(world)
    assert next(pieces)
    return pieces


def change(story: Story, id: str, *grants: Grant, disabled: bool = False) -> None:
    story.world.principals.update(
        story.root,
        PrincipalName(principal=id),
        display_name="",
        grants=grants,
        disabled=disabled,
        mask=["grants", "disabled"],
        etag="",
    )


def revoke(story: Story, caller: Caller) -> None:
    story.world.tokens.revoke(story.root, TokenName.parse(caller.token.name))


def bind(story: Story) -> None:
    story.world.terms.set(
        story.sam,
        NAME,
        label="v1",
        text="No evil.",
        url="",
        validity_days=10,
        approval_required=False,
        etag="",
        request_id="",
    )


def put(state: VersionState) -> Callable[[Story, Caller, Version], object]:
    return lambda story, _, version: story.world.database.write(
        lambda tx: tx.versions.set_state(version.key, state, yank_reason="", yanked_from=None)
    )


#: What ends a download, and of what the refusal speaks.
DOWNLOADS: dict[str, tuple[Callable[[Story, Caller, Version], object], str]] = {
    "token revoked": (lambda story, who, _: revoke(story, who), "revoked"),
    "owner disabled": (lambda story, who, _: change(story, who.id, disabled=True), "disabled"),
    "roles taken": (lambda story, who, _: change(story, who.id), r"version\.fetch"),
    "denied": (
        lambda story, who, _: change(
            story, who.id, grant(Role.READER), grant(Role.READER, "fraud", deny=True)
        ),
        r"version\.fetch",
    ),
    "terms set": (lambda story, *_: bind(story), "terms"),
    "quarantined": (put(VersionState.QUARANTINED), "QUARANTINED"),
    "recalled": (put(VersionState.RECALLED), "RECALLED"),
    "yanked": (
        lambda story, _, version: story.world.yanks.yank(
            story.alice, name_of(version), reason="r", validate_only=False
        ),
        "YANKED",
    ),
    "model deleted": (
        lambda story, *_: story.world.models.delete(story.root, NAME, etag="", validate_only=False),
        "deleted",
    ),
}


@pytest.mark.parametrize("end", DOWNLOADS)
def test_what_is_taken_away_cuts_a_download(story: Story, end: str) -> None:
    """After its token expired a download ends all the same with the leave to have the file."""
    taken, told = DOWNLOADS[end]
    version = story.released(BIG)
    brief = story.world.login("rosa", ttl_us=BRIEF_US).caller
    pieces = begun(story.world, brief, version)
    taken(story, brief, version)
    outlive(story.world)
    with pytest.raises(TicketError, match=told):
        next(pieces)


def test_a_version_that_leaves_its_stage_cuts_a_download(story: Story) -> None:
    """A token for one stage alone has what it began only as long as the version is there."""
    first, second = story.released(BIG), story.released({"a.txt": b"2"})
    story.promote(first)
    scope = Scope(action="version.fetch", model="fraud/*", stage="production")
    brief = story.world.login("dora", scopes=[scope], ttl_us=BRIEF_US).caller
    pieces = begun(story.world, brief, first)
    story.approve(story.ask(second, expected=first.number), expected=first.number)
    outlive(story.world)
    with pytest.raises(TicketError, match=r"version\.fetch"):
        next(pieces)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = Office(tmp_path)
    made.model("fraud/scorer")
    yield made
    made.close()


@pytest.mark.parametrize("told", ["disabled", r"version\.fetch"])
def test_what_the_directory_takes_away_cuts_a_download(office: Office, told: str) -> None:
    """An account that it disables, or a group that somebody left, counts though the only token of
    its owner has expired."""
    version = office.version("fraud/scorer", BIG)
    office.enter()
    brief = office.login("alice", ttl_us=BRIEF_US)
    pieces = begun(office, office.authenticator.authenticate(brief.secret), version)
    if told == "disabled":
        office.people.disable(office.alice)
    else:
        office.people.regroup(office.alice)
    office.accounts.refresh_all()
    outlive(office)
    with pytest.raises(TicketError, match=told):
        next(pieces)


def test_time_alone_cuts_no_download(story: Story) -> None:
    """However often it is asked again; but the address opens nothing more."""
    world = story.world
    brief = world.login("rosa", ttl_us=BRIEF_US).caller
    made = world.downloads.create(brief, name_of(story.released(BIG)), digest="", paths=())
    ticket = made.files[0][1]
    read = bytearray()
    for piece in world.downloads.read(world.downloads.open(ticket)):
        read += piece
        outlive(world)
    assert bytes(read) == BIG["big.txt"]
    with pytest.raises(TicketError):
        world.downloads.open(ticket)


#: What ends an upload, and of what the refusal speaks.
UPLOADS: dict[str, tuple[Callable[[Story, Caller, UploadName], object], str]] = {
    "token revoked": (lambda story, who, _: revoke(story, who), "revoked"),
    "owner disabled": (lambda story, who, _: change(story, who.id, disabled=True), "disabled"),
    "roles taken": (
        lambda story, who, _: change(story, who.id, grant(Role.READER)),
        r"version\.create",
    ),
    "denied": (
        lambda story, who, _: change(
            story, who.id, grant(Role.REGISTRANT), grant(Role.REGISTRANT, "fraud", deny=True)
        ),
        r"version\.create",
    ),
    "session deleted": (
        lambda story, _, upload: story.world.uploads.delete(story.alice, upload),
        "ended",
    ),
}


@pytest.mark.parametrize("end", UPLOADS)
def test_what_is_taken_away_cuts_an_upload(story: Story, end: str) -> None:
    """After its token expired an upload ends all the same with the leave to send."""
    taken, told = UPLOADS[end]
    world = story.world
    brief = world.login("alice", ttl_us=BRIEF_US).caller
    view = world.uploads.create(brief, NAME, [FILE], upload=None, request_id="")
    ticket = view.files[0].ticket
    key = staging_key(world.signer.read(ticket, UploadTicket).upload, FILE.sha256)
    arrived: list[int] = []

    def pieces() -> Iterator[bytes]:
        yield DATA[:2]
        outlive(world)
        yield DATA[2:4]
        staged = world.blobs.staged(key)
        arrived.append(0 if staged is None else staged.size_bytes)
        taken(story, brief, UploadName(upload=view.upload.id))
        outlive(world)
        yield DATA[4:]

    with pytest.raises(TicketError, match=told):
        world.uploads.append(ticket, 0, pieces())
    assert arrived == [4]
    assert world.blobs.stat(FILE.sha256) is None
