"""Whether a decision is the word of somebody who had no hand in what it is about.

Policies count contributors by name. Here stands what names alone do not show: that a contributor
may have spoken with another's token, or another with a contributor's; and where two people are
needed, that both may be one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from registry.domain.access import Caller
from registry.domain.policy_sets import PolicyChange
from registry.domain.promotions import Outcome
from registry.domain.versions import Version
from registry.errors import NotIndependentError
from registry.ports.database import Transaction

_LEAVE_IT = "Leave it to somebody else, who finds it with: hallmark inbox"
_OWN_TOKEN = "Log in yourself, or use a token that somebody else made: hallmark login URL"


def require_independent(
    tx: Transaction,
    caller: Caller,
    what: str,
    *,
    requester: str,
    version: Version | None,
    outcome: Outcome,
    beside: Collection[str] = (),
) -> None:
    """Raise NotIndependentError where somebody who contributed to the version or asked for what is
    decided on made the caller's token, or where the caller made a token of a contributor's and
    approves.

    `beside` are people whose word counts together with the caller's, as that of another: where the
    caller approves, none of them may have made the caller's token, nor the caller one of theirs.
    """
    contributors = set() if version is None else {version.registrant, *version.contributors}
    makers = _makers_among({*contributors, requester}, caller)
    if makers:
        raise NotIndependentError(
            principal=caller.principal.name,
            what=what,
            problem=f"{makers} made this token, and asked for it or contributed to the version",
            fix=_OWN_TOKEN,
        )
    if outcome is not Outcome.APPROVE:
        return
    if caller.principal.name in tx.tokens.makers(contributors - {caller.id}):
        raise NotIndependentError(
            principal=caller.principal.name,
            what=what,
            problem="they made a token of somebody who contributed to the version, and could have "
            "contributed in that name",
            fix=_LEAVE_IT,
        )
    if others := set(beside) - {caller.id}:
        _require_another(tx, caller, what, others)


def _require_another(tx: Transaction, caller: Caller, what: str, others: set[str]) -> None:
    """Raise NotIndependentError where the caller and one of the others may be one person."""
    makers = _makers_among(others, caller)
    if makers:
        raise NotIndependentError(
            principal=caller.principal.name,
            what=what,
            problem=f"{makers} made this token, and has had a word in it already",
            fix=_OWN_TOKEN,
        )
    if caller.principal.name in tx.tokens.makers(others):
        raise NotIndependentError(
            principal=caller.principal.name,
            what=what,
            problem="they made a token of somebody who has had a word in it already, and could "
            "have said it in that name",
            fix=_LEAVE_IT,
        )


def is_second(tx: Transaction, caller: Caller, change: PolicyChange) -> bool:
    """Whether the caller is another than who proposed a policy set, by whatever name or with
    whosever token; who made the other's token, or the one that it was made with, is not."""
    is_same = caller.id == change.proposer or caller.principal.uid == change.proposer_uid
    minted = f"principals/{change.proposer}" in caller.token.makers
    minted_for = caller.principal.name in {
        change.token_creator,
        *tx.tokens.makers([change.proposer]),
    }
    return not (is_same or minted or minted_for)


def _makers_among(ids: Iterable[str], caller: Caller) -> str:
    """Who of these made the caller's token, as text."""
    return ", ".join(sorted(caller.token.makers & {f"principals/{id}" for id in ids}))
