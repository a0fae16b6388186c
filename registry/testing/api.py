"""The gRPC API of a test's world, on a free loopback port, as any client sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from registry.api.access import AccessServicer
from registry.api.audit import AuditServicer
from registry.api.commits import CommitServicer
from registry.api.events import EventServicer
from registry.api.identity import IdentityServicer
from registry.api.inbox import InboxServicer
from registry.api.lineage import LineageServicer
from registry.api.models import ModelServicer
from registry.api.namespaces import NamespaceServicer
from registry.api.policies import PolicyServicer
from registry.api.principals import PrincipalServicer
from registry.api.promotions import PromotionServicer
from registry.api.readiness import ReadinessServicer
from registry.api.references import ReferenceServicer
from registry.api.reviews import ReviewServicer
from registry.api.server import ApiServer
from registry.api.server_info import ServerServicer
from registry.api.terms import TermsServicer
from registry.api.transfers import TransferServicer
from registry.api.usage import UsageServicer
from registry.api.versions import VersionServicer
from registry.api.vetting import VettingServicer
from registry.api.waivers import WaiverServicer
from registry.api.webhooks import WebhookServicer
from registry.api.workloads import WorkloadServicer
from registry.domain.server import ServerInfo
from registry.testing.world import World

UPLOAD_PREFIX = "http://127.0.0.1/up/"
DOWNLOAD_PREFIX = "http://127.0.0.1/down/"
TIMEOUT_S = 60.0


class Api:
    """Serves from its making until `close`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.servicers = servicers_of(world)
        self._server = ApiServer(
            host="127.0.0.1",
            port=0,
            servicers=self.servicers,
            authenticator=world.authenticator,
        )
        self._server.start()
        self.target = f"127.0.0.1:{self._server.port}"
        self._channel = grpc.insecure_channel(self.target)

    def close(self) -> None:
        self._channel.close()
        self._server.stop(0)

    def channel(self, secret: str | None) -> grpc.Channel:
        """A channel on which each call carries this credential; None: no credential."""
        if secret is None:
            return self._channel
        return grpc.intercept_channel(self._channel, _Bearer(secret))


def servicers_of(world: World) -> list[Any]:
    info = ServerInfo(
        version="0",
        http_url="http://127.0.0.1",
        grpc_target="127.0.0.1:1",
        exclusive_stages=("staging", "production"),
        policy_digest="sha256:" + "0" * 64,
        database="sqlite",
        schema_revision="0",
        development=True,
        file_size_bytes_max=2**50,
    )
    return [
        ServerServicer(info, world.policies.active_digest),
        NamespaceServicer(world.namespaces),
        PrincipalServicer(world.principals, world.tokens),
        AccessServicer(world.access),
        IdentityServicer(world.identity),
        ModelServicer(world.models),
        CommitServicer(world.commits),
        VersionServicer(world.versions, world.version_diffs, world.evaluations, world.yanks),
        ReferenceServicer(world.references),
        PromotionServicer(world.promotions, world.stages),
        WaiverServicer(world.waivers),
        ReviewServicer(world.reviews),
        TermsServicer(world.terms, world.acceptances),
        InboxServicer(world.inbox),
        PolicyServicer(world.policies, world.trials),
        LineageServicer(world.lineage),
        VettingServicer(world.vetting_reports, world.trait_searches),
        ReadinessServicer(world.readiness),
        TransferServicer(
            world.uploads,
            world.downloads,
            upload_url=UPLOAD_PREFIX.__add__,
            download_url=DOWNLOAD_PREFIX.__add__,
        ),
        UsageServicer(world.usage),
        EventServicer(world.events),
        WorkloadServicer(world.workloads),
        WebhookServicer(world.webhooks, world.webhook_deliveries),
        AuditServicer(world.audit, world.audit_export, world.audit_proofs),
    ]


def refusal(call: Callable[[], object]) -> Any:
    """The error that a call ends with: a grpc.RpcError that is a grpc.Call too."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"it was not refused, but answered {answer!r}")


def outcome(call: Callable[[], object]) -> str:
    """How a call ends: "OK", or the code of its error."""
    try:
        call()
    except grpc.RpcError as error:
        return code_of(error)
    return "OK"


def code_of(error: Any) -> str:
    """Such as "NOT_FOUND"."""
    return str(error.code().name)


def reason_of(error: Any) -> str:
    """The reason in the error's ErrorInfo."""
    return str(info_of(error).reason)


def info_of(error: Any) -> error_details_pb2.ErrorInfo:
    status = rpc_status.from_call(error)
    assert status is not None, f"no status in {error}"
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            return info
    raise AssertionError(f"no ErrorInfo in {error}")


class _Bearer(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    def __init__(self, secret: str) -> None:
        self._metadata = (("authorization", f"Bearer {secret}"),)

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(_Details(details, self._metadata), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(_Details(details, self._metadata), request)


class _Details(grpc.ClientCallDetails):
    def __init__(self, details: Any, metadata: tuple[tuple[str, str], ...]) -> None:
        self.method = details.method
        self.timeout = details.timeout or TIMEOUT_S
        self.metadata = (*(details.metadata or ()), *metadata)
        self.credentials = details.credentials
        self.wait_for_ready = True
        self.compression = details.compression
