"""What every table of models has to pass."""

from __future__ import annotations

import dataclasses
import itertools
import random

import pytest

from registry.domain.access import EVERYTHING, Reach
from registry.domain.lineage import LineageEdge
from registry.domain.models import Model, ModelFields, ModelFilter
from registry.domain.pages import Cursor
from registry.domain.versions import LineageKind, Version, VersionState
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0, fields, model, stored_model
from registry.testing.contracts.database.version_samples import (
    a_branch,
    a_manifest,
    a_period,
    a_promotion,
    add_version,
    all_pages,
    in_state,
    point,
    race,
    store_commit,
)

ALL = ModelFilter()
ORDERS = ("name", "create_time", "update_time", "likes", "downloads")


def get(database: Database, path: str = "fraud/scorer") -> Model | None:
    return database.read(lambda tx: tx.models.get(path))


def listed(
    database: Database,
    where: ModelFilter = ALL,
    *,
    patterns: Reach = EVERYTHING,
    order: str = "name",
    after: Cursor | None = None,
    limit: int = 1000,
) -> list[Model]:
    return list(database.read(lambda tx: tx.models.list(patterns, where, order, after, limit)))


class ModelsContract:
    def test_comes_back_as_put_in(self, database: Database) -> None:
        """What insert returns is what each way to look finds."""
        value = model(
            "huggingface/BAAI/Bge-Small",
            fields=fields(
                description="Ein \N{SNOWMAN}\n'\"%_\\", tags=("b", "a", "Ä"), languages=()
            ),
        )
        stored = database.write(lambda tx: tx.models.insert(value, value.path.casefold()))
        assert stored is not None
        assert dataclasses.replace(stored, key=0) == value
        assert get(database, "huggingface/BAAI/Bge-Small") == stored
        folded = value.path.casefold()
        assert database.read(lambda tx: tx.models.get_folded(folded)) == stored
        locked = database.write(lambda tx: tx.models.lock(value.path))
        assert locked == dataclasses.replace(stored, stages=())
        assert listed(database) == [stored]

    def test_empty_fields(self, database: Database) -> None:
        """A model of which nothing is said comes back so."""
        stored = stored_model(database, fields=ModelFields())
        assert get(database) == stored
        assert listed(database) == [stored]

    def test_unknown_is_none(self, database: Database) -> None:
        """What is not there is None, also where the case differs."""
        stored_model(database, "fraud/Scorer")
        assert get(database, "fraud/scorer") is None
        assert database.read(lambda tx: tx.models.get_folded("fraud/Scorer")) is None
        assert database.write(lambda tx: tx.models.lock("fraud/scorer")) is None

    def test_a_path_is_taken_once_in_any_case(self, database: Database) -> None:
        """A path that folds to a taken one is refused with None; the unit of work goes on."""
        first = stored_model(database, "fraud/Scorer")

        def fn(tx: Transaction) -> tuple[Model | None, Model | None]:
            taken = tx.models.insert(model("fraud/sCORER"), "fraud/scorer")
            return taken, tx.models.insert(model("fraud/other"), "fraud/other")

        taken, other = database.write(fn)
        assert taken is None
        assert other is not None
        assert [m.path for m in listed(database)] == ["fraud/Scorer", "fraud/other"]
        assert get(database, "fraud/Scorer") == first

    def test_one_of_racing_inserts_wins(self, database: Database) -> None:
        """Of several inserts of one name at once one is stored, the others get None."""
        stored = race(
            8, lambda _: database.write(lambda tx: tx.models.insert(model(), "fraud/scorer"))
        )
        assert [value for value in stored if value is not None] == [get(database)]

    def test_update_takes_the_current_etag_only(self, database: Database) -> None:
        """A stale etag changes nothing; the current one stores fields, etag and update time."""
        stored = stored_model(database)
        new = dataclasses.replace(
            stored,
            fields=fields(description="New", license="MIT", tags=("c", "b"), owners=()),
            etag="e2",
            update_time_us=T0 + 9,
        )
        assert not database.write(lambda tx: tx.models.update(new, "stale"))
        assert get(database) == stored
        assert listed(database, ModelFilter(tags=("fast",))) == [stored]
        assert database.write(lambda tx: tx.models.update(new, "e1"))
        assert get(database) == new
        assert listed(database, ModelFilter(tags=("fast",))) == []
        assert listed(database, ModelFilter(owner="ann")) == []
        assert listed(database, ModelFilter(tags=("b", "c"), text="nEW", license="mit")) == [new]

    def test_numbers_are_never_given_out_twice(self, database: Database) -> None:
        """They go up by one, set the latest version, and outlive the model, in any case."""
        stored = stored_model(database)

        assert [take(database, stored, T0 + n) for n in (1, 2, 3)] == [1, 2, 3]
        other = stored_model(database, "fraud/other")
        assert take(database, other) == 1
        assert get(database) == dataclasses.replace(
            stored, latest_version=3, next_number=4, update_time_us=T0 + 3
        )
        database.write(lambda tx: tx.models.delete(stored.key))
        again = stored_model(database, "fraud/SCORER")
        assert again.key != stored.key
        assert (again.latest_version, again.next_number) == (0, 4)
        assert get(database, "fraud/SCORER") == again
        assert take(database, again) == 4

    def test_numbers_outlive_every_model_of_a_name(self, database: Database) -> None:
        """Made and deleted again and again, with versions or without, a name goes on counting."""
        given_out = 0
        for count in (0, 2, 0, 0, 1, 3):
            stored = stored_model(database)
            assert stored.next_number == given_out + 1
            for _ in range(count):
                given_out += 1
                assert take(database, stored) == given_out
            delete(database, stored)

    def test_racing_numbers_are_unique(self, database: Database) -> None:
        """Writers at the same time get different numbers, without a gap."""
        stored = stored_model(database)
        numbers = race(8, lambda _: take(database, stored))
        assert sorted(numbers) == list(range(1, 9))

    def test_numbers_are_unique_while_their_model_is_replaced(self, database: Database) -> None:
        """Whoever takes numbers while others delete the model and make it anew gets fresh ones."""
        stored_model(database)

        def work(writer: int) -> list[int]:
            return [
                number
                for _ in range(20)
                for number in (replace_model(database) if writer % 2 else take_any(database))
            ]

        numbers = [number for taken in race(6, work) for number in taken]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 20

    def test_lock_keeps_others_waiting(self, database: Database) -> None:
        """Who holds the lock reads and writes the model as if alone."""
        stored = stored_model(database)

        def count_one_up(tx: Transaction) -> None:
            locked = tx.models.lock(stored.path)
            assert locked is not None
            text = str(int(locked.fields.description or "0") + 1)
            new = dataclasses.replace(locked, fields=ModelFields(description=text), etag=f"e{text}")
            assert tx.models.update(new, locked.etag)

        database.write(
            lambda tx: tx.models.update(
                dataclasses.replace(stored, fields=ModelFields(), etag="e0"), "e1"
            )
        )
        race(8, lambda _: database.write(count_one_up))
        found = get(database)
        assert found is not None
        assert found.fields.description == "8"

    def test_shows_its_stages(self, database: Database) -> None:
        """The version in each stage that is set, by stage, in get and in lists."""
        stored = stored_model(database)
        other = stored_model(database, "fraud/other")
        one, two = add_version(database, stored), add_version(database, stored)

        def move(tx: Transaction) -> None:
            tx.stages.move(stored.key, a_period(one, "staging"))
            tx.stages.move(stored.key, a_period(one, "production"))
            tx.stages.move(stored.key, a_period(two, "staging", T0 + 1))

        database.write(move)
        found = get(database)
        assert found is not None
        assert found.stages == (("production", 1), ("staging", 2))
        assert listed(database) == [other, found]
        database.write(lambda tx: tx.stages.clear(stored.key, "production", T0 + 2))
        found = get(database)
        assert found is not None
        assert found.stages == (("staging", 2),)

    def test_delete_takes_all_of_it_along(self, database: Database) -> None:
        """With a model goes all that is its own; edges of others go on naming its versions."""
        parent, child = stored_model(database, "a/parent"), stored_model(database, "a/child")
        base, derived = add_version(database, parent), add_version(database, child)
        furnish(database, parent, base)
        edge = an_edge(derived, base)
        assert database.write(lambda tx: tx.lineage.insert(edge))
        database.write(lambda tx: tx.models.delete(parent.key))
        assert get(database, "a/parent") is None
        assert database.read(lambda tx: tx.versions.by_key(base.key)) is None
        assert database.read(lambda tx: tx.promotions.get(1)) is None
        assert not database.read(lambda tx: tx.usage.liked(parent.key, "ann"))
        assert list(database.read(lambda tx: tx.stages.of_model("a/parent"))) == []
        assert database.read(lambda tx: tx.references.get("a/parent", "best")) is None
        left = database.read(lambda tx: tx.lineage.above([derived.key]))
        assert [(e.parent, e.parent_key) for e in left] == [(base.name, None)]
        again = stored_model(database, "a/parent")
        assert list(database.read(lambda tx: tx.usage.by_version(again.key, 10))) == []
        assert listed(database, ModelFilter(state=VersionState.RELEASED)) == [
            get(database, "a/child")
        ]

    @pytest.mark.slow
    @pytest.mark.parametrize("order", [o + d for o in ORDERS for d in ("", " desc")])
    def test_lists_what_a_plain_loop_finds(self, database: Database, order: str) -> None:
        """Whatever is asked for, in each order, the pages together are what plain Python finds."""
        choice = random.Random(order)
        everything = populate(database, choice)
        for _ in range(60):
            where, patterns = a_filter(choice), a_reach(choice)
            size = choice.choice((1, 3, 1000))
            found = paged(database, where, patterns, order, size)
            assert found == expected(everything, where, patterns, order)


