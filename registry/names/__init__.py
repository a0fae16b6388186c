"""Names, references and file paths: a caller's text becomes a checked, frozen value, or an error.

Laws, for every name and reference type `T`, every instance `value` and every text that parses:

    T.parse(str(value)) == value        and        str(T.parse(text)) == text

so that a thing has one name in one spelling. (Branches and references are parsed against the
policy's stages; the first law holds for them with `stages=()`.) An instance that exists is valid,
since the constructors check too. Every refusal is an InvalidFieldError that blames the request's
`field`, says what was found and expected, and how to mend it.

`rules` judges the pieces, `resources` puts names together, `references` reads what stands behind
an `@`, and `paths` judges the paths of a version's files.
"""

from registry.names.paths import check_paths, folded_path, is_git_path, safe_path
from registry.names.references import (
    CommitId,
    Reference,
    RefName,
    Selector,
    VersionDigest,
    VersionNumber,
    parse_selector,
)
from registry.names.resources import (
    AcceptanceName,
    BranchName,
    CheckpointName,
    CommitName,
    EventName,
    ModelName,
    NamespaceName,
    NumberedName,
    PolicyChangeName,
    PrincipalName,
    PromotionName,
    ReadinessName,
    ReferenceName,
    ReviewName,
    StageName,
    TokenName,
    UploadName,
    VersionName,
    VettingRerunName,
    WaiverName,
    WebhookDeliveryName,
    WebhookName,
)
from registry.names.rules import (
    DEFAULT_STAGES,
    EXCLUSIVE_STAGES,
    HUBS,
    LABEL_STAGES,
    check_namespace,
    check_principal,
    check_ref_name,
    check_sha256,
    check_stage,
)

__all__ = [
    "DEFAULT_STAGES",
    "EXCLUSIVE_STAGES",
    "HUBS",
    "LABEL_STAGES",
    "AcceptanceName",
    "BranchName",
    "CheckpointName",
    "CommitId",
    "CommitName",
    "EventName",
    "ModelName",
    "NamespaceName",
    "NumberedName",
    "PolicyChangeName",
    "PrincipalName",
    "PromotionName",
    "ReadinessName",
    "RefName",
    "Reference",
    "ReferenceName",
    "ReviewName",
    "Selector",
    "StageName",
    "TokenName",
    "UploadName",
    "VersionDigest",
    "VersionName",
    "VersionNumber",
    "VettingRerunName",
    "WaiverName",
    "WebhookDeliveryName",
    "WebhookName",
    "check_namespace",
    "check_paths",
    "check_principal",
    "check_ref_name",
    "check_sha256",
    "check_stage",
    "folded_path",
    "is_git_path",
    "parse_selector",
    "safe_path",
]
