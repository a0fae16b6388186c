"""vet status, rerun and changes, and version facts, against a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.testing.command import Done
from registry.testing.people import Team

Hallmark = Callable[..., Done]
pytestmark = pytest.mark.slow


def test_status_tells_the_verdict(hallmark: Hallmark, team: Team, folder: Path) -> None:
    """Followed to its end: exit code 0 for a pass, 1 for a fail, 5 for unknown."""
    model = team.model()
    hallmark("push", str(folder), model)
    done = hallmark("vet", "status", f"{model}@1", "--follow")
    assert f"{model}@1 is released: vetting says pass." in done.out
    (folder / "model.pkl").write_bytes(b"\x80\x02cos\nsystem\nX\x02\0\0\0id\x85R.")
    hallmark("push", str(folder), model)
    done = hallmark("vet", "status", f"{model}@2", "--follow", code=1)
    assert "✗ PICKLE-8  model.pkl" in done.out
    assert "os.system" in done.out
    (folder / "model.pkl").unlink()
    (folder / "data.xyz").write_bytes(b"\xff")
    hallmark("push", str(folder), model)
    done = hallmark("vet", "status", f"{model}@3", "--follow", code=5)
    assert "? FILE-2  data.xyz" in done.out
    found = json.loads(hallmark("vet", "status", f"{model}@3", "--json").out)
    assert (found["status"]["done"], found["status"]["verdict"]) == (True, "unknown")


def test_a_rerun_says_what_it_changed(hallmark: Hallmark, team: Team, folder: Path) -> None:
    """Nothing, where nothing is different; it can be looked at later."""
    model = team.model()
    hallmark("push", str(folder), model, "--wait")
    hallmark("vet", "rerun", f"{model}@1", code=3)
    done = hallmark("vet", "rerun", f"{model}@1", "--follow", who="admin")
    assert f"of {model}" in done.out
    assert "1 of 1 version has its new verdict, done" in done.out
    assert "Nothing has changed." in done.out
    begun = json.loads(hallmark("vet", "rerun", model, "--json", who="admin").out)
    number = begun["name"].rpartition("/")[2]
    assert f"Rerun {number} of {model}" in hallmark("vet", "changes", number, who="admin").out
    hallmark("vet", "rerun", who="admin", code=2)
    hallmark("vet", "rerun", model, "--all", who="admin", code=2)


def test_search(hallmark: Hallmark, team: Team, folder: Path) -> None:
    """By traits and by parameters; a kind that is none is answered with those there are."""
    model = team.model()
    hallmark("push", str(folder), model, "--wait")
    asked = ("version", "search", "--namespace", model.partition("/")[0])
    assert f"{model}@1" in hallmark(*asked, "format=safetensors", "dtype=u8").out
    assert f"{model}@1" in hallmark(*asked, "--min-parameters", "1K").out
    assert f"{model}@1" not in hallmark(*asked, "--min-parameters", "1B").out
    found = json.loads(hallmark(*asked, "format=safetensors", "--json").out)
    assert f"models/{model}/versions/1" in [each["name"] for each in found["versions"]]
    assert "operator" in hallmark(*asked, "colour=red", code=2).err
    hallmark(*asked, "--min-parameters", "many", code=2)


def test_facts(hallmark: Hallmark, team: Team, folder: Path) -> None:
    """In short for all files, in full for one."""
    model = team.model()
    hallmark("push", str(folder), model, "--wait")
    brief = hallmark("version", "facts", f"{model}@1").out
    assert "weights.safetensors  safetensors, 26 kB" in brief
    assert "    parameters  25,600\n    tensors     1, U8\n" in brief
    full = hallmark("version", "facts", f"{model}@1", "weights.safetensors").out
    assert "    weights  U8  [25600]\n" in full
    found = json.loads(hallmark("version", "facts", f"{model}@1", "--json").out)
    assert [file["path"] for file in found["files"]] == ["README.md", "weights.safetensors"]
    assert found["files"][0]["facts"]
    hallmark("version", "facts", f"{model}@1", "none", code=3)


def test_facts_of_several_lines(hallmark: Hallmark, team: Team, folder: Path) -> None:
    """A text of a file keeps within its place; a file that failed is marked, and has no format."""
    model = team.model()
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}\nA: {{ m }}\n{% endfor %}\n"
    )
    (folder / "deep.json").write_bytes(b"[" * 100)
    hallmark("push", str(folder), model, "--wait", code=1)
    brief = hallmark("version", "facts", f"{model}@1")
    assert "✗ deep.json  100 B\n" in brief.out
    assert f"hallmark version facts {model}@1 PATH" in brief.err
    (folder / "deep.json").unlink()
    hallmark("push", str(folder), model, "--wait")
    assert "    chat_templates  default\n" in hallmark("version", "facts", f"{model}@2").out
    full = hallmark("version", "facts", f"{model}@2", "chat_template.jinja").out
    assert "  chat_templates\n    default\n      {% for m in messages %}\n      A: " in full
