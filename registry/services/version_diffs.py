"""Diffs: what changes from one version to another."""

from __future__ import annotations

from registry.domain.access import Action, Caller
from registry.domain.version_diffs import Side, VersionDiff, compare
from registry.names import VersionName
from registry.ports.database import Database, Transaction
from registry.services.lookups import version_of, whole_manifest


class VersionDiffService:
    def __init__(self, *, database: Database) -> None:
        self._database = database

    def diff(self, caller: Caller, base: VersionName, other: VersionName) -> VersionDiff:
        """What changes from `base` to `other`, of one model or of two."""
        for name in (base, other):
            caller.require(Action.VERSION_READ, name.model.namespace, str(name))
        sides = self._database.snapshot(lambda tx: (_side(tx, base), _side(tx, other)))
        return compare(*sides)


def _side(tx: Transaction, name: VersionName) -> Side:
    version = version_of(tx, name)
    return Side(
        version=version,
        manifest=whole_manifest(tx, version),
        card=tx.versions.text_of_card(version.key),
    )
