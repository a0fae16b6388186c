"""Commits: add to a branch, look up, list."""

from __future__ import annotations

import pytest

from registry.domain.commits import Commit
from registry.domain.pages import PageRequest
from registry.domain.references import ReferenceKind
from registry.errors import (
    AlreadyExistsError,
    AmbiguousReferenceError,
    BytesMissingError,
    InvalidFieldError,
    NotFoundError,
    PermissionDeniedError,
    RequestIdReusedError,
    TargetMovedError,
    TooLargeError,
)
from registry.names import CommitName, ModelName, ReferenceName, UploadName
from registry.services.commits import Change
from registry.services.sources import Source
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import manifest_file


def paths(story: Story, commit: Commit) -> list[str]:
    name = CommitName(model=NAME, commit=commit.id)
    return [f.path for f in story.world.versions.files(story.alice, name, PageRequest()).items]


def head(story: Story, branch: str = "main") -> str:
    found = story.world.references.get(story.rosa, ReferenceName(model=NAME, reference=branch))
    return found.target.rpartition("/")[2]


def test_first_commit(story: Story) -> None:
    """The first commit makes the branch and has no parents."""
    made = story.commit({"a": b"1"})
    assert (made.parents, made.author, made.file_count) == ((), "alice", 1)
    assert head(story) == made.id
    assert len(made.id) == 40


def test_commits_add_up(story: Story) -> None:
    """A commit adds, replaces and removes files of the branch's head."""
    story.commit({"a": b"1", "b": b"2"})
    made = story.commit({"b": b"3", "c": b"4"}, deleted=("a",))
    assert paths(story, made) == ["b", "c"]
    name = CommitName(model=NAME, commit=made.id)
    files = story.world.versions.files(story.alice, name, PageRequest()).items
    assert manifest_file("b", b"3") in files


def test_replace_tree(story: Story) -> None:
    """A commit may start from an empty tree."""
    story.commit({"a": b"1"})
    assert paths(story, story.commit({"b": b"2"}, replace_tree=True)) == ["b"]


def test_commit_of_nothing(story: Story) -> None:
    """A commit that changes nothing is made all the same."""
    first = story.commit({"a": b"1"})
    second = story.commit({})
    assert second.tree == first.tree
    assert second.parents == (first.id,)


def test_commit_of_an_upload(story: Story) -> None:
    """The files of a session come beside those named by digest."""
    upload = UploadName(upload=story.session({"b": b"2"}))
    source = Source(upload=upload, files=story.send({"a": b"1"}).files)
    made = story.world.commits.create(
        story.alice,
        NAME,
        branch="",
        expected_head="",
        change=Change(source=source, deleted_paths=(), replace_tree=False),
        message="both",
        request_id="",
    )
    assert paths(story, made) == ["a", "b"]


def test_same_path_twice(story: Story) -> None:
    """A path that is named by digest and comes in the session too is refused."""
    upload = UploadName(upload=story.session({"a": b"2"}))
    source = Source(upload=upload, files=story.send({"a": b"1"}).files)
    with pytest.raises(InvalidFieldError, match="each path once"):
        story.world.commits.create(
            story.alice,
            NAME,
            branch="",
            expected_head="",
            change=Change(source=source, deleted_paths=(), replace_tree=False),
            message="both",
            request_id="",
        )


def test_branches_are_apart(story: Story) -> None:
    """A commit moves its own branch and no other."""
    first = story.commit({"a": b"1"})
    other = story.commit({"b": b"2"}, branch="dev")
    assert other.parents == ()
    assert (head(story), head(story, "dev")) == (first.id, other.id)


def test_expected_head(story: Story) -> None:
    """A commit that expects another head changes nothing."""
    first = story.commit({"a": b"1"})
    with pytest.raises(TargetMovedError, match=first.id):
        story.commit({"b": b"2"}, expected_head="0" * 40)
    assert head(story) == first.id
    assert story.commit({"b": b"2"}, expected_head=first.id).parents == (first.id,)


def test_expected_head_of_no_branch(story: Story) -> None:
    """A branch that is not there holds no expected head."""
    with pytest.raises(TargetMovedError, match="nothing"):
        story.commit({"b": b"2"}, expected_head="0" * 40)


def test_branch_that_moves_meanwhile(story: Story) -> None:
    """A commit lands on whatever the head is when it is made, and keeps its files."""
    story.commit({"a": b"1"})
    hooked: list[Commit] = []

    def move() -> None:
        hooked.append(story.commit({"b": b"2"}))

    source = story.send({"c": b"3"})
    story.world.database.after_read = move
    made = story.world.commits.create(
        story.ann,
        NAME,
        branch="",
        expected_head="",
        change=Change(source=source, deleted_paths=(), replace_tree=False),
        message="late",
        request_id="",
    )
    assert made.parents == (hooked[0].id,)
    assert paths(story, made) == ["a", "b", "c"]


def test_unknown_deleted_path(story: Story) -> None:
    """A path that the head does not have cannot be removed."""
    story.commit({"a": b"1"})
    with pytest.raises(InvalidFieldError) as refused:
        story.commit({}, deleted=("a", "b"))
    assert refused.value.field == "deleted_paths[1]"
    with pytest.raises(InvalidFieldError):
        story.commit({}, deleted=("a", "a"))


def test_deleted_and_added(story: Story) -> None:
    """A path cannot be removed and added at once."""
    story.commit({"a": b"1"})
    with pytest.raises(InvalidFieldError, match="added too"):
        story.commit({"a": b"2"}, deleted=("a",))


