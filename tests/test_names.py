"""Names and references: two laws, the alphabets' edges, reserved words."""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from registry.errors import InvalidFieldError
from registry.names import (
    DEFAULT_STAGES,
    HUBS,
    BranchName,
    CommitId,
    CommitName,
    EventName,
    ModelName,
    NamespaceName,
    PrincipalName,
    PromotionName,
    ReadinessName,
    Reference,
    ReferenceName,
    RefName,
    StageName,
    TokenName,
    UploadName,
    VersionDigest,
    VersionName,
    VersionNumber,
    WebhookDeliveryName,
    WebhookName,
    check_namespace,
    check_ref_name,
    check_stage,
    parse_selector,
)
from registry.names.rules import (
    COLLECTIONS,
    NUMBER_MAX,
    RESERVED_ANYWHERE,
    RESERVED_FIRST,
    check_model_path,
)

# --- Strategies ----------------------------------------------------------------------------------


def accepted_by(check: Callable[..., object]) -> Callable[[str], bool]:
    def accepts(text: str) -> bool:
        try:
            check(text)
        except InvalidFieldError:
            return False
        return True

    return accepts


ALNUM = string.ascii_letters + string.digits
LOWER = string.ascii_lowercase + string.digits

numbers = st.integers(min_value=1, max_value=NUMBER_MAX)
namespaces = st.from_regex(r"[a-z0-9][a-z0-9-]{1,62}", fullmatch=True).filter(
    accepted_by(check_namespace)
)
segments = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,30}", fullmatch=True).filter(
    lambda s: accepted_by(check_model_path)(f"fraud/{s}")
)
internal_paths = st.builds("{}/{}".format, namespaces, segments)
mirrored_paths = st.builds(
    lambda hub, rest: "/".join([hub, *rest]),
    st.sampled_from(sorted(HUBS)),
    st.lists(segments, min_size=1, max_size=6),
).filter(lambda path: len(path) <= 256)
models = st.builds(lambda path: ModelName(path=path), internal_paths | mirrored_paths)
ref_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", fullmatch=True).filter(
    accepted_by(check_ref_name)
)
stage_names = st.sampled_from(DEFAULT_STAGES) | st.from_regex(
    r"[a-z][a-z0-9-]{0,62}", fullmatch=True
).filter(accepted_by(check_stage))
commits = st.text("0123456789abcdef", min_size=40, max_size=40)
principals = st.builds(
    lambda principal: PrincipalName(principal=principal),
    st.from_regex(r"[a-z0-9][a-z0-9._@-]{0,127}", fullmatch=True),
)
tokens = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", fullmatch=True)

ids = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
webhooks = st.builds(lambda w: WebhookName(webhook=w), ids)

names = st.one_of(
    st.builds(lambda n: NamespaceName(namespace=n), namespaces),
    models,
    st.builds(lambda m, n: VersionName(model=m, number=n), models, numbers),
    st.builds(lambda m, c: CommitName(model=m, commit=c), models, commits),
    st.builds(
        lambda m, n, r: ReadinessName(version=VersionName(model=m, number=n), release=r),
        models,
        numbers,
        st.from_regex(r"[0-9]{2}\.(0[1-9]|1[0-2])", fullmatch=True),
    ),
    st.builds(lambda m, b: BranchName(model=m, branch=b), models, ref_names),
    st.builds(lambda m, r: ReferenceName(model=m, reference=r), models, ref_names),
    st.builds(lambda m, s: StageName(model=m, stage=s), models, stage_names),
    st.builds(lambda n: PromotionName(number=n), numbers),
    st.builds(
        lambda u: UploadName(upload=u), st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
    ),
    principals,
    st.builds(lambda p, t: TokenName(principal=p, token=t), principals, tokens),
    webhooks,
    st.builds(lambda w, d: WebhookDeliveryName(webhook=w, delivery=d), webhooks, ids),
    st.builds(lambda s, n: EventName(shard=s, number=n), st.integers(0, NUMBER_MAX), numbers),
)
commit_ids = st.text("0123456789abcdef", min_size=7, max_size=40).filter(
    lambda text: len(text) == 40 or not text.isdigit()
)
selectors = st.one_of(
    st.builds(lambda n: VersionNumber(number=n), numbers),
    st.builds(
        lambda d: VersionDigest(sha256=d), st.text("0123456789abcdef", min_size=64, max_size=64)
    ),
    st.builds(lambda c: CommitId(commit=c), commit_ids),
    st.builds(lambda r: RefName(name=r), ref_names | st.sampled_from(DEFAULT_STAGES)),
)
references = st.builds(lambda m, s: Reference(model=m, selector=s), models, selectors)

