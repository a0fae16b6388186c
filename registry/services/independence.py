"""Whether a decision is the word of somebody who had no hand in what it is about.

Policies count contributors by name. Here stands what names alone do not show: that a contributor
may have spoken with another's token, or another with a contributor's.
"""

from __future__ import annotations

from registry.domain.access import Caller
from registry.domain.promotions import Outcome, Promotion
from registry.domain.versions import Version
from registry.errors import NotIndependentError
from registry.ports.database import Transaction


def require_independent(
    tx: Transaction, caller: Caller, promotion: Promotion, version: Version, outcome: Outcome
) -> None:
    """Raise NotIndependentError where somebody who contributed to the version or asked for the
    promotion made the caller's token, or where the caller made a token of a contributor's and
    approves."""
    contributors = {version.registrant, *version.contributors}
    involved = {f"principals/{id}" for id in (*contributors, promotion.requester)}
    makers = sorted(caller.token.makers & involved)
    if makers:
        raise NotIndependentError(
            principal=caller.principal.name,
            promotion=promotion.name,
            problem=f"{', '.join(makers)} made this token, and asked for the promotion or "
            "contributed to the version",
            fix="Log in yourself, or use a token that somebody else made: hallmark login URL",
        )
    others = contributors - {caller.id}
    if outcome is Outcome.APPROVE and caller.principal.name in tx.tokens.makers(others):
        raise NotIndependentError(
            principal=caller.principal.name,
            promotion=promotion.name,
            problem="they made a token of somebody who contributed to the version, and could have "
            "contributed in that name",
            fix=f"Ask another reviewer: hallmark decide {promotion.number} --approve",
        )
