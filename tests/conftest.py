# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run live tests where they can run, one at a time; skip them elsewhere, and name the reason."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from moments import Faults

from bench.doctor import doctor
from bench.host import lock
from bench.linux import capabilities

MOST_CPU_S = 3.0
"""Of a test that is not marked slow: CPU time, which others' load hardly lengthens."""

UNMARKED = "cpu_s"
"""Property of a test report with the CPU time, if that exceeds MOST_CPU_S."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("faults")
    group.addoption("--faults", type=int, default=0, help="how many of each kind; 0: some")
    group.addoption("--seed", type=int, default=1, help="of the moments and of random trials (1)")

    group = parser.getgroup("soak")
    group.addoption("--minutes", type=float, default=0.25, help="how long to run random trials")
    group.addoption("--journal", type=Path, default=None, help="where to keep them")


def pytest_configure(config: pytest.Config) -> None:
    # What is started inherits an ignored SIGINT, as from a shell's background job.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # The same examples on every machine, however slow it is; --hypothesis-seed looks for others.
    settings.register_profile(
        "same",
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=config.getoption("--hypothesis-seed") is None,
    )
    settings.load_profile("same")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note what should be marked slow."""
    before = os.times()
    try:
        yield
    finally:
        spent_s = sum(os.times()[:4]) - sum(before[:4])  # user and system, own and children's
        if spent_s > MOST_CPU_S and item.get_closest_marker("slow") is None:
            item.user_properties.append((UNMARKED, round(spent_s, 1)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them; not a failure, since a busy machine is slower at everything."""
    unmarked = [
        f"{report.nodeid}: {cpu_s} s"
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, cpu_s in report.user_properties
        if name == UNMARKED
    ]
    if unmarked:
        terminalreporter.section(f"over {MOST_CPU_S:g} s of CPU time, but not marked slow")
        for line in unmarked:
            terminalreporter.write_line(line)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed of the faults' moments: {config.option.seed}"


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Faults:
    option = request.config.option

    def note(name: str, value: object) -> None:
        request.node.user_properties.append((name, value))

    note("seed", option.seed)
    return Faults(option.faults, option.seed, note)


@pytest.fixture(autouse=True)
def one_measurement_at_a_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """Wait, before a live test, until no other measurement runs, and say so on the terminal.

    A test with a rig measures itself and holds the lock. The commands that others start take it,
    and are called with --wait: another measurement may begin a moment before them.
    """
    if request.node.get_closest_marker("live") is None:
        yield
        return
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with ExitStack() as held:
        with capture.global_and_fixture_disabled():
            held.enter_context(lock.held(wait=True))
        if "rig" not in request.fixturenames:
            held.close()
        yield


def why_not_live() -> str | None:
    """Return what keeps live tests from running on this machine; None if nothing does."""
    if os.geteuid() != 0:
        return "not root"
    findings = [
        doctor.privileges(capabilities.held()),
        doctor.check("kernel", os.uname().release),
        doctor.check("BTF", doctor.BTF.exists()),
    ]
    return next((f.seen for f in findings if f.status == doctor.Status.FAIL), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not_live()
    if reason:
        for item in items:
            if item.get_closest_marker("live"):
                item.add_marker(pytest.mark.skip(reason=f"live test: {reason}"))