TYPES: list[Any] = [
    NamespaceName,
    ModelName,
    VersionName,
    ReadinessName,
    CommitName,
    BranchName,
    ReferenceName,
    StageName,
    PromotionName,
    UploadName,
    PrincipalName,
    TokenName,
    EventName,
    WebhookName,
    WebhookDeliveryName,
    Reference,
]

# --- Laws ----------------------------------------------------------------------------------------


@given(names)
def test_parsing_a_written_name_gives_the_name(name: Any) -> None:
    """`T.parse(str(name)) == name` for every kind of resource name."""
    assert type(name).parse(str(name)) == name


@given(references)
def test_parsing_a_written_reference_gives_the_reference(reference: Reference) -> None:
    """`Reference.parse(str(reference)) == reference`, whatever its selector."""
    assert Reference.parse(str(reference)) == reference
    assert parse_selector(str(reference.selector)) == reference.selector


@given(
    st.sampled_from(TYPES),
    st.one_of(
        st.text(max_size=80),
        st.builds(str, names),
        st.builds(str, references),
        st.builds("{}{}".format, st.builds(str, names), st.text("/@.:07aA \n", max_size=3)),
    ),
)
@example(VersionName, "models/fraud/scorer/versions/07")
@example(VersionName, "models/fraud/scorer/versions/\u0667")
@example(PromotionName, "promotions/+1")
@example(PromotionName, "promotions/1\n")
def test_a_text_that_parses_is_how_its_name_is_written(kind: Any, text: str) -> None:
    """`str(T.parse(text)) == text` for every text that parses: one spelling a name."""
    try:
        name = kind.parse(text)
    except InvalidFieldError:
        return
    assert str(name) == text


@given(names)
def test_a_name_belongs_to_one_kind(name: Any) -> None:
    """No text is the name of two kinds of resource, so a bare name says what it names."""
    kinds = [kind for kind in TYPES if kind is not Reference and accepted_by(kind.parse)(str(name))]
    assert kinds == [type(name)]


@given(ref_names, st.sampled_from(["models/{}/branches/x", "models/{}/versions/1"]))
def test_children_of_a_model_never_look_like_a_longer_model(ref: str, form: str) -> None:
    """A child's name is never the name of a mirrored model with more segments."""
    assert not accepted_by(ModelName.parse)(form.format(f"ngc/{ref}"))


def test_names_are_frozen_and_hashable() -> None:
    """A name cannot be changed, and equal names are one dictionary key."""
    name = VersionName.parse("models/fraud/scorer/versions/7")
    assert {name: 1}[VersionName.parse("models/fraud/scorer/versions/7")] == 1
    with pytest.raises(FrozenInstanceError):
        name.number = 8  # type: ignore[misc]


def test_a_constructor_checks_too() -> None:
    """No invalid instance can be made, by constructing or by replacing."""
    model = ModelName(path="fraud/scorer")
    with pytest.raises(InvalidFieldError, match="fraud"):
        replace(model, path="fraud/../scorer")
    with pytest.raises(InvalidFieldError, match="found 0"):
        VersionName(model=model, number=0)
    with pytest.raises(InvalidFieldError, match=str(NUMBER_MAX + 1)):
        PromotionName(number=NUMBER_MAX + 1)


# --- Models --------------------------------------------------------------------------------------


def test_a_model_knows_namespace_and_key() -> None:
    """An internal name is owned by its namespace and unique by its folded path."""
    model = ModelName.parse("models/fraud/Scorer-V2")
    assert (model.path, model.namespace) == ("fraud/Scorer-V2", "fraud")
    assert model.folded == ModelName.parse("models/fraud/scorer-v2").folded
    assert not model.is_mirrored


