"""The tables, alike on SQLite and PostgreSQL. Their history is in `migrations/`.

Conventions: `key` is a row's integer key and never leaves the server; times are integer
microseconds UTC; text that is sorted or compared has byte order on both databases; lists and nested
values are canonical JSON text, read and written whole. A model's path and a version's number never
change, hence are repeated where a hot read would otherwise need a join.
"""

from __future__ import annotations

from registry.db.tables.audit import audit_checkpoints
from registry.db.tables.columns import metadata
from registry.db.tables.content import (
    MINUTE_US,
    commits,
    evaluations,
    manifest_files,
    manifests,
    model_labels,
    model_numbers,
    models,
    versions,
)
from registry.db.tables.decisions import (
    decisions,
    lineage_edges,
    promotions,
    refs,
    stage_periods,
)
from registry.db.tables.identity import (
    directory_accounts,
    login_attempts,
)
from registry.db.tables.log import (
    event_heads,
    events,
    requests,
)
from registry.db.tables.people import (
    namespaces,
    principals,
    tokens,
)
from registry.db.tables.policies import (
    active_policy,
    gate_inputs,
    gate_records,
    policy_changes,
    policy_sets,
)
from registry.db.tables.readiness import assessments
from registry.db.tables.transfers import (
    blob_grants,
    download_counts,
    downloads,
    likes,
    upload_files,
    uploads,
)
from registry.db.tables.vetting import (
    file_results,
    file_traits,
    vetting_changes,
    vetting_marks,
    vetting_reruns,
    vetting_runs,
)
from registry.db.tables.waivers import acceptances, reviews, terms, waivers
from registry.db.tables.webhooks import (
    promotion_reminders,
    reminders,
    webhook_deliveries,
    webhooks,
)

__all__ = [
    "MINUTE_US",
    "acceptances",
    "active_policy",
    "assessments",
    "audit_checkpoints",
    "blob_grants",
    "commits",
    "decisions",
    "directory_accounts",
    "download_counts",
    "downloads",
    "evaluations",
    "event_heads",
    "events",
    "file_results",
    "file_traits",
    "gate_inputs",
    "gate_records",
    "likes",
    "lineage_edges",
    "login_attempts",
    "manifest_files",
    "manifests",
    "metadata",
    "model_labels",
    "model_numbers",
    "models",
    "namespaces",
    "policy_changes",
    "policy_sets",
    "principals",
    "promotion_reminders",
    "promotions",
    "refs",
    "reminders",
    "requests",
    "reviews",
    "stage_periods",
    "terms",
    "tokens",
    "upload_files",
    "uploads",
    "versions",
    "vetting_changes",
    "vetting_marks",
    "vetting_reruns",
    "vetting_runs",
    "waivers",
    "webhook_deliveries",
    "webhooks",
]
