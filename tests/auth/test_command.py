"""``python -m trio_mq.auth`` makes keys."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from trio_mq import auth
from trio_mq.auth.__main__ import main


def test_it_runs_as_a_program() -> None:
    """And says what it made, for programs."""
    arguments = [sys.executable, "-m", "trio_mq.auth", "--json"]
    done = subprocess.run(arguments, check=True, capture_output=True, timeout=100)
    said = json.loads(done.stdout)
    assert auth.CurveKeys(**said).public == said["public"]
    assert done.stderr == b""


def test_it_prints_both_halves_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """One a line."""
    assert main([]) == 0
    said = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert auth.CurveKeys(**said).secret == said["secret"]


def test_it_writes_certificates_and_keeps_the_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Into a folder that it makes, for its owner only."""
    folder = tmp_path / "new" / "keys"
    assert main(["--json", "--folder", str(folder), "alice"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "public": auth.read_certificate(folder / "alice.key").public,
        "public_file": str(folder / "alice.key"),
        "secret_file": str(folder / "alice.key_secret"),
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "alice.key_secret").stat().st_mode) == 0o600


def test_it_replaces_keys_only_when_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever uses them would be locked out."""
    ask = ["--folder", str(tmp_path)]
    assert main(ask) == 0
    before = (tmp_path / "key.key_secret").read_text()
    assert main(ask) == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "key.key_secret").read_text() == before
    assert main([*ask, "--overwrite"]) == 0
    assert (tmp_path / "key.key_secret").read_text() != before
