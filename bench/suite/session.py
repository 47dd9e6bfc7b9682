# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run pytest with the plugin, as ./run bench does, and exit with bufbench's codes."""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TextIO

import pytest
from pytest_benchmark import logger, utils

import bench
from bench.cli import dry_run
from bench.cli.output import DetachedStream
from bench.doctor import doctor
from bench.errors import BufbenchError, ExitCode, MachineUnfit, UsageError, reject
from bench.host.signals import Ending
from bench.linux import capabilities
from bench.questions.duet.run import settling_seconds
from bench.suite import junit, plugin

_UTILS: Any = utils  # untyped
_LOGGER: Any = logger

_IDLE: Final = (
    *("min-time", "max-time", "min-rounds", "precision", "confidence", "timer"),
    *("calibration-precision", "warmup", "warmup-iterations", "disable-gc"),
    *("cprofile", "cprofile-loops", "cprofile-top", "cprofile-dump"),
)
"""Of --benchmark-...: rounds are blocks, and their times the storms' own."""

_GROUPINGS: Final = frozenset(
    ("group", "name", "func", "fullname", "fullfunc", "param", "param:experiment", "param:arm")
)
_MEANINGS: Final[Mapping[pytest.ExitCode, ExitCode]] = {
    pytest.ExitCode.USAGE_ERROR: ExitCode.USAGE,  # 4, which means trials here
    pytest.ExitCode.NO_TESTS_COLLECTED: ExitCode.USAGE,
    pytest.ExitCode.INTERRUPTED: ExitCode.INTERRUPTED,
    pytest.ExitCode.INTERNAL_ERROR: ExitCode.USAGE,  # 3, which means the machine here
}


class _Session:
    """Do at a session's beginning and end what pytest does not.

    It keeps the session's own exit status: pytest.main mistakes bufbench's codes for its own.
    """

    def __init__(self, ending: Ending, xml: Path | None, stderr: TextIO) -> None:
        self.status: int | None = None
        self._stderr = stderr
        self._ending = ending
        self._xml = xml
        self._config: pytest.Config | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_cmdline_parse(self) -> Generator[None, pytest.Config, pytest.Config]:
        """Refuse wrong usage in one line: pytest would print its usage and its folders."""
        try:
            return (yield)
        except pytest.UsageError as error:
            words = re.search(r"error: (.*)", str(error))
            said = " ".join((words[1] if words else str(error)).split())
            raise UsageError(said, remedy="see ./run bench -- --help") from error

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int | None:
        """Refuse, before pytest begins, whatever must fail. Raises BufbenchError."""
        suite = plugin.prepared(config)
        suite.progress = self._stderr
        if config.option.help or config.option.version:
            return None
        if config.option.dry_run:
            plan = suite.profile
            more_s = settling_seconds(plan.experiments)
            dry_run.show(plan.experiments, left_out=plan.left_out, more_s=more_s)
            return int(ExitCode.OK)
        _check(config)
        finding = doctor.privileges(capabilities.held())
        if finding.status is doctor.Status.FAIL and not config.option.collectonly:
            raise MachineUnfit(f"this user {finding.seen}", remedy=finding.remedy)
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Leave as soon as everything is closed: pytest would go on for another second.

        It would read the sources in the traceback, and its plugins would sum up.
        """
        if isinstance(excinfo.value, KeyboardInterrupt) and self._config:  # not pytest.exit
            self._config.stash[plugin.SUITE].stack.close()
            self._config.pluginmanager.getplugin("terminalreporter").ensure_newline()
            self.complete(self._ending.code)
            self._ending.leave(excinfo.value)

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Report in one line: pytest would print a traceback."""
        error = plugin.internal(excinfo.value)
        if self._config is not None:
            self._config.stash[plugin.SUITE].error = error
        pytest.exit(f"bufbench: {error}", returncode=pytest.ExitCode.INTERNAL_ERROR)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        yield
        error = session.config.stash[plugin.SUITE].error
        self.status = session.exitstatus if error is None else error.exit_code

    def complete(self, code: int, why: str = "") -> None:
        """Complete the JUnit file: every gate's outcome, and a cause of the exit code."""
        if self._xml is None:
            return
        cases = []
        if suite := self._config and self._config.stash.get(plugin.SUITE, None):
            why = str(suite.error) if suite.error else why
            gates = suite.failures.items()
            cases = [junit.Case(name=f"gate {name}", failure=failure) for name, failure in gates]
            if suite.opening_s:
                cases.append(junit.Case(name="set-up", seconds=suite.opening_s))
        junit.complete(self._xml, cases, code=code, why=why or f"the suite ended with {code}")