def a_reach(choice: random.Random) -> Reach:
    return Reach(
        allowed=tuple(choice.choice(PATTERNS)),
        denied=tuple(choice.choice(PATTERNS)) if choice.random() < 0.3 else (),
        models=choice.choice(MODEL_PATTERNS),
    )


def paged(
    database: Database, where: ModelFilter, patterns: Reach, order: str, size: int
) -> list[Model]:
    """All pages of a list, put together."""
    return all_pages(
        lambda after: listed(
            database, where, patterns=patterns, order=order, after=after, limit=size
        ),
        lambda last: cursor(last, order),
        size,
    )


def take(database: Database, of: Model, time_us: int = T0) -> int:
    """A number, as whoever cuts a version takes one."""
    number = database.write(lambda tx: take_locked(tx, of.path, time_us))
    assert number is not None
    return number


def take_locked(tx: Transaction, path: str, time_us: int = T0) -> int | None:
    locked = tx.models.lock(path)
    return None if locked is None else tx.models.take_number(locked, time_us)


def take_any(database: Database) -> list[int]:
    """A number of the model that there is now, if there is one."""
    number = database.write(lambda tx: take_locked(tx, "fraud/scorer"))
    return [] if number is None else [number]


def replace_model(database: Database) -> list[int]:
    """Delete the model and make it anew, and take its next number, all in one unit of work."""

    def fn(tx: Transaction) -> list[int]:
        old = tx.models.lock("fraud/scorer")
        if old is not None:
            tx.models.delete(old.key)
        if tx.models.insert(model(), "fraud/scorer") is None:
            return []
        number = take_locked(tx, "fraud/scorer")
        assert number is not None
        return [number]

    return database.write(fn)


