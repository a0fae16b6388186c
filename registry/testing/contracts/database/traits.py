"""What a Database has to find by traits of files."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from registry.domain.access import Reach
from registry.domain.pages import Cursor
from registry.domain.traits import Trait, TraitQuery
from registry.domain.versions import Verdict, Version, VersionState, Vetting
from registry.ports.database import Database
from registry.testing.contracts.database.samples import T0, stored_model
from registry.testing.contracts.database.version_samples import (
    a_file,
    a_manifest,
    add_commit,
    add_version,
    all_pages,
)
from registry.testing.contracts.database.vetting import RULES, a_result, keep

PATHS = ("fraud/scorer", "fraud/other", "risk/scorer", "risky/scorer")
REACHES = [
    Reach(allowed=("*",)),
    Reach(allowed=("fraud",)),
    Reach(allowed=("risk*",)),
    Reach(allowed=("*",), denied=("fraud",)),
    Reach(allowed=("fraud", "risky"), denied=("*y",)),
    Reach(allowed=("*",), models=("fraud/scorer",)),
    Reach(allowed=("risk",), models=("*/scorer", "fraud/other")),
    Reach(allowed=("*",), denied=("risk",), models=("*/scorer",)),
    Reach(allowed=("*",), models=()),
    Reach(allowed=()),
]
FORMAT = (Trait("format", "pickle"),)


def spread(database: Database, turns: int) -> list[Version]:
    """Versions of each model in turns, the newest first: of one pickle with 8 parameters each."""
    models = [stored_model(database, path) for path in PATHS]
    made: list[Version] = []
    for _ in range(turns):
        for model in models:
            manifest = a_manifest(f"{len(made)}.pkl")
            made.append(add_version(database, model, add_commit(database, model, manifest)))
    for number in range(len(made)):
        sha256 = a_file(f"{number}.pkl").sha256
        subject = a_result().subject._replace(sha256=sha256)
        keep(database, a_result(subject=subject, facts={"parameters": 8}))
    vetting = Vetting(verdict=Verdict.PASS, findings=(), rules_digest=RULES, time_us=T0)
    state = VersionState.RELEASED
    database.write(
        lambda tx: tx.versions.set_vetting([(each.key, vetting, state) for each in made])
    )
    return made[::-1]


def found(database: Database, reach: Reach, query: TraitQuery) -> list[str]:
    """All pages of a search."""

    def page(behind: Cursor | None) -> Sequence[Version]:
        before = None if behind is None else int(behind[0])
        return database.read(lambda tx: tx.vetting.search(reach, query, before, 2))

    return [each.name for each in all_pages(page, lambda each: (each.key,), 2)]


class TraitSearchContract:
    @pytest.mark.parametrize(
        "query",
        [TraitQuery(traits=FORMAT), TraitQuery(traits=(), parameters_min=8, parameters_max=8)],
    )
    def test_a_search_keeps_within_reach(self, database: Database, query: TraitQuery) -> None:
        """As `Reach.shows` says, and no page ends early since others' versions lie between."""
        made = spread(database, 2)
        for reach in REACHES:
            due = [each.name for each in made if reach.shows(each.namespace, each.model)]
            assert found(database, reach, query) == due
