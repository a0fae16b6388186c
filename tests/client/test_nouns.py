"""Every noun of the client against a real server: each method once, with what it promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.client import Client, Dataset, Grant, VersionSpec
from registry.client.errors import (
    AbortedError,
    AlreadyExistsError,
    ClientError,
    FailedPreconditionError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    PolicyRefusedError,
    UnauthenticatedError,
)
from registry.testing.people import Team, vetted

pytestmark = pytest.mark.slow

DATASET = Dataset(name="holdout", digest="sha256:" + "d" * 64)


@pytest.fixture
def released(team: Team, folder: Path) -> str:
    """A model with one released version; its name."""
    team.alice.push(folder, team.model(), metrics={"auc": 0.5})
    vetted(team.alice, f"{team.model()}@1")
    return team.model()


def push_again(team: Team, folder: Path) -> str:
    (folder / "config.json").write_text('{"more": true}')
    result = team.alice.push(folder, team.model(), metrics={"auc": 0.6})
    assert result.version is not None
    return vetted(team.alice, result.version.ref).name


def test_info_needs_no_token(team: Team) -> None:
    """Anybody may ask for version, addresses and limits."""
    with Client(team.server.http_url, token="") as client:
        info = client.info()
    assert info.exclusive_stages == ("staging", "production")
    assert info.http_url == team.server.http_url


def test_credentials_that_prove_nothing(team: Team) -> None:
    """No token and a wrong one are refused as such."""
    for token in ("", "hm_wrong"):
        with (
            Client(team.server.http_url, token=token) as client,
            pytest.raises(UnauthenticatedError),
        ):
            client.principals.caller()


def test_namespaces(team: Team) -> None:
    """A namespace is claimed once, read, listed, changed under its etag, and given back."""
    name = f"{team.namespace}-more"
    made = team.admin.namespaces.create(name, description="first")
    with pytest.raises(AlreadyExistsError):
        team.admin.namespaces.create(name)
    changed = team.admin.namespaces.update(name, owner="ml", etag=made.etag)
    assert (changed.description, changed.owner) == ("first", "ml")
    with pytest.raises(AbortedError):
        team.admin.namespaces.update(name, owner="other", etag=made.etag)
    assert name in [each.id for each in team.admin.namespaces.list()]
    team.admin.namespaces.delete(name, validate_only=True)
    assert team.admin.namespaces.get(name).owner == "ml"
    team.admin.namespaces.delete(name)
    with pytest.raises(NotFoundError):
        team.admin.namespaces.get(name)


def test_principals(team: Team) -> None:
    """A robot is created, granted, listed and disabled."""
    robot = f"robot-{team.namespace}"
    made = team.admin.principals.create(
        robot, kind="robot", grants=[Grant(role="reader", namespace_pattern="*")]
    )
    assert (made.id, made.kind) == (robot, "robot")
    more = (*made.grants, Grant(role="deployer", namespace_pattern=team.namespace))
    changed = team.admin.principals.update(robot, grants=more, etag=made.etag)
    assert set(changed.grants) == set(more)
    assert team.admin.principals.update(robot, disabled=True).disabled
    assert robot in [each.id for each in team.admin.principals.list()]
    assert team.admin.principals.get(robot).disabled
    with pytest.raises(InvalidRequestError):
        team.admin.principals.create("x", kind="alien")


def test_roles_are_told(team: Team) -> None:
    """Everybody may read which role may do what."""
    rows = {row.role: row.actions for row in team.bob.principals.roles()}
    assert "promotion.decide" in rows["reviewer"]
    assert "promotion.decide" not in rows["admin"]


def test_tokens(team: Team) -> None:
    """A token works from its creation to its revocation."""
    who = team.alice.principals.caller().principal.name
    made = team.alice.tokens.create(
        who, label="more", expire_time=datetime.now(UTC) + timedelta(hours=1)
    )
    with team.server.client(made.secret) as client:
        caller = client.principals.caller()
        assert caller.token is not None
        assert caller.token.name == made.token.name
        team.alice.tokens.revoke(made.token.name)
        with pytest.raises(UnauthenticatedError):
            client.principals.caller()
    assert made.token.name in [each.name for each in team.alice.tokens.list(who)]
    assert "secret" not in repr(made)


def test_models(team: Team) -> None:
    """A model is created, found by its fields, changed under its etag, and deleted."""
    made = team.alice.models.create(team.model(), license="mit", tags=["fraud"], task="ranking")
    assert made.path == team.model()
    found = team.alice.models.list(team.namespace, license="MIT", tags=["fraud"], text="scor")
    assert [each.name for each in found] == [made.name]
    assert list(team.alice.models.list(team.namespace, task="other")) == []
    changed = team.alice.models.update(team.model(), tags=[], description="new", etag=made.etag)
    assert (changed.tags, changed.description, changed.license) == ((), "new", "mit")
    with pytest.raises(AbortedError):
        team.alice.models.update(team.model(), task="x", etag=made.etag)
    with pytest.raises(PermissionDeniedError):
        team.alice.models.delete(team.model())
    team.admin.models.delete(team.model())
    with pytest.raises(NotFoundError) as caught:
        team.alice.models.get(team.model())
    assert caught.value.metadata["kind"] == "model"


def test_lists_are_paged_to_their_end(team: Team) -> None:
    """A list longer than a page comes whole, in order, each entry once."""
    names = [team.model(f"m{number:03}") for number in range(205)]
    for name in names:
        team.alice.models.create(name)
    assert [each.path for each in team.alice.models.list(team.namespace)] == names


def test_versions(team: Team, released: str, folder: Path) -> None:
    """Versions are listed, found by any reference, and compared."""
    second = push_again(team, folder)
    assert [each.number for each in team.alice.versions.list(released)] == [2, 1]
    first = team.alice.versions.get(f"{released}@1")
    assert team.alice.versions.get(f"{released}@{first.digest}").number == 1
    assert team.alice.versions.name(f"{released}@{first.commit}") == first.name
    newest = team.alice.versions.newest(released)
    assert newest is not None
    assert newest.name == second
    files = [each.path for each in team.alice.versions.files(f"{released}@1")]
    assert files == ["README.md", "config.json", "onnx/model.safetensors"]
    manifest = team.alice.versions.manifest(f"{released}@1")
    assert manifest.digest == first.digest
    diff = team.alice.versions.diff(f"{released}@1", f"{released}@2")
    assert [each.other.path for each in diff.changed] == ["config.json"]
    assert [(each.key, each.base, each.other) for each in diff.metrics] == [("auc", "0.5", "0.6")]


def test_a_version_of_stored_files_and_of_a_branch(team: Team, released: str) -> None:
    """Files that are stored make a version by digest alone, and a branch's head can be cut."""
    files = list(team.alice.versions.files(f"{released}@1"))
    made = team.alice.versions.create(released, files=files[:1], message="card only")
    assert (made.number, made.file_count) == (2, 1)
    cut = team.alice.versions.cut(released, "main", spec=VersionSpec(description="again"))
    assert (cut.digest, cut.spec.description) == (made.digest, "again")


