"""Who may call what: every RPC of these services, tried by every role, against the one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from registry.domain.access import TABLE, Action, Role
from registry.domain.scopes import Scope
from registry.names import PrincipalName, TokenName, VersionName
from registry.services.authentication import new_secret
from registry.testing.api import Api, code_of, info_of, outcome, reason_of, refusal
from registry.testing.story import Story
from registry.testing.world import World, grant
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
    references_pb2,
    reviews_pb2,
    terms_pb2,
    transfers_pb2,
    usage_pb2,
    versions_pb2,
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
}


NEEDS["AuditService"] = {
    "CreateCheckpoint": _wide(audit_pb2.CreateCheckpointRequest(), Action.EVENT_READ),
    "GetCheckpoint": _wide(
        audit_pb2.GetCheckpointRequest(name="checkpoints/99"), Action.EVENT_READ
    ),
    "ListCheckpoints": _wide(audit_pb2.ListCheckpointsRequest(), Action.EVENT_READ),
    "ProveEvent": _wide(audit_pb2.ProveEventRequest(name="shards/3/events/99"), Action.EVENT_READ),
    "ProveConsistency": _wide(
        audit_pb2.ProveConsistencyRequest(old="checkpoints/99"), Action.EVENT_READ
    ),
    "GetAuditKeys": Need(audit_pb2.GetAuditKeysRequest(), None),
    "ExportEvents": Need(
        audit_pb2.ExportEventsRequest(parent="namespaces/gone"), Action.EVENT_READ
    ),
}


#: RPCs that answer with many messages.
STREAMS = {"ExportEvents"}


def cases() -> Iterator[tuple[str, str, Need]]:
    for service, methods in NEEDS.items():
        for method, need in methods.items():
            yield service, method, need


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
}


def seen_by(api: Api, secret: str, needed: Need, service: str, method: str) -> tuple[object, ...]:
    """All that a refusal tells, but the id of the call."""
    error = refusal(partial(call, api, secret, service, method, needed.request))
    info = info_of(error)
    metadata = {key: value for key, value in info.metadata.items() if key != "request_id"}
    return code_of(error), info.reason, error.details(), tuple(sorted(metadata.items()))


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
    about_others = {"CreateNamespace", "VerifyEvents"}
    about_models = {"EvaluateGate", "ExplainDecision"}
    for service, method, need in cases():
        if need.action is None:
            continue
        found = outcome(partial(call, api, secret, service, method, need.request))
        of_all = service in ("PrincipalService", "AccessService", "PolicyService")
        free = method in about_others or (of_all and method not in about_models)
        assert (found == "PERMISSION_DENIED") is not free, (method, found)


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