def delete(database: Database, stored: Model) -> None:
    database.write(lambda tx: tx.models.delete(stored.key))


def furnish(database: Database, owner: Model, version: Version) -> None:
    """Give a model one of everything that belongs to models."""

    def fn(tx: Transaction) -> None:
        commit = store_commit(tx, owner, a_manifest())
        tx.references.put(owner.key, a_branch(commit, "dev"), version_key=None, commit_id=commit.id)
        point(tx, version, "best")
        promotion = tx.promotions.insert(a_promotion(version))
        period = dataclasses.replace(a_period(version, "production"), promotion=promotion.number)
        tx.stages.move(owner.key, period)
        assert tx.usage.like(owner.key, "ann", T0)
        assert tx.usage.record_download("d1", version.key, "ann", T0)

    database.write(fn)


def an_edge(child: Version, parent: Version) -> LineageEdge:
    return LineageEdge(
        child_key=child.key,
        parent_key=parent.key,
        child=child.name,
        parent=parent.name,
        child_namespace=child.namespace,
        parent_namespace=parent.namespace,
        kind=LineageKind.FINETUNE,
        creator="principals/ann",
        create_time_us=T0,
    )


PATTERNS = (("*",), ("a",), ("a*",), ("*b",), ("a-b", "c"), ("b", "*"), ("A",), ("_",), ())
MODEL_PATTERNS = (("*",), ("*",), ("a/*", "c/m"), ("*/M*",), ("*/m*",), ("*/_*", "a_b/*"), ())
WORDS = ("Straße", "100%", "a_b", "back\\slash", "Fraud", "")
TAGS = ("x", "y", "X", "%")
#: Within a minute, on both sides of its end, and later.
TIMES_US = (0, 1, 59_999_999, 60_000_000, 60_000_001, 180_000_000)
STATES = (VersionState.RELEASED, VersionState.QUARANTINED, VersionState.YANKED)


