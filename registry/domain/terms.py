"""Terms of models: what has to be accepted before their files can be fetched, and who did."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from registry.domain.canonical import canonical_json
from registry.domain.promotions import Decision


@dataclass(frozen=True, kw_only=True)
class Terms:
    model_key: int
    #: Path of the model, without `models/`.
    model: str
    label: str
    text: str
    url: str
    validity_days: int
    approval_required: bool
    create_time_us: int
    creator: str

    @property
    def digest(self) -> str:
        """Names these very terms, whatever model has them: any change is another digest."""
        content = {
            "schema": "hallmark.terms.v1",
            "label": self.label,
            "text": self.text,
            "url": self.url,
            "validity_days": self.validity_days,
            "approval_required": self.approval_required,
        }
        return f"sha256:{hashlib.sha256(canonical_json(content, field='text')).hexdigest()}"

    @property
    def mend(self) -> str:
        """What to type to be let in."""
        if self.approval_required:
            return f"hallmark access request {self.model} --terms {self.digest} --reason WHY"
        return f"hallmark access accept {self.model} --terms {self.digest}"


class AcceptanceState(StrEnum):
    PENDING = "pending"
    GRANTED = "granted"
    REJECTED = "rejected"
    REVOKED = "revoked"
    EXPIRED = "expired"


#: States that time ends.
OPEN = frozenset({AcceptanceState.PENDING, AcceptanceState.GRANTED})


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    number: int
    model_key: int
    model: str
    namespace: str
    #: Who may fetch by it, and who accepted: somebody else for a robot.
    principal: str
    requester: str
    terms_digest: str
    terms_label: str
    reason: str
    state: AcceptanceState
    #: None where nobody had to approve, or has yet.
    decision: Decision | None
    create_time_us: int
    expire_time_us: int
    end_time_us: int | None

    @property
    def name(self) -> str:
        return f"acceptances/{self.number}"

    def state_at(self, now_us: int) -> AcceptanceState:
        """The state at a moment: time ends it whether or not anybody looks."""
        if self.state in OPEN and now_us >= self.expire_time_us:
            return AcceptanceState.EXPIRED
        return self.state
