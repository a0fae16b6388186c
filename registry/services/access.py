"""Why somebody may do something, or may not: the rows of the table and the grants that decide."""

from __future__ import annotations

from dataclasses import dataclass

from registry.domain.access import (
    REGISTRY_WIDE,
    SELF_ACTIONS,
    STAGED_ACTIONS,
    TABLE,
    WIDE_ACTIONS,
    Action,
    Caller,
    Grant,
    Principal,
    Role,
    Token,
    matches,
)
from registry.domain.group_roles import NO_GROUP_ROLES, GroupRoles
from registry.domain.scopes import Scope
from registry.errors import InvalidFieldError
from registry.names import ModelName, NamespaceName, PrincipalName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services import principals
from registry.services.scopes import require_own

TOKENS_MAX = 100


@dataclass(frozen=True, kw_only=True)
class GrantRow:
    grant: Grant
    from_group: bool


@dataclass(frozen=True, kw_only=True)
class TokenRow:
    token: Token
    covers: bool
    #: By which of its scopes; None where it has none, or none does.
    scope: Scope | None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    allowed: bool
    rows: tuple[GrantRow, ...]
    #: Those that hold the action.
    roles: tuple[Role, ...]
    tokens: tuple[TokenRow, ...]
    disabled: bool
    own_right: bool


@dataclass(frozen=True, kw_only=True)
class _Question:
    action: Action
    namespace: str
    #: Path of the one model that it is about.
    model: str | None
    stage: str


class AccessService:
    def __init__(
        self, *, database: Database, clock: Clock, group_roles: GroupRoles = NO_GROUP_ROLES
    ) -> None:
        self._database = database
        self._clock = clock
        self._group_roles = group_roles

    def explain(
        self, caller: Caller, name: PrincipalName, *, action: str, resource: str, stage: str
    ) -> Explanation:
        """Whether a principal may, and which rows say so; nothing but names is judged. What others
        have by their groups goes by the groups that were read of them last."""
        if name.principal == caller.id:
            require_own(caller, Action.TOKEN_READ)
        else:
            caller.require(Action.PRINCIPAL_READ, REGISTRY_WIDE, str(name))
        asked = _question(action, resource, stage)
        if name.principal == caller.id:
            return _explained(
                asked, caller.principal, caller.group_grants, [caller.token], own_token=True
            )

        def fn(tx: Transaction) -> tuple[Principal, tuple[Grant, ...], list[Token]]:
            found = principals.get(tx, name.principal)
            account = tx.directory_accounts.of_principal(found.key)
            given = self._group_roles.grants_of(account.groups) if account else ()
            now = self._clock.now_us()
            tokens = tx.tokens.list(found.id, now + 1, None, TOKENS_MAX)
            return found, given, [token for token in tokens if token.revoke_time_us is None]

        found, given, tokens = self._database.snapshot(fn)
        return _explained(asked, found, given, tokens, own_token=False)


def _explained(
    asked: _Question,
    who: Principal,
    group_grants: tuple[Grant, ...],
    tokens: list[Token],
    *,
    own_token: bool,
) -> Explanation:
    wide = asked.action in WIDE_ACTIONS
    rows = [
        GrantRow(grant=grant, from_group=from_group)
        for from_group, grants in ((False, who.grants), (True, group_grants))
        for grant in grants
        if asked.action in TABLE[grant.role]
        and (
            matches(grant.namespace_pattern, REGISTRY_WIDE if wide else asked.namespace)
            or (grant.deny and matches(grant.namespace_pattern, asked.namespace))
        )
    ]
    token_rows = tuple(_token_row(token, asked) for token in tokens)
    own_right = asked.action in SELF_ACTIONS
    effects = {row.grant.deny for row in rows}
    may = own_right or effects == {False}
    if own_token:
        may = may and token_rows[0].covers
    return Explanation(
        allowed=may and not who.disabled,
        rows=tuple(sorted(rows, key=lambda row: (not row.grant.deny, row.from_group))),
        roles=tuple(role for role in Role if asked.action in TABLE[role]),
        tokens=token_rows,
        disabled=who.disabled,
        own_right=own_right,
    )


def _token_row(token: Token, asked: _Question) -> TokenRow:
    found = next(
        (s for s in token.scopes if s.covers(asked.action, asked.model, asked.stage)), None
    )
    return TokenRow(token=token, covers=found is not None or not token.scopes, scope=found)


def _question(action: str, resource: str, stage: str) -> _Question:
    if action not in list(Action):
        raise InvalidFieldError(
            field="action",
            found=show(action) if action else "nothing",
            expected=f"one of {', '.join(sorted(Action))}",
            fix="See which role may which: hallmark auth roles",
        )
    if stage and Action(action) not in STAGED_ACTIONS:
        raise InvalidFieldError(
            field="stage",
            found=show(stage),
            expected=f"nothing, since {action} has no stage",
            fix="Leave it out.",
        )
    namespace, model = _place(resource)
    return _Question(action=Action(action), namespace=namespace, model=model, stage=stage)


def _place(resource: str) -> tuple[str, str | None]:
    if resource == REGISTRY_WIDE:
        return REGISTRY_WIDE, None
    if resource.startswith("namespaces/"):
        return NamespaceName.parse(resource, field="resource").namespace, None
    model = ModelName.parse(resource, field="resource")
    return model.namespace, model.path
