"""Triton's releases: what the file says, and what is wrong with it, by line."""

from __future__ import annotations

import pytest

from registry.errors import InvalidFieldError
from registry.policies.loader import FILES
from registry.serving.releases import (
    FILE,
    Release,
    ReleasesError,
    parse_releases,
    release,
    shipped_releases,
)

GOOD = """\
releases:
  "25.10":
    server: "2.62.0"
    onnxruntime: "1.23.1"
    cuda: "13.0.2.006"
    source: matrix
  "24.04":
    onnxruntime: "1.23.0+1d1712fdaf"
    source: matrix
"""


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ReleasesError) as wrong:
        parse_releases(text)
    assert str(wrong.value) == "; ".join(wrong.value.problems)
    return wrong.value.problems


def test_a_file_is_read() -> None:
    """The oldest comes first, and what a row leaves out is empty."""
    found = parse_releases(GOOD)
    assert list(found) == ["24.04", "25.10"]
    assert found["25.10"] == Release(
        name="25.10", server="2.62.0", onnxruntime="1.23.1", cuda="13.0.2.006", source="matrix"
    )
    assert found["24.04"].server == found["24.04"].tensorrt == ""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "    cuda:",
            "    cudda:",
            "line 5: release '25.10': no such key 'cudda', expected server",
        ),
        ('"2.62.0"', "2.62", "line 3: release '25.10': server: found the number or word 2.62"),
        ('"2.62.0"', "[2]", "line 3: release '25.10': server: found a list, expected a version"),
        ('"2.62.0"', "", "line 3: release '25.10': server: found nothing, expected a version"),
        ('"1.23.1"', "newest", "line 4: release '25.10': onnxruntime: found 'newest', expected"),
        ('"13.0.2.006"', '"13.0.2+x"', "line 5: release '25.10': cuda: found '13.0.2+x'"),
        ('    onnxruntime: "1.23.1"\n', "", "line 2: release '25.10': found no 'onnxruntime'"),
        ("    source: matrix\n  ", "  ", "line 2: release '25.10': found no 'source'"),
        ("source: matrix\n  ", "source: {a: b}\n  ", "line 6: release '25.10': source: found keys"),
        ('"24.04"', '"24.13"', "line 7: release '24.13': expected a year and a month"),
        ('"24.04"', '"25.10"', "line 7: found the key '25.10' twice, expected it once"),
        ("    cuda:", '    server: "2.1"\n    cuda:', "line 5: found the key 'server' twice"),
        ("releases:", "release:", "line 1: found 'release', expected the one key 'releases'"),
        (GOOD, "releases: {}", "line 1: releases: found none"),
        (GOOD, "[]", "line 1: found no keys, expected the one key 'releases'"),
        (GOOD, "releases:\n  x: y", "line 2: release 'x': found 'y', expected keys: server"),
        (GOOD, "releases: &a {}", "line 1: found an anchor or alias"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(old: str, new: str, told: str) -> None:
    """What was found, what was expected, and where."""
    assert any(each.startswith(told) for each in problems(GOOD.replace(old, new, 1)))


def test_all_problems_are_told_at_once() -> None:
    """From first line to last."""
    text = GOOD.replace("cuda", "cudda").replace('"2.62.0"', "x").replace('"24.04"', '"24.4"')
    assert [each.partition(":")[0] for each in problems(text)] == ["line 3", "line 5", "line 7"]


def test_an_unknown_release_is_told_with_its_neighbours() -> None:
    """The nearest come first, then all others."""
    with pytest.raises(
        InvalidFieldError, match=r"triton_release: found '25\.01', expected"
    ) as wrong:
        release(parse_releases(GOOD), "25.01")
    assert wrong.value.expected == "one of 25.10, 24.04"
    assert release(parse_releases(GOOD), "25.10").onnxruntime == "1.23.1"


def test_shipped_releases() -> None:
    """Every month from 24.04 to 26.08, with what Triton's compatibility matrix says of some."""
    found = shipped_releases()
    months = [f"{year}.{month:02}" for year in (24, 25, 26) for month in range(1, 13)]
    assert list(found) == [each for each in months if "24.04" <= each <= "26.08"]
    # triton-inference-server/server docs/introduction/compatibility.md at 0f963c9a.
    assert {name: found[name].onnxruntime for name in ("24.04", "24.10", "25.10", "26.08")} == {
        "24.04": "1.17.3",
        "24.10": "1.19.2",
        "25.10": "1.23.1",
        "26.08": "1.28.0",
    }
    # triton-inference-server/server pull request 8268.
    assert found["25.06"].server == "2.59.0"


def test_newer_releases_have_no_older_parts() -> None:
    """Of server, ONNX Runtime, CUDA and Python, none goes back from one release to the next."""
    for part in ("server", "onnxruntime", "cuda", "python"):
        told = [getattr(each, part) for each in shipped_releases().values()]
        numbers = [tuple(map(int, each.partition("+")[0].split("."))) for each in told if each]
        assert numbers == sorted(numbers), part


def test_the_list_is_no_part_of_the_policy_set() -> None:
    """It lies in the folder of the set, whose files are named one by one."""
    assert FILE not in FILES
