"""What each RPC needs, and a request for something that is not there, to try it with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from registry.domain.access import Action
from registry.v1 import (
    access_pb2,
    audit_pb2,
    commits_pb2,
    decisions_pb2,
    events_pb2,
    inbox_pb2,
    lineage_pb2,
    models_pb2,
    namespaces_pb2,
    policies_pb2,
    principals_pb2,
    promotions_pb2,
    readiness_pb2,
    references_pb2,
    reviews_pb2,
    terms_pb2,
    transfers_pb2,
    usage_pb2,
    versions_pb2,
    vetting_pb2,
    waivers_pb2,
    webhooks_pb2,
)

SHA256 = "0" * 64
VERSION = "models/gone/m/versions/1"
EDGE = lineage_pb2.LineageEdge(
    child=VERSION,
    parent="models/gone/m/versions/2",
    kind=versions_pb2.LINEAGE_KIND_MERGE,
)


@dataclass(frozen=True)
class Need:
    """What an RPC needs, and a request for something that is not there.

    `action` is None where any caller may call it, `registry_wide` where a role on "*" is needed.
    """

    request: Message
    action: Action | None
    registry_wide: bool = False


def _wide(request: Message, action: Action) -> Need:
    return Need(request, action, registry_wide=True)


NEEDS = {
    "NamespaceService": {
        "CreateNamespace": _wide(
            namespaces_pb2.CreateNamespaceRequest(namespace_id="new"), Action.NAMESPACE_CREATE
        ),
        "GetNamespace": Need(
            namespaces_pb2.GetNamespaceRequest(name="namespaces/gone"), Action.NAMESPACE_READ
        ),
        "ListNamespaces": Need(namespaces_pb2.ListNamespacesRequest(), None),
        "UpdateNamespace": Need(
            namespaces_pb2.UpdateNamespaceRequest(
                namespace=namespaces_pb2.Namespace(name="namespaces/gone"),
                update_mask=FieldMask(paths=["owner"]),
            ),
            Action.NAMESPACE_UPDATE,
        ),
        "DeleteNamespace": _wide(
            namespaces_pb2.DeleteNamespaceRequest(name="namespaces/gone"), Action.NAMESPACE_DELETE
        ),
    },
    "PrincipalService": {
        "GetCaller": Need(principals_pb2.GetCallerRequest(), None),
        "CreatePrincipal": _wide(
            principals_pb2.CreatePrincipalRequest(
                principal_id="new",
                principal=principals_pb2.Principal(kind=principals_pb2.PRINCIPAL_KIND_ROBOT),
            ),
            Action.PRINCIPAL_WRITE,
        ),
        "GetPrincipal": _wide(
            principals_pb2.GetPrincipalRequest(name="principals/gone"), Action.PRINCIPAL_READ
        ),
        "ListPrincipals": _wide(principals_pb2.ListPrincipalsRequest(), Action.PRINCIPAL_READ),
        "UpdatePrincipal": _wide(
            principals_pb2.UpdatePrincipalRequest(
                principal=principals_pb2.Principal(name="principals/gone"),
                update_mask=FieldMask(paths=["display_name"]),
            ),
            Action.PRINCIPAL_WRITE,
        ),
        "ListRoles": Need(principals_pb2.ListRolesRequest(), None),
        "CreateToken": _wide(
            principals_pb2.CreateTokenRequest(
                parent="principals/gone",
                token=principals_pb2.Token(expire_time=Timestamp(seconds=1_700_000_100)),
            ),
            Action.PRINCIPAL_WRITE,
        ),
        "ListTokens": _wide(
            principals_pb2.ListTokensRequest(parent="principals/gone"), Action.PRINCIPAL_READ
        ),
        "RevokeToken": _wide(
            principals_pb2.RevokeTokenRequest(name="principals/gone/tokens/t"),
            Action.PRINCIPAL_WRITE,
        ),
        "RotateToken": _wide(
            principals_pb2.RotateTokenRequest(name="principals/gone/tokens/t"),
            Action.PRINCIPAL_WRITE,
        ),
        "RevokeAllTokens": _wide(
            principals_pb2.RevokeAllTokensRequest(parent="principals/gone"),
            Action.PRINCIPAL_WRITE,
        ),
    },
    "AccessService": {
        "ExplainAccess": _wide(
            access_pb2.ExplainAccessRequest(
                principal="principals/gone", action="model.read", resource="models/gone/m"
            ),
            Action.PRINCIPAL_READ,
        ),
    },
    "ModelService": {
        "CreateModel": Need(
            models_pb2.CreateModelRequest(parent="namespaces/gone", model_id="m"),
            Action.MODEL_CREATE,
        ),
        "GetModel": Need(models_pb2.GetModelRequest(name="models/gone/m"), Action.MODEL_READ),
        "ListModels": Need(
            models_pb2.ListModelsRequest(parent="namespaces/gone"), Action.MODEL_READ
        ),
        "UpdateModel": Need(
            models_pb2.UpdateModelRequest(
                model=models_pb2.Model(name="models/gone/m"), update_mask=FieldMask(paths=["*"])
            ),
            Action.MODEL_UPDATE,
        ),
        "DeleteModel": Need(
            models_pb2.DeleteModelRequest(name="models/gone/m"), Action.MODEL_DELETE
        ),
    },
    "CommitService": {
        "CreateCommit": Need(
            commits_pb2.CreateCommitRequest(parent="models/gone/m", message="m"),
            Action.VERSION_CREATE,
        ),
        "GetCommit": Need(
            commits_pb2.GetCommitRequest(name="models/gone/m/commits/1234567"), Action.VERSION_READ
        ),
        "ListCommits": Need(
            commits_pb2.ListCommitsRequest(parent="models/gone/m"), Action.VERSION_READ
        ),
    },
    "VersionService": {
        "CreateVersion": Need(
            versions_pb2.CreateVersionRequest(parent="models/gone/m", upload="uploads/gone"),
            Action.VERSION_CREATE,
        ),
        "CutVersion": Need(
            versions_pb2.CutVersionRequest(parent="models/gone/m", revision="main"),
            Action.VERSION_CREATE,
        ),
        "GetVersion": Need(versions_pb2.GetVersionRequest(name=VERSION), Action.VERSION_READ),
        "ListVersions": Need(
            versions_pb2.ListVersionsRequest(parent="models/gone/m"), Action.VERSION_READ
        ),
        "ListFiles": Need(versions_pb2.ListFilesRequest(parent=VERSION), Action.VERSION_READ),
        "GetManifest": Need(versions_pb2.GetManifestRequest(name=VERSION), Action.VERSION_READ),
        "DiffVersions": Need(
            versions_pb2.DiffVersionsRequest(base=VERSION, other=VERSION), Action.VERSION_READ
        ),
        "AddEvaluation": Need(
            versions_pb2.AddEvaluationRequest(
                parent=VERSION,
                evaluation=versions_pb2.Evaluation(
                    evaluation="e",
                    metrics={"a": 1.0},
                    dataset=versions_pb2.Dataset(name="d", digest=f"sha256:{SHA256}"),
                ),
            ),
            Action.EVALUATION_CREATE,
        ),
        "ListEvaluations": Need(
            versions_pb2.ListEvaluationsRequest(parent=VERSION), Action.VERSION_READ
        ),
        "YankVersion": Need(
            versions_pb2.YankVersionRequest(name=VERSION, reason="r"), Action.VERSION_YANK
        ),
        "UnyankVersion": Need(versions_pb2.UnyankVersionRequest(name=VERSION), Action.VERSION_YANK),
    },
    "ReferenceService": {
        "ResolveReference": Need(
            references_pb2.ResolveReferenceRequest(parent="models/gone/m", reference="production"),
            Action.VERSION_READ,
        ),
        "GetReference": Need(
            references_pb2.GetReferenceRequest(name="models/gone/m/references/best"),
            Action.VERSION_READ,
        ),
        "ListReferences": Need(
            references_pb2.ListReferencesRequest(parent="models/gone/m"), Action.VERSION_READ
        ),
        "SetReference": Need(
            references_pb2.SetReferenceRequest(
                name="models/gone/m/references/best",
                kind=references_pb2.REFERENCE_KIND_ALIAS,
                target=VERSION,
            ),
            Action.REFERENCE_SET,
        ),
        "DeleteReference": Need(
            references_pb2.DeleteReferenceRequest(name="models/gone/m/references/best"),
            Action.REFERENCE_SET,
        ),
    },
    "PromotionService": {
        "CreatePromotion": Need(
            promotions_pb2.CreatePromotionRequest(version=VERSION, stage="production"),
            Action.PROMOTION_REQUEST,
        ),
        # A number that is not there belongs to no namespace.
        "GetPromotion": _wide(
            promotions_pb2.GetPromotionRequest(name="promotions/1"), Action.PROMOTION_READ
        ),
        "ListPromotions": Need(
            promotions_pb2.ListPromotionsRequest(parent="namespaces/gone"), Action.PROMOTION_READ
        ),
        "DecidePromotion": _wide(
            promotions_pb2.DecidePromotionRequest(
                name="promotions/1", outcome=decisions_pb2.DECISION_OUTCOME_APPROVE
            ),
            Action.PROMOTION_DECIDE,
        ),
        "WithdrawPromotion": _wide(
            promotions_pb2.WithdrawPromotionRequest(name="promotions/1"),
            Action.PROMOTION_WITHDRAW,
        ),
        "RollbackStage": Need(
            promotions_pb2.RollbackStageRequest(parent="models/gone/m", stage="production"),
            Action.STAGE_ROLLBACK,
        ),
        "ListStageHistory": Need(
            promotions_pb2.ListStageHistoryRequest(parent="models/gone/m", stage="production"),
            Action.VERSION_READ,
        ),
    },
    "WaiverService": {
        "RequestWaiver": Need(
            waivers_pb2.RequestWaiverRequest(target=VERSION, rule="METRIC-1", reason="r"),
            Action.WAIVER_REQUEST,
        ),
        "GetWaiver": _wide(waivers_pb2.GetWaiverRequest(name="waivers/99"), Action.WAIVER_READ),
        "ListWaivers": Need(
            waivers_pb2.ListWaiversRequest(parent="namespaces/gone"), Action.WAIVER_READ
        ),
        "DecideWaiver": _wide(
            waivers_pb2.DecideWaiverRequest(
                name="waivers/99", outcome=decisions_pb2.DECISION_OUTCOME_APPROVE
            ),
            Action.WAIVER_DECIDE,
        ),
        "WithdrawWaiver": _wide(
            waivers_pb2.WithdrawWaiverRequest(name="waivers/99"), Action.WAIVER_DECIDE
        ),
        "RevokeWaiver": _wide(
            waivers_pb2.RevokeWaiverRequest(name="waivers/99"), Action.WAIVER_DECIDE
        ),
    },
    "ReviewService": {
        "GetReview": _wide(reviews_pb2.GetReviewRequest(name="reviews/99"), Action.PROMOTION_READ),
        "ListReviews": Need(
            reviews_pb2.ListReviewsRequest(parent="namespaces/gone"), Action.PROMOTION_READ
        ),
        "DecideReview": _wide(
            reviews_pb2.DecideReviewRequest(
                name="reviews/99", outcome=decisions_pb2.DECISION_OUTCOME_APPROVE
            ),
            Action.PROMOTION_DECIDE,
        ),
    },
    "TermsService": {
        "SetModelTerms": Need(
            terms_pb2.SetModelTermsRequest(model="models/gone/m", label="v1", text="t"),
            Action.TERMS_SET,
        ),
        "ClearModelTerms": Need(
            terms_pb2.ClearModelTermsRequest(model="models/gone/m"), Action.TERMS_SET
        ),
        "GetModelTerms": Need(
            terms_pb2.GetModelTermsRequest(model="models/gone/m"), Action.MODEL_READ
        ),
        "AcceptTerms": Need(
            terms_pb2.AcceptTermsRequest(model="models/gone/m"), Action.VERSION_FETCH
        ),
        "RequestAccess": Need(
            terms_pb2.RequestAccessRequest(model="models/gone/m", reason="r"),
            Action.VERSION_FETCH,
        ),
        "DecideAccess": _wide(
            terms_pb2.DecideAccessRequest(
                name="acceptances/99", outcome=decisions_pb2.DECISION_OUTCOME_APPROVE
            ),
            Action.ACCESS_DECIDE,
        ),
        "GetAcceptance": _wide(
            terms_pb2.GetAcceptanceRequest(name="acceptances/99"), Action.ACCESS_READ
        ),
        "ListAcceptances": Need(
            terms_pb2.ListAcceptancesRequest(parent="namespaces/gone"), Action.ACCESS_READ
        ),
        "RevokeAcceptance": _wide(
            terms_pb2.RevokeAcceptanceRequest(name="acceptances/99"), Action.ACCESS_DECIDE
        ),
    },
    "InboxService": {"ListInbox": Need(inbox_pb2.ListInboxRequest(), None)},
    "ReadinessService": {
        "GetReadiness": Need(
            readiness_pb2.GetReadinessRequest(name=f"{VERSION}/readiness/25.10"),
            Action.VERSION_READ,
        ),
        "ListReadiness": Need(
            readiness_pb2.ListReadinessRequest(parent=VERSION), Action.VERSION_READ
        ),
        "AssessReadiness": Need(
            readiness_pb2.AssessReadinessRequest(name=f"{VERSION}/readiness/25.10"),
            Action.VERSION_READ,
        ),
        "ListTritonReleases": Need(readiness_pb2.ListTritonReleasesRequest(), None),
    },
    "VettingService": {
        "GetVetting": Need(vetting_pb2.GetVettingRequest(version=VERSION), Action.VERSION_READ),
        "ListFileFacts": Need(
            vetting_pb2.ListFileFactsRequest(version=VERSION), Action.VERSION_READ
        ),
        "SearchVersions": Need(
            vetting_pb2.SearchVersionsRequest(parent="namespaces/gone", traits=["format=onnx"]),
            Action.VERSION_READ,
        ),
        "CreateVettingRerun": Need(
            vetting_pb2.CreateVettingRerunRequest(scope=VERSION), Action.VETTING_RERUN
        ),
        "GetVettingRerun": _wide(
            vetting_pb2.GetVettingRerunRequest(name="vettingReruns/99"), Action.VETTING_RERUN
        ),
        "ListVettingChanges": _wide(
            vetting_pb2.ListVettingChangesRequest(name="vettingReruns/99"), Action.VETTING_RERUN
        ),
    },
    "LineageService": {
        "CreateEdge": Need(lineage_pb2.CreateEdgeRequest(edge=EDGE), Action.VERSION_CREATE),
        "DeleteEdge": Need(lineage_pb2.DeleteEdgeRequest(edge=EDGE), Action.VERSION_CREATE),
        "ListAncestors": Need(
            lineage_pb2.ListAncestorsRequest(version=VERSION), Action.VERSION_READ
        ),
        "ListDescendants": Need(
            lineage_pb2.ListDescendantsRequest(version=VERSION), Action.VERSION_READ
        ),
    },
    "PolicyService": {
        "GetActivePolicySet": Need(policies_pb2.GetActivePolicySetRequest(), None),
        "GetPolicySet": Need(policies_pb2.GetPolicySetRequest(digest="sha256:gone"), None),
        "ListPolicyChanges": _wide(policies_pb2.ListPolicyChangesRequest(), Action.POLICY_READ),
        "ProposePolicySet": _wide(policies_pb2.ProposePolicySetRequest(), Action.POLICY_PROPOSE),
        "DecidePolicyChange": _wide(
            policies_pb2.DecidePolicyChangeRequest(
                name="policyChanges/1", outcome=decisions_pb2.DECISION_OUTCOME_APPROVE
            ),
            Action.POLICY_DECIDE,
        ),
        "WithdrawPolicyChange": _wide(
            policies_pb2.WithdrawPolicyChangeRequest(name="policyChanges/1"), Action.POLICY_DECIDE
        ),
        "EvaluateGate": Need(
            policies_pb2.EvaluateGateRequest(version=VERSION, gate="fetch"), Action.VERSION_READ
        ),
        "ExplainDecision": _wide(
            policies_pb2.ExplainDecisionRequest(promotion="promotions/1"), Action.PROMOTION_READ
        ),
    },
    "TransferService": {
        "CreateUpload": Need(
            transfers_pb2.CreateUploadRequest(
                parent="models/gone/m",
                files=[versions_pb2.File(path="a", size_bytes=1, sha256=SHA256)],
            ),
            Action.VERSION_CREATE,
        ),
        "GetUpload": Need(transfers_pb2.GetUploadRequest(name="uploads/gone"), None),
        "DeleteUpload": Need(transfers_pb2.DeleteUploadRequest(name="uploads/gone"), None),
        "CreateDownloads": Need(
            transfers_pb2.CreateDownloadsRequest(version="models/gone/m/versions/1"),
            Action.VERSION_FETCH,
        ),
    },
    "UsageService": {
        "GetUsage": Need(usage_pb2.GetUsageRequest(model="models/gone/m"), Action.MODEL_READ),
        "LikeModel": Need(usage_pb2.LikeModelRequest(model="models/gone/m"), Action.MODEL_READ),
        "UnlikeModel": Need(usage_pb2.UnlikeModelRequest(model="models/gone/m"), Action.MODEL_READ),
    },
    "EventService": {
        "ListEvents": Need(
            events_pb2.ListEventsRequest(parent="namespaces/gone"), Action.EVENT_READ
        ),
        "VerifyEvents": _wide(events_pb2.VerifyEventsRequest(), Action.EVENT_READ),
    },
    "WebhookService": {
        "CreateWebhook": Need(
            webhooks_pb2.CreateWebhookRequest(
                webhook=webhooks_pb2.Webhook(
                    url="https://hooks.example/x", namespace_pattern="gone"
                )
            ),
            Action.WEBHOOK_WRITE,
        ),
        # An id that is not there belongs to no namespace.
        "GetWebhook": _wide(
            webhooks_pb2.GetWebhookRequest(name="webhooks/gone"), Action.WEBHOOK_READ
        ),
        "ListWebhooks": Need(webhooks_pb2.ListWebhooksRequest(), None),
        "UpdateWebhook": _wide(
            webhooks_pb2.UpdateWebhookRequest(
                webhook=webhooks_pb2.Webhook(name="webhooks/gone"),
                update_mask=FieldMask(paths=["description"]),
            ),
            Action.WEBHOOK_WRITE,
        ),
        "DeleteWebhook": _wide(
            webhooks_pb2.DeleteWebhookRequest(name="webhooks/gone"), Action.WEBHOOK_WRITE
        ),
        "RotateWebhookSecret": _wide(
            webhooks_pb2.RotateWebhookSecretRequest(name="webhooks/gone"), Action.WEBHOOK_WRITE
        ),
        "TestWebhook": _wide(
            webhooks_pb2.TestWebhookRequest(name="webhooks/gone"), Action.WEBHOOK_WRITE
        ),
        "ListDeliveries": _wide(
            webhooks_pb2.ListDeliveriesRequest(parent="webhooks/gone"), Action.WEBHOOK_READ
        ),
        "ReplayDeliveries": _wide(
            webhooks_pb2.ReplayDeliveriesRequest(
                parent="webhooks/gone", delivery="webhooks/gone/deliveries/3-1"
            ),
            Action.WEBHOOK_WRITE,
        ),
    },
    "AuditService": {
        "CreateCheckpoint": _wide(audit_pb2.CreateCheckpointRequest(), Action.EVENT_READ),
        "ReplaceLostKey": _wide(
            audit_pb2.ReplaceLostKeyRequest(lost_key=SHA256, note="n"), Action.AUDIT_REPLACE_KEY
        ),
        "GetCheckpoint": _wide(
            audit_pb2.GetCheckpointRequest(name="checkpoints/99"), Action.EVENT_READ
        ),
        "ListCheckpoints": _wide(audit_pb2.ListCheckpointsRequest(), Action.EVENT_READ),
        "ProveEvent": _wide(
            audit_pb2.ProveEventRequest(name="shards/3/events/99"), Action.EVENT_READ
        ),
        "ProveConsistency": _wide(
            audit_pb2.ProveConsistencyRequest(old="checkpoints/99"), Action.EVENT_READ
        ),
        "GetAuditKeys": Need(audit_pb2.GetAuditKeysRequest(), None),
        "ExportEvents": Need(
            audit_pb2.ExportEventsRequest(parent="namespaces/gone"), Action.EVENT_READ
        ),
    },
}


#: RPCs that answer with many messages.
STREAMS = {"ExportEvents"}


def cases() -> Iterator[tuple[str, str, Need]]:
    for service, methods in NEEDS.items():
        for method, need in methods.items():
            yield service, method, need
