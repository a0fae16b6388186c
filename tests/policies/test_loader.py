"""Reading policy files: whatever is wrong is told, with file, line and rule."""

from __future__ import annotations

import pytest

from registry.formats.yaml_lines import BYTES_MAX, UnreadableError, read_yaml
from registry.policies.google import GoogleEngine
from registry.policies.loader import FILES, PolicyFilesError, failed_examples, load
from registry.testing.policies import shipped, shipped_files

pytestmark = pytest.mark.usefixtures("policy_files_read_once")


ENGINE = GoogleEngine()


def problems(files: dict[str, bytes]) -> list[str]:
    with pytest.raises(PolicyFilesError) as wrong:
        load(files, ENGINE)
    return [str(each) for each in wrong.value.problems]


CHANGES = {
    "an unknown key": (
        "fetch.yaml",
        '  require: "version.state',
        '  reqire: "x"\n  require: "version.state',
        "rule RELEASED: no such key 'reqire'",
    ),
    "an unknown key at the top": ("fetch.yaml", "gate: fetch", "gate: fetch\nrule: []", "'rule'"),
    "a key twice": ("fetch.yaml", "gate: fetch", "gate: fetch\ngate: fetch", "twice"),
    "another gate's name": ("fetch.yaml", "gate: fetch", "gate: promote", "gate: expected fetch"),
    "an anchor": ("fetch.yaml", "gate: fetch", "gate: &a fetch", "anchor"),
    "a tag": ("fetch.yaml", "gate: fetch", "gate: !!str fetch", "tag"),
    "a tab": ("fetch.yaml", "  require:", "\trequire:", ": found character '\\t' that cannot"),
    "a directive": ("fetch.yaml", "gate: fetch", "%YAML 1.1\n---\ngate: fetch", "directive"),
    "a second document": ("fetch.yaml", "tests:", "---\ntests:", "second document"),
    "a rule twice": ("promote.yaml", "- id: SOD-1", "- id: VETTED", "taken"),
    "an id in another form": ("promote.yaml", "- id: SOD-1", "- id: sod 1", "such as SOD-1"),
    "an unknown name": ("promote.yaml", '"own.size() == 0"', '"owned.size() == 0"', "'owned'"),
    "a syntax error": ("promote.yaml", '"own.size() == 0"', '"own.size( == 0"', "Syntax error"),
    "a null": ("promote.yaml", '"own.size() == 0"', '"own == null"', "`null`"),
    "a protobuf type": ("promote.yaml", '"own.size() == 0"', '"google.x.Y{} == own"', "`google`"),
    "an unknown placeholder": (
        "promote.yaml",
        '"{own} registered',
        '"{nobody} registered',
        "'nobody'",
    ),
    "half a brace": ("promote.yaml", '"{own} registered', '"{own registered', "other half"),
    "a fix without a command": (
        "promote.yaml",
        (
            "Ask again then: hallmark promote {version.ref} {target.stage}; or ask for a waiver: "
            "hallmark waiver request FREEZE {version.ref} --stage {target.stage} --reason WHY"
        ),
        "Wait.",
        "expected to end in a command",
    ),
    "a let with a taken name": ("promote.yaml", '  hands: "', '  version: "', "free name"),
    "a let used before it is there": (
        "promote.yaml",
        '  hands: "version.contributors + [request.requester]"',
        '  hands: "live"',
        "'live'",
    ),
    "waits as a word": ("promote.yaml", "  waits: true", "  waits: yes", "true or false"),
    "a waiver where none is known": (
        "delete.yaml",
        "- id: SERVED\n",
        "- id: SERVED\n  waivable: true\n",
        "nothing is waived at gate delete",
    ),
    "a test of an unknown rule": (
        "promote.yaml",
        "refused: [VETTED]",
        "refused: [NOPE]",
        "of CARD-1",
    ),
    "a test that expects nothing": ("promote.yaml", "  refused: [VETTED]\n", "", "expected either"),
    "an unknown base": ("release.yaml", "base: mirrored", "base: elsewhere", "internal, mirrored"),
    "an unknown setting": ("settings.yaml", "custom: {}", "custom: {}\nnew: 1", "no such setting"),
    "a setting that is missing": ("settings.yaml", "custom: {}", "", "missing"),
    "a duration in days": ("settings.yaml", "336h", "14d", "whole hours"),
    "a freeze without an offset": (
        "settings.yaml",
        "freezes: []",
        'freezes: [{start: "2026-12-20", end: "2027-01-04T00:00:00Z", stages: [], reason: x}]',
        "a time such as",
    ),
    "a null in a setting": (
        "settings.yaml",
        "custom: {}",
        "custom: {a: [{b: null}]}",
        "found null",
    ),
    "a stage twice": ("settings.yaml", "[staging, production]", "[staging, staging]", "once"),
    "a quoted number": ("settings.yaml", "approvals: 2", 'approvals: "2"', "whole number"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_mistakes_are_told(what: str) -> None:
    """Each mistake is refused in words that name it, and where it is."""
    file, old, new, expected = CHANGES[what]
    text = shipped_files()[file].decode()
    assert old in text
    told = problems(shipped_files() | {file: text.replace(old, new, 1).encode()})
    found = [each for each in told if expected in each]
    assert found, told
    line = int(found[0].split(":")[1]) if found[0].split(":")[1].isdecimal() else 0
    assert found[0].startswith(f"{file}:{line}:")


def test_all_files_are_needed() -> None:
    """A file that is missing and one that nobody knows are both told."""
    files = dict(shipped_files())
    files["promotee.yaml"] = files.pop("promote.yaml")
    told = problems(files)
    assert any(each.startswith("promote.yaml: missing") for each in told)
    assert any(each.startswith("promotee.yaml: no such file") for each in told)
    assert len(problems({})) >= len(FILES)


def test_a_rule_needs_an_example() -> None:
    """A rule that no example refuses is no rule of a set."""
    text = shipped_files()["delete.yaml"].decode().replace("refused: [PROTECTED]", "accepted: true")
    told = problems(shipped_files() | {"delete.yaml": text.encode()})
    assert any("rule PROTECTED: no test in which it refuses" in each for each in told)


def test_all_problems_are_told_together() -> None:
    """Mistakes of several files are told at once."""
    fetch = shipped_files()["fetch.yaml"].decode().replace("gate: fetch", "gate: fetched")
    delete = shipped_files()["delete.yaml"].decode().replace("model.stages.size()", "models.size()")
    told = problems(
        shipped_files() | {"fetch.yaml": fetch.encode(), "delete.yaml": delete.encode()}
    )
    assert {each.partition(":")[0] for each in told} == {"fetch.yaml", "delete.yaml"}


BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b]\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (BOMB, "anchor"),
        (b"a: \xff", "UTF-8"),
        (b"[" * 100_000, "nesting"),
        (b"a: 1\n" + b"#" * BYTES_MAX, "bytes"),
        (b"? [a]\n: b", "list or map as key"),
        (b"a: 'x", "found"),
        (rb'a: "\ud800"', "surrogate"),
        (rb'"\0": b', "NUL"),
        (b"a:\n\t- b", "found"),
        (rb'a: "\e[8mhidden"', r"U\+001B"),
        (rb'"a\u202e": b', r"U\+202E RIGHT"),
        (rb'a: "\x9b8m"', r"U\+009B"),
        ("a: 'b\u200b'".encode(), r"U\+200B ZERO"),
    ],
)
def test_hostile_yaml_is_refused(data: bytes, expected: str) -> None:
    """Bombs, broken text and odd keys end the reading at once."""
    with pytest.raises(UnreadableError, match=expected):
        read_yaml(data)


