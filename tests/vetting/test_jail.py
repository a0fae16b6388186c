"""The jail, for real: what is in it can do nothing but compute and answer."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.domain.versions import Verdict
from registry.jail.check import jail_check
from registry.jail.process import JailError, Limits, NoJailError
from registry.testing.vectors.safetensors import safetensors
from registry.vetting.jail import Jail
from registry.vetting.judging import judge, verdict_of
from registry.vetting.tools import Tools

SOUND = safetensors({})


@pytest.fixture
def jail() -> Iterator[Jail]:
    with Jail(Limits()) as made:
        yield made


def _look(jail: Jail, path: Path) -> dict[str, object]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return dict(jail.look(descriptor, role="safetensors", files={}))
    finally:
        os.close(descriptor)


def test_each_layer_refuses_what_it_is_there_for() -> None:
    """By trying: a layer that let something through would be named."""
    layers = {layer.name: layer for layer in jail_check()}

    assert list(layers) == ["rlimits", "landlock", "seccomp", "all"]
    assert all(layer.holds for layer in layers.values()), layers
    assert len(layers["all"].refused) == 12


def test_files_are_looked_at_one_after_the_other(jail: Jail, tmp_path: Path) -> None:
    """One process answers for each file of a version in turn."""
    for number in range(3):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(SOUND + bytes(number))
        answer = _look(jail, path)
        assert answer["effect"] == ("fail" if number else "advice")
        assert answer["size_bytes"] == len(SOUND) + number


@pytest.mark.slow
def test_a_jail_that_dies_is_no_verdict_and_the_next_file_gets_another(
    jail: Jail, tmp_path: Path
) -> None:
    """Killed within a file, say by the kernel for its memory: that file alone is not told."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(SOUND)
    _look(jail, path)
    assert jail.pid is not None
    os.kill(jail.pid, 9)

    with pytest.raises(JailError):
        _look(jail, path)
    assert _look(jail, path)["effect"] == "advice"


@pytest.mark.slow
def test_a_jail_that_hangs_is_killed(tmp_path: Path) -> None:
    """Its time is up when the file's time is, not when it likes."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(SOUND)
    with Jail(Limits(wall_s=0.5)) as jail:
        _look(jail, path)
        assert jail.pid is not None
        pid = jail.pid
        os.kill(pid, 19)
        begun_s = time.monotonic()
        with pytest.raises(JailError, match="no answer within"):
            _look(jail, path)
        assert time.monotonic() - begun_s < 10
        assert not Path(f"/proc/{pid}").exists()


@pytest.mark.slow
def test_a_file_that_takes_too_much_memory_is_unknown(tmp_path: Path) -> None:
    """A header of 90 MB is within the format's bounds and beyond what this jail may take."""
    path = tmp_path / "model.safetensors"
    header = b'{"__metadata__":{' + b",".join(b'"%d":""' % n for n in range(6_000_000)) + b"}}"
    path.write_bytes(safetensors(header))

    (judged,) = judge(
        {"model.safetensors": path.stat().st_size},
        lambda _: os.open(path, os.O_RDONLY),
        Limits(memory_bytes=300_000_000),
        Tools(),
    )

    assert judged.verdict is Verdict.UNKNOWN
    assert [finding.rule for finding in judged.findings] == ["FILE-3"]


@pytest.mark.slow
def test_a_jail_that_cannot_be_closed_looks_at_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No verdict without a jail, unless somebody says so."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(SOUND)
    # A machine that has no list of system calls.
    hook = tmp_path / "site" / "sitecustomize.py"
    hook.parent.mkdir()
    hook.write_text("import platform\nplatform.machine = lambda: 'pdp11'\n")
    monkeypatch.syspath_prepend(str(hook.parent))

    with Jail(Limits()) as jail, pytest.raises(NoJailError, match="pdp11"):
        _look(jail, path)
    with Jail(Limits(bare=True)) as jail:
        assert _look(jail, path)["effect"] == "advice"


def test_a_file_that_cannot_be_opened_is_unknown(tmp_path: Path) -> None:
    """It went between listing and opening; the others are judged."""
    path = tmp_path / "b.safetensors"
    path.write_bytes(SOUND)

    def open_file(name: str) -> int:
        return os.open(tmp_path / name, os.O_RDONLY)

    judged = list(
        judge({"a.safetensors": 1, "b.safetensors": len(SOUND)}, open_file, Limits(), Tools())
    )

    assert [file.verdict for file in judged] == [Verdict.UNKNOWN, Verdict.PASS]
    assert [finding.rule for finding in judged[0].findings] == ["JAIL-2"]
    assert verdict_of(judged) is Verdict.UNKNOWN