@pytest.mark.parametrize(
    "path",
    [
        "huggingface/BAAI/bge-small-en-v1.5",
        "huggingface/gpt2",
        "ngc/nvidia/tao/peoplenet",
        "ollama/library/llama3",
        "kaggle/a/b/c/d/e/f",
        "azure/_private",
        "vertex/publishers/google/models/gemma",
    ],
)
def test_mirrored_names_keep_the_upstream_id(path: str) -> None:
    """A hub's name is followed by 1-6 segments of upstream id, case kept."""
    model = ModelName.parse(f"models/{path}")
    assert model.path == path
    assert model.is_mirrored
    assert model.namespace in HUBS


def test_there_are_fourteen_hubs() -> None:
    """Every bridge's hub has its reserved namespace."""
    assert len(HUBS) == 14


@pytest.mark.parametrize("word", sorted(HUBS | RESERVED_FIRST | RESERVED_ANYWHERE | COLLECTIONS))
def test_reserved_words_cannot_be_claimed(word: str) -> None:
    """A namespace is neither a hub nor a word of the routes."""
    with pytest.raises(InvalidFieldError, match=f"'{word}'|2-63"):
        NamespaceName.parse(f"namespaces/{word}")


@pytest.mark.parametrize("word", sorted(RESERVED_ANYWHERE | COLLECTIONS))
@pytest.mark.parametrize("form", ["fraud/{}", "ngc/{}", "ngc/nvidia/{}/x"])
def test_words_of_routes_are_reserved_in_any_segment(word: str, form: str) -> None:
    """The words that end a model's path stand nowhere within one, in any case."""
    for spelling in (word, word.upper(), word.capitalize()):
        with pytest.raises(InvalidFieldError, match=spelling):
            ModelName.parse("models/" + form.format(spelling))
    assert accepted_by(check_model_path)(form.format(f"{word}-1"))


@pytest.mark.parametrize(
    "path",
    [
        "ab/" + "x" * 128,
        "a" * 63 + "/x",
        "huggingface/" + "/".join(["x" * 100, "y" * 100, "z" * 42]),
    ],
)
def test_names_at_their_bounds_are_accepted_and_one_more_is_not(path: str) -> None:
    """Segments have at most 128 characters, namespaces 63, whole paths 256."""
    assert check_model_path(path) == path
    longer = f"a{path}" if path.startswith("aaa") else f"{path}z"
    assert not accepted_by(check_model_path)(longer)


@pytest.mark.parametrize(
    "path", ["a1", "fraud", "a/b/c", "huggingface", "ngc/1/2/3/4/5/6/7", "a1/"]
)
def test_the_number_of_segments_is_fixed(path: str) -> None:
    """Internal names have two segments, mirrored ones two to seven; the error counts them."""
    with pytest.raises(InvalidFieldError) as caught:
        ModelName.parse(f"models/{path}")
    assert path in str(caught.value) or "nothing" in str(caught.value)


# --- References ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("7", VersionNumber(number=7)),
        ("1234567", VersionNumber(number=1234567)),
        ("1" * 40, CommitId(commit="1" * 40)),
        ("deadbee", CommitId(commit="deadbee")),
        ("123456a", CommitId(commit="123456a")),
        ("deadbe", RefName(name="deadbe")),
        ("production", RefName(name="production")),
        ("v1.5_rc-2", RefName(name="v1.5_rc-2")),
        ("sha256:" + "0" * 64, VersionDigest(sha256="0" * 64)),
    ],
)
def test_a_selector_is_understood_in_one_way(text: str, selector: object) -> None:
    """Number, digest, commit and name are told apart by their form alone."""
    assert parse_selector(text) == selector
    assert Reference.parse(f"fraud/scorer@{text}").selector == selector


def test_a_commit_knows_whether_it_is_whole() -> None:
    """40 digits are a commit, fewer the beginning of one."""
    assert CommitId(commit="a" * 40).is_whole
    assert not CommitId(commit="a" * 39).is_whole
    with pytest.raises(InvalidFieldError, match="digits alone are a version number"):
        CommitId(commit="1234567")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "007",
        "-1",
        "+1",
        "1.",
        "1e3x..",
        "9" * 16,
        "9" * 17,
        "9" * 39,
        "9" * 41,
        "\u0667",
        "\u00b2",
        "DEADBEEF",
        "f" * 41,
        "f" * 64,
        "sha256:",
        "sha256:" + "f" * 63,
        "sha256:" + "f" * 65,
        "sha256:" + "F" * 64,
        "sha256:" + "g" * 64,
        "SHA256:" + "f" * 64,
        "md5:" + "f" * 32,
        "sha256:" + "f" * 64 + "\n",
        "main@1",
        "main/1",
        "a..b",
        "main.lock",
        "main.LOCK",
        "main.",
        ".main",
        "-main",
        "_main",
        "nul",
        "Com1.x",
        "x" * 129,
        "main ",
        "main\n",
        "ma\u0000in",
        "m\u0430in",
    ],
)
def test_a_wrong_selector_is_refused(text: str) -> None:
    """What is neither number, digest, commit nor name is refused with its reason."""
    with pytest.raises(InvalidFieldError) as caught:
        Reference.parse(f"fraud/scorer@{text}", field="reference.text")
    assert caught.value.field == "reference.text"


