"""Which models a version's files hold, and what Triton's model folder of each would be.

Triton takes a folder of models, each a folder with config.pbtxt and a folder for each version of
the model, named by its number. A version of Hallmark may be that, one such model, or nothing but a
model's file, with or without a config.pbtxt. All of them become a `Place`, which tells of the files
as Triton would find them, so that no rule needs to know which of these it was.

Sources: server/docs/user_guide/model_repository.md; core/src/model_lifecycle.cc `VersionsToLoad`;
core/src/model_config_utils.cc `AutoCompleteBackendFields` and core/src/constants.h for the names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from registry.domain.readiness import Point, Weight
from registry.formats.look import Rule, quoted
from registry.serving.points import point, some_of

CONFIG_NAME = "config.pbtxt"

HOLDS_MODEL = Rule(
    "REPO-1",
    "A version holds a model's file, or model folders with config.pbtxt.",
    "Push the model's file, such as model.onnx, or its folder for Triton.",
)
ONE_MODEL_FILE = Rule(
    "REPO-2",
    "One file is the model, and the others belong to it.",
    "Name the one to serve model.onnx, or say default_model_filename in a config.pbtxt.",
)
VERSION_NAMES = Rule(
    "REPO-3",
    "Folders of a model's versions are named by a number without leading zeros.",
    "Name the folder by its number, such as 1.",
)
OWN_NAMES = Rule(
    "REPO-4",
    "No two models of a repository have one name.",
    "Give one of them another folder name, or push them as two versions.",
)
NOT_STRAY = Rule(
    "REPO-5",
    "Files of models are in the folder of a version.",
    "Move the file into the folder of a version, such as 1, or remove it.",
)
RULES = (HOLDS_MODEL, ONE_MODEL_FILE, VERSION_NAMES, OWN_NAMES, NOT_STRAY)

#: What Triton takes a model's backend and platform from where config.pbtxt does not say them, in
#: its order: name of the file, or of the folder, in the first version.
AUTOFILL: Mapping[str, tuple[str, str]] = {
    "model.savedmodel": ("tensorflow", "tensorflow_savedmodel"),
    "model.graphdef": ("tensorflow", "tensorflow_graphdef"),
    "model.plan": ("tensorrt", "tensorrt_plan"),
    "model.onnx": ("onnxruntime", "onnxruntime_onnx"),
    "model.xml": ("openvino", ""),
    "model.pt": ("pytorch", "pytorch_libtorch"),
    "model.pt2": ("pytorch", "torch_aoti"),
    "model.py": ("python", ""),
}
#: Backends by the ending of files that are a model by themselves; empty where none serves them.
BACKENDS: Mapping[str, str] = {
    "onnx": "onnxruntime",
    "plan": "tensorrt",
    "engine": "tensorrt",
    "trt": "tensorrt",
    "pt": "pytorch",
    "pt2": "pytorch",
    "graphdef": "tensorflow",
    "gguf": "",
    "tflite": "",
    "safetensors": "",
}
_SAVED_MODEL = "saved_model.pb"
#: Where a model's file may lie without a folder for its version.
_EXPORT_FOLDER = "onnx"
_FLAT_FOLDERS = ("", _EXPORT_FOLDER)
#: Pieces of one model, in files of their own.
_PIECE = re.compile(
    r"rank[0-9]+(?=\.engine$)|-[0-9]{5}-of-[0-9]{5}(?=\.gguf$)|.+(?=\.safetensors$)"
)
#: Folders of Triton's own beside the versions.
_OWN_FOLDERS = ("warmup", "initial_state", "configs")
_VERSION = re.compile(r"0|[1-9][0-9]{0,17}")
#: C++'s `stoll` stops at what is no digit: `1.bak` is version 1 to it, `2024-11` version 2024.
_CLAIMED = re.compile(r"\s*([+-]?[0-9]{1,18})")


class Layout(Enum):
    #: A model's file with what belongs to it: all of it becomes version 1.
    FLAT = "flat"
    #: config.pbtxt and folders of versions at the version's root.
    MODEL = "model"
    #: Folders of models.
    REPOSITORY = "repository"
    #: As Hugging Face's exporters write it: `onnx/model.onnx` beside other formats.
    EXPORT = "export"


@dataclass(frozen=True, kw_only=True)
class Place:
    """One model, and its files as Triton would find them."""

    #: Of the model's folder in a repository.
    name: str
    #: In the version; empty for its root.
    folder: str
    layout: Layout
    #: In the version; empty where there is none, and Triton fills in what it can.
    config_path: str = ""
    #: Where each file is in the version, by where it is in Triton's model folder: `1/model.onnx`.
    files: Mapping[str, str] = field(default_factory=dict)
    #: Bytes of each, by its way in Triton's model folder.
    sizes: Mapping[str, int] = field(default_factory=dict)
    #: Folders of versions, by number.
    versions: tuple[int, ...] = ()
    #: Numbers that Triton reads from names that are no version's, such as 2 of `2.old`. It then
    #: looks for a folder 2.
    claimed: tuple[int, ...] = ()

    def inside(self, version: int) -> dict[str, int]:
        """Files of a version of the model with their sizes, by their way in its folder."""
        prefix = f"{version}/"
        return {
            way.removeprefix(prefix): size
            for way, size in self.sizes.items()
            if way.startswith(prefix)
        }

    def autofilled(self) -> tuple[str, str, str]:
        """Backend, platform and file that Triton takes by the names in the first folder, which is
        the first by its text, whether a version's or not; empty texts where it knows none."""
        folders = [each for each, is_file in _heads(self.files).items() if not is_file]
        if not folders:
            return "", "", ""
        prefix = f"{min(folders)}/"
        names = _heads(way.removeprefix(prefix) for way in self.files if way.startswith(prefix))
        for name, (backend, platform) in AUTOFILL.items():
            if name in names and names[name] in _KINDS.get(name, (True,)):
                return backend, platform, name
        return "", "", ""

    def main(self) -> tuple[str, str]:
        """Backend and file of the first version's model: what Triton takes by its name, else the
        only one of an ending that is a model's, which a configuration has to name. Empty texts
        where nobody can tell, an empty backend where none serves such files."""
        backend, _, file = self.autofilled()
        if backend or not self.versions:
            return backend, file
        inside = self.inside(self.versions[0])
        found = _candidates(inside, "")
        return (BACKENDS.get(_ending(found[0]), ""), found[0]) if len(found) == 1 else ("", "")


