"""Which issuers are trusted, for what, and how far: values, read by `trust_file.py`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from registry.domain.workloads import WorkloadRule

#: What a key of each kind can check. No HS*: whoever could check could sign. No "none".
RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256"})
P256_ALGORITHMS = frozenset({"ES256"})
P384_ALGORITHMS = frozenset({"ES384"})
ED25519_ALGORITHMS = frozenset({"EdDSA"})
ALGORITHMS = RSA_ALGORITHMS | P256_ALGORITHMS | P384_ALGORITHMS | ED25519_ALGORITHMS

LEEWAY_S_MAX = 60
LIFETIME_S_MAX = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class TrustedIssuer:
    """Times are in seconds, as the tokens' own are."""

    issuer: str
    #: One of the two is set.
    jwks_url: str
    jwks_file: Path | None
    #: Who signed the certificate of `jwks_url`; None: the system's authorities.
    ca_file: Path | None
    audience: str
    #: Those that may stand beside ours; a token for anybody else was not meant for us alone.
    other_audiences: frozenset[str]
    algorithms: frozenset[str]
    max_lifetime_s: int
    leeway_s: int
    #: Whether a token without "nbf" is refused.
    nbf_required: bool
    rules: tuple[WorkloadRule, ...]
