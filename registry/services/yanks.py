"""Yanks: withdraw a version from every name, and take that back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from registry.domain.access import Action, Caller
from registry.domain.versions import Version, VersionState, require_move
from registry.errors import InvalidStateError, NotEmptyError
from registry.names import VersionName
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import PolicySets
from registry.services.fields import check_text
from registry.services.grace import with_grace
from registry.services.lookups import event, model_of, version_of
from registry.services.promotion_records import withdraw_open
from registry.services.specs import shown_to

REASON_LENGTH_MAX = 2000


class YankService:
    """`on_quarantined` is called when a version is in quarantine again."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        policies: PolicySets,
        on_quarantined: Callable[[], None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        self._on_quarantined = on_quarantined

    def yank(
        self, caller: Caller, name: VersionName, *, reason: str, validate_only: bool
    ) -> Version:
        """Withdraw a version from every name, and its open promotions with it."""
        caller.require(Action.VERSION_YANK, name.model.namespace, str(name))
        check_text("reason", reason, REASON_LENGTH_MAX, required=True)
        if validate_only:
            planned = self._database.read(
                lambda tx: self._with_grace(tx, _yanked(version_of(tx, name), reason))
            )
            return shown_to(caller, planned)

        def fn(tx: Transaction) -> Version:
            # Stages of a model move under its lock.
            model_of(tx, name.model, lock=True)
            version = version_of(tx, name, lock=True)
            yanked = _yanked(version, reason)
            if version.state is VersionState.YANKED:
                return self._with_grace(tx, version)
            tx.versions.set_state(
                version.key, yanked.state, yank_reason=reason, yanked_from=yanked.yanked_from
            )
            detail: dict[str, object] = {"from": version.state.value, "reason": reason}
            tx.events.append(event(caller, "version.yank", version.name, version.namespace, detail))
            withdraw_open(tx, caller, version, now_us=self._clock.now_us())
            return self._with_grace(tx, yanked)

        return shown_to(caller, self._database.write(fn, namespace=name.model.namespace))

    def unyank(self, caller: Caller, name: VersionName) -> Version:
        """Undo a yank: the version is where it was, or where a verdict since has put it."""
        caller.require(Action.VERSION_YANK, name.model.namespace, str(name))

        def fn(tx: Transaction) -> Version:
            version = version_of(tx, name, lock=True)
            if version.state is not VersionState.YANKED or version.yanked_from is None:
                raise InvalidStateError(
                    name=version.name,
                    action="be unyanked",
                    found=version.state.value.upper(),
                    allowed=VersionState.YANKED.value.upper(),
                    fix="Nothing has to be undone.",
                )
            tx.versions.set_state(version.key, version.yanked_from)
            detail: dict[str, object] = {"to": version.yanked_from.value}
            tx.events.append(
                event(caller, "version.unyank", version.name, version.namespace, detail)
            )
            back = dataclasses.replace(
                version, state=version.yanked_from, yank_reason="", yanked_from=None
            )
            return self._with_grace(tx, back)

        version = self._database.write(fn, namespace=name.model.namespace)
        if version.state is VersionState.QUARANTINED:
            self._on_quarantined()
        return shown_to(caller, version)

    def _with_grace(self, tx: Transaction, version: Version) -> Version:
        return with_grace(tx, self._policies, [version])[0]


def _yanked(version: Version, reason: str) -> Version:
    """The version as its yank makes it; one that is yanked already stays as it is."""
    if version.state is VersionState.YANKED:
        return version
    if version.stages:
        stage = version.stages[0]
        raise NotEmptyError(
            name=version.name,
            action="be yanked",
            holder=f"stage {stage}",
            fix=f"Put back what was there before: hallmark rollback {version.model} {stage}; "
            f"or nothing: hallmark rollback {version.model} {stage} --to-empty",
        )
    require_move(
        version, VersionState.YANKED, action="be yanked", fix="It is withdrawn for good already."
    )
    return dataclasses.replace(
        version,
        state=VersionState.YANKED,
        yank_reason=reason,
        yanked_from=version.state,
    )
