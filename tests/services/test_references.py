"""References: resolve, set, delete, list."""

from __future__ import annotations

import dataclasses

import pytest

from registry.domain.access import Caller, Role
from registry.domain.pages import PageRequest
from registry.domain.references import Reference, ReferenceKind
from registry.domain.versions import Version, VersionState
from registry.errors import (
    AlreadyExistsError,
    AmbiguousReferenceError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    PermissionDeniedError,
    TargetMovedError,
)
from registry.names import ModelName, ReferenceName
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import grant

ALIAS, TAG, BRANCH = ReferenceKind.ALIAS, ReferenceKind.TAG, ReferenceKind.BRANCH


def put(
    story: Story,
    id: str,
    target: Version | str,
    kind: ReferenceKind = ALIAS,
    *,
    expected: str = "",
    by: Caller | None = None,
) -> Reference:
    return story.world.references.set(
        by or story.alice,
        ReferenceName(model=NAME, reference=id),
        kind=kind,
        target=target if isinstance(target, str) else target.name,
        expected_target=expected,
    )


def drop(story: Story, id: str, *, expected: str = "", by: Caller | None = None) -> None:
    story.world.references.delete(
        by or story.alice, ReferenceName(model=NAME, reference=id), expected_target=expected
    )


def get(story: Story, id: str) -> Reference:
    return story.world.references.get(story.rosa, ReferenceName(model=NAME, reference=id))


def resolve(story: Story, reference: str) -> Version:
    return story.world.references.resolve(story.rosa, NAME, reference).version


def yank(story: Story, version: Version) -> None:
    story.world.yanks.yank(story.alice, name_of(version), reason="bad", validate_only=False)


def test_resolve_number(story: Story) -> None:
    """A number is that version."""
    version = story.push()
    resolved = story.world.references.resolve(story.rosa, NAME, "1")
    assert resolved.version == version
    assert resolved.kind is None


def test_resolve_digest(story: Story) -> None:
    """Of versions with one digest a released one answers before the others, else the newest."""
    first, second, third = (story.push() for _ in range(3))
    assert resolve(story, first.digest).number == third.number
    story.world.database.write(lambda tx: tx.versions.set_state(second.key, VersionState.RELEASED))
    assert resolve(story, first.digest).number == second.number


def test_resolve_commit(story: Story) -> None:
    """A commit, whole or by a beginning of it, is the version that was cut from it."""
    version = story.push()
    assert resolve(story, version.commit) == version
    letter = next(n for n in range(7, 41) if not version.commit[:n].isdigit())
    assert resolve(story, version.commit[:letter]) == version


def test_resolve_commit_without_version(story: Story) -> None:
    """A commit that no version was cut from is no version."""
    made = story.commit({"a": b"1"})
    with pytest.raises(NotFoundError):
        resolve(story, made.id)


def test_resolve_ambiguous_commit(story: Story) -> None:
    """A beginning that several commits share is refused, versions or not."""
    world = story.world
    for number in range(2):
        world.version("fraud/scorer", {"a": str(number).encode()})
    one = world.commits.get(story.rosa, NAME, f"{1:040x}")
    for number in range(2):
        twin = dataclasses.replace(one, id=f"abcdef0{number:033x}")
        world.database.write(lambda tx, twin=twin: tx.commits.insert(twin))  # type: ignore[misc]
    with pytest.raises(AmbiguousReferenceError):
        resolve(story, "abcdef0")


def test_resolve_branch(story: Story) -> None:
    """A branch answers with the newest version cut from its head."""
    first = story.push()
    assert resolve(story, "main") == story.now(first)
    again = story.cut("main")
    assert resolve(story, "main").number == again.number
    story.commit({"b": b"1"})
    with pytest.raises(NotFoundError, match="head of branch"):
        resolve(story, "main")


def test_resolve_stage(story: Story) -> None:
    """A stage answers with its version, the promotion that decided on it, and since when."""
    version = story.released()
    promotion = story.promote(version)
    resolved = story.world.references.resolve(story.rosa, NAME, "production")
    assert resolved.version.number == version.number
    assert resolved.kind is ReferenceKind.STAGE
    assert resolved.promotion == promotion.number
    assert resolved.since_time_us == promotion.end_time_us


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("production", "hallmark promote"),
        ("development", "label"),
        ("nothing", "hallmark ref list"),
        ("99", "hallmark version list"),
        ("sha256:" + "0" * 64, "hallmark version list"),
        ("c" * 40, "hallmark version list"),
        ("cccccccc", "hallmark version list"),
    ],
)
def test_resolve_nothing(story: Story, reference: str, says: str) -> None:
    """What is not there is not found, and the error says where to look."""
    with pytest.raises(NotFoundError, match=says):
        resolve(story, reference)


def test_resolve_other_case(story: Story) -> None:
    """A name in another case is not found, and the right one is offered."""
    put(story, "best", story.push())
    with pytest.raises(NotFoundError, match="Did you mean best"):
        resolve(story, "Best")
    with pytest.raises(NotFoundError, match="Did you mean best"):
        get(story, "BEST")


