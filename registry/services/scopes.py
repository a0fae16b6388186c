"""Rules for the scopes of tokens: what they may look like, and who may give which."""

from __future__ import annotations

import re
from collections.abc import Sequence

from registry.domain.access import STAGED_ACTIONS, Action, Caller
from registry.domain.scopes import ANY, Scope, Scopes, covered, includes, spoken
from registry.errors import InvalidFieldError, TokenScopeError, TooLargeError
from registry.names.text import show

SCOPES_MAX = 20

_ACTION = re.compile(r"[a-z_.*]{1,64}")
# Bounded like those of grants: the database compares them too.
_MODEL = re.compile(r"(?=.{1,256}$)[A-Za-z0-9._/-]*(\*[A-Za-z0-9._/-]*){0,3}")
_STAGE = re.compile(r"[a-z][a-z0-9-]{0,62}")


def check_scopes(scopes: Sequence[Scope]) -> Scopes:
    """The scopes, each once, sorted, with "*" for what was left empty."""
    if len(scopes) > SCOPES_MAX:
        raise TooLargeError(
            what="token.scopes",
            found=f"{len(scopes)} scopes",
            limit=f"{SCOPES_MAX} scopes",
            fix="Use patterns with '*' to cover several actions or models with one scope.",
        )
    return tuple(sorted({_checked(f"token.scopes[{n}]", scope) for n, scope in enumerate(scopes)}))


def require_own(caller: Caller, action: Action) -> None:
    """Raise TokenScopeError where the caller's token is too narrow for one of SELF_ACTIONS."""
    scopes = caller.token.scopes
    if not covered(scopes, action, None, ""):
        raise _too_narrow(caller, action, f"{action} among them")


def require_included(caller: Caller, asked: Scopes) -> None:
    """Raise TokenScopeError where a new token would be good for more than the one that asks."""
    if not includes(caller.token.scopes, asked):
        found = f"a token with {spoken(asked)}" if asked else "a token without scopes"
        raise _too_narrow(caller, Action.TOKEN_CREATE, f"scopes that cover {found}")


def _too_narrow(caller: Caller, action: Action, expected: str) -> TokenScopeError:
    return TokenScopeError(
        token=caller.token.name,
        action=action.value,
        scopes=spoken(caller.token.scopes),
        expected=expected,
    )


def _checked(field: str, scope: Scope) -> Scope:
    full = Scope(action=scope.action, model=scope.model or ANY, stage=scope.stage or ANY)
    if not _ACTION.fullmatch(full.action) or not _covers_any(full):
        raise InvalidFieldError(
            field=f"{field}.action",
            found=show(full.action) if full.action else "nothing",
            expected="an action, or a pattern that covers one"
            + ("" if full.stage == ANY else " that has a stage"),
            fix=f"Those with a stage are {', '.join(sorted(STAGED_ACTIONS))}. See which there are: "
            "hallmark auth roles",
        )
    if not _MODEL.fullmatch(full.model):
        raise InvalidFieldError(
            field=f"{field}.model",
            found=show(full.model),
            expected="1-256 letters, digits, '.', '_', '/', '-' and at most three '*'",
            fix="Write a model such as fraud/scorer, a pattern such as fraud/*, or * for all.",
        )
    if full.stage != ANY and not _STAGE.fullmatch(full.stage):
        raise InvalidFieldError(
            field=f"{field}.stage",
            found=show(full.stage),
            expected="the name of one stage, or * for any",
            fix="Write a stage such as production.",
        )
    return full


def _covers_any(scope: Scope) -> bool:
    actions = Action if scope.stage == ANY else STAGED_ACTIONS
    whole = Scope(action=scope.action)
    return any(whole.covers(action, None, "") for action in actions)
