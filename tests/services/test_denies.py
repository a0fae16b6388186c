"""Denying grants, and the explanation of what decides."""

from __future__ import annotations

import pytest

from registry.domain.access import Action, Caller, Grant, PrincipalKind, Role
from registry.domain.models import ModelFilter
from registry.domain.pages import PageRequest
from registry.domain.scopes import Scope
from registry.errors import InvalidFieldError, LastAdminError, NotFoundError, PermissionDeniedError
from registry.names import ModelName, NamespaceName, PrincipalName, PromotionName
from registry.ports.tables import EventQuery
from registry.services.access import Explanation
from registry.services.possession import granted
from registry.testing.story import Story
from registry.testing.world import World, grant


def deny(role: Role, pattern: str) -> Grant:
    return grant(role, pattern, deny=True)


def test_denied_namespaces_are_in_no_list(world: World) -> None:
    """Models, namespaces and bytes of a denied namespace are not there for whom it is denied."""
    for path in ("secret-a/m", "open/m"):
        world.model(path)
        world.version(path, {"f": path.encode()})
    who = world.caller("eve", grant(Role.READER), deny(Role.READER, "secret-*"))
    page = world.models.list(who, None, ModelFilter(), "", PageRequest())
    assert [model.path for model in page.items] == ["open/m"]
    assert [n.id for n in world.namespaces.list(who, PageRequest()).items] == ["open"]
    with pytest.raises(PermissionDeniedError, match="no grant that denies it"):
        world.models.list(who, "secret-a", ModelFilter(), "", PageRequest())
    with pytest.raises(PermissionDeniedError):
        world.models.get(who, ModelName(path="secret-a/m"))
    sha256s = {world.store(path.encode()): path for path in ("secret-a/m", "open/m")}
    found = world.database.read(lambda tx: granted(tx, who, "other", sha256s))
    assert [sha256s[sha256] for sha256 in found] == ["open/m"]


def test_a_deny_of_one_role_takes_what_others_give(world: World) -> None:
    """What the denied role holds is denied, also where another role gives it; the rest stays."""
    who = world.caller("eve", grant(Role.REVIEWER), deny(Role.READER, "secret"))
    assert not who.may(Action.MODEL_READ, "secret")
    assert who.may(Action.PROMOTION_DECIDE, "secret")
    assert who.may(Action.MODEL_READ, "open")


def test_promotions_are_not_told_apart(story: Story) -> None:
    """Where some promotions are denied, one that is there is refused like one that is not."""
    number = story.ask(story.released()).number
    who = story.world.caller("eve", grant(Role.READER), deny(Role.READER, "fraud"))
    words = set()
    for asked in (number, 99):
        with pytest.raises(PermissionDeniedError) as refused:
            story.world.promotions.get(who, PromotionName(number=asked))
        words.add(str(refused.value).replace(f"promotions/{asked}", "NAME"))
    assert len(words) == 1
    page = story.world.promotions.list(
        who, model=None, namespace=None, state=None, stage="", page=PageRequest()
    )
    assert page.items == ()
    free = story.world.caller("free", grant(Role.READER))
    with pytest.raises(NotFoundError):
        story.world.promotions.get(free, PromotionName(number=99))


def test_the_whole_log_is_for_whom_nothing_is_denied(world: World) -> None:
    """An auditor to whom a namespace is denied asks namespace by namespace."""
    who = world.caller("eve", grant(Role.AUDITOR), deny(Role.AUDITOR, "secret"))
    assert world.events.list(who, EventQuery(namespace="open"), "", PageRequest()).items == ()
    for namespace in (None, "secret"):
        with pytest.raises(PermissionDeniedError):
            world.events.list(who, EventQuery(namespace=namespace), "", PageRequest())


def test_a_denied_namespace_is_not_given_back(world: World) -> None:
    """Actions that take a role on "*" are denied for the namespaces that a deny covers."""
    who = world.caller("eve", grant(Role.ADMIN), deny(Role.ADMIN, "secret"))
    for id in ("secret", "open"):
        world.claim(id)
    with pytest.raises(PermissionDeniedError):
        world.namespaces.delete(
            who, NamespaceName(namespace="secret"), etag="", validate_only=False
        )
    world.namespaces.delete(who, NamespaceName(namespace="open"), etag="", validate_only=False)