def _check(config: pytest.Config) -> None:
    """Raise UsageError for what has no effect, or would be refused after the trials."""
    option = config.option
    given = {word.partition("=")[0] for word in config.invocation_params.args}
    saves = option.benchmark_save or option.benchmark_autosave
    no_round = "has no effect: rounds are blocks, timed by the storms"
    idle = {f"--benchmark-{name}": f" {no_round}" for name in _IDLE}
    idle |= {f"--benchmark-{name}": ": nothing would be measured" for name in ("skip", "disable")}
    unknown = sorted(set(option.benchmark_group_by.split(",")) - _GROUPINGS)
    for name, why in idle.items():
        reject(name in given, f"{name}{why}", "leave it out")
    reject(
        option.benchmark_save_data and not saves,
        "--benchmark-save-data has no effect without --benchmark-save",
        "leave it out",
    )
    reject(
        option.benchmark_compare_fail and not option.benchmark_compare,
        "--benchmark-compare-fail needs a run to compare with",
        "save one by --benchmark-save=NAME, then add --benchmark-compare=0001",
    )
    reject(
        unknown,
        f"--benchmark-group-by: there is no {''.join(unknown[:1])[:40]!r}",
        f"take of {', '.join(sorted(_GROUPINGS))}",
    )
    reject(
        option.benchmark_histogram and find_spec("pygal") is None,
        "--benchmark-histogram needs pygal, which is not here",
        "leave it out: the page has charts",
    )
    # A path; in older versions a file, opened when the options were parsed.
    if isinstance(option.benchmark_json, Path):
        _check_writable("--benchmark-json", option.benchmark_json)
    _check_storage(config, saves)


def _check_writable(what: str, path: Path) -> None:
    """Raise UsageError if a file cannot be opened for writing; an existing one stays."""
    there = os.path.lexists(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        os.close(os.open(path, flags, 0o644))
        if not there:
            path.unlink()
    except OSError as error:
        raise UsageError(f"{what}: cannot write {path}: {error.strerror}") from error


def _check_storage(config: pytest.Config, saves: str | None) -> None:
    option = config.option
    compare = option.benchmark_compare
    try:
        storage = _UTILS.load_storage(
            option.benchmark_storage,
            logger=_LOGGER.Logger(_LOGGER.Logger.QUIET, config=config),
            default_machine_id=_UTILS.get_machine_id(),
            netrc=option.benchmark_netrc,
        )
        wanted: Sequence[str] = () if compare is True else (compare,)
        found = [*storage.load(*wanted)] if compare else []
    except Exception as error:  # from any library that stores
        raise UsageError(
            f"--benchmark-compare, --benchmark-storage: {' '.join(str(error).split())[:200]}",
            remedy="name a saved run, or a file of --benchmark-json",
        ) from error
    which = "saved run" if compare is True else f"{str(compare)[:80]!r}"
    reject(
        compare and not found,
        f"--benchmark-compare: there is no {which} in {storage}",
        "save one by --benchmark-save=NAME, or name a file of --benchmark-json",
    )
    if saves and hasattr(storage, "get"):
        _check_writable("--benchmark-save", storage.get(f"0000_{saves}.json"))


def main(arguments: list[str], ending: Ending) -> int:
    """Run the suite, without a checkout's configuration of its own tests."""
    xml = None if "--dry-run" in arguments else junit.place(arguments)
    if xml is not None:
        junit.begin(xml)
    # A copy, since pytest captures the original.
    stderr = DetachedStream(os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace"))
    session = _Session(ending, xml, stderr)
    # Nor with pytest plugins that the system's Python has installed.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        code = pytest.main(
            [
                f"--config-file={os.devnull}",
                f"--rootdir={Path(bench.__file__).parents[1]}",
                "--noconftest",  # pytest would load tests/conftest.py from the working folder
                "--import-mode=importlib",
                "--no-header",
                *("-p", "no:cacheprovider"),
                *("-p", "pytest_benchmark.plugin"),
                *("-p", "bench.suite.plugin"),
                *("--pyargs", "bench.suite"),
                *arguments,
            ],
            plugins=[session],
        )
    except BufbenchError as error:
        session.complete(error.exit_code, str(error))
        raise
    status = code if session.status is None else session.status
    code = _MEANINGS.get(status, status) if isinstance(status, pytest.ExitCode) else status
    session.complete(code)
    return code
