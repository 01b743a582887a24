"""The command as a whole: its help, its codes, and what it needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.cli.shell import SECONDS, run
from tests.programs import ENVIRONMENT
from trio_mq import SocketType
from trio_mq._cli.commands import group
from trio_mq._cli.outcome import CODES, Exit

ROOT = click.Context(group)
VERBS = group.list_commands(ROOT)


def shown(*arguments: str) -> str:
    """Return what the command prints in this process, for those that need none of their own."""
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_there_is_a_verb_for_every_socket_type() -> None:
    """And those that look, stand between and measure."""
    assert {kind.value.lower() for kind in SocketType} < set(VERBS)
    others = "probe proxy watch bench record replay keygen cheat version completion"
    assert set(others.split()) < set(VERBS)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in {"cheat", "version"}])
def test_each_verb_has_examples_that_are_real(verb: str) -> None:
    """Every option in an example is one of the verb's."""
    text = shown(verb, "--help")
    _, _, examples = text.partition("Examples:")
    assert examples.strip()
    for line in examples.strip().splitlines():
        assert "trio-mq" in line
        _, _, ours = line.partition(f"trio-mq {verb}")
        words = ours.partition("|")[0].partition(">")[0].split()
        options = [word for word in words if word.startswith("-") and not word[1:].isdigit()]
        command = group.get_command(ROOT, verb)
        assert command is not None
        known = {name for parameter in command.params for name in parameter.opts}
        assert set(options) <= known, line


def test_the_cheat_sheet_has_every_format_and_every_code() -> None:
    """On one page."""
    text = shown("cheat")
    for word in ("lines", "nul", "quoted", "jsonl", "hex", "raw", "130", *CODES.values()):
        assert word in text
    assert set(CODES) == set(Exit)
    verbs = [line.split()[1] for line in text.splitlines() if line.startswith("  trio-mq ")]
    assert set(verbs) <= set(VERBS)
    assert len(verbs) > 8


def test_the_version_names_what_it_stands_on() -> None:
    """For a report of a bug."""
    text = shown("version")
    for word in ("trio-mq", "ZMTP", "trio", "PyNaCl", "Python", "system"):
        assert f"{word} " in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(shell: str) -> None:
    """It calls the command for the words."""
    assert "_TRIO_MQ_COMPLETE" in shown("completion", shell)


def test_words_are_completed() -> None:
    """As the script of bash asks."""
    done = subprocess.run(
        [sys.executable, "-m", "trio_mq"],
        capture_output=True,
        check=True,
        env={
            **ENVIRONMENT,
            "_TRIO_MQ_COMPLETE": "bash_complete",
            "COMP_WORDS": "trio-mq pro",
            "COMP_CWORD": "1",
        },
        text=True,
        timeout=SECONDS,
    )
    assert done.stdout.split() == ["plain,probe", "plain,proxy"]


def test_keys_are_made_and_never_overwritten(tmp_path: Path) -> None:
    """Unless one says so."""
    folder = tmp_path / "keys"
    said = json.loads(shown("keygen", "server", "--folder", str(folder), "--json"))
    assert Path(said["secret_file"]).stat().st_mode & 0o077 == 0
    again = CliRunner().invoke(group, ["keygen", "server", "--folder", str(folder)])
    assert again.exit_code == 1
    assert "is there already" in again.output
    assert said["public"] not in shown("keygen", "server", "--folder", str(folder), "--overwrite")


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a Python of its own, which has loaded nothing yet."""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
        text=True,
        timeout=SECONDS,
    )


def test_without_its_libraries_it_says_what_to_install() -> None:
    """The library itself needs none of them."""
    program = (
        "import importlib.util, runpy, sys\n"
        "found = importlib.util.find_spec\n"
        "gone = ('click', 'rich')\n"
        "importlib.util.find_spec = lambda n, *a: None if n in gone else found(n, *a)\n"
        "sys.argv = ['trio-mq', 'version']\n"
        "runpy.run_module('trio_mq', run_name='__main__')\n"
    )
    done = run_python(program)
    assert done.returncode == 1
    assert "pip install 'trio-mq[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_library_does_not_load_the_command() -> None:
    """Nor what the command stands on."""
    program = (
        "import sys, trio_mq\n"
        "[getattr(trio_mq, name) for name in trio_mq.__all__]\n"
        "print([n for n in sys.modules if n.startswith(('trio_mq._cli', 'click', 'rich'))])\n"
    )
    done = run_python(program)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


@pytest.mark.parametrize(
    ("verb", "most"), [("version", 75), ("keygen", 80), ("req", 185), ("probe", 160)]
)
def test_a_verb_loads_what_it_needs_and_no_other_verb(verb: str, most: int) -> None:
    """Each module costs time before the first message: of ours, all verbs together load 190."""
    program = (
        "import sys, click\n"
        "from trio_mq._cli.commands import group\n"
        f"group.get_command(click.Context(group), {verb!r})\n"
        "print(*[name for name in sys.modules if name.startswith('trio_mq')])\n"
    )
    done = run_python(program)
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    verbs = {"bench_peers", "cheat", "keys", "probing", "relay", "tape", "verbs", "watching"}
    assert len([name for name in verbs if f"trio_mq._cli.{name}" in loaded]) == 1
    assert len(loaded) <= most, loaded


def test_the_entry_point_is_installed_as_a_command() -> None:
    """``trio-mq`` is ``python -m trio_mq``."""
    status, output, _ = run("version")
    assert status == 0
    assert output.startswith(b"trio-mq ")