def test_words_are_words() -> None:
    """`no` is a word, dates are text, and numbers are numbers."""
    document = read_yaml(b"a: no\nb: 2026-01-01\nc: 12\nd: 1.5\ne: true\nf:\ng: '1'\n")
    values = ["no", "2026-01-01", 12, 1.5, True, None, "1"]
    assert list(document.value.values()) == values
    assert document.line("d") == 4


def test_comments_and_examples_change_no_digest() -> None:
    """What decides makes the digest, and nothing else."""
    before = shipped().policy.digest
    text = shipped_files()["fetch.yaml"].decode()
    noted = f"# more\n{text}".replace("one that was recalled", "recalled")
    assert load(shipped_files() | {"fetch.yaml": noted.encode()}, ENGINE).policy.digest == before
    given = f"given: {{model: {{latest_version: 8}}}}\n{text}".encode()
    assert load(shipped_files() | {"fetch.yaml": given}, ENGINE).policy.digest == before
    other = text.replace("expected RELEASED", "but RELEASED is expected")
    assert load(shipped_files() | {"fetch.yaml": other.encode()}, ENGINE).policy.digest != before


def test_a_wrong_example_is_told() -> None:
    """An example that is answered otherwise is told with its line, and what was answered."""
    text = shipped_files()["fetch.yaml"].decode()
    wrong = text.replace(
        "- name: one in quarantine\n", "- name: one in quarantine\n  base: mirrored\n"
    )
    wrong = wrong.replace(
        "{state: QUARANTINED}}\n  refused: [RELEASED]", "{}}\n  refused: [RELEASED]", 1
    )
    (told,) = failed_examples(load(shipped_files() | {"fetch.yaml": wrong.encode()}, ENGINE))
    assert "test 'one in quarantine': RELEASED does not refuse it" in str(told)


def test_an_example_of_a_field_that_is_not_there_is_told() -> None:
    """A misspelt field in an example is no silent success."""
    text = shipped_files()["fetch.yaml"].decode().replace("{state: QUARANTINED}", "{stat: x}")
    (told,) = failed_examples(load(shipped_files() | {"fetch.yaml": text.encode()}, ENGINE))
    assert "there is no version.stat" in str(told)