@pytest.mark.parametrize("reference", ["", "../x", "a b", "sha256:xyz", "ABCDEF0", "a\0", "@"])
def test_resolve_malformed(story: Story, reference: str) -> None:
    """What is no reference is refused."""
    with pytest.raises(InvalidFieldError) as refused:
        resolve(story, reference)
    assert refused.value.field == "reference"


def test_resolve_in_a_missing_model(story: Story) -> None:
    """A model that is not there is what is not found."""
    for reference in ("1", "production", "sha256:" + "0" * 64, "cccccccc"):
        with pytest.raises(NotFoundError) as refused:
            story.world.references.resolve(story.rosa, ModelName(path="fraud/ghost"), reference)
        assert "fraud/ghost" in str(refused.value)


def test_yanked_versions_have_no_names(story: Story) -> None:
    """A yanked version answers to number and digest, and to nothing else."""
    version = story.released()
    put(story, "best", version)
    put(story, "v1", version, TAG)
    yank(story, version)
    assert resolve(story, "1").state is VersionState.YANKED
    assert resolve(story, version.digest).number == 1
    for name in ("best", "v1", "main", version.commit):
        with pytest.raises(InvalidStateError, match="YANKED"):
            resolve(story, name)


def test_yanked_among_versions_of_one_commit(story: Story) -> None:
    """A commit answers with a version that is not yanked, if there is one."""
    first = story.push()
    second = story.cut("main")
    yank(story, second)
    assert resolve(story, first.commit).number == first.number


def test_set_and_move_an_alias(story: Story) -> None:
    """An alias is created, moves, and shows who moved it."""
    first, second = story.push({"a": b"1"}), story.push({"a": b"2"})
    made = put(story, "best", first)
    assert (made.target, made.digest, made.updater) == (first.name, first.digest, "alice")
    moved = put(story, "best", second, by=story.ann)
    assert (moved.target, moved.updater) == (second.name, "ann")
    assert get(story, "best") == moved
    assert story.now(second).references == ("best",)


def test_setting_what_is_set_changes_nothing(story: Story) -> None:
    """Setting the same target again succeeds and leaves who set it first."""
    version = story.push()
    made = put(story, "best", version)
    assert put(story, "best", version, by=story.ann) == made
    assert put(story, "v1", version, TAG) == put(story, "v1", version, TAG)


def test_conditional_moves(story: Story) -> None:
    """A move with an expectation happens only where it holds."""
    first, second = story.push({"a": b"1"}), story.push({"a": b"2"})
    with pytest.raises(TargetMovedError):
        put(story, "best", second, expected=first.name)
    put(story, "best", first, expected="none")
    with pytest.raises(TargetMovedError):
        put(story, "best", second, expected="none")
    with pytest.raises(TargetMovedError, match="versions/1"):
        put(story, "best", first, expected=second.name)
    assert put(story, "best", second, expected=first.name).target == second.name


def test_tags_never_move(story: Story) -> None:
    """A tag stays where it is."""
    first, second = story.push({"a": b"1"}), story.push({"a": b"2"})
    put(story, "v1", first, TAG)
    with pytest.raises(InvalidStateError, match="Tags never move"):
        put(story, "v1", second, TAG)


def test_branches_move(story: Story) -> None:
    """A branch is set to a commit, also back."""
    first, second = story.commit({"a": b"1"}), story.commit({"b": b"2"})
    moved = put(story, "main", first.name, BRANCH, expected=second.name)
    assert (moved.target, moved.digest) == (first.name, "")
    assert story.commit({"c": b"3"}).parents == (first.id,)


@pytest.mark.parametrize("kind", [ALIAS, TAG])
@pytest.mark.parametrize("id", ["production", "PRODUCTION", "staging", "development", "Archived"])
def test_stage_names_are_refused(story: Story, kind: ReferenceKind, id: str) -> None:
    """No reference is named like a stage, in any case."""
    version = story.push()
    with pytest.raises(InvalidFieldError, match="promotion only"):
        put(story, id, version, kind)
    with pytest.raises(InvalidFieldError):
        drop(story, id)


@pytest.mark.parametrize(
    ("kind", "id"), [(ALIAS, "main"), (TAG, "main"), (ALIAS, "Main"), (BRANCH, "MAIN")]
)
@pytest.mark.parametrize("gone", [False, True])
def test_only_the_branch_is_called_main(
    story: Story, kind: ReferenceKind, id: str, gone: bool
) -> None:
    """Nothing can take the name that new versions need, also while the branch is not there."""
    version = story.push()
    commit = story.commit({"a": b"1"})
    if gone:
        drop(story, "main")
    target = commit.name if kind is BRANCH else version
    with pytest.raises(InvalidFieldError, match="choose another name") as refused:
        put(story, id, target, kind)
    assert (refused.value.field, refused.value.found) == ("name", f"{kind.value} {id}")
    assert story.push({"b": b"2"}).number == 2