def _ending(name: str) -> str:
    return name.rpartition(".")[2].casefold()


#: Whether Triton takes what has the name for a model where it is a file, and where a folder.
_KINDS: Mapping[str, tuple[bool, ...]] = {
    "model.savedmodel": (False,),
    **dict.fromkeys(("model.onnx", "model.xml", "model.py"), (True, False)),
}


def _heads(ways: Iterable[str]) -> dict[str, bool]:
    """First parts of ways, and whether each is a file."""
    return {way.partition("/")[0]: "/" not in way for way in ways}


def places(sizes: Mapping[str, int], name: str) -> tuple[list[Place], list[Point]]:
    """The models among a version's files (sizes by path), and what is wrong with how they lie.

    `name` is what a model at the version's root is called; others are called by their folder.
    """
    folders = _model_folders(sizes)
    if folders == [""]:
        root, points = _model(sizes, {path: path for path in sizes}, "", name)
        return [root], points
    if folders:
        return _repository(sizes, folders)
    return _flat(sizes, name)


def _model_folders(sizes: Mapping[str, int]) -> list[str]:
    """Folders that are a model of Triton's: with folders of versions, and config.pbtxt or a file
    in one of them that Triton knows by its name. Of those in each other the outermost."""
    found: set[str] = set()
    configured: set[str] = set()
    versioned: set[str] = set()
    for path in sizes:
        *parts, base = path.split("/")
        if base == CONFIG_NAME:
            configured.add("/".join(parts))
        for index, part in enumerate(parts):
            if _VERSION.fullmatch(part):
                folder = "/".join(parts[:index])
                versioned.add(folder)
                if [*parts, base][index + 1] in AUTOFILL:
                    found.add(folder)
                    break
    # An ensemble's version is an empty folder, which no list of files shows.
    found |= {each for each in configured if each in versioned or each not in _FLAT_FOLDERS}
    return sorted(each for each in found if not any(upper in found for upper in _above(each)))


