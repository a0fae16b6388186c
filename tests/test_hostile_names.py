"""A table of hostile spellings: no name or reference takes any of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.errors import InvalidFieldError
from registry.names import (
    BranchName,
    CommitName,
    EventName,
    ModelName,
    NamespaceName,
    PrincipalName,
    PromotionName,
    ReadinessName,
    Reference,
    ReferenceName,
    StageName,
    TokenName,
    UploadName,
    check_namespace,
    check_principal,
    check_sha256,
)

STRANGE = [
    *map(chr, range(0x21)),
    "\x7f",
    "\x85",
    "\xa0",
    "\xad",
    *"\u0301\u034f\u061c\u115f\u180e\u2000\u200b\u200d\u200e\u2028\u202a\u202e\u2066\u2069",
    *"\u2800\u3000\u3164\ufeff\ufe0f\ufffd\uffff\ud800\udfff\ue000\U000e0001\U0010ffff",
    *"\u0430\u0435\u03bf\u0131\u017f\u212a\uff0e\uff0f\uff3c\u2215\u2044\u2024\u2025\uff41\u0660",
    *"\\:*?<>|\"'`$%&!#+,;=()[]{}^~",
]
WHOLE = [
    *("..", ".", "...", "a..b", "a.", "-a", "-", "--", "a/../b", "a/./b", "/a", "a/", "//", "a//b"),
    *("con", "CON.txt", "nul", "aux.tar", "prn", "com1", "COM9.x", "lpt1", "COM\u00b9", "lpt0.a.b"),
    *(
        "%2e%2e",
        "..%2f",
        "..\\..",
        "C:",
        "C:\\x",
        "\\\\host\\share",
        "~root",
        "$(id)",
        "a;b",
        "a b",
    ),
    *(
        "",
        " ",
        " a",
        "a ",
        "a\n",
        "a\r\nb: c",
        "\u0000",
        "e\u0301",
        "x" * 257,
        "x" * 5000,
        "\ud800",
    ),
]
HOSTILE = sorted(
    {spelled for c in STRANGE for spelled in (f"{c}ab", f"a{c}b", f"ab{c}")} | set(WHOLE)
)


def test_the_hostile_table_is_long() -> None:
    """The table below is worth its name."""
    assert len(HOSTILE) >= 300


@pytest.mark.parametrize(
    "parse",
    [
        pytest.param(lambda text: ModelName.parse(f"models/fraud/{text}"), id="model"),
        pytest.param(lambda text: ModelName.parse(f"models/ngc/{text}/x"), id="mirrored"),
        pytest.param(lambda text: ModelName.parse(f"models/{text}/x"), id="first segment"),
        pytest.param(lambda text: NamespaceName.parse(f"namespaces/{text}"), id="namespace"),
        pytest.param(lambda text: BranchName.parse(f"models/a1/b/branches/{text}"), id="branch"),
        pytest.param(
            lambda text: ReferenceName.parse(f"models/a1/b/references/{text}"), id="reference"
        ),
        pytest.param(lambda text: StageName.parse(f"models/a1/b/stages/{text}"), id="stage"),
        pytest.param(lambda text: Reference.parse(f"a1/b@{text}", field="name"), id="selector"),
    ],
)
def test_hostile_names_are_refused(parse: Callable[[str], object]) -> None:
    """No hostile spelling is accepted anywhere, and each refusal is complete and safe to print."""
    for text in HOSTILE:
        with pytest.raises(InvalidFieldError) as caught:
            parse(text)
        assert_complete(caught.value, field="name")


@pytest.mark.parametrize(
    ("parse", "form"),
    [
        (PrincipalName.parse, "principals/a{}b"),
        (TokenName.parse, "principals/a/tokens/a{}b"),
        (UploadName.parse, "uploads/a{}b"),
        (PromotionName.parse, "promotions/1{}"),
        (EventName.parse, "shards/{}1/events/1"),
        (ReadinessName.parse, "models/a1/b/versions/7/readiness/25.1{}"),
        (CommitName.parse, "models/a1/b/commits/" + "a" * 39 + "{}"),
        (check_principal, "a{}"),
        (check_sha256, "a" * 63 + "{}"),
    ],
)
def test_hostile_ids_are_refused(parse: Callable[..., object], form: str) -> None:
    """Principals, tokens, uploads, digests and numbers take no strange character either."""
    for character in STRANGE:
        with pytest.raises(InvalidFieldError) as caught:
            parse(form.format(character), field="name")
        assert_complete(caught.value, field="name")


def assert_complete(error: InvalidFieldError, *, field: str) -> None:
    """The message holds field, found, expected and fix, and nothing that cannot be seen."""
    message = str(error)
    assert error.field == field
    assert min(len(error.found), len(error.expected), len(error.fix)) > 0
    assert all(part in message for part in (field, error.found, error.expected, error.fix))
    assert error.fix.endswith(".")
    assert message.isprintable()
    assert len(message) < 1000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fr\u0430ud", "U+0430 CYRILLIC SMALL LETTER A as character 3"),
        ("fra\u0000ud", "'fra<U+0000>ud' with U+0000 as character 4"),
        ("fra\u202eud", "<U+202E>"),
        ("e\u0301t", "U+0301 COMBINING ACUTE ACCENT"),
    ],
)
def test_the_foreign_character_is_named(text: str, shown: str) -> None:
    """A refusal names the first foreign character by its code point, since the eye cannot."""
    with pytest.raises(InvalidFieldError) as caught:
        check_namespace(text)
    assert shown in caught.value.found
