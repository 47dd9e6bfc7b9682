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
from bench.errors import ExitCode
from bench.suite import plugin

_MEANINGS: Final[Mapping[pytest.ExitCode, ExitCode]] = {
    pytest.ExitCode.USAGE_ERROR: ExitCode.USAGE,  # 4, which stands for trials here
    pytest.ExitCode.NO_TESTS_COLLECTED: ExitCode.USAGE,
    pytest.ExitCode.INTERRUPTED: ExitCode.INTERRUPTED,
    pytest.ExitCode.INTERNAL_ERROR: ExitCode.GATE_FAILED,  # 3, which stands for the machine here
}


class _Ending:
    """Keeps the session's own exit status: pytest.main takes our numbers for its own."""

    status: int | None = None
    asked: BaseException | None = None
    """What ended the session before its time: Ctrl-C, SIGTERM or pytest.exit."""

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.asked = excinfo.value

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        try:
            yield
        except PerformanceRegression:  # --benchmark-compare-fail; to pytest it is wrong usage
            self.status = ExitCode.GATE_FAILED
            raise
        self.status = session.exitstatus


def main(arguments: list[str]) -> int:
    """Run the suite; what a checkout configures for its tests has no say here.

    KeyboardInterrupt once the session is closed, if that is what ended it.
    """
    ending = _Ending()
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
        plugins=[plugin, ending],
    )
    if isinstance(ending.asked, KeyboardInterrupt):
        raise ending.asked
    status = told if ending.status is None else ending.status
    return _MEANINGS.get(status, status) if isinstance(status, pytest.ExitCode) else status
