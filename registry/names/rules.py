"""What a name may look like, piece by piece. Each rule returns the text or raises.

All names are ASCII. The error shows the text found, and the first foreign character by its code
point, since a Cyrillic U+0430 looks like an `a` on the screen of whoever has to mend it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from registry.names.text import codepoint, invalid, is_device_name, show

#: First segments of mirrored models. Nobody may claim them as a namespace.
HUBS = frozenset(
    {"huggingface", "kaggle", "tfhub", "pytorch", "onnx", "ngc", "replicate"}
    | {"ollama", "modelscope", "civitai", "vertex", "jumpstart", "bedrock", "azure"}
)
#: Words that the HTTP origin needs as first segment of its own routes.
RESERVED_FIRST = frozenset(
    {"v1", "v2", "api", "openapi", "xet", "models", "datasets", "spaces"}
    | {"oauth", "login", "static", "dl", "ui", "hallmark"}
)
#: Words by which the doors' routes find the end of a model's path.
RESERVED_ANYWHERE = frozenset(
    {"versions", "resolve", "tree", "blob", "commit", "manifests", "blobs", "tags", "referrers"}
)
#: Children of a model. As segments of a mirrored path they would make `models/ngc/a/branches/b`
#: the name of two things.
COLLECTIONS = frozenset({"versions", "branches", "commits", "references", "stages"})

EXCLUSIVE_STAGES = ("staging", "production")
LABEL_STAGES = ("development", "archived")
DEFAULT_STAGES = EXCLUSIVE_STAGES + LABEL_STAGES

MODEL_PATH_MAX = 256
MIRRORED_SEGMENTS_MAX = 7
#: The largest whole number that every JSON reader holds exactly.
NUMBER_MAX = 2**53 - 1

_TAKEN_ANYWHERE = RESERVED_ANYWHERE | COLLECTIONS

_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_STAGE = re.compile(r"[a-z][a-z0-9-]{0,62}")
_PRINCIPAL = re.compile(r"[a-z0-9][a-z0-9._@-]{0,127}")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_UPLOAD = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TRITON_RELEASE = re.compile(r"[0-9]{2}\.(0[1-9]|1[0-2])")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
_DIGITS = re.compile(r"[0-9]+")
_LIKE_COMMIT = re.compile(r"[0-9A-Fa-f]{7,}")
_FOREIGN = re.compile(r"[^A-Za-z0-9._@/-]")


def check_namespace(text: str, *, field: str = "namespace") -> str:
    """The text, if a namespace of this name may be claimed; hubs and reserved words may not."""
    expected = "2-63 of a-z, 0-9 and '-', beginning with a letter or digit"
    _check_form(text, _NAMESPACE, expected, field)
    _check_traps(text, field)
    if text in HUBS:
        raise invalid(
            field,
            show(text),
            "a namespace that is not the name of a hub",
            "Models below it come from that hub's mirror; choose another namespace.",
        )
    if text in RESERVED_FIRST:
        expected = "a namespace that is no reserved word"
        raise invalid(field, show(text), expected, "Choose another namespace.")
    _check_not_taken(text, field)
    return text


@lru_cache(maxsize=4096)
def check_model_path(path: str, *, field: str = "model") -> str:
    """The path, if a model may bear it.

    Internal: `<namespace>/<name>`. Mirrored: a hub's name and 1-6 segments, case kept. At most
    256 characters. Of two paths that are equal when case-folded only one can exist.
    """
    if len(path) > MODEL_PATH_MAX:
        found = f"{len(path)} characters, {show(path)}"
        raise invalid(field, found, f"at most {MODEL_PATH_MAX} characters", "Shorten the name.")
    first, *rest = path.split("/")
    if first in HUBS:
        least, most = 2, MIRRORED_SEGMENTS_MAX
        form = f"<hub>/<upstream id>, 2-{most} segments like huggingface/BAAI/bge-small-en-v1.5"
    else:
        least = most = 2
        form = "<namespace>/<name>, two segments like fraud/scorer"
    if not least <= 1 + len(rest) <= most:
        found = f"{1 + len(rest)} segment{'s' if rest else ''} in {show(path)}"
        raise invalid(field, found, form, "Write the model's name in this form.")
    if first not in HUBS:
        check_namespace(first, field=field)
    for segment in rest:
        _check_segment(segment, field)
    return path


def check_ref_name(
    text: str, *, stages: Collection[str] = DEFAULT_STAGES, field: str = "reference"
) -> str:
    """The text, if an alias, branch or tag may be named so.

    `stages` are the stage names of the policy, which only promotions move; with `stages=()` the
    form alone is judged, which is right for a name that is looked up and wrong for a new one.
    """
    expected = "1-128 letters, digits, '.', '_' or '-' of ASCII, beginning with a letter or digit"
    _check_form(text, _REF, expected, field)
    _check_traps(text, field)
    folded = text.casefold()
    if folded.endswith(".lock"):
        raise invalid(field, show(text), "a name that does not end in .lock", "Drop the ending.")
    if _DIGITS.fullmatch(text):
        fix = "Digits alone mean a version number; put a letter before them."
        raise invalid(field, show(text), "a name of more than digits", fix)
    if _LIKE_COMMIT.fullmatch(text):
        fix = "7 or more of 0-9 and a-f mean a commit; add '-' or another letter."
        raise invalid(field, show(text), "a name that cannot be taken for a commit", fix)
    if folded in {stage.casefold() for stage in stages}:
        expected = f"a name that is no stage ({', '.join(stages)})"
        fix = "Stages move by promotion only (hallmark promote); choose another name here."
        raise invalid(field, show(text), expected, fix)
    return text


def check_stage(text: str, *, field: str = "stage") -> str:
    """The text, if it has the form of a stage's name; which stages there are, the policy says."""
    _check_form(text, _STAGE, "1-63 of a-z, 0-9 and '-', beginning with a letter", field)
    return check_ref_name(text, stages=(), field=field)


