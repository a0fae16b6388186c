"""Models: the names under which versions are kept, and what people say of them."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Sequence

from registry.domain.access import Action, Caller
from registry.domain.models import Model, ModelFields, ModelFilter
from registry.domain.pages import (
    Cursor,
    Page,
    PageRequest,
    decode_token,
    fingerprint,
    page_of,
)
from registry.errors import (
    AlreadyExistsError,
    InvalidFieldError,
    NotEmptyError,
    NotFoundError,
    StaleEtagError,
)
from registry.names import ModelName
from registry.names.text import show
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import PolicySets
from registry.services.fields import check_mask, check_text, check_words
from registry.services.gates import require_delete
from registry.services.lookups import event, model_of
from registry.services.namespaces import get_namespace, new_etag
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once

EDITABLE = tuple(field.name for field in dataclasses.fields(ModelFields))
ORDERS = ("name", "create_time", "update_time", "likes", "downloads")
DESCRIPTION_MAX = 10_000


class ModelService:
    def __init__(self, *, database: Database, clock: Clock, policies: PolicySets) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies

    def create(
        self,
        caller: Caller,
        namespace: str,
        id: str,
        fields: ModelFields,
        *,
        request_id: str,
    ) -> Model:
        path = f"{namespace}/{id}"
        caller.require(Action.MODEL_CREATE, namespace, f"models/{path}")
        name = ModelName(path=path, field="model_id")
        checked = _check_fields(fields)

        def fn(tx: Transaction) -> Model:
            now = self._clock.now_us()

            def create() -> tuple[str, Model]:
                get_namespace(tx, namespace)
                stored = tx.models.insert(_fresh(caller, name, checked, now), name.folded)
                if stored is None:
                    raise _taken(tx, name)
                detail = dataclasses.asdict(checked)
                tx.events.append(
                    event(caller, "model.create", stored.name, stored.namespace, detail)
                )
                return stored.uid, stored

            return once(
                tx,
                caller,
                "CreateModel",
                request_id,
                content_of(path, checked),
                now_us=now,
                create=create,
                reload=lambda uid: _of_uid(tx, name, uid),
            )

        return self._database.write(fn, namespace=namespace)

    def get(self, caller: Caller, name: ModelName) -> Model:
        caller.require(Action.MODEL_READ, name.namespace, str(name))
        return self._database.read(lambda tx: model_of(tx, name))

    def list(
        self,
        caller: Caller,
        namespace: str | None,
        where: ModelFilter,
        order_by: str,
        page: PageRequest,
    ) -> Page[Model]:
        """Models of one namespace, or with None of all that the caller may read."""
        if namespace is not None:
            caller.require_list(Action.MODEL_READ, namespace, f"namespaces/{namespace}")
        reach = caller.reach(Action.MODEL_READ, namespace)
        order = _check_order(order_by)
        filters = _check_filter(where)
        by_name = order.partition(" ")[0] == "name"
        of = fingerprint("models", namespace, filters, order)
        after = decode_token(page.token, of, *((str,) if by_name else (int, str)))
        limit = page.limit()
        found = self._database.read(
            lambda tx: tx.models.list(reach, filters, order, after, limit + 1)
        )
        return page_of(found, limit, lambda model: _cursor(model, order), of)

    def update(
        self,
        caller: Caller,
        name: ModelName,
        fields: ModelFields,
        *,
        mask: Sequence[str],
        etag: str,
    ) -> Model:
        caller.require(Action.MODEL_UPDATE, name.namespace, str(name))
        named = check_mask(mask, EDITABLE)
        checked = _check_fields(fields)
        changes = {field: getattr(checked, field) for field in sorted(named)}

        def fn(tx: Transaction) -> Model:
            old = model_of(tx, name, lock=True)
            new = dataclasses.replace(
                old,
                fields=dataclasses.replace(old.fields, **changes),
                etag=new_etag(),
                update_time_us=self._clock.now_us(),
            )
            if (etag and etag != old.etag) or not tx.models.update(new, old.etag):
                raise StaleEtagError(name=old.name, found=old.etag, sent=etag)
            tx.events.append(event(caller, "model.update", new.name, new.namespace, changes))
            return model_of(tx, name)

        return self._database.write(fn, namespace=name.namespace)

    def delete(self, caller: Caller, name: ModelName, *, etag: str, validate_only: bool) -> None:
        caller.require(Action.MODEL_DELETE, name.namespace, str(name))

        def check(tx: Transaction, model: Model) -> None:
            if etag and etag != model.etag:
                raise StaleEtagError(name=model.name, found=model.etag, sent=etag)
            for period in tx.stages.of_model(model.path):
                raise NotEmptyError(
                    name=model.name,
                    holder=f"stage {period.stage}, which points to version {period.version},",
                    fix=f"Empty it first: hallmark rollback {model.path} {period.stage} --to-empty",
                )
            policy = self._policies.active(tx)
            require_delete(policy, caller, model, now_us=self._clock.now_us())

        def fn(tx: Transaction) -> None:
            model = model_of(tx, name, lock=True)
            check(tx, model)
            tx.models.delete(model.key)
            detail = {"uid": model.uid, "latest_version": model.latest_version}
            tx.events.append(event(caller, "model.delete", model.name, model.namespace, detail))

        if validate_only:
            self._database.read(lambda tx: check(tx, model_of(tx, name)))
        else:
            self._database.write(fn, namespace=name.namespace)


def _taken(tx: Transaction, name: ModelName) -> AlreadyExistsError:
    holder = tx.models.get_folded(name.folded)
    return AlreadyExistsError(
        kind="model",
        name=str(name),
        existing=holder.name if holder else "another one made just now",
        fix="Use that one, or choose a name that differs in more than case.",
    )


def _of_uid(tx: Transaction, name: ModelName, uid: str) -> Model:
    """The model, if it is the one with this uid and not a later one of the same name."""
    found = model_of(tx, name)
    if found.uid != uid:
        raise NotFoundError(
            kind="model",
            name=f"{name} as this request created it",
            fix="It was deleted, and another one created, since then. Use a fresh request_id.",
        )
    return found


def _fresh(caller: Caller, name: ModelName, fields: ModelFields, now_us: int) -> Model:
    return Model(
        key=0,
        uid=str(uuid.uuid4()),
        path=name.path,
        namespace=name.namespace,
        fields=fields,
        etag=new_etag(),
        create_time_us=now_us,
        update_time_us=now_us,
        creator=caller.id,
        latest_version=0,
        stages=(),
        like_count=0,
        download_count=0,
    )


def _check_fields(fields: ModelFields) -> ModelFields:
    check_text("description", fields.description, DESCRIPTION_MAX)
    check_text("task", fields.task, 100, one_line=True)
    check_text("library", fields.library, 100, one_line=True)
    check_text("license", fields.license, 100, one_line=True)
    check_words("tags", fields.tags)
    check_words("languages", fields.languages)
    check_words("owners", fields.owners)
    return fields


def _check_filter(where: ModelFilter) -> ModelFilter:
    check_text("filter.text", where.text, 200)
    check_text("filter.task", where.task, 100, one_line=True)
    check_text("filter.library", where.library, 100, one_line=True)
    check_text("filter.license", where.license, 100, one_line=True)
    check_text("filter.owner", where.owner, 100, one_line=True)
    check_words("filter.tags", where.tags)
    return where


def _check_order(order_by: str) -> str:
    order = order_by or "name"
    if order.removesuffix(" desc") not in ORDERS:
        raise InvalidFieldError(
            field="order_by",
            found=show(order_by),
            expected=f"one of {', '.join(ORDERS)}, optionally followed by ' desc'",
            fix="Leave it out to order by name.",
        )
    return order


def _cursor(model: Model, order: str) -> Cursor:
    values = {
        "create_time": model.create_time_us,
        "update_time": model.update_time_us,
        "likes": model.like_count,
        "downloads": model.download_count,
    }
    value = values.get(order.partition(" ")[0])
    return (model.path,) if value is None else (value, model.path)