def populate(database: Database, choice: random.Random) -> list[tuple[Model, set[VersionState]]]:
    """Some models, alike in many things; each as it was read, with the states of its versions."""
    paths = [
        f"{namespace}/{name}"
        for namespace, name in itertools.product(
            ("a", "ab", "a-b", "c"), ("m", "M2", "fraud-1", "_z")
        )
    ]
    choice.shuffle(paths)
    everything = []
    for path in paths:
        stored = stored_model(
            database,
            path,
            fields=ModelFields(
                description=" ".join(choice.sample(WORDS, 2)),
                task=choice.choice(("t1", "t2", "")),
                library=choice.choice(("onnx", "ONNX")),
                license=choice.choice(("MIT", "mit", "Apache-2.0", "")),
                tags=tuple(choice.sample(TAGS, choice.randrange(4))),
                owners=tuple(choice.sample(("ann", "bob"), choice.randrange(3))),
            ),
            create_time_us=T0 + choice.randrange(3),
            update_time_us=T0 + choice.choice(TIMES_US),
            like_count=choice.randrange(3),
            download_count=choice.choice((0, 0, 2**40)),
        )
        states = set(choice.sample(STATES, choice.randrange(3)))
        for state in sorted(states):
            add_version(database, stored, change=in_state(state))
        found = get(database, path)
        assert found is not None
        everything.append((found, states))
    return everything


def a_filter(choice: random.Random) -> ModelFilter:
    """Mostly one or two conditions: more seldom match anything."""
    every = ModelFilter(
        text=choice.choice(("STRASSE", "strasse", "%", "_", "\\", "fraud", "/M", "a/", "\n")),
        task="t1",
        library="onnx",
        license=choice.choice(("MIT", "aPACHE-2.0")),
        tags=tuple(choice.sample(TAGS, choice.choice((1, 1, 2)))),
        owner="ann",
        state=choice.choice(STATES),
    )
    names = [field.name for field in dataclasses.fields(every)]
    kept = choice.sample(names, choice.choice((0, 1, 1, 1, 2, 3)))
    return ModelFilter(**{name: getattr(every, name) for name in kept})


def expected(
    everything: list[tuple[Model, set[VersionState]]],
    where: ModelFilter,
    patterns: Reach,
    order: str,
) -> list[Model]:
    """What a list has to find, said once more in plain Python."""
    found = [
        value
        for value, states in everything
        if patterns.shows(value.namespace, value.path)
        and fits(value.fields, where)
        and (
            where.text.casefold() in value.path.casefold()
            or where.text.casefold() in value.fields.description.casefold()
        )
        and (where.state is None or where.state in states)
    ]
    found.sort(key=lambda value: value.path)
    descending = order.endswith(" desc")
    # Stable, so ties keep the order of their paths.
    found.sort(key=lambda value: cursor(value, order)[0], reverse=descending)
    return found


def fits(found: ModelFields, where: ModelFilter) -> bool:
    return (
        where.task in ("", found.task)
        and where.library in ("", found.library)
        and where.license.casefold() in ("", found.license.casefold())
        and set(where.tags) <= set(found.tags)
        and (not where.owner or where.owner in found.owners)
    )


def cursor(value: Model, order: str) -> Cursor:
    values = {
        "create_time": value.create_time_us,
        "update_time": value.update_time_us,
        "likes": value.like_count,
        "downloads": value.download_count,
    }
    name = order.partition(" ")[0]
    return (value.path,) if name == "name" else (values[name], value.path)
