# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What the suite ends with: every gate's outcome, and the error that decides about the exit code.

Its hook stands between the terminal's and pytest-benchmark's: what fails while a library saves or
compares costs neither the summary nor the page.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.campaign import gates
from bench.errors import BufbenchError, GateFailed, UsageError
from bench.suite.junit import Case
from bench.suite.plugin import Suite, internal, record_plan

COMPARED = "benchmark-compare-fail"
_SHOWS_ONLY = ("collectonly", "setupplan", "showfixtures", "show_fixtures_per_test")


class Verdict:
    """Judges the suite once its tests are over."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._gates: dict[str, str] = {}  # name -> why it does not hold

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        """Close the journal, then let the gates decide about the exit code."""
        suite = self._suite
        suite.stack.close()
        if suite.journal.exists():
            record_plan(session.config, suite.journal)
        try:
            yield
        except Exception as error:  # noqa: BLE001  whatever saving or comparing ends in
            suite.error = suite.error or internal(error)
        if suite.error is None:
            try:
                self._judge(session)
            except BufbenchError as error:
                suite.error = error

    def _judge(self, session: pytest.Session) -> None:
        trials = [trial for each in self._suite.trials.values() for trial in each]
        self._gates = {str(gate): gate.failure(trials) for gate in self._suite.gates}
        if session.config.getoption("benchmark_compare_fail"):
            self._gates[COMPARED] = _regressions(session.config, self._suite.unmeasured)
        gates.check((), trials)
        if failed := [each for each in self._gates.values() if each]:
            raise GateFailed(f"gate failed: {'; '.join(failed)}")
        shows_only = any(session.config.getoption(each, False) for each in _SHOWS_ONLY)
        if session.testsfailed:
            raise UsageError("tests of the suite failed by themselves, not by what they measured")
        ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
        if ended and not trials and not shows_only:
            raise UsageError("nothing was measured: no experiment was chosen")

    def cases(self) -> list[Case]:
        """Return the gates, and what was done before the first trial, as test cases."""
        found = [Case(name=f"gate {name}", failure=why) for name, why in self._gates.items()]
        if self._suite.opening_s:
            found.append(Case(name="set-up", seconds=self._suite.opening_s))
        return found


def _regressions(config: pytest.Config, unmeasured: list[str]) -> str:
    """Return why --benchmark-compare-fail does not hold; "" if it does."""
    session = config._benchmarksession  # type: ignore[attr-defined]  # noqa: SLF001
    if session.performance_regressions:
        names = ", ".join(str(name) for name, _ in session.performance_regressions)
        return f"{COMPARED}: {names[:400]} regressed"
    known = {name for found in (session.compared_mapping or {}).values() for name in found}
    if missing := [each.fullname for each in session.benchmarks if each.fullname not in known]:
        names = ", ".join(name.rpartition("::")[2] for name in missing)
        return f"{COMPARED} was not measured: the run compared with has no {names[:400]}"
    if unmeasured:
        return f"{COMPARED} was not measured: only reduced storms in {', '.join(unmeasured)[:400]}"
    return "" if session.benchmarks else f"{COMPARED} was not measured: nothing was run"
