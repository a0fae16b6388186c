"""Principals: creation, change, the last administrator, and how a registry begins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.domain.access import Caller, Grant, Principal, PrincipalKind, Role
from registry.domain.pages import PageRequest
from registry.errors import (
    AlreadyExistsError,
    HallmarkError,
    InvalidFieldError,
    LastAdminError,
    NotFoundError,
    PermissionDeniedError,
    RequestIdReusedError,
    StaleEtagError,
    TooLargeError,
)
from registry.names import PrincipalName
from registry.ports.tables import EventQuery
from registry.services.principals import bootstrap_admin
from registry.testing.world import World, grant


@pytest.fixture
def root(world: World) -> Caller:
    return world.caller("root", grant(Role.ADMIN))


def create(world: World, caller: Caller, id: str, **other: object) -> Principal:
    given: dict[str, object] = {
        "kind": PrincipalKind.PERSON,
        "display_name": "",
        "grants": (),
        "request_id": "",
        **other,
    }
    return world.principals.create(caller, id, **given)  # type: ignore[arg-type]


def update(world: World, caller: Caller, id: str, *mask: str, **other: object) -> Principal:
    given: dict[str, object] = {
        "display_name": "",
        "grants": (),
        "disabled": False,
        "mask": mask,
        "etag": "",
        **other,
    }
    name = PrincipalName(principal=id)
    return world.principals.update(caller, name, **given)  # type: ignore[arg-type]


def test_a_display_name_is_one_line(world: World, root: Caller) -> None:
    """A display name with a line break is refused at creation and at change alike."""
    create(world, root, "ada")
    with pytest.raises(InvalidFieldError, match="display_name"):
        create(world, root, "bob", display_name="Bob\nadmin")
    with pytest.raises(InvalidFieldError, match="display_name"):
        update(world, root, "ada", "display_name", display_name="Ada\nadmin")
    assert world.principals.get(root, PrincipalName(principal="ada")).display_name == ""


def test_a_created_principal_can_be_read(world: World, root: Caller) -> None:
    """What was created is what is read, with grants in the order given, each once."""
    grants = (grant(Role.READER, "ml-*"), grant(Role.DEPLOYER, "a"), grant(Role.READER, "ml-*"))
    made = create(world, root, "ada@x.org", display_name="Ada", grants=grants)
    assert made.grants == grants[:2]
    assert world.principals.get(root, PrincipalName(principal="ada@x.org")) == made


def test_ids_are_taken_for_ever(world: World, root: Caller) -> None:
    """An id is refused the second time, also when its holder is disabled."""
    create(world, root, "ada")
    update(world, root, "ada", "disabled", disabled=True)
    with pytest.raises(AlreadyExistsError):
        create(world, root, "ada")


def test_a_repeat_returns_the_first_result_as_it_is_now(world: World, root: Caller) -> None:
    """A repeat with the same request_id creates nothing; with other content it is refused."""
    create(world, root, "ada", request_id="r1")
    changed = update(world, root, "ada", "display_name", display_name="Ada")
    assert create(world, root, "ada", request_id="r1") == changed
    with pytest.raises(RequestIdReusedError):
        create(world, root, "bob", request_id="r1")


def test_of_sixteen_racing_twins_one_creates(world: World, root: Caller) -> None:
    """Twins with one request_id all get one principal; without, all but one are refused."""

    def attempt(request_id: str) -> str:
        try:
            return create(world, root, "ada" + request_id, request_id=request_id).uid
        except HallmarkError as error:
            return error.reason

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(attempt, ["twin"] * 16))) == 1
        outcomes = list(pool.map(attempt, [""] * 16))
    assert outcomes.count("ALREADY_EXISTS") == 15


@pytest.mark.parametrize("id", ["", "Ada", "a/b", "../a", "a b", "-a", "é", "a" * 129, "a\x00"])
def test_bad_ids_are_refused(world: World, root: Caller, id: str) -> None:
    """An id that breaks the rule is INVALID_ARGUMENT for the field principal_id."""
    with pytest.raises(InvalidFieldError) as refused:
        create(world, root, id)
    assert refused.value.field == "principal_id"


@pytest.mark.parametrize(
    "pattern", ["", "A", "a_b", "a.b", "****", "a*b*c*d*e", "x" * 64, "a\n", "[a]", "é"]
)
def test_bad_patterns_are_refused(world: World, root: Caller, pattern: str) -> None:
    """A namespace pattern that could cover nothing, or is slow to match, is refused."""
    with pytest.raises(InvalidFieldError, match="namespace_pattern"):
        create(world, root, "ada", grants=(grant(Role.READER, pattern),))


@pytest.mark.parametrize("pattern", ["*", "fraud", "ml-*", "*-ml-*", "*a*b*"])
def test_good_patterns_are_taken(world: World, root: Caller, pattern: str) -> None:
    """Namespaces, and up to three stars, are patterns."""
    assert create(world, root, "ada", grants=(grant(Role.READER, pattern),)).grants


def test_too_many_grants_are_refused(world: World, root: Caller) -> None:
    """A hundred grants fit, one more does not."""
    grants = [grant(Role.READER, f"n{number}") for number in range(101)]
    create(world, root, "ada", grants=grants[:100])
    with pytest.raises(TooLargeError):
        create(world, root, "bob", grants=grants)


def test_a_stale_etag_changes_nothing(world: World, root: Caller) -> None:
    """An update with an outdated etag is refused; without one, or with the current, it is done."""
    made = create(world, root, "ada")
    newer = update(world, root, "ada", "display_name", display_name="A", etag=made.etag)
    with pytest.raises(StaleEtagError):
        update(world, root, "ada", "display_name", display_name="B", etag=made.etag)
    assert world.principals.get(root, PrincipalName(principal="ada")) == newer


def test_the_mask_says_what_changes(world: World, root: Caller) -> None:
    """Only fields in the mask change; "*" means all; nothing and unknown names are refused."""
    create(world, root, "ada", display_name="Ada", grants=(grant(Role.READER),))
    assert update(world, root, "ada", "disabled", disabled=True).display_name == "Ada"
    assert update(world, root, "ada", "*", display_name="B").grants == ()
    for mask in ((), ("kind",), ("uid", "grants")):
        with pytest.raises(InvalidFieldError, match="update_mask"):
            update(world, root, "ada", *mask)


def test_the_last_administrator_stays(world: World, root: Caller) -> None:
    """Nobody can disable or strip the only enabled administrator, and nothing is left of a try."""
    for mask, other in (("disabled", {"disabled": True}), ("grants", {"grants": ()})):
        with pytest.raises(LastAdminError):
            update(world, root, "root", mask, **other)
    narrow = (grant(Role.ADMIN, "a*"),)
    with pytest.raises(LastAdminError):
        update(world, root, "root", "grants", grants=narrow)
    create(world, root, "second", grants=(grant(Role.ADMIN),))
    update(world, root, "second", "disabled", disabled=True)
    with pytest.raises(LastAdminError):
        update(world, root, "root", "disabled", disabled=True)
    update(world, root, "second", "disabled", disabled=False)
    assert update(world, root, "root", "disabled", disabled=True).disabled


def test_racing_removals_leave_one_administrator(world: World, root: Caller) -> None:
    """Sixteen administrators who disable each other at the same time leave one enabled."""
    ids = [f"admin{number}" for number in range(16)]
    for id in ids:
        create(world, root, id, grants=(grant(Role.ADMIN),))

    def disable(id: str) -> bool:
        try:
            return update(world, root, id, "disabled", disabled=True).disabled
        except LastAdminError:
            return False

    update(world, root, "root", "disabled", disabled=True)
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(disable, ids)) == 15
    assert world.database.read(lambda tx: tx.principals.enabled_admins()) == 1


def test_anybody_may_read_themselves_and_nobody_else(world: World, root: Caller) -> None:
    """Without principal.read one sees oneself; others look alike whether they exist or not."""
    ada = world.caller("ada")
    assert world.principals.get(ada, PrincipalName(principal="ada")).id == "ada"
    for other in ("root", "nobody"):
        with pytest.raises(PermissionDeniedError):
            world.principals.get(ada, PrincipalName(principal=other))
    with pytest.raises(NotFoundError):
        world.principals.get(root, PrincipalName(principal="nobody"))


def test_lists_come_in_pages(world: World, root: Caller) -> None:
    """Pages hold all principals by id, each once."""
    for number in range(7):
        create(world, root, f"p{number}")
    seen: list[str] = []
    token = ""
    while True:
        page = world.principals.list(root, PageRequest(size=3, token=token))
        assert len(page.items) <= 3
        seen += [principal.id for principal in page.items]
        token = page.next_page_token
        if not token:
            break
    assert seen == sorted(["root", *(f"p{number}" for number in range(7))])


def test_changes_are_in_the_audit_log(world: World, root: Caller) -> None:
    """Creation and change each write one event that says who did what."""
    create(world, root, "ada")
    update(world, root, "ada", "grants", grants=(Grant(role=Role.READER, namespace_pattern="a"),))
    query = EventQuery(namespace=None, resource="principals/ada")
    page = world.events.list(root, query, "time", PageRequest())
    assert [event.action for event in page.items] == ["principal.create", "principal.update"]
    assert page.items[1].detail_json == '{"grants":[["reader","a"]]}'
    assert {event.actor for event in page.items} == {"principals/root"}


def test_an_empty_registry_gets_an_administrator_once(world: World) -> None:
    """The first start makes an administrator and says its secret; later ones do nothing."""
    secret = bootstrap_admin(world.database, world.clock)
    assert secret is not None
    caller = world.authenticator.authenticate(secret)
    assert (caller.id, caller.roles_on("*")) == ("admin", frozenset({Role.ADMIN}))
    assert bootstrap_admin(world.database, world.clock) is None


def test_a_registry_with_principals_gets_no_administrator(world: World) -> None:
    """Whoever is there already keeps the registry to themselves."""
    world.caller("ada")
    assert bootstrap_admin(world.database, world.clock) is None


def test_racing_first_starts_make_one_administrator(world: World) -> None:
    """Of several servers that start on an empty database one makes the administrator."""
    with ThreadPoolExecutor(8) as pool:
        secrets = list(pool.map(lambda _: bootstrap_admin(world.database, world.clock), range(8)))
    assert len([secret for secret in secrets if secret]) == 1