def _above(folder: str) -> Iterator[str]:
    """All folders that a folder is in, the outermost first."""
    parts = folder.split("/") if folder else []
    for count in range(len(parts)):
        yield "/".join(parts[:count])


def _below(sizes: Mapping[str, int], folder: str) -> dict[str, bool]:
    """Names in a folder, and whether each is a file."""
    prefix = f"{folder}/" if folder else ""
    return _heads(path.removeprefix(prefix) for path in sizes if path.startswith(prefix))


def _shared_out(paths: Iterable[str], folders: Iterable[str]) -> dict[str, dict[str, str]]:
    """Files of each folder by their way in it; no folder is in another."""
    shared: dict[str, dict[str, str]] = {folder: {} for folder in folders}
    for path in paths:
        for folder in _above(path):
            if folder in shared:
                shared[folder][path.removeprefix(f"{folder}/")] = path
                break
    return shared


def _repository(
    sizes: Mapping[str, int], folders: Iterable[str]
) -> tuple[list[Place], list[Point]]:
    found: list[Place] = []
    points: list[Point] = []
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for folder, files in _shared_out(sizes, folders).items():
        name = folder.rpartition("/")[2]
        by_name[name].append(folder)
        model, wrong = _model(sizes, files, folder, name)
        found.append(model)
        points += wrong
    points += [
        point(
            OWN_NAMES,
            Weight.BLOCKS,
            f"model {quoted(name)}",
            f"{len(same)} folders of that name: {some_of(same)}",
            "one",
        )
        for name, same in by_name.items()
        if len(same) > 1
    ]
    return found, points


def _model(
    sizes: Mapping[str, int], files: Mapping[str, str], folder: str, name: str
) -> tuple[Place, list[Point]]:
    """A folder that is a model of Triton's already."""
    below = _heads(files)
    versions = sorted(
        int(each) for each, is_file in below.items() if not is_file and _VERSION.fullmatch(each)
    )
    odd = [each for each, is_file in below.items() if not is_file and _is_odd(each)]
    found = Place(
        name=name,
        folder=folder,
        layout=Layout.REPOSITORY if folder else Layout.MODEL,
        config_path=files.get(CONFIG_NAME, ""),
        files=files,
        sizes={way: sizes[path] for way, path in files.items()},
        versions=tuple(versions),
        claimed=tuple(sorted(_claimed(odd) - set(versions))),
    )
    return found, [*_odd_folders(found, odd), *_stray_files(found)]


def _is_odd(name: str) -> bool:
    """Whether a folder beside the versions is none, nor one of Triton's own."""
    return not _VERSION.fullmatch(name) and name not in _OWN_FOLDERS


def _claimed(names: Iterable[str]) -> set[int]:
    # Names with leading zeros the server leaves out before it reads a number.
    matches = (_CLAIMED.match(name) for name in names if not name.startswith("0"))
    return {int(match[1]) for match in matches if match}


def _odd_folders(model: Place, odd: Iterable[str]) -> Iterator[Point]:
    for name in odd:
        path = next(each for way, each in model.files.items() if way.startswith(f"{name}/"))
        has_model = any(
            way.rpartition("/")[2] in AUTOFILL for way in model.files if way.startswith(f"{name}/")
        )
        subject = f"folder {quoted(name)}"
        if re.fullmatch(r"0[0-9]+", name):
            found = "leading zeros: Triton leaves it out"
            yield point(
                VERSION_NAMES, Weight.REMARK, subject, found, quoted(str(int(name))), path=path
            )
        elif match := _CLAIMED.match(name):
            found = f"Triton takes it for version {int(match[1])}"
            yield point(VERSION_NAMES, Weight.REMARK, subject, found, "a number alone", path=path)
        elif has_model:
            found = "no number: Triton leaves it out, and the model's file in it"
            yield point(VERSION_NAMES, Weight.REMARK, subject, found, "a number", path=path)


