"""Trust in three issuers, as an operator would put it, and the keys that they publish."""

from __future__ import annotations

from pathlib import Path

from registry.auth.keys import IssuerKeys
from registry.auth.oidc import OidcVerifier
from registry.auth.trust import ALGORITHMS, TrustedIssuer
from registry.domain.workloads import WorkloadRule
from registry.testing.issuer import AUDIENCE, GITHUB, GITLAB, KUBERNETES, key_set

RULES = {
    KUBERNETES: (
        WorkloadRule(principal="deploy", subject="system:serviceaccount:serving:deployer"),
        WorkloadRule(principal="twice", subject="system:serviceaccount:twice:*"),
        WorkloadRule(principal="twice", subject="system:serviceaccount:twice:both"),
    ),
    GITHUB: (
        WorkloadRule(
            principal="deploy",
            subject="repo:acme/fraud-scorer:environment:production",
            claims=((("repository_id",), "123456789"), (("ref",), "refs/heads/main")),
        ),
        WorkloadRule(principal="train", subject="repo:acme/train-*:ref:refs/heads/**"),
    ),
    GITLAB: (
        WorkloadRule(
            principal="train",
            subject="project_path:ml/scorer:ref_type:branch:ref:main",
            claims=((("ref_protected",), "true"),),
        ),
    ),
}


class Published:
    """A key source whose document tests change."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.reads = 0

    def read(self) -> bytes:
        self.reads += 1
        return self.document


def trusted(issuer: str, **changes: object) -> TrustedIssuer:
    values: dict[str, object] = {
        "issuer": issuer,
        "jwks_url": "",
        "jwks_file": Path("keys.json"),
        "ca_file": None,
        "audience": AUDIENCE,
        "other_audiences": frozenset(),
        "algorithms": ALGORITHMS if issuer == KUBERNETES else frozenset({"RS256"}),
        "max_lifetime_s": 3600,
        "leeway_s": 30,
        "nbf_required": True,
        "rules": RULES[issuer],
    }
    return TrustedIssuer(**{**values, **changes})  # type: ignore[arg-type]


#: Made when they are first asked for.
KEYS = {
    KUBERNETES: lambda: key_set("rsa", "p256", "p384", "ed25519"),
    GITHUB: lambda: key_set("rsa-github"),
    GITLAB: lambda: key_set("rsa-gitlab"),
}


def verifier(*issuers: TrustedIssuer) -> OidcVerifier:
    """A verifier of these, each with its keys of `KEYS`; of all three where none is named."""
    wanted = issuers or tuple(trusted(name) for name in RULES)
    return OidcVerifier(
        [(each, IssuerKeys(each.issuer, Published(KEYS[each.issuer]()))) for each in wanted]
    )
