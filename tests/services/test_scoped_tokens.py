"""Tokens with scopes: what they may, and what they may hand on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.domain.access import Caller, Role
from registry.domain.models import ModelFilter
from registry.domain.pages import PageRequest
from registry.domain.scopes import Scope
from registry.errors import (
    InvalidFieldError,
    NotFoundError,
    PermissionDeniedError,
    TicketError,
    TokenScopeError,
    TooLargeError,
)
from registry.names import (
    ModelName,
    NamespaceName,
    PrincipalName,
    TokenName,
    UploadName,
    VersionName,
)
from registry.ports.tables import EventQuery
from registry.services.possession import granted
from registry.testing.story import NAME, Story, name_of
from registry.testing.world import DAY_US, World, grant

FETCH_PRODUCTION = Scope(action="version.fetch", model="fraud/*", stage="production")


def scoped(world: World, id: str, *scopes: Scope) -> Caller:
    """One more token of a principal that is there, with these scopes."""
    return world.login(id, scopes=scopes).caller


def fetch(world: World, caller: Caller, name: VersionName) -> list[str]:
    made = world.downloads.create(caller, name, digest="", paths=())
    return [ticket for _, ticket in made.files]


def test_a_scope_narrows_and_gives_nothing(story: Story) -> None:
    """A token does what its scopes cover and its principal may; neither alone is enough."""
    world, version = story.world, story.released()
    reads = scoped(world, "rosa", Scope(action="version.read", model="fraud/*"))
    assert world.versions.get(reads, name_of(version)).number == version.number
    with pytest.raises(PermissionDeniedError, match=r"version.read:fraud/\*"):
        fetch(world, reads, name_of(version))
    wide = scoped(world, "rosa", Scope(action="*"))
    with pytest.raises(PermissionDeniedError):
        world.models.delete(wide, NAME, etag="", validate_only=True)
    other = scoped(world, "rosa", Scope(action="version.read", model="fraud/other"))
    with pytest.raises(PermissionDeniedError):
        world.versions.get(other, name_of(version))


def test_bytes_of_a_stage_leave_while_it_holds_them(story: Story) -> None:
    """A token for production fetches what is there now: tickets end when the version leaves, and a
    version that is not there is refused like one that does not exist."""
    world = story.world
    first, second = story.released({"a.txt": b"1"}), story.released({"a.txt": b"2"})
    deploy = scoped(world, "dora", FETCH_PRODUCTION)

    def refusal(name: VersionName) -> str:
        with pytest.raises(PermissionDeniedError) as refused:
            fetch(world, deploy, name)
        return str(refused.value).replace(str(name), "NAME")

    absent = refusal(VersionName(model=NAME, number=99))
    assert refusal(name_of(first)) == absent
    story.promote(first)
    (ticket,) = fetch(world, deploy, name_of(first))
    assert world.downloads.open(ticket).version == first.name
    assert refusal(name_of(second)) == absent
    story.promote(second)
    with pytest.raises(TicketError, match=r"may not version\.fetch"):
        world.downloads.open(ticket)
    assert fetch(world, deploy, name_of(second))
    story.promote(first, "staging")
    assert refusal(name_of(first)) == absent


def test_stages_of_promotions_are_judged(story: Story) -> None:
    """A token for staging asks for staging alone, decides on it alone, and rolls nothing else
    back."""
    world, version = story.world, story.released()
    asks = scoped(world, "alice", Scope(action="promotion.request", stage="staging"))
    ask: Callable[[Caller, str], object] = lambda who, stage: world.promotions.create(  # noqa: E731
        who,
        name_of(version),
        stage=stage,
        note="",
        expected_current=0,
        expire_time_us=None,
        validate_only=True,
        request_id="",
    )
    assert ask(asks, "staging")
    with pytest.raises(PermissionDeniedError):
        ask(asks, "production")
    asked = story.ask(version, "production")
    story.bob = scoped(world, "bob", Scope(action="promotion.decide", stage="staging"))
    with pytest.raises(PermissionDeniedError):
        story.approve(asked)
    back = scoped(world, "dora", Scope(action="stage.rollback", model="fraud/*", stage="staging"))
    for stage, error in (("production", PermissionDeniedError), ("staging", Exception)):
        with pytest.raises(error) as refused:
            world.stages.rollback(
                back,
                NAME,
                stage=stage,
                version=None,
                to_empty=False,
                expected_current=0,
                note="",
                validate_only=True,
                request_id="",
            )
        assert isinstance(refused.value, PermissionDeniedError) is (stage == "production")


def test_lists_show_what_is_covered(world: World) -> None:
    """Lists of models show those of the scopes; what belongs to no model is not there."""
    for path in ("fraud/a", "fraud/b", "risk/a"):
        world.model(path)
    world.login("rosa", grant(Role.READER), grant(Role.AUDITOR))
    some = scoped(world, "rosa", Scope(action="*.read", model="*/a"))

    def models(namespace: str | None) -> list[str]:
        page = world.models.list(some, namespace, ModelFilter(), "", PageRequest())
        return [model.path for model in page.items]

    assert models(None) == ["fraud/a", "risk/a"]
    assert models("fraud") == ["fraud/a"]
    assert world.namespaces.list(some, PageRequest()).items == ()
    for forbidden in (
        lambda: world.namespaces.get(some, NamespaceName(namespace="fraud")),
        lambda: world.events.list(some, EventQuery(namespace="fraud"), "", PageRequest()),
        lambda: world.events.list(some, EventQuery(namespace=None), "", PageRequest()),
        lambda: world.principals.list(some, PageRequest()),
    ):
        with pytest.raises(PermissionDeniedError):
            forbidden()
    none = scoped(world, "rosa", Scope(action="version.read"))
    with pytest.raises(PermissionDeniedError):
        world.models.list(none, "fraud", ModelFilter(), "", PageRequest())


def test_a_digest_is_good_for_what_may_be_fetched(story: Story) -> None:
    """A token that may not fetch a model cannot take its bytes into another by their digest."""
    world = story.world
    world.model("lab/copy")
    story.released({"a.txt": b"secret"})
    world.login("eve", grant(Role.READER, "fraud"), grant(Role.REGISTRANT, "lab"))
    sha256 = world.store(b"secret")
    everything = scoped(world, "eve")
    writes = scoped(world, "eve", Scope(action="version.create", model="lab/*"))
    fetches = scoped(world, "eve", Scope(action="version.*", model="lab/*"))
    staged = scoped(world, "eve", Scope(action="version.fetch", stage="production"))
    found = [
        world.database.read(lambda tx, who=who: granted(tx, who, "lab", {sha256}))  # type: ignore[misc]
        for who in (everything, writes, fetches, staged)
    ]
    assert found == [{sha256}, set(), set(), set()]


def create(world: World, caller: Caller, owner: str, *scopes: Scope) -> Caller:
    token, secret = world.tokens.create(
        caller,
        PrincipalName(principal=owner),
        label="",
        expire_time_us=world.clock.now_us() + DAY_US,
        request_id="",
        scopes=scopes,
    )
    caller = world.authenticator.authenticate(secret)
    assert caller.token == token
    return caller


def test_scopes_are_kept_as_given(world: World) -> None:
    """Scopes come back, each once and sorted, with a star for what was left empty."""
    ada = world.caller("ada")
    made = create(
        world,
        ada,
        "ada",
        Scope(action="version.read", model="", stage=""),
        FETCH_PRODUCTION,
        FETCH_PRODUCTION,
    )
    assert made.token.scopes == (FETCH_PRODUCTION, Scope(action="version.read"))
    assert [str(s) for s in made.token.scopes] == [
        "version.fetch:fraud/*@production",
        "version.read:*",
    ]


@pytest.mark.parametrize(
    "scope",
    [
        Scope(action=""),
        Scope(action="version.fly"),
        Scope(action="*", model="a b"),
        Scope(action="*", model="a*b*c*d*"),
        Scope(action="*", model="x" * 257),
        Scope(action="*", stage="Production"),
        Scope(action="model.read", stage="production"),
    ],
)
def test_scopes_that_say_nothing_are_refused(world: World, scope: Scope) -> None:
    """A scope that covers no action, no model or no stage is a mistake, and told."""
    with pytest.raises(InvalidFieldError, match=r"token\.scopes\[0\]"):
        create(world, world.caller("ada"), "ada", scope)


def test_scopes_are_counted(world: World) -> None:
    """A token has at most 20 scopes."""
    many = [Scope(action="*", model=f"fraud/m{n}") for n in range(21)]
    with pytest.raises(TooLargeError):
        create(world, world.caller("ada"), "ada", *many)


def test_a_narrow_token_hands_on_no_more_than_it_has(world: World) -> None:
    """With scopes a token makes others only where token.create is among them, and only narrower
    ones, also for other principals and whatever its principal may."""
    world.login("root", grant(Role.ADMIN))
    world.login("ada")
    narrow = scoped(world, "root", Scope(action="version.*"), Scope(action="principal.*"))
    with pytest.raises(TokenScopeError, match=r"token\.create among them"):
        create(world, narrow, "root", Scope(action="version.read"))
    maker = scoped(
        world, "root", Scope(action="version.*"), Scope(action="t*"), Scope(action="principal.*")
    )
    for owner in ("root", "ada"):
        assert create(world, maker, owner, Scope(action="version.read", model="fraud/*"))
        for scopes in ((), (Scope(action="*"),), (Scope(action="model.read"),)):
            with pytest.raises(TokenScopeError, match="scopes that cover"):
                create(world, maker, owner, *scopes)


def test_own_tokens_take_their_scopes(world: World) -> None:
    """Listing and revoking one's own tokens takes scopes for it; a token may always end itself."""
    ada = world.caller("ada")
    narrow = scoped(world, "ada", Scope(action="version.read"))
    me = PrincipalName(principal="ada")
    with pytest.raises(TokenScopeError):
        world.tokens.list(narrow, me, PageRequest())
    with pytest.raises(TokenScopeError):
        world.tokens.revoke(narrow, TokenName.parse(ada.token.name))
    with pytest.raises(TokenScopeError):
        world.tokens.revoke_all(narrow, me, except_current=False)
    assert world.tokens.revoke(narrow, TokenName.parse(narrow.token.name)).revoke_time_us


def test_sessions_need_a_token_for_their_model(story: Story) -> None:
    """An upload session is not there for a token that is not good for its model."""
    id = story.session({"a.txt": b"a"}, complete=False)
    name = UploadName(upload=id)
    narrow = scoped(story.world, "alice", Scope(action="version.create", model="fraud/other"))
    for call in (story.world.uploads.get, story.world.uploads.delete):
        with pytest.raises(NotFoundError):
            call(narrow, name)
    good = scoped(story.world, "alice", Scope(action="version.create", model="fraud/scorer"))
    assert story.world.uploads.get(good, name).upload.id == id


def test_unknown_models_are_refused_alike(story: Story) -> None:
    """A refusal for want of a scope is the same whether the model exists or not."""
    narrow = scoped(story.world, "rosa", Scope(action="model.read", model="fraud/other"))
    words = set()
    for path in ("fraud/scorer", "fraud/absent"):
        with pytest.raises(PermissionDeniedError) as refused:
            story.world.models.get(narrow, ModelName(path=path))
        words.add(str(refused.value).replace(path, "NAME"))
    assert len(words) == 1
