"""The one digest of all that decides, and what the operator adds to it."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import registry
from registry.app.tools import tools_of
from registry.errors import StartError
from registry.formats.inspect import COVERED
from registry.vetting import vouching
from registry.vetting.scanners.digests import digest_of_package, digest_of_yara
from registry.vetting.tools import UNREACHABLE, Tools, digest_of_sources

RULES = {"own.yar": "rule own { condition: false }"}
PACKAGE = Path(registry.__file__).parent


def test_the_digest_changes_with_a_rule() -> None:
    """With its text and with the name of its file; and it is the same for the same."""
    tools = [
        Tools(),
        Tools(yara_rules=RULES),
        Tools(yara_rules={"own.yar": RULES["own.yar"] + " "}),
    ]
    tools.append(Tools(yara_rules={"other.yar": RULES["own.yar"]}))
    digests = [each.digest() for each in tools]
    assert len(set(digests)) == len(digests)
    assert digests == [each.digest() for each in tools]
    assert all(each.startswith("sha256:") and len(each) == 71 for each in digests)


@pytest.mark.parametrize(
    "name",
    [
        "formats/onnx.py",
        "jail/lockdown.py",
        "vetting/jailed.py",
        "vetting/scanners/yara.py",
        "domain/file_formats.py",
    ],
)
def test_the_digest_changes_with_a_byte_of_code(tmp_path: Path, name: str) -> None:
    """No fix of a parser can be forgotten; what decides nothing may change."""
    copy = tmp_path / "registry"
    for folder in ("formats", "jail", "vetting", "domain", "names", "ports"):
        shutil.copytree(PACKAGE / folder, copy / folder)
    before = digest_of_sources(copy)
    assert before == digest_of_sources(PACKAGE)
    (copy / "domain/promotions.py").write_text("")
    assert digest_of_sources(copy) == before
    file = copy / name
    file.write_bytes(file.read_bytes() + b"\n")
    assert digest_of_sources(copy) != before


def test_whoever_asks_for_it_has_no_parser_and_no_scanner_in_its_process() -> None:
    """The server asks, and stays slim."""
    code = (
        "import sys; from registry.vetting import judging; "
        "from registry.vetting.tools import Tools; "
        "Tools(yara_rules={'a.yar': ''}).digest(); Tools(yara_rules={'a.yar': ''}).names(); "
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"yara_x", "picklescan", "modelaudit_picklescan", "jinja2", "yaml"}
    assert heavy & set(done.stdout.split()) == set()
    assert "registry.formats.inspect" not in done.stdout.split()
    assert COVERED.id == vouching.UNCOVERED


def test_scanners_have_the_digests_that_are_told_without_them() -> None:
    """Else results would be kept under another digest than that of what made them."""
    modules = {"picklescan": "Picklescan", "modelaudit": "ModelAudit"}
    for module, name in modules.items():
        adapter = importlib.import_module(f"registry.vetting.scanners.{module}")
        made = getattr(adapter, name)()
        assert made.digest == digest_of_package(made.name)
    yara = importlib.import_module("registry.vetting.scanners.yara")
    assert yara.Yara(RULES).digest == digest_of_yara(RULES)


def test_scanners_are_named_with_their_versions(tmp_path: Path) -> None:
    named = Tools(yara_rules=RULES, clamav_socket=str(tmp_path / "none")).names()
    assert list(named) == ["picklescan", "modelaudit-picklescan", "yara-x", "clamav"]
    assert named["yara-x"].endswith("with 1 file of rules")
    assert named["clamav"] == UNREACHABLE
    assert list(Tools().names()) == ["picklescan", "modelaudit-picklescan"]


class TestFolderOfRules:
    def test_its_files_are_the_rules(self, tmp_path: Path) -> None:
        """Others in the folder are none, so that a README may lie there."""
        (tmp_path / "own.yar").write_text(RULES["own.yar"])
        (tmp_path / "README.md").write_text("# Ours")
        assert tools_of(None, tmp_path) == Tools(yara_rules=RULES)
        assert tools_of(tmp_path / "s", None) == Tools(clamav_socket=str(tmp_path / "s"))

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"rule own {\n condition: $b }", "own.yar:2: error"),
            (b'include "other.yar"', "own.yar:1: error"),
            (b"\xff", "own.yar is no UTF-8 at byte 0"),
            (None, "has no file *.yar"),
        ],
    )
    def test_what_cannot_be_used_stops_the_start(
        self, tmp_path: Path, content: bytes | None, told: str
    ) -> None:
        """With the file and the line."""
        if content is not None:
            (tmp_path / "own.yar").write_bytes(content)
        with pytest.raises(StartError) as caught:
            tools_of(None, tmp_path)
        assert told in str(caught.value)
        assert "HALLMARK_YARA_DIR" in str(caught.value)

    def test_a_folder_that_is_not_there_stops_the_start(self, tmp_path: Path) -> None:
        with pytest.raises(StartError, match="cannot be listed: No such file"):
            tools_of(None, tmp_path / "none")
