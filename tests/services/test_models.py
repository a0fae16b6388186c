"""Models: names, fields, lists with filters and orders, deletion."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import pytest

from registry.domain.access import Caller, Role
from registry.domain.models import Model, ModelFields, ModelFilter
from registry.domain.pages import PageRequest
from registry.domain.promotions import StagePeriod
from registry.domain.versions import VersionState
from registry.errors import (
    AlreadyExistsError,
    HallmarkError,
    InvalidFieldError,
    NotEmptyError,
    NotFoundError,
    PermissionDeniedError,
    StaleEtagError,
    TooLargeError,
)
from registry.names import ModelName, NamespaceName
from registry.ports.tables import EventQuery
from registry.testing.world import World, grant

FIELDS = ModelFields(
    description="Scores payments.",
    task="tabular-classification",
    library="onnx",
    license="Apache-2.0",
    tags=("payments", "eu"),
    languages=("en",),
    owners=("ml-fraud",),
)


@pytest.fixture
def ada(world: World) -> Caller:
    world.claim("fraud")
    world.claim("vision")
    return world.caller("ada", grant(Role.REGISTRANT), grant(Role.ADMIN))


def create(
    world: World,
    caller: Caller,
    id: str,
    fields: ModelFields = ModelFields(),  # noqa: B008
    *,
    namespace: str = "fraud",
    request_id: str = "",
) -> Model:
    return world.models.create(caller, namespace, id, fields, request_id=request_id)


def name(path: str) -> ModelName:
    return ModelName(path=path)


def paths(
    world: World,
    caller: Caller,
    where: ModelFilter = ModelFilter(),  # noqa: B008
    *,
    namespace: str | None = None,
    order_by: str = "",
    size: int = 2,
) -> list[str]:
    """All pages of a list."""
    found: list[str] = []
    token = ""
    while True:
        page = world.models.list(
            caller, namespace, where, order_by, PageRequest(size=size, token=token)
        )
        found += [model.path for model in page.items]
        token = page.next_page_token
        if not token:
            return found


def test_a_created_model_is_as_it_was_given(world: World, ada: Caller) -> None:
    """All fields come back as they were sent, with what the server adds."""
    made = create(world, ada, "scorer", FIELDS)
    assert made.fields == FIELDS
    assert (made.name, made.creator, made.latest_version) == ("models/fraud/scorer", "ada", 0)
    assert world.models.get(ada, name("fraud/scorer")) == made


def test_names_that_differ_in_case_alone_are_one(world: World, ada: Caller) -> None:
    """The second spelling is ALREADY_EXISTS and names the first."""
    create(world, ada, "Scorer")
    with pytest.raises(AlreadyExistsError, match="models/fraud/Scorer"):
        create(world, ada, "scorer")
    with pytest.raises(NotFoundError):
        world.models.get(ada, name("fraud/scorer"))


def test_nobody_creates_models_where_nobody_claimed(world: World, ada: Caller) -> None:
    """A namespace that is not claimed is NOT_FOUND."""
    with pytest.raises(NotFoundError, match="hallmark namespace create"):
        create(world, ada, "scorer", namespace="nowhere")


@pytest.mark.parametrize(
    "id",
    [
        *("", ".x", "-x", "a..b", "a/b", "..", "versions", "Tags", "nul", "NUL.txt"),
        *("a" * 129, "a b", "a\x00", "é", "a.", "con"),
    ],
)
def test_bad_names_are_refused(world: World, ada: Caller, id: str) -> None:
    """A model_id that breaks the rule is INVALID_ARGUMENT for that field and leaves nothing."""
    with pytest.raises(InvalidFieldError) as refused:
        create(world, ada, id)
    assert refused.value.field == "model_id"
    assert paths(world, ada) == []


@pytest.mark.parametrize(
    "fields",
    [
        ModelFields(description="x" * 10_001),
        ModelFields(task="x" * 101),
        ModelFields(library="x" * 101),
        ModelFields(license="x" * 101),
        ModelFields(tags=tuple(map(str, range(101)))),
        ModelFields(tags=("x" * 101,)),
        ModelFields(tags=("a", "a")),
        ModelFields(owners=("",)),
        ModelFields(languages=("e\x07",)),
        ModelFields(description="a\x00b"),
        ModelFields(description="a\u202eb"),
        ModelFields(task="a\nb"),
        ModelFields(library="a\nb"),
        ModelFields(license="a\nb"),
        ModelFields(tags=("a\nb",)),
        ModelFields(languages=("e\n",)),
        ModelFields(owners=("a\nb",)),
    ],
)
def test_bad_fields_are_refused(world: World, ada: Caller, fields: ModelFields) -> None:
    """Fields past their bounds are refused at creation and at change alike."""
    made = create(world, ada, "good", FIELDS)
    with pytest.raises((InvalidFieldError, TooLargeError)):
        create(world, ada, "bad", fields)
    with pytest.raises((InvalidFieldError, TooLargeError)):
        world.models.update(ada, name("fraud/good"), fields, mask=["*"], etag="")
    assert world.models.get(ada, name("fraud/good")) == made


def test_a_namespace_has_an_owner_of_one_line(world: World, ada: Caller) -> None:
    """An owner with a line break is refused, a description with one is not."""
    with pytest.raises(InvalidFieldError, match="owner"):
        world.namespaces.create(ada, "fresh", description="", owner="a\nb", request_id="")
    made = world.namespaces.create(ada, "fresh", description="a\nb", owner="a", request_id="")
    assert made.description == "a\nb"


def test_a_repeat_returns_the_model_as_it_is_now(world: World, ada: Caller) -> None:
    """A repeat with one request_id creates once; after a deletion it is NOT_FOUND."""
    made = create(world, ada, "scorer", FIELDS, request_id="r")
    assert create(world, ada, "scorer", FIELDS, request_id="r") == made
    world.models.delete(ada, name("fraud/scorer"), etag="", validate_only=False)
    with pytest.raises(NotFoundError):
        create(world, ada, "scorer", FIELDS, request_id="r")
    create(world, ada, "scorer", FIELDS)
    with pytest.raises(NotFoundError, match="as this request created it"):
        create(world, ada, "scorer", FIELDS, request_id="r")


def test_a_repeat_returns_the_namespace_that_it_claimed(world: World, ada: Caller) -> None:
    """A repeat with one request_id never returns a later namespace of the same name."""

    def claim(request_id: str) -> str:
        given = {"description": "", "owner": "", "request_id": request_id}
        return world.namespaces.create(ada, "fresh", **given).uid

    made = claim("r")
    assert claim("r") == made
    fresh = NamespaceName(namespace="fresh")
    world.namespaces.delete(ada, fresh, etag="", validate_only=False)
    with pytest.raises(NotFoundError):
        claim("r")
    assert claim("") != made
    with pytest.raises(NotFoundError, match="as this request claimed it"):
        claim("r")


def test_racing_twins_make_one_model(world: World, ada: Caller) -> None:
    """Sixteen equal requests with one id create one model, and all get it."""

    def attempt(_: int) -> str:
        return create(world, ada, "scorer", request_id="r").uid

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(attempt, range(16)))) == 1


def test_of_racing_spellings_one_wins(world: World, ada: Caller) -> None:
    """Of sixteen names that are equal when folded one is created."""
    ids = ["".join(c.upper() if n >> i & 1 else c for i, c in enumerate("abcd")) for n in range(16)]

    def attempt(id: str) -> str:
        try:
            return create(world, ada, id).path
        except HallmarkError as error:
            return error.reason

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(attempt, ids)).count("ALREADY_EXISTS") == 15


def test_an_update_changes_what_the_mask_names(world: World, ada: Caller) -> None:
    """Only named fields change; "*" means all, so that what is left out becomes empty."""
    made = create(world, ada, "scorer", FIELDS)
    world.clock.advance(5)
    new = world.models.update(
        ada, name("fraud/scorer"), ModelFields(task="x", tags=("new",)), mask=["tags"], etag=""
    )
    assert new.fields == dataclasses.replace(FIELDS, tags=("new",))
    assert (new.update_time_us, new.etag != made.etag) == (made.update_time_us + 5, True)
    new = world.models.update(ada, name("fraud/scorer"), ModelFields(), mask=["*"], etag=new.etag)
    assert new.fields == ModelFields()
    for mask in ([], ["name"], ["tags", "*"]):
        with pytest.raises(InvalidFieldError, match="update_mask"):
            world.models.update(ada, name("fraud/scorer"), FIELDS, mask=mask, etag="")


def test_a_stale_etag_changes_nothing(world: World, ada: Caller) -> None:
    """Of sixteen racing conditional updates one is made, the others are ABORTED."""
    made = create(world, ada, "scorer")

    def attempt(number: int) -> bool:
        fields = ModelFields(task=str(number))
        try:
            world.models.update(ada, name("fraud/scorer"), fields, mask=["task"], etag=made.etag)
        except StaleEtagError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(attempt, range(16))) == 1


def test_filters_must_all_match(world: World, ada: Caller) -> None:
    """Each filter finds by its own rule, and several find what fits all of them."""
    create(world, ada, "Scorer", FIELDS)
    create(world, ada, "other", ModelFields(description="100% _plain_", tags=("eu",)))
    world.version("fraud/other", {"a.txt": b"a"})
    both = ["fraud/Scorer", "fraud/other"]
    assert paths(world, ada) == both
    found: list[tuple[ModelFilter, list[str]]] = [
        (ModelFilter(text="PAYMENTS"), both[:1]),
        (ModelFilter(text="scor"), both[:1]),
        (ModelFilter(text="100%"), both[1:]),
        (ModelFilter(text="_p"), both[1:]),
        (ModelFilter(text="1_0"), []),
        (ModelFilter(task="tabular-classification"), both[:1]),
        (ModelFilter(task="Tabular-Classification"), []),
        (ModelFilter(library="onnx"), both[:1]),
        (ModelFilter(license="apache-2.0"), both[:1]),
        (ModelFilter(tags=("eu",)), both),
        (ModelFilter(tags=("eu", "payments")), both[:1]),
        (ModelFilter(owner="ml-fraud"), both[:1]),
        (ModelFilter(state=VersionState.RELEASED), both[1:]),
        (ModelFilter(state=VersionState.YANKED), []),
        (ModelFilter(tags=("eu",), library="onnx", text="scores"), both[:1]),
    ]
    for where, expected in found:
        assert paths(world, ada, where) == expected, where
    with pytest.raises(TooLargeError):
        paths(world, ada, ModelFilter(text="x" * 201))


def test_lists_are_ordered_and_paged(world: World, ada: Caller) -> None:
    """In every order, in both directions, pages of any size hold each model once."""
    for number, id in enumerate(["b", "a", "c", "d"]):
        world.clock.advance(1)
        create(world, ada, id, namespace="vision" if id == "d" else "fraud")
        for liker in range(number // 2):
            world.usage.like(
                world.caller(f"{id}{liker}", grant(Role.READER)),
                name(f"{'vision' if id == 'd' else 'fraud'}/{id}"),
            )
    world.clock.advance(1)
    world.models.update(ada, name("fraud/b"), ModelFields(), mask=["*"], etag="")
    by_name = ["fraud/a", "fraud/b", "fraud/c", "vision/d"]
    expected = {
        "": by_name,
        "name": by_name,
        "name desc": by_name[::-1],
        "create_time": ["fraud/b", "fraud/a", "fraud/c", "vision/d"],
        "create_time desc": ["vision/d", "fraud/c", "fraud/a", "fraud/b"],
        "update_time": ["fraud/a", "fraud/c", "vision/d", "fraud/b"],
        "likes": ["fraud/a", "fraud/b", "fraud/c", "vision/d"],
        "likes desc": ["fraud/c", "vision/d", "fraud/a", "fraud/b"],
        "downloads desc": by_name,
    }
    for order_by, order in expected.items():
        for size in (1, 3, 4, 0):
            assert paths(world, ada, order_by=order_by, size=size) == order, (order_by, size)
    assert paths(world, ada, namespace="vision") == ["vision/d"]
    for order_by in ("Name", "name asc", "uid", "name desc desc", " name"):
        with pytest.raises(InvalidFieldError, match="order_by"):
            paths(world, ada, order_by=order_by)


def test_a_page_token_belongs_to_its_list(world: World, ada: Caller) -> None:
    """A token is refused with another filter, order or namespace, and when it is damaged."""
    for id in ("a", "b"):
        create(world, ada, id)
    token = world.models.list(ada, None, ModelFilter(), "", PageRequest(size=1)).next_page_token
    page = PageRequest(size=1, token=token)
    attempts: list[tuple[str | None, ModelFilter, str, PageRequest]] = [
        (None, ModelFilter(text="a"), "", page),
        (None, ModelFilter(), "name desc", page),
        ("fraud", ModelFilter(), "", page),
        (None, ModelFilter(), "", PageRequest(size=1, token=token[:-1])),
        (None, ModelFilter(), "", PageRequest(size=-1)),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidFieldError, match="page"):
            world.models.list(ada, *attempt)


@pytest.mark.slow
def test_pages_end_early_rather_than_grow_past_a_reply(world: World, ada: Caller) -> None:
    """Long descriptions in any script make pages shorter, and lose nothing."""
    for number in range(120):
        create(world, ada, f"m{number:03}", ModelFields(description="ß€" * 5000))
    page = world.models.list(ada, None, ModelFilter(), "", PageRequest(size=1000))
    assert 1 < len(page.items) < 120
    assert len(paths(world, ada, size=1000)) == 120


def test_a_list_over_all_shows_what_one_may_read(world: World, ada: Caller) -> None:
    """Over all namespaces one sees those one holds model.read on; asking for another is refused."""
    create(world, ada, "a")
    create(world, ada, "b", namespace="vision")
    bob = world.caller("bob", grant(Role.READER, "vis*"))
    nobody = world.caller("nobody")
    assert paths(world, bob) == ["vision/b"]
    assert paths(world, nobody) == []
    with pytest.raises(PermissionDeniedError):
        paths(world, bob, namespace="fraud")


def test_a_deleted_model_is_gone_and_its_name_free(world: World, ada: Caller) -> None:
    """After deletion the name can be used again: a new uid, and version numbers go on."""
    made = create(world, ada, "scorer")
    world.version("fraud/scorer", {"a.txt": b"a"})
    world.models.delete(ada, name("fraud/scorer"), etag=made.etag, validate_only=False)
    with pytest.raises(NotFoundError):
        world.models.get(ada, name("fraud/scorer"))
    again = create(world, ada, "scorer")
    assert again.uid != made.uid
    assert world.version("fraud/scorer", {"a.txt": b"a"}).number == 2
    query = EventQuery(namespace="fraud", resource=made.name)
    actions = [e.action for e in world.events.list(ada, query, "time", PageRequest()).items]
    assert actions == ["model.create", "model.delete", "model.create"]


def test_a_dry_deletion_deletes_nothing(world: World, ada: Caller) -> None:
    """validate_only checks all that a deletion checks, and changes nothing."""
    made = create(world, ada, "scorer")
    world.models.delete(ada, name("fraud/scorer"), etag="", validate_only=True)
    with pytest.raises(StaleEtagError):
        world.models.delete(ada, name("fraud/scorer"), etag="old", validate_only=True)
    with pytest.raises(NotFoundError):
        world.models.delete(ada, name("fraud/none"), etag="", validate_only=True)
    assert world.models.get(ada, name("fraud/scorer")) == made


@pytest.mark.parametrize("validate_only", [True, False])
def test_what_is_in_a_stage_stays(world: World, ada: Caller, validate_only: bool) -> None:
    """A model of which a version is in a stage cannot be deleted; the refusal names the stage."""
    made = create(world, ada, "scorer")
    version = world.version("fraud/scorer", {"a.txt": b"a"})
    period = StagePeriod(
        key=0,
        model="fraud/scorer",
        version_key=version.key,
        version_number=version.number,
        digest=version.digest,
        stage="production",
        start_time_us=1,
        end_time_us=None,
        promotion=None,
        mover="ada",
        note="",
        rollback=False,
        previous_number=None,
    )
    world.database.write(lambda tx: tx.stages.move(made.key, period))
    with pytest.raises(NotEmptyError, match="production"):
        world.models.delete(ada, name("fraud/scorer"), etag="", validate_only=validate_only)
    assert world.models.get(ada, name("fraud/scorer")).stages == (("production", 1),)
