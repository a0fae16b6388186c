"""A released version against which vetting turns, by the rules of a server that is started anew."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry.cli import output
from registry.cli.vetting import is_worse
from registry.client.vetting_values import VettingChange
from registry.shipped import shipped_folder
from registry.testing.command import CommandLine
from registry.testing.people import Team, vetted
from registry.testing.server import RunningServer, running_server


def log_in(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HALLMARK_URL", server.http_url)
    monkeypatch.setenv("HALLMARK_TOKEN", server.admin_token)


@pytest.mark.slow
def test_its_grace_is_shown(
    command: CommandLine, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`vet rerun` says that it came out worse and where to look; `version show` and `vet status`
    say until when it goes on, in JSON too."""
    policies, rules, home = (tmp_path / name for name in ("policies", "rules", "home"))
    shutil.copytree(shipped_folder(), policies)
    settings = policies / "settings.yaml"
    settings.write_text(settings.read_text().replace("grace: {fail: 0h", "grace: {fail: 2h"))
    rules.mkdir()
    (rules / "own.yar").write_text('rule own { strings: $a = "Scorer" condition: $a }')
    with running_server(home, {"HALLMARK_POLICY_DIR": str(policies)}) as server:
        log_in(server, monkeypatch)
        with closing(Team(server, "team")) as team:
            team.alice.push(folder, "team/scorer")
            assert vetted(team.alice, "team/scorer@1").state == "released"
        assert "grace" not in command("version", "show", "team/scorer@1").out
    with running_server(home, {"HALLMARK_YARA_DIR": str(rules)}) as server:
        log_in(server, monkeypatch)
        done = command("vet", "rerun", "--all", "--follow")
        assert done.code == 1
        assert "team/scorer@1  released (pass) -> released (fail)" in done.out
        assert "hallmark version show team/scorer@1" in done.out
        vetting = command("version", "show", "team/scorer@1", "--json").json["version"]["vetting"]
        end = datetime.fromisoformat(vetting["grace_end_time"])
        assert end == datetime.fromisoformat(vetting["time"]) + timedelta(hours=2)
        assert end > datetime.now(UTC)
        until = f"until {output.when(end)}, then its bytes go to nobody"
        assert until in command("version", "show", "team/scorer@1").out
        assert until in command("vet", "status", "team/scorer@1").out


@pytest.mark.parametrize(
    ("was_state", "was_verdict", "state", "verdict", "expected"),
    [
        ("released", "pass", "released", "fail", True),
        ("released", "pass", "quarantined", "unknown", True),
        ("released", "fail", "quarantined", "fail", True),
        ("vetted", "pass", "rejected", "fail", True),
        ("quarantined", "unknown", "rejected", "fail", True),
        ("quarantined", "", "rejected", "fail", True),
        ("rejected", "fail", "quarantined", "unknown", False),
        ("quarantined", "unknown", "released", "pass", False),
        ("released", "fail", "released", "pass", False),
    ],
)
def test_what_came_out_worse(
    was_state: str, was_verdict: str, state: str, verdict: str, expected: bool
) -> None:
    """What is no longer released, or has a worse verdict than before."""
    change = VettingChange(
        version="models/team/scorer/versions/1",
        was_state=was_state,
        state=state,
        was_verdict=was_verdict,
        verdict=verdict,
    )
    assert is_worse(change) is expected
