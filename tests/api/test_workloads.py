"""WorkloadService over gRPC."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry.domain.access import PrincipalKind, Role
from registry.services.workloads import WorkloadService
from registry.testing.api import Api, code_of, info_of, refusal
from registry.testing.issuer import KUBERNETES, kubernetes_claims, sign
from registry.testing.trust import verifier
from registry.testing.world import World, grant
from registry.v1 import principals_pb2, workloads_pb2
from registry.v1.principals_pb2_grpc import PrincipalServiceStub
from registry.v1.workloads_pb2_grpc import WorkloadServiceStub


@pytest.fixture
def api(world: World) -> Iterator[Api]:
    """The API of a world that trusts three issuers."""
    world.workloads = WorkloadService(
        database=world.database, clock=world.clock, verifier=verifier()
    )
    world.login("deploy", grant(Role.DEPLOYER, "fraud"), kind=PrincipalKind.ROBOT)
    served = Api(world)
    yield served
    served.close()


def exchange(api: Api, jwt: str) -> workloads_pb2.ExchangeTokenResponse:
    """As anybody, without a credential."""
    stub = WorkloadServiceStub(api.channel(None))
    return stub.ExchangeToken(workloads_pb2.ExchangeTokenRequest(jwt=jwt))


def platform_token(world: World, **changes: object) -> str:
    return sign(kubernetes_claims(world.clock.now_us() // 1_000_000, **changes))


def test_the_reply_is_a_credential(world: World, api: Api) -> None:
    """Its secret is the robot's from the reply on, and its name that of the robot's token."""
    reply = exchange(api, platform_token(world))
    assert reply.principal == "principals/deploy"
    assert reply.name.startswith("principals/deploy/tokens/")
    assert reply.expire_time.ToMicroseconds() == world.clock.now_us() + 600_000_000
    stub = PrincipalServiceStub(api.channel(reply.secret))
    caller = stub.GetCaller(principals_pb2.GetCallerRequest())
    assert caller.token.name == reply.name
    assert caller.token.creator == f"workload:{KUBERNETES}"


def test_a_refusal_names_its_cause(world: World, api: Api) -> None:
    """Machines read it in the metadata; the token is not in it."""
    jwt = platform_token(world, aud="https://other.example")
    error = refusal(lambda: exchange(api, jwt))
    assert code_of(error) == "UNAUTHENTICATED"
    info = info_of(error)
    assert (info.reason, info.metadata["cause"]) == ("WORKLOAD_REFUSED", "AUDIENCE")
    assert info.metadata["issuer"] == KUBERNETES
    assert not any(part in f"{error.details()}{info}" for part in jwt.split("."))


def test_the_address_counts_without_its_port(world: World, api: Api) -> None:
    """Each connection has another port; a flood over many is one party's all the same."""
    for _ in range(100):
        refusal(lambda: exchange(api, "x.y.z"))
    error = refusal(lambda: exchange(api, platform_token(world)))
    assert code_of(error) == "RESOURCE_EXHAUSTED"
    assert info_of(error).metadata["what"] == "Refused workload tokens from 127.0.0.1"


def test_a_platform_token_is_no_credential(world: World, api: Api) -> None:
    """Nothing but the exchange takes it."""
    stub = PrincipalServiceStub(api.channel(platform_token(world)))
    error = refusal(lambda: stub.GetCaller(principals_pb2.GetCallerRequest()))
    assert info_of(error).reason == "UNAUTHENTICATED"
