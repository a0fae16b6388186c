"""Whether a decision is the word of somebody who had no hand in what it is about.

Policies count contributors by name. Here stands what names alone do not show: that a contributor
may have spoken with another's token, or another with a contributor's.
"""

from __future__ import annotations

from registry.domain.access import Caller
from registry.domain.promotions import Outcome
from registry.domain.versions import Version
from registry.errors import NotIndependentError
from registry.ports.database import Transaction


def require_independent(
    tx: Transaction,
    caller: Caller,
    what: str,
    *,
    requester: str,
    version: Version | None,
    outcome: Outcome,
) -> None:
    """Raise NotIndependentError where somebody who contributed to the version or asked for what is
    decided on made the caller's token, or where the caller made a token of a contributor's and
    approves."""
    contributors = set() if version is None else {version.registrant, *version.contributors}
    involved = {f"principals/{id}" for id in (*contributors, requester)}
    makers = sorted(caller.token.makers & involved)
    if makers:
        raise NotIndependentError(
            principal=caller.principal.name,
            what=what,
            problem=f"{', '.join(makers)} made this token, and asked for it or "
            "contributed to the version",
            fix="Log in yourself, or use a token that somebody else made: hallmark login URL",
        )
    others = contributors - {caller.id}
    if outcome is Outcome.APPROVE and caller.principal.name in tx.tokens.makers(others):
        raise NotIndependentError(
            principal=caller.principal.name,
            what=what,
            problem="they made a token of somebody who contributed to the version, and could have "
            "contributed in that name",
            fix="Leave it to somebody else, who finds it with: hallmark inbox",
        )
