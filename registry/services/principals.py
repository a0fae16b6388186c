"""Principals: the people and robots that act here, and what they may do."""

from __future__ import annotations

import dataclasses
import re
import uuid
from collections.abc import Mapping, Sequence

from registry.domain.access import (
    REGISTRY_WIDE,
    Action,
    Caller,
    Grant,
    Principal,
    PrincipalKind,
    Role,
    Token,
    administers,
)
from registry.domain.events import SYSTEM, EventDraft
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.errors import (
    AlreadyExistsError,
    InvalidFieldError,
    LastAdminError,
    NotFoundError,
    StaleEtagError,
    TooLargeError,
)
from registry.names import PrincipalName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services.authentication import Authenticator, hash_of, new_secret
from registry.services.fields import check_mask, check_text
from registry.services.namespaces import new_etag
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once

EDITABLE = ("display_name", "grants", "disabled", "sponsor")
GRANTS_MAX = 100
#: Whoever opens a new registry is known by this id.
FIRST_ADMIN = "admin"
FIRST_TOKEN_TTL_US = 366 * 24 * 3600 * 1_000_000

# More stars would make matching slow and cover nothing that one grant more would not.
_PATTERN = re.compile(r"(?=.{1,63}$)[a-z0-9-]*(\*[a-z0-9-]*){0,3}")


class PrincipalService:
    def __init__(self, *, database: Database, clock: Clock, authenticator: Authenticator) -> None:
        self._database = database
        self._clock = clock
        self._authenticator = authenticator

    def create(
        self,
        caller: Caller,
        id: str,
        *,
        kind: PrincipalKind,
        display_name: str,
        grants: Sequence[Grant],
        request_id: str,
        sponsor: str = "",
    ) -> Principal:
        """A new one. A robot without a sponsor gets the caller, who has to be a person then."""
        caller.require(Action.PRINCIPAL_WRITE, REGISTRY_WIDE, f"principals/{id}")
        name = PrincipalName(principal=id, field="principal_id")
        check_text("display_name", display_name, 200, one_line=True)
        checked = _check_grants(grants)

        def fn(tx: Transaction) -> Principal:
            now = self._clock.now_us()

            def create() -> tuple[str, Principal]:
                responsible = sponsor or (caller.id if kind is PrincipalKind.ROBOT else "")
                _check_sponsor(tx, kind, responsible)
                fresh = _fresh(name.principal, kind, display_name, checked, now)
                stored = tx.principals.insert(dataclasses.replace(fresh, sponsor=responsible))
                if stored is None:
                    raise AlreadyExistsError(
                        kind="principal",
                        name=id,
                        existing="an earlier one; ids are unique for ever",
                        fix="Choose another id.",
                    )
                tx.events.append(_event(caller.principal.name, "principal.create", stored))
                return stored.id, stored

            return once(
                tx,
                caller,
                "CreatePrincipal",
                request_id,
                content_of(id, kind.value, display_name, checked, sponsor),
                now_us=now,
                create=create,
                reload=lambda id: get(tx, id),
            )

        return self._database.write(fn)

    def get(self, caller: Caller, name: PrincipalName) -> Principal:
        if name.principal != caller.id:
            caller.require(Action.PRINCIPAL_READ, REGISTRY_WIDE, str(name))
        return self._database.read(lambda tx: get(tx, name.principal))

    def list(self, caller: Caller, page: PageRequest) -> Page[Principal]:
        caller.require(Action.PRINCIPAL_READ, REGISTRY_WIDE, "principals")
        of = fingerprint("principals")
        after = decode_token(page.token, of, str)
        limit = page.limit()
        found = self._database.read(lambda tx: tx.principals.list(after, limit + 1))
        return page_of(found, limit, lambda principal: (principal.id,), of)

    def update(
        self,
        caller: Caller,
        name: PrincipalName,
        *,
        display_name: str,
        grants: Sequence[Grant],
        disabled: bool,
        mask: Sequence[str],
        etag: str,
        sponsor: str = "",
    ) -> Principal:
        caller.require(Action.PRINCIPAL_WRITE, REGISTRY_WIDE, str(name))
        fields = check_mask(mask, EDITABLE)
        check_text("display_name", display_name, 200, one_line=True)
        checked = _check_grants(grants) if "grants" in fields else ()

        def fn(tx: Transaction) -> Principal:
            tx.principals.lock_all()
            old = get(tx, name.principal)
            if "sponsor" in fields:
                _check_sponsor(tx, old.kind, sponsor)
            new = dataclasses.replace(
                old,
                sponsor=sponsor if "sponsor" in fields else old.sponsor,
                display_name=display_name if "display_name" in fields else old.display_name,
                grants=checked if "grants" in fields else old.grants,
                disabled=disabled if "disabled" in fields else old.disabled,
                etag=new_etag(),
                update_time_us=self._clock.now_us(),
            )
            if (etag and etag != old.etag) or not tx.principals.update(new, old.etag):
                raise StaleEtagError(name=old.name, found=old.etag, sent=etag)
            if _administers(old) and not _administers(new) and not tx.principals.enabled_admins():
                raise LastAdminError(principal=old.name)
            detail = {field: _shown(new)[field] for field in sorted(fields)}
            tx.events.append(_event(caller.principal.name, "principal.update", new, detail))
            return new

        updated = self._database.write(fn)
        self._authenticator.forget()
        return updated


