"""Usage: who fetched what, and what people like."""

from __future__ import annotations

from registry.domain.access import Action, Caller
from registry.domain.usage import Usage
from registry.names import ModelName
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services.lookups import event, model_of

ROWS_MAX = 1000


class UsageService:
    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def get(self, caller: Caller, name: ModelName) -> Usage:
        """Downloads and likes; by principal only for who holds usage.read, else none."""
        caller.require(Action.MODEL_READ, name.namespace, str(name))
        by_principal = caller.may(Action.USAGE_READ, name.namespace, model=name.path)

        def fn(tx: Transaction) -> Usage:
            model = model_of(tx, name)
            rows = tx.usage.by_principal(model.key, ROWS_MAX) if by_principal else ()
            return Usage(
                model=model.name,
                download_count=model.download_count,
                like_count=model.like_count,
                liked=tx.usage.liked(model.key, caller.id),
                versions=tuple(tx.usage.by_version(model.key, ROWS_MAX)),
                principals=tuple(rows),
            )

        return self._database.snapshot(fn)

    def like(self, caller: Caller, name: ModelName) -> int:
        """How many principals like the model now."""
        caller.require(Action.MODEL_READ, name.namespace, str(name))

        def fn(tx: Transaction) -> int:
            model = model_of(tx, name)
            if tx.usage.like(model.key, caller.id, self._clock.now_us()):
                tx.events.append(event(caller, "model.like", model.name, model.namespace, {}))
            return tx.usage.likes(model.key)

        return self._database.write(fn, namespace=name.namespace)

    def unlike(self, caller: Caller, name: ModelName) -> int:
        """How many principals like the model now."""
        caller.require(Action.MODEL_READ, name.namespace, str(name))

        def fn(tx: Transaction) -> int:
            model = model_of(tx, name)
            if tx.usage.unlike(model.key, caller.id):
                tx.events.append(event(caller, "model.unlike", model.name, model.namespace, {}))
            return tx.usage.likes(model.key)

        return self._database.write(fn, namespace=name.namespace)
