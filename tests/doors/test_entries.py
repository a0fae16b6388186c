"""Who may use which HTTP route: each is in a list here, and tried with what proves too little."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from starlette.routing import Route

from registry.domain.access import Grant, Role
from registry.doors.app import build_app
from registry.names import ModelName, PrincipalName, TokenName, VersionName
from registry.testing.site import INFO, MODEL, Answer, Site
from registry.testing.world import DAY_US, Login, World, grant

#: Routes that anybody may ask.
PUBLIC = {"/healthz", "/readyz", "/hallmark/v1/server"}
#: Routes whose address is the credential, and what they take.
BY_TICKET = {"/dl/{ticket}": ["GET"], "/hallmark/v1/uploads/{ticket}": ["HEAD", "PATCH"]}


def test_the_list_is_complete(tmp_path: Path) -> None:
    """Each route is one that anybody may ask, or one that is tried below with its methods."""
    world = World(tmp_path)
    app = build_app(
        info=INFO,
        uploads=world.uploads,
        downloads=world.downloads,
        database=world.database,
        blobs=world.blobs,
    )
    world.close()
    routes = {route.path: route for route in app.routes if isinstance(route, Route)}
    assert routes.keys() == PUBLIC | BY_TICKET.keys()
    for path, methods in BY_TICKET.items():
        assert set(methods) <= set(routes[path].methods or ()) <= {*methods, "HEAD"}


def addresses(site: Site, who: Login) -> dict[str, str]:
    """A good address of each kind, made by a caller."""
    version = site.world.version(MODEL, {"a": b"a"})
    name = VersionName(model=ModelName(path=MODEL), number=version.number)
    made = site.world.downloads.create(who.caller, name, digest="", paths=())
    ada, site.ada = site.ada, who
    upload = site.upload(b"sent by nobody")
    site.ada = ada
    return {"/dl/{ticket}": f"/dl/{made.files[0][1]}", "/hallmark/v1/uploads/{ticket}": upload}


def ask(site: Site, method: str, address: str) -> Answer:
    return site.send(address, 0, b"x") if method == "PATCH" else site.ask(method, address)


def change(site: Site, who: Login, *grants: Grant, disabled: bool = False) -> None:
    root = site.world.caller("root", grant(Role.ADMIN))
    site.world.principals.update(
        root,
        PrincipalName(principal=who.caller.id),
        display_name="",
        grants=grants,
        disabled=disabled,
        mask=["grants", "disabled"],
        etag="",
    )


def revoke(site: Site, who: Login) -> None:
    site.world.tokens.revoke(who.caller, TokenName.parse(who.caller.token.name))


ENDS: dict[str, Callable[[Site, Login], object]] = {
    "token revoked": revoke,
    "token rotated away": lambda site, who: site.world.tokens.rotate(
        who.caller,
        TokenName.parse(who.caller.token.name),
        overlap_us=0,
        expire_time_us=None,
        request_id="",
    ),
    "all tokens revoked": lambda site, who: site.world.tokens.revoke_all(
        who.caller, PrincipalName(principal=who.caller.id), except_current=False
    ),
    "token expired": lambda site, who: site.world.clock.advance(DAY_US),
    "owner disabled": partial(change, disabled=True),
    "roles taken": partial(change),
    "roles of another tenant": lambda site, who: change(
        site, who, *(grant(role, "other") for role in Role)
    ),
    "denied": lambda site, who: change(
        site, who, *map(grant, Role), *(grant(role, "fraud", deny=True) for role in Role)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("end", ENDS)
def test_an_address_ends_with_what_it_was_made_with(fresh: Site, end: str) -> None:
    """Whatever ends its maker's right ends each address that was made by it."""
    who = fresh.world.login("eve", grant(Role.REGISTRANT, "fraud"), ttl_us=DAY_US)
    made = addresses(fresh, who)
    assert fresh.ask("HEAD", made["/hallmark/v1/uploads/{ticket}"]).status == 200
    assert fresh.ask("GET", made["/dl/{ticket}"]).status == 200
    ENDS[end](fresh, who)
    for path, methods in BY_TICKET.items():
        for method in methods:
            assert ask(fresh, method, made[path]).status == 403, (path, method)


def test_what_is_no_address_of_that_kind_opens_nothing(site: Site) -> None:
    """Garbage, an address of the other kind, and one with a changed letter are refused alike."""
    made = addresses(site, site.ada)
    download, upload = (made[path].rpartition("/")[2] for path in BY_TICKET)
    for path, methods in BY_TICKET.items():
        own, other = (download, upload) if path.startswith("/dl") else (upload, download)
        changed = own[:-1] + ("A" if own[-1] != "A" else "B")
        for ticket in ("x", "a.b.c", other, changed, own[: len(own) // 2]):
            for method in methods:
                answer = ask(site, method, path.replace("{ticket}", ticket))
                assert answer.status == 403, (path, method, ticket)


def test_a_token_opens_no_address(site: Site) -> None:
    """A good token in the header does not stand for an address."""
    headers = {"Authorization": f"Bearer {site.ada.secret}"}
    assert site.ask("GET", "/dl/x", headers).status == 403