def bootstrap_admin(database: Database, clock: Clock) -> str | None:
    """Make the first administrator with a token, and return the token's secret, this once.

    None where there is any principal already.
    """
    secret = new_secret()

    def fn(tx: Transaction) -> str | None:
        now = clock.now_us()
        if tx.principals.list(None, 1):
            return None
        grants = (Grant(role=Role.ADMIN, namespace_pattern="*"),)
        admin = tx.principals.insert(
            _fresh(FIRST_ADMIN, PrincipalKind.PERSON, "First administrator", grants, now)
        )
        if admin is None:
            return None
        token = tx.tokens.insert(
            Token(
                key=0,
                id=uuid.uuid4().hex[:16],
                principal=admin.id,
                label="first start",
                create_time_us=now,
                expire_time_us=now + FIRST_TOKEN_TTL_US,
                revoke_time_us=None,
                last_use_time_us=None,
                creator=SYSTEM,
            ),
            hash_of(secret),
        )
        tx.events.append(_event(SYSTEM, "principal.create", admin))
        tx.events.append(token_event(SYSTEM, "token.create", token))
        return secret

    return database.write(fn)


def get(tx: Transaction, id: str) -> Principal:
    found = tx.principals.get(id)
    if found is None:
        raise NotFoundError(
            kind="principal",
            name=id,
            fix="An administrator creates it with: hallmark principal create " + id,
        )
    return found


def token_event(actor: str, action: str, token: Token, *, successor: str = "") -> EventDraft:
    detail: dict[str, object] = {"label": token.label, "expire_time_us": token.expire_time_us}
    if token.scopes:
        detail["scopes"] = [str(scope) for scope in token.scopes]
    if successor:
        detail["successor"] = successor
    return EventDraft(action=action, resource=token.name, namespace="", actor=actor, detail=detail)


def _fresh(
    id: str, kind: PrincipalKind, display_name: str, grants: tuple[Grant, ...], now_us: int
) -> Principal:
    return Principal(
        key=0,
        id=id,
        uid=str(uuid.uuid4()),
        kind=kind,
        display_name=display_name,
        grants=grants,
        disabled=False,
        etag=new_etag(),
        create_time_us=now_us,
        update_time_us=now_us,
    )


def _administers(principal: Principal) -> bool:
    return not principal.disabled and administers(principal.grants)


def _check_sponsor(tx: Transaction, kind: PrincipalKind, sponsor: str) -> None:
    """Raise InvalidFieldError unless an enabled person answers for a robot, and nobody else for a
    person."""
    if kind is PrincipalKind.PERSON:
        if sponsor:
            raise InvalidFieldError(
                field="principal.sponsor",
                found=show(sponsor),
                expected="nothing, since people answer for themselves",
                fix="Leave it out.",
            )
        return
    found = tx.principals.get(sponsor) if sponsor else None
    if found is None or found.kind is not PrincipalKind.PERSON or found.disabled:
        raise InvalidFieldError(
            field="principal.sponsor",
            found=show(sponsor) if sponsor else "nothing",
            expected="an enabled person who answers for the robot",
            fix="Name one: hallmark principal list",
        )


def _check_grants(grants: Sequence[Grant]) -> tuple[Grant, ...]:
    """The grants, each once, in the order given."""
    if len(grants) > GRANTS_MAX:
        raise TooLargeError(
            what="grants",
            found=f"{len(grants)} grants",
            limit=f"{GRANTS_MAX} grants",
            fix="Use patterns with '*' to cover several namespaces with one grant.",
        )
    for number, grant in enumerate(grants):
        if not _PATTERN.fullmatch(grant.namespace_pattern):
            raise InvalidFieldError(
                field=f"grants[{number}].namespace_pattern",
                found=show(grant.namespace_pattern) if grant.namespace_pattern else "nothing",
                expected="1-63 of a-z, 0-9, '-' and at most three '*'",
                fix="Write a namespace such as fraud, a pattern such as ml-*, or * for all.",
            )
    return tuple(dict.fromkeys(grants))


def _shown(principal: Principal) -> dict[str, object]:
    return {
        "kind": principal.kind.value,
        "display_name": principal.display_name,
        "grants": [
            [grant.role.value, grant.namespace_pattern, *(["deny"] if grant.deny else [])]
            for grant in principal.grants
        ],
        "disabled": principal.disabled,
        "sponsor": principal.sponsor,
    }


def _event(
    actor: str, action: str, principal: Principal, detail: Mapping[str, object] | None = None
) -> EventDraft:
    return EventDraft(
        action=action,
        resource=principal.name,
        namespace="",
        actor=actor,
        detail=_shown(principal) if detail is None else detail,
    )
