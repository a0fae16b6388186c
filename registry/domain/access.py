"""Who may do what: one table, role x action, from which checks, documentation and tests are made.

Permission depends on the caller and on names alone, so it can be judged before anything is looked
up: a refusal says nothing of what exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from registry.errors import PermissionDeniedError

#: The namespace of things that belong to no namespace (principals, settings). Only the pattern "*"
#: matches it, since it is no valid namespace id.
REGISTRY_WIDE = "*"


class Role(StrEnum):
    READER = "reader"
    REGISTRANT = "registrant"
    REVIEWER = "reviewer"
    SECURITY = "security"
    DEPLOYER = "deployer"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Action(StrEnum):
    NAMESPACE_CREATE = "namespace.create"
    NAMESPACE_READ = "namespace.read"
    NAMESPACE_UPDATE = "namespace.update"
    NAMESPACE_DELETE = "namespace.delete"
    PRINCIPAL_READ = "principal.read"
    PRINCIPAL_WRITE = "principal.write"
    MODEL_CREATE = "model.create"
    MODEL_READ = "model.read"
    MODEL_UPDATE = "model.update"
    MODEL_DELETE = "model.delete"
    VERSION_CREATE = "version.create"
    VERSION_READ = "version.read"
    VERSION_FETCH = "version.fetch"
    VERSION_YANK = "version.yank"
    EVALUATION_CREATE = "evaluation.create"
    REFERENCE_SET = "reference.set"
    REFERENCE_DELETE_TAG = "reference.delete_tag"
    PROMOTION_READ = "promotion.read"
    PROMOTION_REQUEST = "promotion.request"
    PROMOTION_DECIDE = "promotion.decide"
    PROMOTION_WITHDRAW = "promotion.withdraw"
    STAGE_ROLLBACK = "stage.rollback"
    POLICY_READ = "policy.read"
    POLICY_PROPOSE = "policy.propose"
    POLICY_DECIDE = "policy.decide"
    USAGE_READ = "usage.read"
    EVENT_READ = "event.read"


_METADATA = frozenset(
    {
        Action.NAMESPACE_READ,
        Action.MODEL_READ,
        Action.VERSION_READ,
        Action.PROMOTION_READ,
    }
)
_READ = _METADATA | {Action.VERSION_FETCH}

#: The whole of it. Power is kept apart on purpose: whoever administers decides nothing and fetches
#: nothing, whoever registers does not decide by that role, auditors see all metadata and no bytes.
TABLE: dict[Role, frozenset[Action]] = {
    Role.READER: _READ,
    Role.REGISTRANT: _READ
    | {
        Action.MODEL_CREATE,
        Action.MODEL_UPDATE,
        Action.VERSION_CREATE,
        Action.VERSION_YANK,
        Action.EVALUATION_CREATE,
        Action.REFERENCE_SET,
        Action.PROMOTION_REQUEST,
    },
    Role.REVIEWER: _READ | {Action.PROMOTION_DECIDE, Action.EVALUATION_CREATE},
    Role.SECURITY: _READ
    | {
        Action.EVALUATION_CREATE,
        Action.PROMOTION_DECIDE,
        Action.PROMOTION_WITHDRAW,
        Action.VERSION_YANK,
        Action.POLICY_READ,
        Action.POLICY_PROPOSE,
        Action.POLICY_DECIDE,
        Action.USAGE_READ,
        Action.EVENT_READ,
    },
    Role.DEPLOYER: _READ
    | {Action.PROMOTION_REQUEST, Action.STAGE_ROLLBACK, Action.EVALUATION_CREATE},
    Role.AUDITOR: _METADATA
    | {Action.PRINCIPAL_READ, Action.POLICY_READ, Action.USAGE_READ, Action.EVENT_READ},
    Role.ADMIN: _METADATA
    | {
        Action.NAMESPACE_CREATE,
        Action.NAMESPACE_UPDATE,
        Action.NAMESPACE_DELETE,
        Action.PRINCIPAL_READ,
        Action.PRINCIPAL_WRITE,
        Action.MODEL_UPDATE,
        Action.MODEL_DELETE,
        Action.VERSION_YANK,
        Action.REFERENCE_SET,
        Action.REFERENCE_DELETE_TAG,
        Action.PROMOTION_WITHDRAW,
        Action.POLICY_READ,
        Action.POLICY_PROPOSE,
        Action.POLICY_DECIDE,
        Action.USAGE_READ,
        Action.EVENT_READ,
    },
}


class PrincipalKind(StrEnum):
    PERSON = "person"
    ROBOT = "robot"


@dataclass(frozen=True, kw_only=True, order=True)
class Grant:
    role: Role
    #: A namespace id in which `*` stands for any characters.
    namespace_pattern: str


@dataclass(frozen=True, kw_only=True)
class Principal:
    key: int
    id: str
    uid: str
    kind: PrincipalKind
    display_name: str
    grants: tuple[Grant, ...]
    disabled: bool
    etag: str
    create_time_us: int
    update_time_us: int

    @property
    def name(self) -> str:
        return f"principals/{self.id}"


@dataclass(frozen=True, kw_only=True)
class Token:
    """A credential without its secret. `id` is public; only a hash of the secret is stored."""

    key: int
    id: str
    principal: str
    label: str
    create_time_us: int
    expire_time_us: int
    revoke_time_us: int | None
    last_use_time_us: int | None
    #: Who made it: "principals/{id}" or "system".
    creator: str

    @property
    def name(self) -> str:
        return f"principals/{self.principal}/tokens/{self.id}"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who is asking, proven by which token."""

    principal: Principal
    token: Token
    #: Groups held in the company's directory, by name, sorted.
    groups: tuple[str, ...] = ()
    #: What those groups are given here.
    group_grants: tuple[Grant, ...] = ()

    @property
    def id(self) -> str:
        return self.principal.id

    @property
    def grants(self) -> tuple[Grant, ...]:
        """All that hold: the principal's own and those of its groups."""
        return self.principal.grants + self.group_grants

    def roles_on(self, namespace: str) -> frozenset[Role]:
        return roles_on(self.grants, namespace)

    def may(self, action: Action, namespace: str) -> bool:
        return any(action in TABLE[role] for role in self.roles_on(namespace))

    def require(
        self, action: Action, namespace: str, resource: str, *, scope: str | None = None
    ) -> None:
        """Raise PermissionDeniedError unless a role on the namespace holds the action.

        `scope` replaces where the error says that a role is needed, for callers to whom that would
        tell whether the resource exists.
        """
        if scope is None:
            scope = "granted on '*'" if namespace == REGISTRY_WIDE else "there"
        if not self.may(action, namespace):
            raise PermissionDeniedError(
                principal=self.principal.name,
                action=action.value,
                resource=resource,
                roles=", ".join(sorted(r.value for r in Role if action in TABLE[r])),
                scope=scope,
            )


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")))


def matches(pattern: str, namespace: str) -> bool:
    """Whether a grant's pattern covers a namespace; `*` stands for any characters."""
    if namespace == REGISTRY_WIDE:
        return pattern == REGISTRY_WIDE
    return _compiled(pattern).fullmatch(namespace) is not None


@lru_cache(maxsize=4096)
def roles_on(grants: tuple[Grant, ...], namespace: str) -> frozenset[Role]:
    return frozenset(g.role for g in grants if matches(g.namespace_pattern, namespace))


def patterns_holding(grants: Iterable[Grant], action: Action) -> tuple[str, ...]:
    """The namespace patterns on which an action is allowed: what a list over all may show."""
    return tuple(sorted({g.namespace_pattern for g in grants if action in TABLE[g.role]}))
