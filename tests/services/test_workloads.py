"""Exchange: whose robot, for how long, what is recorded, and how much anybody may cause."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.domain.access import Caller, PrincipalKind, Role
from registry.domain.events import SYSTEM, Event
from registry.domain.workloads import Cause
from registry.errors import (
    RateLimitedError,
    TokenExpiredError,
    TokenRevokedError,
    UnauthenticatedError,
    WorkloadRefusedError,
)
from registry.names import PrincipalName, TokenName
from registry.ports.tables import EventQuery
from registry.services.workloads import DEFAULT_TTL_US, KEPT_US, WorkloadService
from registry.testing.issuer import KUBERNETES, kubernetes_claims, sign
from registry.testing.trust import verifier
from registry.testing.world import World, grant

S = 1_000_000
PEER = "192.0.2.7"


@pytest.fixture
def workloads(world: World) -> WorkloadService:
    return WorkloadService(database=world.database, clock=world.clock, verifier=verifier())


@pytest.fixture
def robot(world: World) -> Caller:
    return world.login("deploy", grant(Role.DEPLOYER, "fraud"), kind=PrincipalKind.ROBOT).caller


def token(world: World, **changes: object) -> str:
    return sign(kubernetes_claims(world.clock.now_us() // S, **changes))


def recorded(world: World, action: str) -> list[Event]:
    query = EventQuery(namespace=None, action=action, oldest_first=True)
    return list(world.database.read(lambda tx: tx.events.list(query, None, 1000)))


def refused(call: Callable[[], object]) -> WorkloadRefusedError:
    with pytest.raises(WorkloadRefusedError) as caught:
        call()
    return caught.value


def test_an_exchanged_token_is_the_robot(
    world: World, workloads: WorkloadService, robot: Caller
) -> None:
    """It proves the robot with its grants, and says which workload it was made for."""
    made, secret = workloads.exchange(token(world), peer=PEER)
    caller = world.authenticator.authenticate(secret)
    assert caller.principal == robot.principal
    assert caller.token == made
    assert made.creator == f"workload:{KUBERNETES}"
    assert made.label == f"system:serviceaccount:serving:deployer at {KUBERNETES}"


def test_it_ends_with_the_platforms_or_sooner(
    world: World, workloads: WorkloadService, robot: Caller
) -> None:
    """Ten minutes, or what is left of the platform's token with its leeway."""
    now = world.clock.now_us()
    made, secret = workloads.exchange(token(world, exp=now // S + 3600), peer=PEER)
    assert made.expire_time_us == now + DEFAULT_TTL_US
    short, _ = workloads.exchange(token(world, exp=now // S + 60), peer=PEER)
    assert short.expire_time_us == now + 90 * S
    world.clock.advance(DEFAULT_TTL_US)
    with pytest.raises(TokenExpiredError):
        world.authenticator.authenticate(secret)


def test_the_same_platform_token_may_come_again(
    world: World, workloads: WorkloadService, robot: Caller
) -> None:
    """As Kubernetes hands it out again and again; each exchange makes a token of its own."""
    given = token(world)
    secrets = {workloads.exchange(given, peer=PEER)[1] for _ in range(5)}
    assert len(secrets) == 5
    for secret in secrets:
        assert world.authenticator.authenticate(secret).id == "deploy"


def test_an_exchange_is_recorded(world: World, workloads: WorkloadService, robot: Caller) -> None:
    """By the robot, with issuer, subject and rule; neither token is anywhere in the log."""
    given = token(world)
    made, secret = workloads.exchange(given, peer=PEER)
    (event,) = recorded(world, "workload.exchange")
    assert (event.actor, event.resource) == ("principals/deploy", made.name)
    assert json.loads(event.detail_json) == {
        "issuer": KUBERNETES,
        "subject": "system:serviceaccount:serving:deployer",
        "rule": 1,
        "expire_time_us": made.expire_time_us,
    }
    assert secret not in event.detail_json
    assert given.rpartition(".")[2] not in event.detail_json


def test_a_refusal_is_recorded(world: World, workloads: WorkloadService, robot: Caller) -> None:
    """With cause, claimed issuer and subject, and the address; never the token."""
    given = token(world, aud="https://other.example")
    assert refused(lambda: workloads.exchange(given, peer=PEER)).cause == Cause.AUDIENCE
    (event,) = recorded(world, "workload.refuse")
    assert (event.actor, event.resource) == (SYSTEM, "workloads")
    assert json.loads(event.detail_json) == {
        "cause": "AUDIENCE",
        "issuer": KUBERNETES,
        "subject": "system:serviceaccount:serving:deployer",
        "peer": PEER,
        "unrecorded": 0,
    }
    assert not recorded(world, "workload.exchange")


def test_hostile_claims_can_be_recorded(
    world: World, workloads: WorkloadService, robot: Caller
) -> None:
    """Half characters, controls and endless texts neither break the log nor get into it."""
    hostile = json.dumps({"iss": "\ud800\x1b[2J", "sub": "\0" * 1000}).encode()
    assert refused(lambda: workloads.exchange(sign(hostile), peer=PEER)).cause == Cause.ISSUER
    (event,) = recorded(world, "workload.refuse")
    detail = json.loads(event.detail_json)
    assert detail["issuer"] == "<U+D800><U+001B>[2J"
    assert len(event.detail_json) < 3000


@pytest.mark.parametrize("what", ["missing", "person", "disabled"])
def test_only_a_robot_that_is_enabled_will_do(
    world: World, workloads: WorkloadService, what: str
) -> None:
    """A rule that names nobody, a person or a disabled robot gives nothing, and says how to mend
    it; no token is made."""
    if what == "person":
        world.login("deploy", grant(Role.ADMIN))
    if what == "disabled":
        world.login("deploy", kind=PrincipalKind.ROBOT)
        root = world.caller("root", grant(Role.ADMIN))
        world.principals.update(
            root,
            PrincipalName(principal="deploy"),
            display_name="",
            grants=(),
            disabled=True,
            mask=["disabled"],
            etag="",
        )
    error = refused(lambda: workloads.exchange(token(world), peer=PEER))
    assert error.cause == Cause.PRINCIPAL
    assert {"missing": "is missing", "person": "is a person", "disabled": "is disabled"}[
        what
    ] in str(error)
    assert not recorded(world, "workload.exchange")
    assert [event.actor for event in recorded(world, "workload.refuse")] == [SYSTEM]
    if what != "missing":
        listed = world.database.read(lambda tx: tx.tokens.list("deploy", 0, None, 10))
        assert not [each for each in listed if each.creator != SYSTEM]


def test_it_can_be_revoked(world: World, workloads: WorkloadService, robot: Caller) -> None:
    """Like any other token, by the robot itself."""
    made, secret = workloads.exchange(token(world), peer=PEER)
    world.tokens.revoke(robot, TokenName.parse(made.name))
    with pytest.raises(TokenRevokedError):
        world.authenticator.authenticate(secret)


def test_it_makes_no_longer_lived_tokens(
    world: World, workloads: WorkloadService, robot: Caller
) -> None:
    """Whoever has one cannot make another that outlives it."""
    made, secret = workloads.exchange(token(world), peer=PEER)
    caller = world.authenticator.authenticate(secret)
    with pytest.raises(Exception, match="the end of the token that asks"):
        world.tokens.create(
            caller,
            PrincipalName(principal="deploy"),
            label="",
            expire_time_us=made.expire_time_us + 1,
            request_id="",
        )


def test_ended_ones_are_forgotten(world: World, workloads: WorkloadService, robot: Caller) -> None:
    """A day after their end, in batches; tokens that people made stay, and so do the events."""
    secrets = [workloads.exchange(token(world), peer=PEER)[1] for _ in range(3)]
    world.clock.advance(DEFAULT_TTL_US + KEPT_US)
    assert workloads.forget_ended() == 0
    world.clock.advance(1)
    assert workloads.forget_ended() == 3
    assert workloads.forget_ended() == 0
    with pytest.raises(UnauthenticatedError, match="not known"):
        world.authenticator.authenticate(secrets[0])
    kept = world.database.read(lambda tx: tx.tokens.list("deploy", 0, None, 10))
    assert [each.creator for each in kept] == [SYSTEM]
    assert len(recorded(world, "workload.exchange")) == 3


# --- Limits ---------------------------------------------------------------------------------------


def test_refusals_of_one_address_are_bounded(
    world: World, workloads: WorkloadService, robot: Caller
) -> None:
    """After a hundred nothing of its is looked at any more, not even a good token; others are not
    concerned, and after a while it may try again."""
    for _ in range(100):
        refused(lambda: workloads.exchange("x.y.z", peer=PEER))
    with pytest.raises(RateLimitedError):
        workloads.exchange(token(world), peer=PEER)
    assert workloads.exchange(token(world), peer="192.0.2.8")
    world.clock.advance(S // 10)
    assert workloads.exchange(token(world), peer=PEER)


@pytest.mark.slow
def test_good_tokens_from_one_address_are_not_bounded_by_it(
    world: World, workloads: WorkloadService, robot: Caller
) -> None:
    """A cluster's pods share one; only a subject has its bound, and that is wide."""
    for _ in range(300):
        workloads.exchange(token(world), peer=PEER)
    with pytest.raises(RateLimitedError, match="exchanges"):
        workloads.exchange(token(world), peer=PEER)
    world.clock.advance(S)
    assert workloads.exchange(token(world), peer=PEER)


def test_a_flood_of_refusals_does_not_flood_the_log(
    world: World, workloads: WorkloadService
) -> None:
    """However many addresses it comes from; what was left out is counted."""
    for number in range(200):
        refused(lambda n=number: workloads.exchange("x.y.z", peer=f"192.0.2.{n}"))  # type: ignore[misc]
    assert len(recorded(world, "workload.refuse")) == 60
    world.clock.advance(S)
    refused(lambda: workloads.exchange("x.y.z", peer="198.51.100.1"))
    last = recorded(world, "workload.refuse")[-1]
    assert json.loads(last.detail_json)["unrecorded"] == 140


def test_without_rules_nobody_is_trusted(world: World) -> None:
    """A registry that was told of no issuer says so."""
    error = refused(lambda: world.workloads.exchange(token(world), peer=PEER))
    assert error.cause == Cause.ISSUER
    assert "HALLMARK_WORKLOADS_FILE" in str(error)


def test_the_worlds_folder_holds_no_token(
    world: World, workloads: WorkloadService, robot: Caller, tmp_path: Path
) -> None:
    """Neither the platform's token nor ours is in any file of the registry."""
    given = token(world)
    _, secret = workloads.exchange(given, peer=PEER)
    refused(lambda: workloads.exchange(token(world, sub="x"), peer=PEER))
    world.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"system:serviceaccount" in stored
    for part in (secret, *given.split(".")):
        assert part.encode() not in stored
