"""`hallmark vet check` with what the operator adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.testing.command import CommandLine
from registry.testing.server import failed_start

pytestmark = pytest.mark.slow


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "own.yar").write_text(
        'rule own_word { strings: $a = "hallowed" condition: $a }', encoding="utf-8"
    )
    return folder


def test_rules_are_taken_from_the_option_and_the_environment(
    command: CommandLine, tmp_path: Path, rules: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them the file passes."""
    file = tmp_path / "notes.txt"
    file.write_text("hallowed be\n")
    assert command("vet", "check", str(file)).code == 0
    done = command("vet", "check", str(file), "--yara", str(rules))
    assert (done.code, "SCAN-1" in done.out, "own_word" in done.out) == (1, True, True)
    monkeypatch.setenv("HALLMARK_YARA_DIR", str(rules))
    assert command("vet", "check", str(file)).code == 1


def test_a_clamd_that_is_gone_leaves_files_unknown(
    command: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("fine\n")
    done = command("vet", "check", str(file), "--clamav", str(tmp_path / "none"))
    assert (done.code, "SCAN-3" in done.out) == (5, True)
    monkeypatch.setenv("HALLMARK_CLAMAV_SOCKET", str(tmp_path / "none"))
    assert command("vet", "check", str(file)).code == 5


def test_rules_that_do_not_compile_are_told_with_their_line(
    command: CommandLine, tmp_path: Path, rules: Path
) -> None:
    """By the command, and by a server that is to start with them."""
    (rules / "own.yar").write_text("rule own {\n  condition: $b\n}\n")
    file = tmp_path / "notes.txt"
    file.write_text("fine\n")
    done = command("vet", "check", str(file), "--yara", str(rules))
    assert (done.code != 0, "own.yar:2" in done.err) == (True, True)
    assert done.err.startswith("--yara (HALLMARK_YARA_DIR): ")
    said = failed_start(tmp_path / "home", {"HALLMARK_YARA_DIR": str(rules)})
    assert "HALLMARK_YARA_DIR" in said
    assert "own.yar:2" in said


def test_a_files_name_forges_no_line_of_another(command: CommandLine, tmp_path: Path) -> None:
    """A name that no version may have fails, as it would when pushed, and stays in its line."""
    (tmp_path / "a.txt\n✓ model.pkl  pickle, 3 kB").write_text("fine\n")
    done = command("vet", "check", str(tmp_path))
    assert (done.code, "STRUCT-1" in done.out) == (1, True)
    assert not any(line.startswith("✓") for line in done.out.splitlines())