def test_evaluations(team: Team, released: str) -> None:
    """A measured result is added for good."""
    team.bob.versions.evaluate(f"{released}@1", "holdout", {"auc": 0.7}, dataset=DATASET)
    (found,) = team.alice.versions.evaluations(f"{released}@1")
    assert (found.evaluation, found.metrics, found.dataset) == ("holdout", {"auc": 0.7}, DATASET)


def test_yanks(team: Team, released: str) -> None:
    """A yanked version says why, and comes back."""
    shown = team.alice.versions.yank(f"{released}@1", "bad", validate_only=True)
    assert shown.yank_reason in ("", "bad")
    assert team.alice.versions.get(f"{released}@1").state == "released"
    assert team.alice.versions.yank(f"{released}@1", "bad").yank_reason == "bad"
    assert team.alice.versions.unyank(f"{released}@1").state == "released"


def test_commits(team: Team, released: str) -> None:
    """A commit goes onto a branch whose head is as expected, and is found by its beginning."""
    (head,) = team.alice.commits.list(released)
    files = list(team.alice.versions.files(f"{released}@1"))
    made = team.alice.commits.create(
        released,
        "drop the config",
        branch="work",
        files=[files[0]],
        replace_tree=True,
    )
    assert made.file_count == 1
    with pytest.raises(AbortedError):
        team.alice.commits.create(
            released, "late", branch="work", files=files, expected_head=head.id
        )
    assert team.alice.commits.get(released, made.id[:12]) == made
    assert next(team.alice.commits.list(released, "work")).id == made.id


def test_references(team: Team, released: str, folder: Path) -> None:
    """An alias moves, also on a condition; a tag does not; both are listed beside stages."""
    second = push_again(team, folder)
    first = f"models/{released}/versions/1"
    assert team.alice.references.set(released, "latest", first).kind == "alias"
    team.alice.references.set(released, "latest", second, expected=first)
    with pytest.raises(AbortedError):
        team.alice.references.set(released, "latest", first, expected=first)
    team.alice.references.set(released, "v1.0", first, kind="tag")
    with pytest.raises(FailedPreconditionError):
        team.alice.references.set(released, "v1.0", second, kind="tag")
    assert team.alice.resolve(f"{released}@latest").version.number == 2
    kinds = {each.id: each.kind for each in team.alice.references.list(released)}
    assert kinds == {"latest": "alias", "v1.0": "tag", "main": "branch"}
    assert team.alice.references.get(released, "latest").target == second
    team.alice.references.delete(released, "latest")
    with pytest.raises(NotFoundError):
        team.alice.resolve(f"{released}@latest")


