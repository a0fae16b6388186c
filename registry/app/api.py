"""The gRPC side of a process: every service behind one address."""

from __future__ import annotations

from importlib.metadata import version as installed_version

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
from registry.api.server import ApiServer, TlsFiles
from registry.api.server_info import ServerServicer
from registry.api.terms import TermsServicer
from registry.api.transfers import TransferServicer
from registry.api.usage import UsageServicer
from registry.api.versions import VersionServicer
from registry.api.vetting import VettingServicer
from registry.api.waivers import WaiverServicer
from registry.api.webhooks import WebhookServicer
from registry.api.workloads import WorkloadServicer
from registry.app.services import Services
from registry.config import Address, Settings
from registry.domain.manifests import FILE_SIZE_BYTES_MAX
from registry.domain.server import ServerInfo
from registry.ports.database import Database
from registry.ports.policy import Policy

DISTRIBUTION = "hallmark-registry"


def server_info(
    settings: Settings, database: Database, policy: Policy, *, http_url: str
) -> ServerInfo:
    """What this server tells of itself. Its gRPC side is where it was asked."""
    return ServerInfo(
        version=installed_version(DISTRIBUTION),
        http_url=http_url,
        grpc_target="",
        exclusive_stages=policy.exclusive_stages,
        policy_digest=policy.digest,
        database=database.kind,
        schema_revision=database.schema_revision,
        development=settings.is_development,
        file_size_bytes_max=FILE_SIZE_BYTES_MAX,
        password_login=bool(settings.ldap.urls),
    )


def build_api(
    services: Services,
    info: ServerInfo,
    address: Address,
    *,
    tls: TlsFiles | None,
    shared: bool,
    first: bool = True,
) -> ApiServer:
    """Listens on the address already. `shared` and `first`: see ApiServer."""
    http_url = info.http_url
    return ApiServer(
        host=address.host,
        port=address.port,
        servicers=(
            ServerServicer(info, services.policies.active_digest),
            NamespaceServicer(services.namespaces),
            PrincipalServicer(services.principals, services.tokens),
            AccessServicer(services.access),
            IdentityServicer(services.identity),
            ModelServicer(services.models),
            CommitServicer(services.commits),
            VersionServicer(
                services.versions, services.diffs, services.evaluations, services.yanks
            ),
            ReferenceServicer(services.references),
            PromotionServicer(services.promotions, services.stages),
            WaiverServicer(services.waivers),
            ReviewServicer(services.reviews),
            TermsServicer(services.terms, services.acceptances),
            InboxServicer(services.inbox),
            PolicyServicer(services.policies, services.trials),
            LineageServicer(services.lineage),
            VettingServicer(services.vetting_reports, services.trait_searches),
            ReadinessServicer(services.readiness),
            TransferServicer(
                services.uploads,
                services.downloads,
                upload_url=lambda ticket: f"{http_url}/hallmark/v1/uploads/{ticket}",
                download_url=lambda ticket: f"{http_url}/dl/{ticket}",
            ),
            UsageServicer(services.usage),
            EventServicer(services.events),
            WorkloadServicer(services.workloads),
            WebhookServicer(services.webhooks, services.webhook_deliveries),
            AuditServicer(services.audit, services.audit_export, services.audit_proofs),
        ),
        authenticator=services.authenticator,
        tls=tls,
        shared=shared,
        first=first,
    )
