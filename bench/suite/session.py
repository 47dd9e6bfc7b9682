# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The suite as ./run bench starts it: pytest with the plugin, ending with bufbench's exit codes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from pytest_benchmark.session import PerformanceRegression

import bench
from bench.ending import Ending
from bench.errors import ExitCode
from bench.suite import plugin

_MEANINGS: Final[Mapping[pytest.ExitCode, ExitCode]] = {
    pytest.ExitCode.USAGE_ERROR: ExitCode.USAGE,  # 4, which stands for trials here
    pytest.ExitCode.NO_TESTS_COLLECTED: ExitCode.USAGE,
    pytest.ExitCode.INTERRUPTED: ExitCode.INTERRUPTED,
    pytest.ExitCode.INTERNAL_ERROR: ExitCode.GATE_FAILED,  # 3, which stands for the machine here
}


class _Session:
    """What pytest does not do for us at a session's end.

    It keeps the session's own exit status: pytest.main takes our numbers for its own.
    """

    def __init__(self, ending: Ending) -> None:
        self.status: int | None = None
        self._ending = ending
        self._config: pytest.Config | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Leave, as soon as what is open is closed: pytest would go on for another second.

        It reads the sources that the traceback leads through, and its plugins sum up.
        """
        if isinstance(excinfo.value, KeyboardInterrupt) and self._config:  # not pytest.exit
            self._config.stash[plugin.SUITE].stack.close()
            self._config.pluginmanager.getplugin("terminalreporter").ensure_newline()
            self._ending.leave(excinfo.value)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        try:
            yield
        except PerformanceRegression:  # --benchmark-compare-fail; to pytest it is wrong usage
            self.status = ExitCode.GATE_FAILED
            raise
        self.status = session.exitstatus


def main(arguments: list[str], ending: Ending) -> int:
    """Run the suite; what a checkout configures for its tests has no say here."""
    session = _Session(ending)
    told = pytest.main(
        [
            f"--config-file={os.devnull}",
            f"--rootdir={Path(bench.__file__).parents[1]}",
            "--noconftest",  # pytest would take tests/conftest.py of the folder that it starts in
            "--import-mode=importlib",
            "-p",
            "no:cacheprovider",
            "--pyargs",
            "bench.suite",
            *arguments,
        ],
        plugins=[plugin, session],
    )
    status = told if session.status is None else session.status
    return _MEANINGS.get(status, status) if isinstance(status, pytest.ExitCode) else status