def test_the_branch_main_comes_back(story: Story) -> None:
    """Who deleted it may set it again."""
    commit = story.commit({"a": b"1"})
    drop(story, "main")
    assert put(story, "main", commit.name, BRANCH).target == commit.name


def test_branch_named_like_a_stage(story: Story) -> None:
    """A branch is not named like a stage either."""
    made = story.commit({"a": b"1"})
    with pytest.raises(InvalidFieldError, match="promotion only"):
        put(story, "production", made.name, BRANCH)


@pytest.mark.parametrize("id", ["7", "1234567", "abcdef0", "a" * 40])
def test_numbers_and_commits_are_no_names(story: Story, id: str) -> None:
    """Digits only, and 7 or more hex digits only, are refused as names."""
    with pytest.raises(InvalidFieldError):
        put(story, id, story.push())


def test_names_differ_in_more_than_case(story: Story) -> None:
    """A name that differs only in case, or is of another kind, is taken."""
    version = story.push()
    put(story, "best", version)
    put(story, "dev", f"{NAME}/commits/{version.commit}", BRANCH)
    for id, kind in (("Best", ALIAS), ("best", TAG), ("BEST", TAG), ("dev", ALIAS)):
        with pytest.raises(AlreadyExistsError):
            put(story, id, version, kind)


def test_bad_targets(story: Story) -> None:
    """A target that is none, of another model, withdrawn, or of the wrong kind is refused."""
    version = story.push()
    story.world.model("fraud/other")
    foreign = story.push(model="fraud/other")
    for target in ("", "x", foreign.name, f"{NAME}/commits/{version.commit}"):
        with pytest.raises(InvalidFieldError) as refused:
            put(story, "best", target)
        assert refused.value.field == "target"
    with pytest.raises(NotFoundError):
        put(story, "best", f"{NAME}/versions/99")
    with pytest.raises(NotFoundError):
        put(story, "dev", f"{NAME}/commits/{'0' * 40}", BRANCH)
    yank(story, version)
    with pytest.raises(InvalidStateError, match="YANKED"):
        put(story, "best", version)


def test_kind_stage_is_refused(story: Story) -> None:
    """A stage is not set as a reference."""
    with pytest.raises(InvalidFieldError, match="hallmark promote"):
        put(story, "best", story.push(), ReferenceKind.STAGE)


def test_delete(story: Story) -> None:
    """A deleted alias is gone; a second delete finds nothing."""
    version = story.push()
    put(story, "best", version)
    with pytest.raises(TargetMovedError):
        drop(story, "best", expected=f"{NAME}/versions/2")
    drop(story, "best", expected=version.name)
    with pytest.raises(NotFoundError):
        drop(story, "best")
    with pytest.raises(NotFoundError):
        get(story, "best")


def test_deleting_a_tag_takes_a_right_of_its_own(story: Story) -> None:
    """Who sets references does not delete tags; administrators do."""
    put(story, "v1", story.push(), TAG)
    with pytest.raises(PermissionDeniedError, match="delete_tag"):
        drop(story, "v1")
    drop(story, "v1", by=story.root)


def test_get_stage(story: Story) -> None:
    """A stage is read like a reference; an empty one is not found."""
    with pytest.raises(NotFoundError):
        get(story, "production")
    version = story.released()
    story.promote(version)
    stage = get(story, "production")
    assert (stage.kind, stage.target) == (ReferenceKind.STAGE, version.name)
    assert stage.updater == "bob"


def test_list(story: Story) -> None:
    """References come by name with the stages that are set, page by page and by kind."""
    version = story.released()
    story.promote(version)
    put(story, "a-best", version)
    put(story, "zeta", version, TAG)

    def ids(kind: ReferenceKind | None = None) -> list[str]:
        found: list[str] = []
        token = ""
        while True:
            page = story.world.references.list(
                story.rosa, NAME, kind=kind, page=PageRequest(size=1, token=token)
            )
            found += [reference.id for reference in page.items]
            token = page.next_page_token
            if not token:
                return found

    assert ids() == ["a-best", "main", "production", "zeta"]
    assert ids(ReferenceKind.STAGE) == ["production"]
    assert ids(ALIAS) == ["a-best"]


def test_permissions(story: Story) -> None:
    """Readers move nothing, others read nothing."""
    version = story.push()
    for by in (story.rosa, story.bob, story.mallory):
        with pytest.raises(PermissionDeniedError):
            put(story, "best", version, by=by)
        with pytest.raises(PermissionDeniedError):
            drop(story, "best", by=by)
    with pytest.raises(PermissionDeniedError):
        story.world.references.resolve(story.mallory, NAME, "1")
    with pytest.raises(PermissionDeniedError):
        story.world.references.list(story.mallory, NAME, kind=None, page=PageRequest())
    admin = story.world.caller("adam", grant(Role.ADMIN, "fraud"))
    assert put(story, "best", version, by=admin).updater == "adam"
