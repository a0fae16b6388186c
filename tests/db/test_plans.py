"""Plans: what is asked often, and what a deletion asks, is found by an index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection, Table, bindparam, select
from sqlalchemy.sql.selectable import Select

from registry.db import (
    blob_grants,
    commits,
    events,
    grounds,
    inbox,
    manifests,
    policies,
    references,
    reminders,
    reviews,
    terms,
    tokens,
    traits,
    versions,
    waivers,
)
from registry.db.engine import open_database
from registry.db.sqlite import reader_engine
from registry.db.tables import metadata
from registry.domain.traits import TraitQuery, trait
from registry.ports.tables import EventQuery
from registry.testing.clock import FixedClock

LISTS = {
    f"versions, {state=}, {digest=}, {oldest=}": versions._list(
        by_state=state, by_digest=digest, oldest_first=oldest
    )
    for state in (False, True)
    for digest in (False, True)
    for oldest in (False, True)
}
STATEMENTS = {
    **LISTS,
    "version": versions._GET,
    "versions by keys": versions._BY_KEYS,
    "versions by names": versions._BY_NAMES,
    "versions by digest": versions._newest(by_digest=True, by_commit=False),
    "versions by commit": versions._newest(by_digest=False, by_commit=True),
    "versions cut from a commit": versions._CUT,
    "commits with a version": versions._CUT_FROM,
    "selector": versions._RESOLVE,
    "versions that wait for their release": versions._VETTED,
    "ground": grounds._GROUND,
    "commit": commits._GET,
    "commits by prefix": commits._BY_PREFIX,
    "history": commits._HISTORY,
    "reference": references._GET,
    "references": references._LIST,
    "manifests": manifests._MANY,
    "fetchable": blob_grants._FETCHABLE,
    "referenced": blob_grants._REFERENCED,
    "events of a shard": events._SHARD,
    "exchanged tokens": tokens._ENDED,
    **{
        f"inbox of {table}, {asked=}": inbox.waiting(
            metadata.tables[table], everywhere=False, asked=asked
        )
        for table in ("promotions", "waivers", "acceptances", "reviews")
        for asked in (False, True)
    },
    **{
        f"inbox of policy changes, {asked=}": policies.waiting(asked=asked)
        for asked in (False, True)
    },
    **{f"{mark} of what waits, {kind}": due for (kind, mark), due in reminders._DUE.items()},
    "policy changes out of time": policies._OVERDUE,
    "terms of a model": terms._CURRENT,
    "terms that a model asked for": terms._FIND,
    "acceptances that count": terms._OPEN_OF,
    "acceptances out of time": terms._OVERDUE,
    "review of a promotion": reviews._OF_PROMOTION,
    "reviews that are due": reviews._OVERDUE,
    "reviews of one who broke the glass": reviews._OVERDUE_OF,
    "waivers that count": waivers._LIVE,
    "waivers asked for": waivers._PENDING,
    "waivers out of time": waivers._OVERDUE,
    "versions by traits": traits.search(
        TraitQuery(traits=(trait("format", "onnx"), trait("ir", "10"))), everything=True
    ),
}
QUERIES = {
    "all": EventQuery(namespace=None),
    "namespace": EventQuery(namespace="fraud"),
    "resource": EventQuery(namespace=None, resource="models/fraud/scorer"),
    "both": EventQuery(namespace="fraud", resource="models/fraud/scorer"),
}


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """To an empty database with all tables, of whose sizes it knows nothing."""
    path = tmp_path_factory.mktemp("plans") / "hallmark.db"
    open_database(f"sqlite:///{path}", clock=FixedClock()).close()
    with closing(reader_engine(path).connect()) as opened:
        yield opened


def plan(connection: Connection, statement: Select[*tuple[object, ...]]) -> list[str]:
    """How SQLite would answer, a step a line."""
    compiled = statement.compile(
        dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
    )
    values = (None,) * len(compiled.positiontup or ())
    steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)
    return [row.detail for row in steps]


def scanned(steps: list[str]) -> list[str]:
    """Tables that would be gone through from end to end."""
    first_words = [re.match(r"SCAN (\w+)", step) for step in steps]
    names = {found[1] for found in first_words if found}
    return sorted(names & {*metadata.tables, "cut", "pointed", "parent", "own", "other"})


@pytest.mark.parametrize("name", STATEMENTS)
def test_what_is_asked_often_scans_no_table(connection: Connection, name: str) -> None:
    """Each row is found by an index."""
    steps = plan(connection, STATEMENTS[name])
    assert not scanned(steps), steps


@pytest.mark.parametrize("after", [None, (5, 1, 2)])
@pytest.mark.parametrize("name", QUERIES)
def test_events_are_found_by_what_was_asked_for(
    connection: Connection, name: str, after: tuple[int, int, int] | None
) -> None:
    """By their namespace, else by their resource; all of them come in order without sorting."""
    steps = plan(connection, events._matching(QUERIES[name], after).limit(50))
    indexes = {found[1] for step in steps if (found := re.search(r"ix_events_([a-z]+)", step))}
    by = {"all": set(), "namespace": {"namespace"}, "resource": {"resource"}, "both": {"namespace"}}
    assert indexes == by[name], steps
    assert any("TEMP B-TREE" in step for step in steps) == (name == "resource")


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: str(table.name))
def test_a_deletion_finds_what_goes_with_it(connection: Connection, table: Table) -> None:
    """Rows that refer to one that is deleted are found by an index, also those of a manifest's
    commits."""
    for key in table.foreign_key_constraints:
        columns = list(key.columns)
        wanted = [column == bindparam(column.name) for column in columns]
        assert not scanned(plan(connection, select(*columns).where(*wanted))), key.name


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: str(table.name))
def test_a_foreign_key_has_an_index_of_all_its_columns(table: Table) -> None:
    """PostgreSQL looks through what a transaction has deleted as well: with an index of some of
    them, to delete a model would take its references times its commits."""
    indexes = [[column.name for column in index.columns] for index in table.indexes]
    indexes.append([column.name for column in table.primary_key])
    for key in table.foreign_key_constraints:
        wanted = set(key.column_keys)
        assert any(set(names[: len(wanted)]) == wanted for names in indexes), key.name


@pytest.mark.parametrize("table", ["promotions", "waivers", "acceptances", "reviews"])
@pytest.mark.parametrize("asked", [False, True])
def test_the_inbox_comes_in_order(connection: Connection, table: str, asked: bool) -> None:
    """What waits is read in order of due time by an index of what waits, and nothing is sorted."""
    statement = inbox.waiting(metadata.tables[table], everywhere=True, asked=asked)
    steps = plan(connection, statement)
    assert not any("TEMP B-TREE" in step for step in steps), steps
