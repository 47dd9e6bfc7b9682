# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define the sessions that `./run NAME [-- ARGUMENTS]` starts.

All of them share the environment that `run` made and nox itself runs in: numpy and its like are
installed once. What a session needs is installed when, and only when, its stamp says so.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree as ET

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "tests"]
nox.options.stop_on_first_error = True

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
RESULTS = ROOT / "results"
SPDX = "SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only"
KERNELS = ("5.10", "6.1", "6.12", "6.18", "7.3")
C_FOLDERS = (
    *("workloads", "bench/guests"),
    *("bench/questions/exact/guest", "bench/questions/exact/plugin", "examples/reader"),
)
OUR_FOLDERS = ("bench", "bpf", "examples", "workloads", "tests", ".ci")
PYTEST = ("pytest", "-q", "-m")
ALONE = "live or alone"
"""Tests that measure or compare times. They run alone; all others run on all CPUs in parallel."""
UNSUCCESSFUL = {"failures": "failed", "errors": "errors", "skipped": "skipped"}
"""Attributes of a JUnit test suite, and pytest's words for them."""
FINISHED = {0, 1}  # pytest's exit codes: all passed, some failed
SOURCE_SUFFIXES = {".py", ".pyx", ".pxd", ".c", ".h", ".sh"}
AS_INSTALLED = {**os.environ, "PYTHONSAFEPATH": "1"}
"""The environment in which `import bench` means the installed package, never the checkout."""
BUILT_FROM = (
    *("pyproject.toml", "meson.build", "README.md", "LICENSES", "docs/bufbench.1"),
    *("bench", "bpf", "workloads"),
)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests that this machine can run, but those that take minutes; name the skipped."""
    prepare(session, "test", "report", "kernels", "fleet", package=True)
    make_results()
    if session.posargs:
        hand_over(session, "pytest", "--junitxml=results/tests.xml", *session.posargs)
    files = ("results/tests.xml", "results/tests-alone.xml")
    workers = f"--numprocesses={len(os.sched_getaffinity(0))}"
    beside = (*PYTEST, f"not guests and not ({ALONE})", workers, "--dist=loadfile")
    code = wait_for(session, *beside, f"--junitxml={files[0]}")
    if code in FINISHED:
        alone = (*PYTEST, f"not guests and ({ALONE})", f"--junitxml={files[1]}")
        code = max(code, wait_for(session, *alone))
    if code in FINISHED:
        print(total(*files))
    sys.exit(code)


@nox.session
def guests(session: nox.Session) -> None:
    """Run the tests that take minutes in emulated guests: matrices, bisection, another machine."""
    prepare(session, "test", "report", "kernels", "fleet", package=True)
    make_results()
    words = ("--junitxml=results/guests.xml", "-m", "guests", *(session.posargs or ["-v"]))
    hand_over(session, "pytest", *words)


@nox.session
def faults(session: nox.Session) -> None:
    """Inject faults at random moments, hundreds of each kind: ./run faults -- --faults 1000."""
    prepare(session, "test", "report", "kernels", package=True)
    make_results()
    tests = ("tests/faults", "tests/questions/tune/test_tried.py")  # which a quiet machine decides
    words = (*tests, "--junitxml=results/faults.xml", "--verbose", "--faults=200")
    hand_over(session, "pytest", *words, f"--seed={secrets.randbits(32)}", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the comparison as a pytest-benchmark suite: ./run bench -- --profile standard."""
    prepare(session, "report", package=True)
    make_results()
    files = ("--junitxml=results/bench.xml", "--benchmark-json=results/benchmark.json")
    hand_over(session, "python", "-m", "bench.suite", *files, *session.posargs)


