"""PrincipalService as a client sees it."""

from __future__ import annotations

import zlib
from functools import partial

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from registry.domain.access import TABLE, Role
from registry.testing.api import Api, code_of, outcome, reason_of, refusal
from registry.testing.world import Login, World, grant
from registry.v1 import principals_pb2 as pb
from registry.v1.principals_pb2_grpc import PrincipalServiceStub

NOW_S = 1_700_000_000
DAY_S = 24 * 3600
ADMIN = pb.Grant(role=pb.ROLE_ADMIN, namespace_pattern="*")
READER = pb.Grant(role=pb.ROLE_READER, namespace_pattern="ml-*")


@pytest.fixture
def root(world: World) -> Login:
    return world.login("root", grant(Role.ADMIN))


@pytest.fixture
def stub(api: Api, root: Login) -> PrincipalServiceStub:
    return PrincipalServiceStub(api.channel(root.secret))


def create(stub: PrincipalServiceStub, id: str, *grants: pb.Grant) -> pb.Principal:
    principal = pb.Principal(kind=pb.PRINCIPAL_KIND_PERSON, display_name="D", grants=grants)
    return stub.CreatePrincipal(pb.CreatePrincipalRequest(principal_id=id, principal=principal))


def token_request(
    parent: str, expire_s: int = NOW_S + DAY_S, **other: str
) -> pb.CreateTokenRequest:
    token = pb.Token(label="laptop", expire_time=Timestamp(seconds=expire_s))
    return pb.CreateTokenRequest(parent=parent, token=token, **other)


def test_a_principal_on_the_wire(stub: PrincipalServiceStub) -> None:
    """All fields of a created principal come back, and Get returns the same."""
    made = create(stub, "ada", READER, ADMIN)
    assert made.name == "principals/ada"
    assert made.kind == pb.PRINCIPAL_KIND_PERSON
    assert (made.display_name, made.disabled) == ("D", False)
    assert list(made.grants) == [READER, ADMIN]
    assert made.create_time == made.update_time == Timestamp(seconds=NOW_S)
    assert made.uid
    assert made.etag
    assert stub.GetPrincipal(pb.GetPrincipalRequest(name="principals/ada")) == made


def test_enum_values_that_are_none_are_refused(stub: PrincipalServiceStub) -> None:
    """Unspecified and unknown kinds and roles are INVALID_ARGUMENT, and the field is named."""
    for kind in (0, 99):
        request = pb.CreatePrincipalRequest(
            principal_id="a",
            principal=pb.Principal(kind=kind),  # type: ignore[arg-type]
        )
        error = refusal(partial(stub.CreatePrincipal, request))
        assert "principal.kind" in error.details()
    for role in (0, 99):
        bad = pb.Grant(role=role, namespace_pattern="*")  # type: ignore[arg-type]
        error = refusal(partial(create, stub, "a", bad))
        assert (code_of(error), "principal.grants[0].role" in error.details()) == (
            "INVALID_ARGUMENT",
            True,
        )


def test_grants_change_with_the_mask_only(stub: PrincipalServiceStub) -> None:
    """Grants are replaced as a whole when the mask names them; else they are not looked at."""
    made = create(stub, "ada", READER)
    broken = pb.Principal(
        name="principals/ada", display_name="N", grants=[pb.Grant()], etag=made.etag
    )
    mask = FieldMask(paths=["display_name"])
    changed = stub.UpdatePrincipal(pb.UpdatePrincipalRequest(principal=broken, update_mask=mask))
    assert (changed.display_name, list(changed.grants)) == ("N", [READER])
    request = pb.UpdatePrincipalRequest(
        principal=pb.Principal(name="principals/ada", grants=[ADMIN], etag=made.etag),
        update_mask=FieldMask(paths=["grants"]),
    )
    error = refusal(lambda: stub.UpdatePrincipal(request))
    assert (code_of(error), reason_of(error)) == ("ABORTED", "STALE_ETAG")
    request.principal.etag = changed.etag
    assert list(stub.UpdatePrincipal(request).grants) == [ADMIN]


def test_the_last_administrator_stays(stub: PrincipalServiceStub) -> None:
    """Disabling the only administrator is FAILED_PRECONDITION."""
    request = pb.UpdatePrincipalRequest(
        principal=pb.Principal(name="principals/root", disabled=True),
        update_mask=FieldMask(paths=["disabled"]),
    )
    error = refusal(lambda: stub.UpdatePrincipal(request))
    assert (code_of(error), reason_of(error)) == ("FAILED_PRECONDITION", "LAST_ADMIN")


