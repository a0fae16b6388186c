"""Namespaces: claim, describe, give back."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping, Sequence

from registry.domain.access import REGISTRY_WIDE, Action, Caller, Reach
from registry.domain.events import EventDraft
from registry.domain.models import Namespace
from registry.domain.pages import (
    Page,
    PageRequest,
    decode_token,
    fingerprint,
    page_of,
)
from registry.domain.scopes import ANY
from registry.errors import (
    AlreadyExistsError,
    ConflictError,
    NotEmptyError,
    NotFoundError,
    StaleEtagError,
)
from registry.names import NamespaceName
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services.fields import check_mask, check_text
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once

EDITABLE = ("description", "owner")


class NamespaceService:
    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def create(
        self, caller: Caller, id: str, *, description: str, owner: str, request_id: str
    ) -> Namespace:
        caller.require(Action.NAMESPACE_CREATE, REGISTRY_WIDE, f"namespaces/{id}")
        caller.require_undenied(Action.NAMESPACE_CREATE, id, f"namespaces/{id}")
        name = NamespaceName(namespace=id, field="namespace_id")
        check_text("description", description, 2000)
        check_text("owner", owner, 200, one_line=True)

        def fn(tx: Transaction) -> Namespace:
            now = self._clock.now_us()

            def create() -> tuple[str, Namespace]:
                stored = tx.namespaces.insert(
                    Namespace(
                        key=0,
                        id=name.namespace,
                        uid=str(uuid.uuid4()),
                        description=description,
                        owner=owner,
                        etag=new_etag(),
                        create_time_us=now,
                        update_time_us=now,
                        creator=caller.id,
                    )
                )
                if stored is None:
                    raise AlreadyExistsError(
                        kind="namespace",
                        name=id,
                        existing="an earlier claim",
                        fix="Choose another name, or ask its owner: hallmark namespace show " + id,
                    )
                detail = {"description": description, "owner": owner}
                tx.events.append(_event(caller, "namespace.create", stored, detail))
                return stored.uid, stored

            return once(
                tx,
                caller,
                "CreateNamespace",
                request_id,
                content_of(id, description, owner),
                now_us=now,
                create=create,
                reload=lambda uid: _of_uid(tx, name, uid),
            )

        return self._database.write(fn)

    def get(self, caller: Caller, name: NamespaceName) -> Namespace:
        caller.require(Action.NAMESPACE_READ, name.namespace, str(name))
        return self._database.read(lambda tx: get_namespace(tx, name.namespace))

    def list(self, caller: Caller, page: PageRequest) -> Page[Namespace]:
        reach = caller.reach(Action.NAMESPACE_READ)
        if ANY not in reach.models:
            # A token that is good for some models is good for no namespace.
            reach = Reach(allowed=())
        of = fingerprint("namespaces")
        after = decode_token(page.token, of, str)
        limit = page.limit()
        found = self._database.read(lambda tx: tx.namespaces.list(reach, after, limit + 1))
        return page_of(found, limit, lambda namespace: (namespace.id,), of)

    def update(
        self,
        caller: Caller,
        name: NamespaceName,
        *,
        description: str,
        owner: str,
        mask: Sequence[str],
        etag: str,
    ) -> Namespace:
        caller.require(Action.NAMESPACE_UPDATE, name.namespace, str(name))
        fields = check_mask(mask, EDITABLE)
        check_text("description", description, 2000)
        check_text("owner", owner, 200, one_line=True)

        def fn(tx: Transaction) -> Namespace:
            old = get_namespace(tx, name.namespace)
            new = dataclasses.replace(
                old,
                description=description if "description" in fields else old.description,
                owner=owner if "owner" in fields else old.owner,
                etag=new_etag(),
                update_time_us=self._clock.now_us(),
            )
            if etag and etag != old.etag:
                raise StaleEtagError(name=old.name, found=old.etag, sent=etag)
            if not tx.namespaces.update(new, old.etag):
                raise ConflictError(what=old.name)
            detail = {field: getattr(new, field) for field in sorted(fields)}
            tx.events.append(_event(caller, "namespace.update", new, detail))
            return new

        return self._database.write(fn)

    def delete(
        self, caller: Caller, name: NamespaceName, *, etag: str, validate_only: bool
    ) -> None:
        caller.require(Action.NAMESPACE_DELETE, REGISTRY_WIDE, str(name))
        caller.require_undenied(Action.NAMESPACE_DELETE, name.namespace, str(name))

        def fn(tx: Transaction) -> None:
            old = get_namespace(tx, name.namespace)
            if etag and etag != old.etag:
                raise StaleEtagError(name=old.name, found=old.etag, sent=etag)
            if tx.namespaces.holds_models(old.id):
                raise NotEmptyError(
                    name=old.name,
                    holder="at least one model in it",
                    fix=f"Delete its models first: hallmark model list {old.id}",
                )
            if validate_only:
                return
            tx.namespaces.delete(old.key)
            # Who claims the name next has not sent these bytes, and may know their digests.
            tx.blob_grants.forget(old.id)
            tx.events.append(_event(caller, "namespace.delete", old, {}))

        self._database.write(fn)


def new_etag() -> str:
    return uuid.uuid4().hex[:16]


def get_namespace(tx: Transaction, id: str) -> Namespace:
    found = tx.namespaces.get(id)
    if found is None:
        raise NotFoundError(
            kind="namespace",
            name=id,
            fix=f"An administrator claims it with: hallmark namespace create {id}",
        )
    return found


def _of_uid(tx: Transaction, name: NamespaceName, uid: str) -> Namespace:
    """The namespace, if it is the one with this uid and not a later one of the same name."""
    found = get_namespace(tx, name.namespace)
    if found.uid != uid:
        raise NotFoundError(
            kind="namespace",
            name=f"{name.namespace} as this request claimed it",
            fix="It was given back, and claimed anew, since then. Use a fresh request_id.",
        )
    return found


def _event(
    caller: Caller, action: str, namespace: Namespace, detail: Mapping[str, object]
) -> EventDraft:
    return EventDraft(
        action=action,
        resource=namespace.name,
        namespace=namespace.id,
        actor=caller.principal.name,
        detail=detail,
    )
