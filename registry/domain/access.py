"""Who may do what: one table, role x action, from which checks, documentation and tests are made.

Permission depends on the caller and on names alone, so it can be judged before anything is looked
up: a refusal says nothing of what exists.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from registry.domain.events import SYSTEM
from registry.domain.scopes import (
    ANY,
    Scopes,
    covered,
    glob,
    model_in,
    models_of,
    overlap,
    spoken,
)
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
    PROMOTION_BREAK_GLASS = "promotion.break_glass"
    STAGE_ROLLBACK = "stage.rollback"
    VETTING_RERUN = "vetting.rerun"
    WAIVER_READ = "waiver.read"
    WAIVER_REQUEST = "waiver.request"
    WAIVER_DECIDE = "waiver.decide"
    TERMS_SET = "terms.set"
    ACCESS_READ = "access.read"
    ACCESS_DECIDE = "access.decide"
    POLICY_READ = "policy.read"
    POLICY_PROPOSE = "policy.propose"
    POLICY_DECIDE = "policy.decide"
    USAGE_READ = "usage.read"
    EVENT_READ = "event.read"
    AUDIT_REPLACE_KEY = "audit.replace_key"
    TOKEN_CREATE = "token.create"
    TOKEN_READ = "token.read"
    TOKEN_REVOKE = "token.revoke"
    WEBHOOK_READ = "webhook.read"
    WEBHOOK_WRITE = "webhook.write"


#: What everybody may do with their own tokens, whatever their roles. A token with scopes needs them
#: there; but any token may end itself.
SELF_ACTIONS = frozenset({Action.TOKEN_CREATE, Action.TOKEN_READ, Action.TOKEN_REVOKE})

#: Actions that have a stage: of a scope with one these alone are covered.
STAGED_ACTIONS = frozenset(
    {
        Action.VERSION_FETCH,
        Action.PROMOTION_REQUEST,
        Action.PROMOTION_DECIDE,
        Action.PROMOTION_WITHDRAW,
        Action.PROMOTION_BREAK_GLASS,
        Action.STAGE_ROLLBACK,
    }
)

#: Actions on what belongs to no namespace, or decides what does: allowed on "*" alone.
WIDE_ACTIONS = frozenset(
    {
        Action.NAMESPACE_CREATE,
        Action.NAMESPACE_DELETE,
        Action.PRINCIPAL_READ,
        Action.PRINCIPAL_WRITE,
        Action.POLICY_READ,
        Action.POLICY_PROPOSE,
        Action.POLICY_DECIDE,
        Action.AUDIT_REPLACE_KEY,
    }
)

_METADATA = frozenset(
    {
        Action.NAMESPACE_READ,
        Action.MODEL_READ,
        Action.VERSION_READ,
        Action.PROMOTION_READ,
        Action.WAIVER_READ,
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
        Action.WAIVER_REQUEST,
    },
    Role.REVIEWER: _READ
    | {
        Action.PROMOTION_DECIDE,
        Action.EVALUATION_CREATE,
        Action.ACCESS_READ,
        Action.ACCESS_DECIDE,
    },
    Role.SECURITY: _READ
    | {
        Action.EVALUATION_CREATE,
        Action.PROMOTION_DECIDE,
        Action.PROMOTION_WITHDRAW,
        Action.PROMOTION_BREAK_GLASS,
        Action.WAIVER_DECIDE,
        Action.TERMS_SET,
        Action.ACCESS_READ,
        Action.ACCESS_DECIDE,
        Action.VERSION_YANK,
        Action.POLICY_READ,
        Action.POLICY_PROPOSE,
        Action.POLICY_DECIDE,
        Action.USAGE_READ,
        Action.EVENT_READ,
        Action.VETTING_RERUN,
    },
    Role.DEPLOYER: _READ
    | {
        Action.PROMOTION_REQUEST,
        Action.WAIVER_REQUEST,
        Action.STAGE_ROLLBACK,
        Action.EVALUATION_CREATE,
    },
    Role.AUDITOR: _METADATA
    | {
        Action.PRINCIPAL_READ,
        Action.POLICY_READ,
        Action.ACCESS_READ,
        Action.USAGE_READ,
        Action.EVENT_READ,
        Action.WEBHOOK_READ,
    },
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
        Action.TERMS_SET,
        Action.ACCESS_READ,
        Action.POLICY_READ,
        Action.POLICY_PROPOSE,
        Action.POLICY_DECIDE,
        Action.USAGE_READ,
        Action.EVENT_READ,
        Action.AUDIT_REPLACE_KEY,
        Action.WEBHOOK_READ,
        Action.WEBHOOK_WRITE,
        Action.VETTING_RERUN,
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
    #: It takes what the role holds away, from every grant, there.
    deny: bool = False


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
    #: The person who answers for a robot, by id; empty for people.
    sponsor: str = ""

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
    #: Who made it: "principals/{id}", "system", or "workload:" and an issuer.
    creator: str
    #: What it is good for; all that the principal may where there are none.
    scopes: Scopes = ()
    #: Makers of the tokens that it was made with, or made from, by name; see `makers`.
    earlier_makers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"principals/{self.principal}/tokens/{self.id}"

    @property
    def makers(self) -> frozenset[str]:
        """Those but its owner who may have seen this secret, or one that could make it."""
        return makers_of(self.principal, self.creator, self.earlier_makers)


def makers_of(principal: str, creator: str, earlier: Iterable[str]) -> frozenset[str]:
    """Whoever but the principal had a hand in one of its tokens, by name."""
    return frozenset({*earlier, creator}) - {f"principals/{principal}", SYSTEM}


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

    def may(
        self, action: Action, namespace: str, *, model: str | None = None, stage: str = ""
    ) -> bool:
        """Whether a grant holds the action there, none denies it, and the token is good for it.

        `model` is the path of the one model that this is about, if it is about one.
        """
        return allowed(self.grants, action, namespace) and (
            not self.token.scopes or covered(self.token.scopes, action, model, stage)
        )

    def may_everywhere(self, action: Action) -> bool:
        """Whether nothing at all is out of reach: so who may not be told what exists anywhere."""
        denied = any(grant.deny and action in TABLE[grant.role] for grant in self.grants)
        return self.may(action, REGISTRY_WIDE) and not denied

    def require(
        self,
        action: Action,
        namespace: str,
        resource: str,
        *,
        scope: str | None = None,
        model: str | None = None,
        stage: str = "",
    ) -> None:
        """Raise PermissionDeniedError unless the caller may, see `may`.

        The model is the one in the resource's name, unless it is given. `scope` replaces where the
        error says that a role is needed, for callers to whom that would tell whether the resource
        exists.
        """
        if model is None and self.token.scopes:
            model = model_in(resource)
        if not self.may(action, namespace, model=model, stage=stage):
            raise self.refusal(action, namespace, resource, scope=scope)

    def require_list(self, action: Action, namespace: str, resource: str) -> None:
        """As require, for a list of a namespace's models or of what belongs to them: a token that
        is good for some models may ask, and is shown those. See `reach`."""
        good = models_of(self.token.scopes, action)
        if not good or not allowed(self.grants, action, namespace):
            raise self.refusal(action, namespace, resource)

    def require_everywhere(self, action: Action, resource: str) -> None:
        """Raise PermissionDeniedError unless nothing is out of reach."""
        if not self.may_everywhere(action):
            raise self.refusal(action, REGISTRY_WIDE, resource)

    def require_pattern(
        self, action: Action, pattern: str, resource: str, *, scope: str | None = None
    ) -> None:
        """Raise PermissionDeniedError unless the caller may on every namespace of a pattern."""
        self.require(action, pattern, resource, scope=scope)
        if not patterns_holding(self.grants, action).covers(pattern):
            raise self.refusal(action, pattern, resource, scope=scope)

    def require_undenied(self, action: Action, namespace: str, resource: str) -> None:
        """Raise PermissionDeniedError where a denying grant covers a namespace: for an action that
        is allowed on "*" alone, and yet is about one namespace."""
        if denied(self.grants, action, namespace):
            raise self.refusal(action, REGISTRY_WIDE, resource)

    def refusal(
        self, action: Action, namespace: str, resource: str, *, scope: str | None = None
    ) -> PermissionDeniedError:
        """The error for an action that is not allowed. Its words depend on the caller, the action
        and the name alone."""
        if scope is None:
            scope = "granted on '*'" if namespace == REGISTRY_WIDE else "there"
        if any(grant.deny and action in TABLE[grant.role] for grant in self.grants):
            scope += ", and no grant that denies it"
        if self.token.scopes:
            scope += f", and a token that is good for it (this one: {spoken(self.token.scopes)})"
        return PermissionDeniedError(
            principal=self.principal.name,
            action=action.value,
            resource=resource,
            roles=", ".join(sorted(r.value for r in Role if action in TABLE[r])),
            scope=scope,
        )

    def reach(self, action: Action, namespace: str | None = None) -> Reach:
        """What a list of models, or of what belongs to them, may show: of a namespace where the
        caller may list, or of all."""
        models = models_of(self.token.scopes, action)
        if namespace is not None:
            return Reach(allowed=(namespace,), models=models)
        return replace(patterns_holding(self.grants, action), models=models)


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Of which namespaces and models a list may show something."""

    #: Namespace patterns.
    allowed: tuple[str, ...]
    #: Namespace patterns; they win.
    denied: tuple[str, ...] = ()
    #: Patterns of model paths.
    models: tuple[str, ...] = (ANY,)

    @property
    def is_everything(self) -> bool:
        return REGISTRY_WIDE in self.allowed and not self.denied and ANY in self.models

    @property
    def one_namespace(self) -> str | None:
        """The namespace, where it is just one."""
        if len(self.allowed) != 1 or ANY in self.allowed[0] or self.denied:
            return None
        return self.allowed[0]

    def covers(self, pattern: str) -> bool:
        """Whether every namespace of a pattern may be shown. A `*` of the pattern is a character
        that only a `*` of what is allowed covers."""
        return any(matches(each, pattern) for each in self.allowed) and not any(
            overlap(each, pattern) for each in self.denied
        )

    def shows(self, namespace: str, model: str | None = None) -> bool:
        """The rule, in words of its own: what the database has to answer too."""
        return (
            any(matches(pattern, namespace) for pattern in self.allowed)
            and not any(matches(pattern, namespace) for pattern in self.denied)
            and (
                ANY in self.models
                or (model is not None and any(glob(p, model) for p in self.models))
            )
        )


