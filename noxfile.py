"""Everything that is checked, built or run: ``nox`` does the checks, ``nox --list`` names the rest.

What is tested is the wheel, built from the sdist, on every Python of the classifiers that this
machine has. The tests come last, so that their summary is what remains on the screen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "typing", "docs", "chaos", "fuzz_briefly", "optimized", "tests"]
# A Python that is not on this machine is named as skipped, with CI=true too, and none is fetched.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

#: How long each fuzzing target runs, and in a usual run of everything.
FUZZ_SECONDS = 300
BRIEF_SECONDS = 10
#: How many inputs it tries in as long where atheris is not installed, and chance has no guide.
FUZZ_INPUTS = {FUZZ_SECONDS: 100_000, BRIEF_SECONDS: 2_000}
FUZZ_TARGETS = ("connection", "secured", "texts")

ROOT = Path(__file__).parent
DIST = ROOT / "build" / "dist"
PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)


# ------------------------------------------------------------------------ which Pythons are here


def is_python(command: str | Path, version: str) -> bool:
    """Tell whether this runs and is that version: a stub on PATH can be neither."""
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run(
            [command, "-c", question], capture_output=True, check=False, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout.strip() == version


def find_python(version: str) -> Path | None:
    """Look on PATH, then among the Pythons that pyenv built."""
    name = f"python{version}"
    on_path = shutil.which(name)
    candidates = [Path(on_path)] if on_path else []
    candidates += sorted(Path.home().glob(f".pyenv/versions/{version}*/bin/{name}"))
    return next((found for found in candidates if is_python(found, version)), None)


def put_pythons_on_path() -> None:
    """Put every Python that was found where nox looks for it, before any stub of that name."""
    found = {version: find_python(version) for version in PYTHONS}
    if not any(found.values()):
        raise SystemExit(f"nothing can be tested: none of Python {', '.join(PYTHONS)} is here")
    for version, python in found.items():
        if python is None:
            print(f"Python {version} is not on this machine: its tests will be skipped")
        elif str(python) != shutil.which(python.name):
            os.environ["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"


put_pythons_on_path()


# ---------------------------------------------------------------------------- what sessions share


def install(session: nox.Session, *groups: str) -> None:
    """Install dependency groups of pyproject.toml, and the wheel that `build` has just made."""
    (wheel,) = DIST.glob("*.whl")
    requirements = nox.project.dependency_groups(PYPROJECT, *groups) if groups else ()
    session.install(*requirements, *PYPROJECT["project"]["dependencies"])
    # An environment that is used again may hold another wheel of the same version.
    session.install("--no-deps", "--force-reinstall", str(wheel))


def chdir_to_tests(session: nox.Session) -> None:
    """Go where the installed wheel is the only trio_mq: an unpacked sdist without its package."""
    (sdist,) = DIST.glob("*.tar.gz")
    where = Path(session.virtualenv.location) / "sdist"
    shutil.rmtree(where, ignore_errors=True)
    shutil.unpack_archive(sdist, where, filter="data")
    (tree,) = where.iterdir()
    shutil.rmtree(tree / "trio_mq")
    session.chdir(tree)


# ------------------------------------------------------------------------------------- the checks


@nox.session
def build(session: nox.Session) -> None:
    """Make the sdist, and from it the wheel, in build/dist."""
    shutil.rmtree(DIST, ignore_errors=True)
    session.install("build", *PYPROJECT["build-system"]["requires"])
    session.run("python", "-m", "build", "--no-isolation", "--outdir", str(DIST), silent=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting; ``nox -s lint -- --fix`` repairs what it can."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "lint"))
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []))
    session.run("ruff", "format", *([] if fix else ["--check"]))


@nox.session(requires=["build"])
def typing(session: nox.Session) -> None:
    """Check types, strictly, and that every public name has a complete one."""
    install(session, "typing")
    session.run("mypy")
    session.run("pyright", "--ignoreexternal", "--verifytypes", "trio_mq")


@nox.session(requires=["build"])
def docs(session: nox.Session) -> None:
    """Build the documentation in build/docs; every warning is an error."""
    install(session, "docs")
    session.run("sphinx-build", "-q", "-W", "-n", "--keep-going", "-E", "docs", "build/docs")
    session.log("see %s", ROOT / "build" / "docs" / "index.html")


@nox.session(python=PYTHONS, requires=["build"])
def tests(session: nox.Session) -> None:
    """Run every test on the installed wheel; arguments after ``--`` go to pytest."""
    install(session, "tests")
    chdir_to_tests(session)
    session.run("pytest", *(session.posargs or ["-n", "auto"]))


@nox.session(requires=["build"])
def optimized(session: nox.Session) -> None:
    """Run the tests of sockets and calls under ``python -O``: nothing hangs on an assertion."""
    install(session, "tests")
    chdir_to_tests(session)
    # It warns that assertions are off; those of the tests and their helpers are rewritten, and on.
    quiet = ("-W", "ignore::pytest.PytestConfigWarning")
    parts = ("tests/sockets", "tests/connections", "tests/chaos", "tests/test_debug.py")
    session.run("python", "-O", "-m", "pytest", *quiet, *(session.posargs or parts))


# ------------------------------------------------------------------------------- parts and extras


@nox.session(requires=["build"])
def slices(session: nox.Session) -> None:
    """Run the tests with every time slice spent at once, and with none ever spent."""
    install(session, "tests")
    chdir_to_tests(session)
    for kind in ("spent", "endless"):
        session.run("pytest", f"--slices={kind}", *(session.posargs or ["-n", "auto"]))


@nox.session(requires=["build"])
def interop(session: nox.Session) -> None:
    """Run only the tests that talk to libzmq."""
    install(session, "tests")
    chdir_to_tests(session)
    session.run("pytest", "-m", "interop", *session.posargs)


@nox.session(requires=["build"])
def fuzz(session: nox.Session) -> None:
    """Feed chance to all that reads what peers say, and run tests of chance with new seeds.

    Where atheris can't be installed, chance has no guide; the log says so.
    """
    feed_chance(session, FUZZ_SECONDS)
    # Thousands of examples take longer than the guard of ordinary tests lets one take.
    patient = ("-o", "faulthandler_timeout=12000")
    thorough = ("-m", "fuzz", "--hypothesis-profile=thorough")
    session.run("pytest", *patient, *thorough, *(session.posargs or ["-n", "auto"]))


@nox.session(requires=["build"])
def fuzz_briefly(session: nox.Session) -> None:
    """Feed chance to all that reads what peers say, for some seconds each."""
    feed_chance(session, BRIEF_SECONDS)


def feed_chance(session: nox.Session, seconds: int) -> None:
    """Run each fuzzing target on its corpus and on what is made from it."""
    install(session, "tests")
    session.install("atheris", success_codes=[0, 1], silent=True)
    chdir_to_tests(session)
    found = session.run("python", "-c", "import atheris", success_codes=[0, 1], silent=True)
    guided = found == ""
    for target in FUZZ_TARGETS:
        session.log("%s, %s", target, "guided by atheris" if guided else "unguided")
        limit = f"-max_total_time={seconds}" if guided else str(FUZZ_INPUTS[seconds])
        session.run("python", "-m", f"fuzz.{target}", limit, silent=guided)


@nox.session(requires=["build"])
def chaos(session: nox.Session) -> None:
    """Kill, stop and cut off real processes, and count; ``-- --minutes 10`` goes on for longer."""
    install(session, "tests")
    chdir_to_tests(session)
    session.run("python", "-m", "chaos", *(session.posargs or ["--minutes", "0.5"]))


@nox.session(requires=["build"])
def coverage(session: nox.Session) -> None:
    """Measure which lines and branches the tests reach."""
    install(session, "tests")
    chdir_to_tests(session)
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "report")


@nox.session(requires=["build"])
def coverage_of_zmtp(session: nox.Session) -> None:
    """See that the tests of the protocol alone reach every line and branch of it."""
    install(session, "tests")
    chdir_to_tests(session)
    session.run("coverage", "run", "--source=trio_mq.zmtp", "-m", "pytest", "tests/zmtp")
    session.run("coverage", "report", "--fail-under=100")


@nox.session(requires=["build"])
def bench(session: nox.Session) -> None:
    """Compare the speed with other libraries; ``-- --quick`` takes a minute."""
    install(session)
    peers = ROOT / "benchmarks" / "requirements.txt"
    for line in peers.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            # A peer that cannot be installed here is named as missing by the benchmark itself.
            session.install(line, success_codes=[0, 1], silent=True)
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(requires=["build"])
def demo(session: nox.Session) -> None:
    """Watch a ventilator, workers and a sink; ``-- --kill-worker`` shows what a loss does."""
    install(session, "demo")
    with session.chdir(ROOT / "examples"):
        session.run("python", "-m", "parallel_pipeline", *session.posargs)


@nox.session
def changelog(session: nox.Session) -> None:
    """Show the changelog of the next release, from the fragments in changelog.d."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "changelog"))
    session.run("towncrier", "build", "--draft", "--version", "next")