def test_the_last_administrator_cannot_be_denied(world: World) -> None:
    """A deny that leaves nobody who administers everything is refused, a lesser one is not."""
    root = world.caller("root", grant(Role.ADMIN))

    def update(*grants: Grant) -> None:
        world.principals.update(
            root,
            PrincipalName(principal="root"),
            display_name="",
            grants=grants,
            disabled=False,
            mask=["grants"],
            etag="",
        )

    with pytest.raises(LastAdminError):
        update(grant(Role.ADMIN), deny(Role.ADMIN, "*"))
    update(grant(Role.ADMIN), deny(Role.ADMIN, "secret"))
    world.login("second", grant(Role.ADMIN))
    update(grant(Role.ADMIN), deny(Role.ADMIN, "*"))


@pytest.fixture
def root(world: World) -> Caller:
    return world.caller("root", grant(Role.ADMIN))


def explain(
    world: World, caller: Caller, who: str, action: str, resource: str, stage: str = ""
) -> Explanation:
    return world.access.explain(
        caller, PrincipalName(principal=who), action=action, resource=resource, stage=stage
    )


def test_an_explanation_names_every_row(world: World, root: Caller) -> None:
    """All grants that cover the place and hold the action are told, denying ones first; so is what
    each live token adds."""
    world.login("eve", grant(Role.READER), grant(Role.REVIEWER, "fr*"), grant(Role.AUDITOR, "x"))
    world.login("eve", scopes=[Scope(action="version.*", model="fraud/*", stage="production")])
    found = explain(world, root, "eve", "version.fetch", "models/fraud/absent")
    assert found.allowed
    assert [(row.grant.role, row.grant.deny) for row in found.rows] == [
        (Role.READER, False),
        (Role.REVIEWER, False),
    ]
    assert [row.covers for row in found.tokens] == [False, True]
    staged = explain(world, root, "eve", "version.fetch", "models/fraud/absent", "production")
    assert [row.covers for row in staged.tokens] == [True, True]
    world.login("dan", grant(Role.READER), deny(Role.READER, "fraud"))
    found = explain(world, root, "dan", "model.read", "namespaces/fraud")
    assert not found.allowed
    assert [row.grant.deny for row in found.rows] == [True, False]
    found = explain(world, root, "dan", "event.read", "*")
    assert (found.allowed, found.rows) == (False, ())
    assert found.roles == (Role.SECURITY, Role.AUDITOR, Role.ADMIN)


def test_an_explanation_agrees_with_the_check(world: World, root: Caller) -> None:
    """For oneself it says what a call would find: groups and the token that asks count."""
    own = world.login("eve", grant(Role.READER, "fraud")).caller
    grouped = Caller(
        principal=own.principal, token=own.token, group_grants=(grant(Role.DEPLOYER, "risk"),)
    )
    for caller in (own, grouped):
        for action in Action:
            for namespace in ("fraud", "risk", "*"):
                resource = namespace if namespace == "*" else f"namespaces/{namespace}"
                found = explain(world, caller, "eve", action, resource)
                if not found.own_right and not action.startswith(("namespace.", "principal.")):
                    assert found.allowed is caller.may(action, namespace), (action, namespace)
    assert explain(world, grouped, "eve", "stage.rollback", "models/risk/a").rows[0].from_group
    narrow = world.login("eve", scopes=[Scope(action="t*")]).caller
    assert not explain(world, narrow, "eve", "model.read", "models/fraud/a").allowed
    assert explain(world, narrow, "eve", "token.create", "*").allowed


def test_who_may_ask(world: World, root: Caller) -> None:
    """Others' access takes principal.read, also where nobody is of that name."""
    eve = world.caller("eve", grant(Role.READER))
    for who in ("root", "nobody"):
        with pytest.raises(PermissionDeniedError):
            explain(world, eve, who, "model.read", "*")
    with pytest.raises(NotFoundError):
        explain(world, root, "nobody", "model.read", "*")
    for action, resource, stage in (
        ("model.fly", "*", ""),
        ("model.read", "fraud", ""),
        ("model.read", "models/fraud/a", "production"),
    ):
        with pytest.raises(InvalidFieldError):
            explain(world, eve, "eve", action, resource, stage)


def test_nothing_is_allowed_to_the_disabled(world: World, root: Caller) -> None:
    """Whatever the grants, who is disabled may do nothing."""
    world.login("bot", grant(Role.READER), kind=PrincipalKind.ROBOT)
    assert explain(world, root, "bot", "model.read", "*").allowed
    world.principals.update(
        root,
        PrincipalName(principal="bot"),
        display_name="",
        grants=(),
        disabled=True,
        mask=["disabled"],
        etag="",
    )
    found = explain(world, root, "bot", "model.read", "*")
    assert (found.allowed, found.disabled) == (False, True)