def test_a_token_from_creation_to_revocation(api: Api, stub: PrincipalServiceStub) -> None:
    """Its secret comes once, logs in, shows up in lists without the secret, and dies at once."""
    create(stub, "ada", READER)
    made = stub.CreateToken(token_request("principals/ada", request_id="r"))
    assert len(made.secret) == 39
    assert made.secret.startswith("hm_")
    assert zlib.crc32(made.secret[:33].encode()) > 0
    assert made.token.name.startswith("principals/ada/tokens/")
    assert made.token.creator == "principals/root"
    assert not made.token.HasField("revoke_time")
    assert not made.token.HasField("last_use_time")
    repeat = stub.CreateToken(token_request("principals/ada", request_id="r"))
    assert (repeat.token, repeat.secret) == (made.token, "")

    own = PrincipalServiceStub(api.channel(made.secret))
    caller = own.GetCaller(pb.GetCallerRequest())
    assert caller.principal == own.GetPrincipal(pb.GetPrincipalRequest(name="principals/ada"))
    assert caller.token == made.token
    listed = own.ListTokens(pb.ListTokensRequest(parent="principals/ada"))
    assert list(listed.tokens) == [made.token]
    revoked = own.RevokeToken(pb.RevokeTokenRequest(name=made.token.name))
    assert revoked.revoke_time == Timestamp(seconds=NOW_S)
    error = refusal(lambda: own.GetCaller(pb.GetCallerRequest()))
    assert (code_of(error), reason_of(error)) == ("UNAUTHENTICATED", "TOKEN_REVOKED")
    assert stub.RevokeToken(pb.RevokeTokenRequest(name=made.token.name)) == revoked


def test_expiry_is_bounded(stub: PrincipalServiceStub) -> None:
    """Expiries missing, past, too far, or beyond all calendars are INVALID_ARGUMENT."""
    create(stub, "ada")
    assert outcome(lambda: stub.CreateToken(token_request("principals/ada", NOW_S + 366 * DAY_S)))
    for expire_s in (0, NOW_S, NOW_S + 366 * DAY_S + 1, 2**62, -(2**62)):
        request = token_request("principals/ada", expire_s)
        found = outcome(partial(stub.CreateToken, request))
        assert found == "INVALID_ARGUMENT", expire_s
    request = pb.CreateTokenRequest(parent="principals/ada")
    assert outcome(lambda: stub.CreateToken(request)) == "INVALID_ARGUMENT"


def test_the_table_of_roles_is_served(api: Api, world: World) -> None:
    """Everybody with a token may read the table that every check is made from."""
    stub = PrincipalServiceStub(api.channel(world.login("ada").secret))
    rows = stub.ListRoles(pb.ListRolesRequest()).rows
    served = {pb.Role.Name(row.role): list(row.actions) for row in rows}
    assert served == {f"ROLE_{role.name}": sorted(TABLE[role]) for role in Role}


def test_principals_are_listed_in_pages(stub: PrincipalServiceStub) -> None:
    """Pages hold each principal once, by name."""
    for number in range(4):
        create(stub, f"p{number}")
    names: list[str] = []
    request = pb.ListPrincipalsRequest(page_size=2)
    while True:
        page = stub.ListPrincipals(request)
        names += [principal.name for principal in page.principals]
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert names == [f"principals/p{number}" for number in range(4)] + ["principals/root"]
    assert outcome(lambda: stub.ListPrincipals(pb.ListPrincipalsRequest(page_size=-1))) == (
        "INVALID_ARGUMENT"
    )


@pytest.mark.slow
def test_a_full_page_of_heavy_principals_is_a_reply(stub: PrincipalServiceStub) -> None:
    """A thousand principals with a hundred long grants each do not make a reply too large."""
    grants = [
        pb.Grant(role=pb.ROLE_READER, namespace_pattern=f"{'n' * 59}{number:04}")
        for number in range(100)
    ]
    for number in range(400):
        create(stub, f"p{number}", *grants)
    page = stub.ListPrincipals(pb.ListPrincipalsRequest(page_size=1000))
    assert page.ByteSize() < 4 * 2**20
    assert page.next_page_token