def test_collision_with_the_head(story: Story) -> None:
    """A new path that collides with one of the head is refused, unless that one goes."""
    story.commit({"a": b"1"})
    with pytest.raises(InvalidFieldError, match="differ in more than case"):
        story.commit({"A": b"1"})
    assert paths(story, story.commit({"A": b"1"}, deleted=("a",))) == ["A"]


def test_branch_named_like_an_alias(story: Story) -> None:
    """A branch cannot take the name of an alias, in whatever case."""
    version = story.push()
    story.world.references.set(
        story.alice,
        ReferenceName(model=NAME, reference="best"),
        kind=ReferenceKind.ALIAS,
        target=version.name,
        expected_target="",
    )
    for branch in ("best", "Best"):
        with pytest.raises(AlreadyExistsError, match="alias best"):
            story.commit({"a": b"1"}, branch=branch)


def test_bytes_must_be_there(story: Story) -> None:
    """A commit refers to stored bytes only."""
    source = Source(files=(manifest_file("a", b"never sent"),))
    with pytest.raises(BytesMissingError):
        story.world.commits.create(
            story.alice,
            NAME,
            branch="",
            expected_head="",
            change=Change(source=source, deleted_paths=(), replace_tree=False),
            message="m",
            request_id="",
        )


def test_message(story: Story) -> None:
    """A message is required and bounded."""
    with pytest.raises(InvalidFieldError, match="message"):
        story.commit({"a": b"1"}, message="")
    with pytest.raises(TooLargeError, match="message"):
        story.commit({"a": b"1"}, message="x" * 10_001)


def test_repeat(story: Story) -> None:
    """A repeat with the same request_id returns the first commit; other content is refused."""
    first = story.commit({"a": b"1"}, request_id="r")
    story.commit({"b": b"2"})
    assert story.commit({"a": b"1"}, request_id="r") == first
    with pytest.raises(RequestIdReusedError):
        story.commit({"c": b"3"}, request_id="r")


def test_get(story: Story) -> None:
    """A commit is found by its id and by a beginning of it that is its own."""
    made = story.commit({"a": b"1"})
    assert story.world.commits.get(story.rosa, NAME, made.id) == made
    assert story.world.commits.get(story.rosa, NAME, made.id[:7]) == made


def test_get_ambiguous(story: Story) -> None:
    """A beginning that two commits share is refused with both."""
    world = story.world
    world.version("fraud/scorer", {"a": b"1"})
    world.version("fraud/scorer", {"a": b"2"})
    with pytest.raises(AmbiguousReferenceError):
        world.commits.get(story.rosa, NAME, "0" * 10)


@pytest.mark.parametrize("id", ["", "abc", "0" * 41, "G" * 40, "ABCDEF0"])
def test_get_malformed(story: Story, id: str) -> None:
    """What is no commit id is refused."""
    with pytest.raises(InvalidFieldError):
        story.world.commits.get(story.rosa, NAME, id)


def test_get_missing(story: Story) -> None:
    """A commit that is not there is not found, whole or not."""
    for id in ("0" * 40, "0" * 7):
        with pytest.raises(NotFoundError):
            story.world.commits.get(story.rosa, NAME, id)


def listed(story: Story, revision: str = "") -> list[str]:
    ids: list[str] = []
    token = ""
    while True:
        page = story.world.commits.list(
            story.rosa, NAME, revision, PageRequest(size=2, token=token)
        )
        ids += [commit.id for commit in page.items]
        token = page.next_page_token
        if not token:
            return ids


def test_list(story: Story) -> None:
    """Commits come newest first from a branch's head or a commit, page by page."""
    made = [story.commit({"a": str(n).encode()}).id for n in range(5)]
    story.commit({"b": b"1"}, branch="dev")
    assert listed(story) == made[::-1]
    assert listed(story, "main") == made[::-1]
    assert listed(story, made[2]) == made[2::-1]


def test_list_of_what_is_not_there(story: Story) -> None:
    """A branch that is not there has no commits, nor has a model that is not."""
    with pytest.raises(NotFoundError):
        listed(story)
    with pytest.raises(NotFoundError):
        story.world.commits.list(story.rosa, ModelName(path="fraud/ghost"), "", PageRequest())


@pytest.mark.parametrize("revision", ["abc1234", "1234567", "a" * 39])
def test_list_wants_whole_commit_ids(story: Story, revision: str) -> None:
    """Who lists from part of a commit id is told to give all of it."""
    with pytest.raises(InvalidFieldError, match="Give all 40 digits"):
        listed(story, revision)


def test_list_of_an_alias(story: Story) -> None:
    """An alias is no branch."""
    version = story.push()
    story.world.references.set(
        story.alice,
        ReferenceName(model=NAME, reference="best"),
        kind=ReferenceKind.ALIAS,
        target=version.name,
        expected_target="",
    )
    with pytest.raises(NotFoundError):
        listed(story, "best")


def test_permissions(story: Story) -> None:
    """Readers do not commit, and others see nothing."""
    with pytest.raises(PermissionDeniedError):
        story.commit({"a": b"1"}, by=story.rosa)
    with pytest.raises(PermissionDeniedError):
        story.world.commits.get(story.mallory, NAME, "0" * 40)
    with pytest.raises(PermissionDeniedError):
        story.world.commits.list(story.mallory, NAME, "", PageRequest())
    assert name_of(story.push()).number == 1