EVERYTHING = Reach(allowed=(REGISTRY_WIDE,))


def matches(pattern: str, namespace: str) -> bool:
    """Whether a grant's pattern covers a namespace; `*` stands for any characters."""
    if namespace == REGISTRY_WIDE:
        return pattern == REGISTRY_WIDE
    return glob(pattern, namespace)


@lru_cache(maxsize=4096)
def allowed(grants: tuple[Grant, ...], action: Action, namespace: str) -> bool:
    """The rule: a grant whose role holds the action covers the namespace, and no denying one."""
    return any(
        not grant.deny
        and action in TABLE[grant.role]
        and matches(grant.namespace_pattern, namespace)
        for grant in grants
    ) and not denied(grants, action, namespace)


def denied(grants: Iterable[Grant], action: Action, namespace: str) -> bool:
    return any(
        grant.deny and action in TABLE[grant.role] and matches(grant.namespace_pattern, namespace)
        for grant in grants
    )


@lru_cache(maxsize=4096)
def roles_on(grants: tuple[Grant, ...], namespace: str) -> frozenset[Role]:
    """The roles that hold on a namespace; a role that is denied there does not."""
    found = {
        deny: {g.role for g in grants if g.deny is deny and matches(g.namespace_pattern, namespace)}
        for deny in (False, True)
    }
    return frozenset(found[False] - found[True])


@lru_cache(maxsize=4096)
def patterns_holding(grants: tuple[Grant, ...], action: Action) -> Reach:
    """The namespaces on which an action is allowed, whatever the token: see `Caller.reach`."""
    found: dict[bool, set[str]] = {False: set(), True: set()}
    for grant in grants:
        if action in TABLE[grant.role]:
            found[grant.deny].add(grant.namespace_pattern)
    return Reach(allowed=tuple(sorted(found[False])), denied=tuple(sorted(found[True])))


def administers(grants: Iterable[Grant]) -> bool:
    """Whether grants let somebody administer everything: what the last of whom may not lose."""
    given = frozenset(grants)
    return Grant(role=Role.ADMIN, namespace_pattern=REGISTRY_WIDE) in given and not any(
        grant.deny
        and Action.PRINCIPAL_WRITE in TABLE[grant.role]
        and grant.namespace_pattern == "*"
        for grant in given
    )