def check_principal(text: str, *, field: str = "principal") -> str:
    """The text, if a person or robot may be known by it."""
    expected = "1-128 of a-z, 0-9, '.', '_', '@' and '-', beginning with a letter or digit"
    return _check_form(text, _PRINCIPAL, expected, field)


def check_token(text: str, *, field: str = "token") -> str:
    """The text, if it has the form of a token's id (never of its secret)."""
    expected = "1-128 letters, digits, '_' or '-' of ASCII, beginning with a letter or digit"
    return _check_form(text, _TOKEN, expected, field)


def check_upload(text: str, *, field: str = "upload") -> str:
    """The text, if it has the form of an upload session's id.

    63 characters, because a staging key of the blob store is it, a '-' and a sha256.
    """
    expected = "1-63 of a-z, 0-9 and '-', beginning with a letter or digit"
    return _check_form(text, _UPLOAD, expected, field)


def check_commit(text: str, *, field: str = "commit") -> str:
    """The text, if it is a whole commit id: 40 lower-case hex digits."""
    if not _COMMIT.fullmatch(text):
        found = f"{len(text)} characters, {show(text)}"
        raise invalid(field, found, "40 hex digits in lower case", "Give the whole commit id.")
    return text


def check_sha256(text: str, *, field: str = "sha256") -> str:
    """The text, if it is a sha256: 64 lower-case hex digits."""
    if not _SHA256.fullmatch(text):
        found = f"{len(text)} characters, {show(text)}"
        fix = "Give the sha256 as sha256sum prints it."
        raise invalid(field, found, "64 hex digits in lower case", fix)
    return text


def check_number(number: int, *, least: int = 1, field: str = "number") -> int:
    """The number, if it can count something: `least` to 2**53 - 1."""
    if not least <= number <= NUMBER_MAX:
        expected = f"a number from {least} to {NUMBER_MAX}"
        raise invalid(field, str(number), expected, "Give a number that a listing shows.")
    return number


def parse_number(text: str, *, least: int = 1, field: str = "number") -> int:
    """The number, if it is spelled as `str` spells it: ASCII digits, no sign, no leading zero."""
    if not _NUMBER.fullmatch(text):
        expected = f"a number from {least} to {NUMBER_MAX} in plain digits, without leading zero"
        raise invalid(field, show(text), expected, "Write it like 7.")
    return check_number(int(text), least=least, field=field)


def check_triton_release(text: str, *, field: str = "release") -> str:
    """The release, if it is a year and a month such as 25.10. Whether there is one, others know."""
    return _check_form(text, _TRITON_RELEASE, "a release of Triton, such as 25.10", field)


def _check_form(text: str, rule: re.Pattern[str], expected: str, field: str) -> str:
    if rule.fullmatch(text):
        return text
    found = show(text) if text else "nothing"
    if foreign := _FOREIGN.search(text):
        found += f" with {codepoint(foreign[0])} as character {foreign.start() + 1}"
    raise invalid(field, found, expected, "Choose a name that follows this rule.")


def _check_segment(segment: str, field: str) -> None:
    expected = "1-128 letters, digits, '.', '_' or '-' of ASCII, not beginning with '.' or '-'"
    _check_form(segment, _SEGMENT, expected, field)
    _check_traps(segment, field)
    _check_not_taken(segment, field)


def _check_traps(text: str, field: str) -> None:
    """Refuse what the alphabets allow and some file system or tool reads as something else."""
    if ".." in text:
        raise invalid(field, show(text), "a name without '..'", "Use single dots.")
    if text.endswith("."):
        fix = "Drop that dot; Windows would do so silently."
        raise invalid(field, show(text), "a name that does not end in a dot", fix)
    if is_device_name(text):
        fix = "Change what stands before the first dot; Windows cannot make such a folder."
        raise invalid(field, show(text), "a name that is no Windows device such as NUL", fix)


def _check_not_taken(segment: str, field: str) -> None:
    # Folded, because the OCI door spells every name in lower case.
    if segment.casefold() in _TAKEN_ANYWHERE:
        expected = f"a word other than {', '.join(sorted(_TAKEN_ANYWHERE))}"
        fix = "These words are reserved in every part of a name; choose another."
        raise invalid(field, show(segment), expected, fix)
