"""Who may judge what others ask for, and what is kept of their word."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from registry.domain.access import (
    REGISTRY_WIDE,
    TABLE,
    Action,
    Caller,
    PrincipalKind,
    Reach,
    Role,
)
from registry.domain.promotions import Decision, Outcome
from registry.domain.times import show_time
from registry.domain.versions import Version
from registry.errors import InvalidFieldError, PermissionDeniedError, TooLargeError
from registry.names import ModelName
from registry.ports.database import Transaction
from registry.services.fields import check_text
from registry.services.independence import require_independent

COMMENT_LENGTH_MAX = 2000
CONDITIONS_MAX = 20
CONDITION_LENGTH_MAX = 200
DAY_US = 24 * 3600 * 1_000_000
#: An approval may say that it counts for so long.
APPROVAL_US_MAX = 366 * DAY_US

_OF_ITS_MODEL = "on its model's namespace, if there is such a one"


def require_person(caller: Caller, action: Action, resource: str) -> None:
    """Raise PermissionDeniedError for a robot, whatever roles it has."""
    if caller.principal.kind is PrincipalKind.ROBOT:
        raise denied(caller, action, resource, scope="there, held by a person and not by a robot")


def require_uninvolved(
    tx: Transaction,
    caller: Caller,
    action: Action,
    resource: str,
    *,
    requester: str,
    version: Version | None,
    outcome: Outcome,
    beside: Collection[str] = (),
) -> None:
    """Raise PermissionDeniedError for who asked, and for who had a hand in the version;
    NotIndependentError for who may speak for one of these, or for one of those whose word counts
    beside the caller's."""
    if caller.id == requester:
        raise denied(caller, action, resource, scope="there, held by another than who asked for it")
    if version is not None and caller.id in contributors(version):
        raise denied(
            caller,
            action,
            resource,
            scope=f"there, held by somebody who neither registered {version.ref} nor contributed "
            "to it",
        )
    require_independent(
        tx,
        caller,
        resource,
        requester=requester,
        version=version,
        outcome=outcome,
        beside=beside,
    )


class OfModel(Protocol):
    """What is known by a number of its own, and belongs to a model."""

    @property
    def namespace(self) -> str: ...
    @property
    def model(self) -> str: ...


def require_numbered(
    caller: Caller, action: Action, name: object, found: OfModel | None, *, stage: str = ""
) -> None:
    """Raise PermissionDeniedError unless the caller may act on what a number leads to.

    One that is not there is told apart from a foreign one only to those who may act on all: for
    them this returns, and NotFoundError is due.
    """
    if found is not None:
        caller.require(
            action, found.namespace, str(name), scope=_OF_ITS_MODEL, model=found.model, stage=stage
        )
    elif not caller.may_everywhere(action):
        raise caller.refusal(action, REGISTRY_WIDE, str(name), scope=_OF_ITS_MODEL)


def reach_of(
    caller: Caller, action: Action, model: ModelName | None, namespace: str | None
) -> Reach:
    """What a list may show: of a model, of a namespace, or with neither of all that the caller may
    act on. Raises PermissionDeniedError where the caller may not on the one that is named."""
    if model is not None:
        caller.require(action, model.namespace, str(model))
    elif namespace is not None:
        caller.require_list(action, namespace, f"namespaces/{namespace}")
    return caller.reach(action, namespace)


def contributors(version: Version) -> set[str]:
    return {version.registrant, *version.contributors}


def denied(caller: Caller, action: Action, resource: str, *, scope: str) -> PermissionDeniedError:
    return PermissionDeniedError(
        principal=caller.principal.name,
        action=action.value,
        resource=resource,
        roles=", ".join(sorted(role.value for role in Role if action in TABLE[role])),
        scope=scope,
    )


def word_of(
    caller: Caller,
    namespace: str,
    outcome: Outcome,
    *,
    digest: str,
    policy_digest: str,
    comment: str,
    now_us: int,
    rules_digest: str = "",
    conditions: tuple[str, ...] = (),
    expire_time_us: int | None = None,
) -> Decision:
    """The caller's decision, with the roles and groups of this moment."""
    return Decision(
        outcome=outcome,
        decider=caller.id,
        decider_uid=caller.principal.uid,
        rules_digest=rules_digest,
        roles=tuple(sorted(role.value for role in caller.roles_on(namespace))),
        groups=caller.groups,
        digest=digest,
        policy_digest=policy_digest,
        comment=comment,
        conditions=conditions,
        expire_time_us=expire_time_us,
        create_time_us=now_us,
    )


def detail_of(decision: Decision) -> dict[str, object]:
    """What the audit log keeps of a decision."""
    detail: dict[str, object] = {
        "outcome": decision.outcome.value,
        "digest": decision.digest,
        "policy_digest": decision.policy_digest,
        "roles": list(decision.roles),
        "comment": decision.comment,
    }
    if decision.groups:
        detail["groups"] = list(decision.groups)
    if decision.conditions:
        detail["conditions"] = list(decision.conditions)
    if decision.expire_time_us is not None:
        detail["expire_time_us"] = decision.expire_time_us
    return detail


def check_conditions(conditions: Collection[str]) -> tuple[str, ...]:
    """At most 20 lines of 1 to 200 characters."""
    if len(conditions) > CONDITIONS_MAX:
        raise TooLargeError(
            what="conditions",
            found=f"{len(conditions)} lines",
            limit=f"{CONDITIONS_MAX} lines",
            fix="Join some, or point to a document that has them.",
        )
    for each in conditions:
        check_text("conditions", each, CONDITION_LENGTH_MAX, required=True, one_line=True)
    return tuple(conditions)


def check_approval_end(outcome: Outcome, expire_time_us: int | None, now_us: int) -> int | None:
    """When an approval stops counting; a rejection has no such time."""
    if expire_time_us is None:
        return None
    if outcome is not Outcome.APPROVE:
        raise InvalidFieldError(
            field="expire_time",
            found=f"{show_time(expire_time_us)} with a rejection",
            expected="nothing: a rejection ends the promotion at once",
            fix="Leave it out.",
        )
    return check_time("expire_time", expire_time_us, now_us, span_us=APPROVAL_US_MAX)


def check_time(field: str, wanted_us: int, now_us: int, *, span_us: int) -> int:
    """A time from now on, within a span."""
    if not now_us < wanted_us <= now_us + span_us:
        raise InvalidFieldError(
            field=field,
            found=show_time(wanted_us),
            expected=f"a time from now on, at most {span_us // DAY_US} days ahead",
            fix="Choose one within that, or leave it out.",
        )
    return wanted_us