def test_promotions(team: Team, released: str, folder: Path) -> None:
    """A promotion is refused to its registrant, decided by another, rolled back, and in history."""
    first, second = f"models/{released}/versions/1", push_again(team, folder)
    shown = team.alice.promotions.create(first, "production", validate_only=True)
    assert (shown.name, shown.number) == ("", 0)
    opened = team.alice.promotions.create(first, "production", note="weekly")
    assert [rule.rule for rule in opened.waiting] == ["FOUR-EYES"]
    with pytest.raises(PermissionDeniedError):
        team.alice.promotions.decide(opened.number, "approve", digest=opened.digest)
    done = team.bob.promotions.decide(opened.name, "approve", digest=opened.digest)
    assert done.state == "completed"
    later = team.alice.promotions.create(second, "production", expected_current=1)
    team.bob.promotions.decide(later.number, "approve", digest=later.digest)
    resolved = team.alice.resolve(f"{released}@production")
    assert (resolved.version.number, resolved.kind, resolved.promotion) == (2, "stage", later.name)
    with pytest.raises(AbortedError):
        team.alice.promotions.rollback(released, "production", expected_current=1)
    assert team.alice.promotions.rollback(released, "production").version == first
    assert [p.rollback for p in team.alice.promotions.history(released, "production")] == [
        True,
        False,
        False,
    ]
    past = datetime.now(UTC) - timedelta(days=1)
    assert list(team.alice.promotions.history(released, "production", at_time=past)) == []
    states = [each.state for each in team.alice.promotions.list(released)]
    assert states == ["completed", "completed"]


def test_withdrawal_and_rejection(team: Team, released: str) -> None:
    """An open promotion is withdrawn by who asked, and ended by a rejection."""
    version = f"models/{released}/versions/1"
    first = team.alice.promotions.create(version, "staging")
    assert team.alice.promotions.withdraw(first.number).state == "withdrawn"
    second = team.alice.promotions.create(version, "staging")
    ended = team.bob.promotions.decide(
        second.number, "reject", digest=second.digest, comment="no card"
    )
    assert (ended.state, ended.decisions[0].comment) == ("rejected", "no card")
    assert team.alice.promotions.get(second.number).state == "rejected"
    with pytest.raises(FailedPreconditionError):
        team.bob.promotions.decide(second.number, "approve", digest=second.digest)


def test_a_policys_refusal_lists_every_rule(team: Team, released: str) -> None:
    """What no decision can satisfy is refused with each failed rule and its mend."""
    team.alice.versions.yank(f"{released}@1", "bad")
    with pytest.raises((PolicyRefusedError, FailedPreconditionError)) as caught:
        team.alice.promotions.create(f"models/{released}/versions/1", "production")
    assert caught.value.precondition_violations
    assert all(each.fix for each in caught.value.precondition_violations)


def test_lineage(team: Team, released: str, folder: Path) -> None:
    """Edges are declared, walked both ways, refused in a circle, and taken back."""
    first, second = f"models/{released}/versions/1", push_again(team, folder)
    team.alice.lineage.create(second, first, kind="finetune")
    assert [each.parent for each in team.alice.lineage.ancestors(second)] == [first]
    hidden: list[int] = []
    down = list(team.alice.lineage.descendants(first, hidden=hidden.append))
    assert ([each.child for each in down], hidden) == ([second], [0])
    with pytest.raises(FailedPreconditionError) as caught:
        team.alice.lineage.create(first, second, kind="merge")
    assert caught.value.reason == "LINEAGE_CYCLE"
    team.alice.lineage.delete(second, first)
    assert list(team.alice.lineage.ancestors(second)) == []


def test_events(team: Team, released: str) -> None:
    """Everything that was done to a model is in its events, and the log verifies."""
    found = list(team.admin.events.list(team.namespace, resource=f"models/{released}"))
    actions = [each.action for each in found]
    assert {"model.create", "version.create"} <= set(actions)
    oldest = team.admin.events.list(team.namespace, order_by="time", action="version.")
    assert next(oldest).action.startswith("version.")
    assert team.admin.events.verify().event_count > 0
    with pytest.raises(PermissionDeniedError):
        team.alice.events.verify()


def test_usage(team: Team, released: str, tmp_path: Path) -> None:
    """Downloads and likes are counted, and a like can be taken back."""
    team.alice.pull(f"{released}@1", tmp_path / "out")
    assert team.alice.usage.like(released) == 1
    assert team.alice.usage.like(released) == 1
    assert team.alice.usage.get(released).liked
    assert team.alice.usage.unlike(released) == 0
    assert not team.alice.usage.get(released).liked


def test_uploads(team: Team, folder: Path) -> None:
    """A session can be read again and thrown away."""
    team.alice.models.create(team.model())
    files = team.alice.push(folder, team.model(), dry_run=True).files
    opened = team.alice.transfers.create_upload(team.model(), files)
    assert opened.state == "receiving"
    assert team.alice.transfers.get_upload(opened.name).digest == opened.digest
    with pytest.raises(NotFoundError):
        team.bob.transfers.get_upload(opened.name)
    team.alice.transfers.delete_upload(opened.name)
    with pytest.raises(ClientError):
        team.alice.versions.create(team.model(), upload=opened.name)