@pytest.mark.parametrize(
    "text", ["fraud/scorer", "fraud@7", "@7", "models/fraud/scorer@7", "7", ""]
)
def test_a_reference_needs_model_and_selector(text: str) -> None:
    """A reference without a model, without `@` or with the prefix is refused."""
    with pytest.raises(InvalidFieldError):
        Reference.parse(text)


@pytest.mark.parametrize("stage", DEFAULT_STAGES)
def test_nothing_else_is_named_like_a_stage(stage: str) -> None:
    """Branches and references named like a stage are refused in any case; looking up is allowed."""
    for spelling in (stage, stage.upper(), stage.title()):
        for kind, collection in ((BranchName, "branches"), (ReferenceName, "references")):
            text = f"models/fraud/scorer/{collection}/{spelling}"
            with pytest.raises(InvalidFieldError, match="hallmark promote"):
                kind.parse(text)
            assert str(kind.parse(text, stages=())) == text
    assert Reference.parse(f"fraud/scorer@{stage}").selector == RefName(name=stage)


def test_the_policys_stages_take_the_place_of_the_usual_ones() -> None:
    """Which names are stages is the caller's list, compared without case."""
    assert check_ref_name("staging", stages=("Canary",)) == "staging"
    with pytest.raises(InvalidFieldError, match="no stage \\(Canary\\)"):
        check_ref_name("cANARY", stages=("Canary",))


@given(st.text(ALNUM + "._-", min_size=1, max_size=12))
def test_ref_names_follow_their_rule(text: str) -> None:
    """A name is accepted exactly where the written rule says so."""
    stem = text.split(".")[0].upper()
    refused = (
        not text[0].isalnum()
        or ".." in text
        or text.endswith(".")
        or text.lower().endswith(".lock")
        or text.isdigit()
        or (len(text) >= 7 and all(c in string.hexdigits for c in text))
        or text.lower() in DEFAULT_STAGES
        or stem in {"CON", "PRN", "AUX", "NUL"}
        or (len(stem) == 4 and stem[:3] in {"COM", "LPT"} and stem[3].isdigit())
    )
    assert accepted_by(check_ref_name)(text) is not refused


@pytest.mark.parametrize(
    ("kind", "text", "form"),
    [
        (NamespaceName, "fraud", "namespaces/<namespace>"),
        (ModelName, "fraud/scorer", "models/<namespace>/<name>"),
        (VersionName, "models/fraud/scorer", "models/<model>/versions/<number>"),
        (VersionName, "fraud/scorer/versions/7", "models/<namespace>/<name>"),
        (CommitName, "models/a1/b/versions/7", "models/<model>/commits/<40 hex digits>"),
        (ReadinessName, "models/a1/b/versions/7/readiness/25.13", "such as 25.10"),
        (ReadinessName, "models/a1/b/versions/7", "versions/<number>/readiness/<release>"),
        (TokenName, "principals/a", "principals/<principal>/tokens/<token>"),
        (EventName, "events/1", "shards/<shard>/events/<number>"),
        (EventName, "x/1/events/1", "shards/<shard>"),
        (PromotionName, "promotions", "promotions/<number>"),
        (UploadName, "", "uploads/<upload>"),
    ],
)
def test_a_name_of_another_shape_is_answered_with_the_right_one(
    kind: Any, text: str, form: str
) -> None:
    """Where the collections are wrong, the error shows the whole form that was expected."""
    with pytest.raises(InvalidFieldError) as caught:
        kind.parse(text, field="parent")
    assert form in caught.value.expected
    assert caught.value.field == "parent"