def _stray_files(model: Place) -> Iterator[Point]:
    for way, path in model.files.items():
        if "/" not in way and way in AUTOFILL:
            expected = "the folder of a version" if model.versions else f"{quoted(f'1/{way}')}"
            yield point(
                NOT_STRAY,
                Weight.REMARK,
                f"file {quoted(way)}",
                "it lies in the model's folder, where Triton does not look",
                expected,
                path=path,
            )


def _flat(sizes: Mapping[str, int], name: str) -> tuple[list[Place], list[Point]]:
    """No folder of Triton's: the model's file lies at the root, or in `onnx/`."""
    at_root = [path for path in sizes if "/" not in path]
    if CONFIG_NAME in sizes or _candidates(sizes, ""):
        folder, layout = "", Layout.FLAT
    elif _candidates(sizes, _EXPORT_FOLDER):
        folder, layout = f"{_EXPORT_FOLDER}/", Layout.EXPORT
    else:
        seen = f"{len(sizes)} files, none of them a model's: {some_of(at_root or sizes)}"
        expected = "a model's file or folder"
        return [], [point(HOLDS_MODEL, Weight.BLOCKS, "the version", seen, expected)]
    candidates = _candidates(sizes, folder.rstrip("/"))
    points = list(_ambiguous(candidates, folder, has_config=f"{folder}{CONFIG_NAME}" in sizes))
    files = {f"1/{path.removeprefix(folder)}": path for path in sizes if path.startswith(folder)}
    # What Triton looks for beside the versions stays there; what belongs to both is in both.
    beside = {
        path.removeprefix(folder): path
        for path in sizes
        if path.startswith(folder) and _is_beside(path.removeprefix(folder))
    }
    config_path = files.pop(f"1/{CONFIG_NAME}", "")
    if config_path:
        beside[CONFIG_NAME] = config_path
    files |= beside
    place = Place(
        name=name,
        folder=folder.rstrip("/"),
        layout=layout,
        config_path=config_path,
        files=files,
        sizes={way: sizes[path] for way, path in files.items()},
        versions=(1,),
    )
    return [place], points


def _is_beside(way: str) -> bool:
    """Whether a file of a flat version goes beside the folder of the model's version: labels, and
    what is in Triton's own folders."""
    return way.partition("/")[0] in _OWN_FOLDERS or ("/" not in way and way.endswith(".txt"))


def _candidates(sizes: Mapping[str, int], folder: str) -> list[str]:
    """Files in a folder that may be the model, by their name there; a SavedModel is its folder."""
    found = [
        name
        for name, is_file in _below(sizes, folder).items()
        if (is_file and (name in AUTOFILL or _ending(name) in BACKENDS))
        or (not is_file and name in ("model.savedmodel", "model.onnx"))
        or (is_file and name == _SAVED_MODEL)
    ]
    first_pieces = {_PIECE.sub("", name): name for name in sorted(found, reverse=True)}
    return sorted(first_pieces.values())


def _ambiguous(candidates: list[str], folder: str, *, has_config: bool) -> Iterator[Point]:
    """Without a config.pbtxt nobody says which of several files is meant."""
    known = [name for name in candidates if name in AUTOFILL]
    if has_config or len(candidates) < 2 or known == ["model.py"]:
        # Of Python, which other files it loads is its own affair.
        return
    if len(known) == 1:
        others = some_of(sorted(set(candidates) - set(known)))
        found = f"beside {others}, which Triton does not look at"
        yield point(ONE_MODEL_FILE, Weight.REMARK, f"file {quoted(known[0])}", found)
        return
    found = f"{len(candidates)} files that may be the model: {some_of(candidates)}"
    expected = f"one, or one of them named {', '.join(list(AUTOFILL)[2:4])}"
    where = f"folder {quoted(folder.rstrip('/'))}" if folder else "the version"
    yield point(ONE_MODEL_FILE, Weight.DOUBTS, where, found, expected)
