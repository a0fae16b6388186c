"""Values mirror messages: same fields, and the same content when one is read into the other."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from registry.client import audit_values, judged, policy_values, values, webhook_values
from registry.client.decode import decode, number_of, timestamp
from registry.client.errors import InvalidRequestError
from registry.v1 import (
    access_pb2,
    audit_pb2,
    commits_pb2,
    decisions_pb2,
    events_pb2,
    identity_pb2,
    inbox_pb2,
    lineage_pb2,
    models_pb2,
    namespaces_pb2,
    policies_pb2,
    principals_pb2,
    promotions_pb2,
    references_pb2,
    reviews_pb2,
    server_pb2,
    terms_pb2,
    transfers_pb2,
    usage_pb2,
    versions_pb2,
    waivers_pb2,
    webhooks_pb2,
)

PAIRS: list[tuple[Any, Any]] = [
    (values.Namespace, namespaces_pb2.Namespace),
    (values.Grant, principals_pb2.Grant),
    (values.Scope, principals_pb2.Scope),
    (values.AccessRow, access_pb2.ExplainAccessResponse.Row),
    (values.TokenAccess, access_pb2.ExplainAccessResponse.TokenRow),
    (values.Explanation, access_pb2.ExplainAccessResponse),
    (values.Principal, principals_pb2.Principal),
    (values.Token, principals_pb2.Token),
    (values.NewToken, principals_pb2.CreateTokenResponse),
    (values.Caller, principals_pb2.Caller),
    (values.NewLogin, identity_pb2.LoginResponse),
    (values.RoleRow, principals_pb2.ListRolesResponse.Row),
    (values.Model, models_pb2.Model),
    (values.File, versions_pb2.File),
    (values.Dataset, versions_pb2.Dataset),
    (values.CodeRevision, versions_pb2.CodeRevision),
    (values.Base, versions_pb2.Base),
    (values.VersionSpec, versions_pb2.VersionSpec),
    (values.Card, versions_pb2.Card),
    (values.Finding, versions_pb2.Finding),
    (values.Vetting, versions_pb2.Vetting),
    (values.Version, versions_pb2.Version),
    (values.FileChange, versions_pb2.VersionDiff.FileChange),
    (values.ValueChange, versions_pb2.VersionDiff.ValueChange),
    (values.VersionDiff, versions_pb2.VersionDiff),
    (values.Evaluation, versions_pb2.Evaluation),
    (values.Manifest, versions_pb2.Manifest),
    (values.Commit, commits_pb2.Commit),
    (values.Reference, references_pb2.Reference),
    (values.Resolved, references_pb2.ResolveReferenceResponse),
    (values.Decision, decisions_pb2.Decision),
    (values.Requirement, decisions_pb2.Requirement),
    (values.Promotion, promotions_pb2.Promotion),
    (policy_values.PolicySet, policies_pb2.PolicySet),
    (policy_values.PolicyChange, policies_pb2.PolicyChange),
    (policy_values.RuleResult, policies_pb2.RuleResult),
    (policy_values.GateEvaluation, policies_pb2.GateEvaluation),
    (policy_values.DecisionExplanation, policies_pb2.DecisionExplanation),
    (values.StagePeriod, promotions_pb2.StagePeriod),
    (judged.Waiver, waivers_pb2.Waiver),
    (judged.ModelTerms, terms_pb2.ModelTerms),
    (judged.Acceptance, terms_pb2.Acceptance),
    (judged.Review, reviews_pb2.Review),
    (judged.InboxItem, inbox_pb2.InboxItem),
    (values.LineageEdge, lineage_pb2.LineageEdge),
    (values.Event, events_pb2.Event),
    (values.ShardHead, events_pb2.VerifyEventsResponse.Head),
    (values.NewBeginning, events_pb2.VerifyEventsResponse.Beginning),
    (values.AuditReport, events_pb2.VerifyEventsResponse),
    (audit_values.AuditCheckpoint, audit_pb2.AuditCheckpoint),
    (audit_values.EventProof, audit_pb2.EventProof),
    (audit_values.ShardConsistency, audit_pb2.ConsistencyProof.Shard),
    (audit_values.ConsistencyProof, audit_pb2.ConsistencyProof),
    (audit_values.AuditKey, audit_pb2.AuditKeys.Key),
    (audit_values.AuditKeys, audit_pb2.AuditKeys),
    (audit_values.ExportBatch, audit_pb2.ExportEventsResponse),
    (values.VersionUsage, usage_pb2.Usage.VersionRow),
    (values.PrincipalUsage, usage_pb2.Usage.PrincipalRow),
    (values.Usage, usage_pb2.Usage),
    (values.Upload, transfers_pb2.Upload),
    (values.UploadFile, transfers_pb2.UploadFile),
    (values.Download, transfers_pb2.Download),
    (values.ServerInfo, server_pb2.ServerInfo),
    (webhook_values.Webhook, webhooks_pb2.Webhook),
    (webhook_values.NewWebhook, webhooks_pb2.CreateWebhookResponse),
    (webhook_values.NewWebhook, webhooks_pb2.RotateWebhookSecretResponse),
    (webhook_values.Attempt, webhooks_pb2.WebhookDelivery.Attempt),
    (webhook_values.WebhookDelivery, webhooks_pb2.WebhookDelivery),
]


@pytest.mark.parametrize(("kind", "message"), PAIRS, ids=lambda each: each.__name__)
def test_a_value_has_the_fields_of_its_message(kind: Any, message: Any) -> None:
    """No field of the API is lost on its way to a caller, and none is invented."""
    ours = {field.name for field in dataclasses.fields(kind)}
    assert ours == {field.name for field in message.DESCRIPTOR.fields}


@pytest.mark.parametrize(("kind", "message"), PAIRS, ids=lambda each: each.__name__)
def test_an_empty_message_is_read(kind: Any, message: Any) -> None:
    """A message without any field set makes a value; what is unset is empty or None."""
    decode(kind, message())


def test_every_value_is_tested() -> None:
    """A value that is added without its message fails here."""
    declared = {
        each
        for module in (values, audit_values, judged, policy_values, webhook_values)
        for each in vars(module).values()
        if dataclasses.is_dataclass(each) and each.__module__ == module.__name__
    }
    assert declared == {kind for kind, _ in PAIRS}


def test_a_version_is_read_whole() -> None:
    """Nested messages, maps, lists, times and enumerations become plain, frozen values."""
    message = versions_pb2.Version(
        name="models/fraud/scorer/versions/7",
        number=7,
        state=versions_pb2.VERSION_STATE_RELEASED,
        create_time=Timestamp(seconds=1, nanos=5000),
        spec=versions_pb2.VersionSpec(
            metrics={"loss": 0.5, "auc": 0.9},
            bases=[
                versions_pb2.Base(
                    version="models/fraud/base/versions/3", kind=versions_pb2.LINEAGE_KIND_ADAPTER
                )
            ],
        ),
        stages=["production"],
    )
    version = decode(values.Version, message)
    assert (version.ref, version.model, version.state) == (
        "fraud/scorer@7",
        "fraud/scorer",
        "released",
    )
    assert version.create_time == datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)
    assert list(version.spec.metrics.items()) == [("auc", 0.9), ("loss", 0.5)]
    assert version.spec.bases == (
        values.Base(version="models/fraud/base/versions/3", kind="adapter"),
    )
    assert version.stages == ("production",)
    assert (version.vetting.verdict, version.vetting.time) == ("", None)


def test_a_state_of_a_newer_release_is_unknown() -> None:
    """An enumeration value that this release does not know is told as such."""
    message = versions_pb2.Version()
    message.MergeFromString(b"\x30\x63")
    assert decode(values.Version, message).state == "unknown"


def test_words_become_numbers() -> None:
    """A lower-case word is its enumeration value, and any other is refused with those there are."""
    assert number_of(versions_pb2.LineageKind, "merge", field="kind") == 3
    assert number_of(versions_pb2.LineageKind, "", field="kind") == 0
    with pytest.raises(InvalidRequestError, match="finetune, adapter, merge") as caught:
        number_of(versions_pb2.LineageKind, "copied", field="kind")
    assert caught.value.field_violations[0].field == "kind"


def test_times_keep_microseconds() -> None:
    """A time survives the way to a message and back."""
    time = datetime(2026, 11, 20, 22, 0, 0, 123456, tzinfo=UTC)
    sent = timestamp(time)
    assert sent is not None
    assert sent.ToDatetime(tzinfo=UTC) == time
    assert timestamp(None) is None
