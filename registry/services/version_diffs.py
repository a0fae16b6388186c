"""Diffs: what changes from one version to another."""

from __future__ import annotations

from registry.domain.access import Action, Caller
from registry.domain.fact_diffs import FILES_MAX, FactsByPath
from registry.domain.manifests import Manifest
from registry.domain.version_diffs import Side, VersionDiff, compare
from registry.domain.versions import Version
from registry.names import VersionName
from registry.ports.database import Database, Transaction
from registry.services.lookups import version_of, whole_manifest
from registry.services.vetting_reports import facts_of


class VersionDiffService:
    def __init__(self, *, database: Database) -> None:
        self._database = database

    def diff(self, caller: Caller, base: VersionName, other: VersionName) -> VersionDiff:
        """What changes from `base` to `other`, of one model or of two."""
        for name in (base, other):
            caller.require(Action.VERSION_READ, name.model.namespace, str(name))
        return compare(*self._database.snapshot(lambda tx: _sides(tx, caller, base, other)))


def _sides(
    tx: Transaction, caller: Caller, base: VersionName, other: VersionName
) -> tuple[Side, Side]:
    old, new = version_of(tx, base), version_of(tx, other)
    before, after = whole_manifest(tx, old), whole_manifest(tx, new)
    return (_side(tx, caller, old, before, after), _side(tx, caller, new, after, before))


def _side(
    tx: Transaction, caller: Caller, version: Version, manifest: Manifest, beside: Manifest
) -> Side:
    return Side(
        version=version,
        manifest=manifest,
        card=tx.versions.text_of_card(version.key),
        facts=_facts(tx, caller, version, manifest, beside),
    )


def _facts(
    tx: Transaction, caller: Caller, version: Version, manifest: Manifest, beside: Manifest
) -> FactsByPath:
    """Of the files that the other side has not under the same path."""
    equal = {(file.path, file.sha256) for file in beside.files}
    wanted = [file for file in manifest.files if (file.path, file.sha256) not in equal]
    found = facts_of(tx, caller, version, manifest.files, wanted[:FILES_MAX])
    return {each.file.path: each.facts for each in found}
