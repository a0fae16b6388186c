"""What waits for people, with what there is to judge it by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from registry.domain.policies import Requirement
from registry.domain.policy_sets import PolicyChange
from registry.domain.versions import Version


class InboxScope(StrEnum):
    WAITING_FOR_ME = "waiting_for_me"
    MINE = "mine"
    ALL = "all"


class InboxKind(StrEnum):
    """In the order of items that are due at one time."""

    PROMOTION = "promotion"
    WAIVER = "waiver"
    ACCESS = "access"
    REVIEW = "review"
    POLICY = "policy"


@dataclass(frozen=True, kw_only=True)
class InboxItem:
    kind: InboxKind
    number: int
    #: Resource names: of what is to be decided on, and of what that is about.
    name: str
    subject: str
    #: "*" where it belongs to none.
    namespace: str
    requester: str
    reason: str
    since_us: int
    due_us: int
    stage: str = ""
    rule: str = ""
    #: Who is to be let in, for access.
    principal: str = ""
    #: None where it is about a model, or a policy set.
    version: Version | None = None
    #: Releases of Triton that the version is ready for, sorted.
    triton_ready: tuple[str, ...] = ()
    #: Where it is about which policy set is active.
    change: PolicyChange | None = None
    waiting: tuple[Requirement, ...] = ()
    #: Who said yes, and counts; who said anything.
    approvers: tuple[str, ...] = ()
    deciders: tuple[str, ...] = ()
