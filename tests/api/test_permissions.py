"""Who may call what: every RPC of these services, tried by every role, against the one table."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from google.protobuf.message import Message

from registry.domain.access import TABLE, Role
from registry.domain.scopes import Scope
from registry.names import PrincipalName, TokenName, VersionName
from registry.services.authentication import new_secret
from registry.testing.api import Api, code_of, info_of, outcome, reason_of, refusal
from registry.testing.needs import NEEDS, STREAMS, VERSION, Need, cases
from registry.testing.story import Story
from registry.testing.world import World, grant
from registry.v1 import transfers_pb2


def call(api: Api, secret: str, service: str, method: str, request: Message) -> Any:
    channel: Any = api.channel(secret)
    if method in STREAMS:
        return list(
            channel.unary_stream(f"/registry.v1.{service}/{method}")(request.SerializeToString())
        )
    return channel.unary_unary(f"/registry.v1.{service}/{method}")(request.SerializeToString())


def test_the_list_is_complete(api: Api) -> None:
    """Each RPC that needs a credential is in the list, and nothing else is."""
    services = {servicer.DESCRIPTOR.name: servicer.DESCRIPTOR for servicer in api.servicers}
    public = {"ServerService", "WorkloadService", "IdentityService"}
    assert NEEDS.keys() == services.keys() - public
    for name, methods in NEEDS.items():
        assert methods.keys() == {method.name for method in services[name].methods}


@pytest.mark.slow
@pytest.mark.parametrize("role", Role)
def test_each_role_may_what_the_table_says(world: World, api: Api, role: Role) -> None:
    """A role on the namespace, or on "*" where that is needed, lets in as the table says."""
    on_namespace = world.login("narrow", grant(role, "go*")).secret
    everywhere = world.login("wide", grant(role)).secret
    for service, method, need in cases():
        allowed = need.action is None or need.action in TABLE[role]
        for secret, covered in ((on_namespace, not need.registry_wide), (everywhere, True)):
            found = outcome(partial(call, api, secret, service, method, need.request))
            expected = allowed and (covered or need.action is None)
            assert (found != "PERMISSION_DENIED") is expected, (method, found)


def test_roles_elsewhere_let_nobody_in(world: World, api: Api) -> None:
    """Whoever holds all roles on other namespaces is refused, and told which roles it takes."""
    secret = world.login("mallory", *(grant(role, "other") for role in Role)).secret
    for service, method, need in cases():
        if need.action is None:
            continue
        error = refusal(partial(call, api, secret, service, method, need.request))
        info = info_of(error)
        assert info.reason == "PERMISSION_DENIED", method
        assert info.metadata["action"] == need.action
        assert info.metadata["principal"] == "principals/mallory"
        holders = {role.value for role in Role if need.action in TABLE[role]}
        assert set(info.metadata["roles"].split(", ")) == holders


def refused_logins(world: World) -> dict[str, str]:
    """Secrets of those who are refused everywhere, each for a reason of its own."""
    everything = tuple(grant(role) for role in Role)
    denies = tuple(grant(role, deny=True) for role in Role)
    return {
        "without a grant": world.login("mallory").secret,
        "of another tenant": world.login("tenant", *(grant(r, "other") for r in Role)).secret,
        "denied": world.login("denied", *everything, *denies).secret,
        "narrow": world.login("narrow", *everything, scopes=[Scope(action="token.*")]).secret,
        "elsewhere": world.login(
            "elsewhere", *everything, scopes=[Scope(action="*", model="elsewhere/*")]
        ).secret,
    }


#: Lists of a namespace: a token that is good for some models may ask, and is shown these.
SHOWN_IN_PART = {
    "ListModels",
    "ListPromotions",
    "ListWaivers",
    "ListReviews",
    "ListAcceptances",
    "SearchVersions",
}


def seen_by(api: Api, secret: str, needed: Need, service: str, method: str) -> tuple[object, ...]:
    """All that a refusal tells, but the id of the call."""
    error = refusal(partial(call, api, secret, service, method, needed.request))
    info = info_of(error)
    metadata = {key: value for key, value in info.metadata.items() if key != "request_id"}
    return code_of(error), info.reason, error.details(), tuple(sorted(metadata.items()))


@pytest.mark.slow
def test_a_refusal_says_nothing_of_what_exists(world: World, api: Api) -> None:
    """Whoever is refused, for want of a role, by a deny or by a token's scopes, is told the same in
    each respect of what is there and of what is not."""
    logins = refused_logins(world)
    before: dict[tuple[str, str], object] = {}
    for when in ("before", "after"):
        for who, secret in logins.items():
            for service, method, need in cases():
                if need.action is None or (who == "elsewhere" and method in SHOWN_IN_PART):
                    continue
                seen = seen_by(api, secret, need, service, method)
                assert seen[:2] == ("PERMISSION_DENIED", "PERMISSION_DENIED"), (who, method)
                assert before.setdefault((who, method), seen) == seen, (who, method, when)
        if when == "before":
            make_what_is_asked_for(world)


def make_what_is_asked_for(world: World) -> None:
    """Models, versions, a promotion, a principal with a token, of the names in the requests."""
    world.model("gone/m")
    world.version("gone/m", {"a": b"a"})
    world.version("gone/m", {"a": b"b"})
    world.login("gone")
    made = world.promotions.create(
        world.caller("asker", grant(Role.REGISTRANT)),
        VersionName.parse(VERSION),
        stage="production",
        note="",
        expected_current=0,
        expire_time_us=None,
        validate_only=False,
        request_id="",
    )
    assert made.name == "promotions/1"


def test_a_deny_shuts_what_it_covers(world: World, api: Api) -> None:
    """Whoever holds all roles, and is denied them on one namespace, is refused there alone."""
    make_what_is_asked_for(world)
    roles = (*map(grant, Role), *(grant(role, "gone", deny=True) for role in Role))
    secret = world.login("most", *roles).secret
    about_others = {"CreateNamespace", "VerifyEvents", "GetVettingRerun", "ListVettingChanges"}
    about_models = {"EvaluateGate", "ExplainDecision"}
    for service, method, need in cases():
        if need.action is None:
            continue
        found = outcome(partial(call, api, secret, service, method, need.request))
        of_all = service in ("PrincipalService", "AccessService", "PolicyService")
        free = method in about_others or (of_all and method not in about_models)
        assert (found == "PERMISSION_DENIED") is not free, (method, found)


@pytest.mark.slow
def test_a_credential_that_proves_nothing_opens_nothing(world: World, api: Api) -> None:
    """No RPC in the list answers what is no token, one that is not known, has expired, was revoked,
    or whose owner is disabled."""
    good = tuple(map(grant, Role))
    expired = world.login("late", *good, ttl_us=10)
    revoked = world.login("revoked", *good)
    off = world.login("off", *good)
    world.clock.advance(10)
    root = world.login("root", *good).caller
    world.tokens.revoke(root, TokenName.parse(revoked.caller.token.name))
    world.principals.update(
        root,
        PrincipalName(principal="off"),
        display_name="",
        grants=(),
        disabled=True,
        mask=["disabled"],
        etag="",
    )
    reasons = {
        "garbage": "UNAUTHENTICATED",
        "hm_" + "0" * 36: "UNAUTHENTICATED",
        new_secret(): "UNAUTHENTICATED",
        expired.secret: "TOKEN_EXPIRED",
        revoked.secret: "TOKEN_REVOKED",
        off.secret: "UNAUTHENTICATED",
    }
    for service, method, need in cases():
        for secret, reason in reasons.items():
            error = refusal(partial(call, api, secret, service, method, need.request))
            assert (code_of(error), reason_of(error)) == ("UNAUTHENTICATED", reason), method


def test_sessions_of_others_are_not_there(world: World, api: Api) -> None:
    """The two RPCs about a session of one's own tell a foreign one and none apart in no way."""
    story = Story(world)
    real = f"uploads/{story.session({'a': b'a'}, complete=False)}"
    secret = world.login("eve", *map(grant, Role)).secret
    for method, kind in (
        ("GetUpload", transfers_pb2.GetUploadRequest),
        ("DeleteUpload", transfers_pb2.DeleteUploadRequest),
    ):
        seen = set()
        for name in (real, "uploads/none"):
            error = refusal(partial(call, api, secret, "TransferService", method, kind(name=name)))
            seen.add((code_of(error), reason_of(error), error.details().replace(name, "NAME")))
        assert len(seen) == 1