@nox.session
def claims(session: nox.Session) -> None:
    """Test the published claims on this machine: ./run claims -- --expect rb-order=reproduced."""
    prepare(session, "report", package=True)
    hand_over(session, "bufbench", "claims", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Run random trials; check the ledgers and look for leaks: ./run soak -- --minutes 5."""
    parser = argparse.ArgumentParser(prog="./run soak --")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (5)")
    parser.add_argument("--seed", type=int, default=1, help="of the configurations (1)")
    chosen = parser.parse_args(session.posargs)
    if not 0 < chosen.minutes <= 7 * 24 * 60 or abs(chosen.seed) >= 2**63:
        parser.error("--minutes or --seed is out of range")
    prepare(session, "test", "report", "kernels", package=True)
    make_results()
    name = f"results/soak-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.jsonl"
    words = ("tests/soak/test_soak.py", "--junitxml=results/soak.xml", "-q", "-s", "--tb=short")
    more = (f"--minutes={chosen.minutes}", f"--seed={chosen.seed}", f"--journal={name}")
    hand_over(session, "pytest", *words, *more)


@nox.session
def report(session: nox.Session) -> None:
    """Summarise journals: ./run report -- results/quick.jsonl."""
    prepare(session, "report", package=True)
    hand_over(session, "bufbench", "report", *session.posargs)


@nox.session
@nox.parametrize("series", [nox.param("", id="as asked"), *KERNELS])
def kernels(session: nox.Session, series: str) -> None:
    """Measure other kernels in guests: ./run kernels -- list, ./run kernels -- run 5.10 6.12 7.3.

    For one kernel in each job of a CI system: ./run "kernels(series='6.12')".
    """
    prepare(session, "report", "kernels", package=True)
    # Of all that plain `kernels` means, only the first comes to be run: it takes nox's place.
    one = ["run", series, "--output", f"results/kernels-{series}"] if series else []
    hand_over(session, "bufbench", "kernels", *one, *session.posargs)


@nox.session
def fleet(session: nox.Session) -> None:
    """Run a plan on each of many machines: ./run fleet -- worker 10.0.0.1 --certificates FOLDER."""
    prepare(session, "report", "fleet", package=True)
    hand_over(session, "bufbench", "fleet", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz all that reads foreign data: ./run fuzz -- --minutes 10 [READER...]."""
    prepare(session, "test", "report", "fuzz", package=True)
    hand_over(session, "python", "tests/fuzz/run.py", *session.posargs)


@nox.session
def generate(session: nox.Session) -> None:
    """Write what is generated: documents, schemas, the manual page: ./run generate."""
    prepare(session, "test", "report", "kernels", "fleet", package=True)
    hand_over(session, "python", "tests/generated.py", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check by ruff, mypy, contracts of imports, gcc's warnings, licence lines and BPF style."""
    prepare(session, "report", "kernels", "fleet", "test", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")
    check_c = ["gcc", "-std=gnu17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"]
    for source in sorted(path for place in C_FOLDERS for path in (ROOT / place).glob("*.c")):
        session.run(*check_c, str(source))
    complaints = [*without_licence(), *not_kernel_style()]
    if complaints:
        session.error("\n".join(complaints))


def make_results() -> None:
    """Make the folder for results; under sudo it belongs to the caller."""
    if RESULTS.exists():
        return
    RESULTS.mkdir()
    if os.geteuid() == 0 and {"SUDO_UID", "SUDO_GID"} <= os.environ.keys():
        ids = int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"])
        os.chown(RESULTS, *ids, follow_symlinks=False)


def hand_over(session: nox.Session, *command: str) -> NoReturn:
    """Replace this process by ``command``, whose exit code nox would turn into 1."""
    session.log(shlex.join(command))
    sys.stdout.flush()
    sys.stderr.flush()
    if {"bufbench", "bench.suite"} & {*command}:  # they let them in when they can answer in a line
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    os.execvpe(command[0], command, AS_INSTALLED)  # noqa: S606


def wait_for(session: nox.Session, *command: str) -> int:
    """Run ``command`` as hand_over() does, and return its exit code."""
    session.log(shlex.join(command))
    # The command also receives Ctrl-C, and handles it.
    signal.signal(signal.SIGINT, lambda *_: None)
    # It ends with nox, however nox is ended.
    words = ("setpriv", "--pdeathsig", "TERM", *command)
    return subprocess.run(words, check=False, env=AS_INSTALLED).returncode


def total(*files: str) -> str:
    """Return one summary line, as pytest prints it, for several runs from their JUnit files."""
    counts = Counter[str]()
    read = (ET.parse(file) for file in files)  # noqa: S314  pytest wrote them
    for suite in (each for file in read for each in file.iter("testsuite")):
        counts.update({n: float(suite.get(n, 0)) for n in (*UNSUCCESSFUL, "tests", "time")})
    passed = counts["tests"] - sum(counts[each] for each in UNSUCCESSFUL)
    others = (f"{counts[each]:.0f} {said}" for each, said in UNSUCCESSFUL.items() if counts[each])
    return f"{', '.join((f'{passed:.0f} passed', *others))} in {counts['time']:.2f}s"


def prepare(session: nox.Session, *groups: str, package: bool = False) -> None:
    """Install what the core and ``groups`` depend on, and the package if its sources changed."""
    if Path(sys.prefix).resolve() != ENVIRONMENT:
        session.error(f"please call ./run {session.name}: it makes the environment that this needs")
    project = nox.project.load_toml(ROOT / "pyproject.toml")
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"]]
    for group in groups:
        wanted += extras.get(group) or nox.project.dependency_groups(project, group)
    if package:
        wanted += project["build-system"]["requires"]
    stamps = ENVIRONMENT / "stamps"
    with one_at_a_time():
        stamps.mkdir(exist_ok=True)
        dependencies = stamps / f"dependencies-{digest(sorted(wanted))}"
        if not dependencies.exists():
            pip_install(session, *wanted)
            dependencies.touch()
        installed = stamps / "package"
        sources = digest([*fingerprints(), f"clang: {shutil.which('clang')}"])
        if package and not (installed.exists() and installed.read_text() == sources):
            installed.unlink(missing_ok=True)
            pip_install(
                session,
                "--no-build-isolation",  # the build's dependencies were installed above
                "--no-deps",
                "--force-reinstall",  # the version stays the same while sources change
                "--config-settings=build-dir=build/wheel",  # compiles only what changed
                ".",
            )
            installed.write_text(sources)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold a lock: two sessions may be started at once, and must not install into each other."""
    with (ROOT / ".run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pip_install(session: nox.Session, *arguments: str) -> None:
    """Install quietly; nox prints the output if it fails, and the exit code is 3, not nox's 1."""
    try:
        session.run(
            # Ctrl-C ends nox at once (the end of `run` sees to that), and pip with it.
            *("setpriv", "--pdeathsig", "TERM"),
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *arguments,
            env={"PIP_ROOT_USER_ACTION": "ignore", "PIP_USER": "0"},
        )
    except CommandFailed:
        print("run: pip failed; check the network and the room on the disk", file=sys.stderr)
        sys.exit(3)


def digest(lines: list[str]) -> str:
    """Return one short name for many lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def fingerprints() -> list[str]:
    """Return path and content of all that the package is built from, without caches and products.

    What is compiled within a checkout has the suffix .so or none.
    """
    files: list[Path] = []
    for name in BUILT_FROM:
        path = ROOT / name
        files += [path] if path.is_file() else (p for p in path.rglob("*") if p.is_file())
    return sorted(
        f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in files
        if "__pycache__" not in path.parts and path.suffix not in {"", ".so"}
    )


def without_licence() -> Iterator[str]:
    """Yield source files whose first lines do not name the licence."""
    sources = [ROOT / "run", ROOT / "meson.build", *ROOT.glob("*.py"), *ROOT.glob(".ci/*")]
    sources += [ROOT / "action.yml", *ROOT.glob("templates/*")]
    for folder in OUR_FOLDERS:
        sources += (p for p in (ROOT / folder).rglob("*") if p.suffix in SOURCE_SUFFIXES)
    for path in sorted(sources):
        with path.open(encoding="utf-8") as source:
            if not any(SPDX in line for _, line in zip(range(2), source, strict=False)):
                yield f"{path.relative_to(ROOT)}: no SPDX line at the top"


def not_kernel_style() -> Iterator[str]:
    """Yield lines of BPF code that are indented by spaces, too long or end in blanks."""
    for path in sorted(p for p in (ROOT / "bpf").rglob("*") if p.suffix in {".c", ".h"}):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            place = f"{path.relative_to(ROOT)}:{number}"
            if re.match(r" +[^ *]", line):
                yield f"{place}: indented by spaces, not tabs"
            if line != line.rstrip():
                yield f"{place}: trailing blanks"
            if len(line.expandtabs(8)) > 100:
                yield f"{place}: longer than 100 columns"
