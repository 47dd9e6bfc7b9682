# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Extend pytest for the suite: options, the campaign, the replayed clock, gates and the summary.

It is registered after pytest-benchmark's plugin and before the terminal's: what fails while a
library saves or compares costs neither the summary nor the page.

PYTEST_DONT_REWRITE: session.py has imported it by then.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TextIO

import pytest
from pytest_benchmark.session import PerformanceRegression

from bench import paths
from bench.campaign import campaign, gates, progress
from bench.cli.options import parsed
from bench.cli.report import page_line
from bench.errors import BufbenchError, GateFailed, UsageError
from bench.host import ownership
from bench.journal.reader import read_journal
from bench.linux import cpus, refusal
from bench.plan.experiments import Arm, Experiment, outline
from bench.questions.duet.run import settled
from bench.questions.transports import profiles
from bench.questions.transports.coverage import coverage
from bench.questions.transports.document import document
from bench.questions.transports.summary import compare_journals
from bench.report.document import Level
from bench.report.renderers.text import Screen, show
from bench.trial.result import TrialResult

_COMPARED: Final = "benchmark-compare-fail"
_SHOWS_ONLY: Final = ("collectonly", "setupplan", "showfixtures", "show_fixtures_per_test")


class Suite:
    """Hold what the tests of one session share: the plan, and its trials once they are run."""

    def __init__(self, config: pytest.Config) -> None:
        name = config.getoption("--profile")
        self.profile = profiles.profile(name, cpus.usable())
        self.gates = parsed("--fail-on", gates.parse, *config.getoption("--fail-on"))
        gates.check_plan(
            self.gates,
            (arm.config.transport for each in self.profile.experiments for arm in each.arms),
        )
        self.replayed_ns = 0  # the time of rounds: it passes only as one is replayed
        self.chosen = self.profile.experiments  # those of which tests were selected
        self.trials: dict[str, tuple[TrialResult, ...]] = {}
        self.reduced: list[str] = []  # storms that are not rounds, in words
        self.unmeasured: list[str] = []  # tests that had only such storms
        self.failures: dict[str, str] = {}  # by gate: why it does not hold, "" if it does
        self.stack = ExitStack()
        self.progress: TextIO | None = None  # stderr, which pytest captures
        self.error: BufbenchError | None = None  # the first that ended it, or gates at the end
        self.opening_s = 0.0
        self._spent_s: dict[tuple[str, str], float] = defaultdict(float)  # by experiment and arm
        self._ran_s = 0.0  # since a test's time was last taken
        self._request = campaign.RunRequest(
            journal=Path(config.getoption("--journal") or paths.new_journal(name)),
            profile=name,
            seed=config.getoption("--seed"),
            wait=config.getoption("--wait"),
            left_out=self.profile.left_out,
        )
        self.journal = self._request.journal
        self._opened: tuple[campaign.Campaign, progress.Begin] | None = None

    def clock(self) -> float:
        """Return the seconds of all replayed rounds: the timer of pytest-benchmark."""
        return self.replayed_ns / 1e9

    def run(self, experiment: Experiment) -> tuple[TrialResult, ...]:
        """Return the experiment's trials; the first of its tests to ask runs all blocks."""
        if experiment.name not in self.trials:
            began = time.monotonic()
            try:
                with refusal.explain():
                    self.trials[experiment.name] = self._trials(experiment)
            except BufbenchError as error:  # the other experiments would fail too
                self.error = error
                pytest.exit(f"bufbench: {error}", returncode=error.exit_code)
            self._ran_s += time.monotonic() - began
        return self.trials[experiment.name]

    def seconds_of(self, experiment: Experiment, arm: Arm, setup_s: float) -> float:
        """Return a test's own set-up time, without the trials of other tests' arms."""
        ran_s, self._ran_s = self._ran_s, 0.0
        return max(0.0, setup_s - ran_s) + self._spent_s[experiment.name, arm.name]

    def _trials(self, experiment: Experiment) -> tuple[TrialResult, ...]:
        last = time.monotonic()
        if self._opened is None:
            request = replace(self._request, plan=outline(self.chosen))
            opened = self.stack.enter_context(campaign.opened(request))
            opened.census(profiles.census_budgets_bytes(self.profile.name))
            shown = self.stack.enter_context(progress.shown(self.chosen, self.progress))
            self._opened = opened, shown
            self.opening_s, last = time.monotonic() - last, time.monotonic()
        running, begin = self._opened
        ended = begin(experiment)

        def listener(trial: TrialResult) -> None:
            nonlocal last
            now = time.monotonic()
            self._spent_s[trial.experiment, trial.arm] += now - last
            last = now
            ended(trial)

        return settled(experiment, running, listener)


SUITE: pytest.StashKey[Suite] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Define the options of ./run bench."""
    add = parser.getgroup("bufbench").addoption
    add("--profile", default="quick", help=f"which experiments: {', '.join(profiles.NAMES)}")
    add("--seed", type=int, default=profiles.DEFAULT_SEED, help="of the blocks' order")
    add("--wait", action="store_true", help="wait until no other measurement runs")
    add("--journal", default="", help="the journal to write (results/PROFILE-TIME)")
    gates_help = "exit 1 on these, e.g. ringbuf:drops,ringbuf:causal"
    add("--dry-run", action="store_true", help="print the plan and how long it takes; run nothing")
    add("--timings", action="store_true", help="show pytest-benchmark's tables of storm times")
    add("--fail-on", action="append", default=[], metavar="GATES", help=gates_help)


def pytest_report_teststatus(
    report: pytest.TestReport, config: pytest.Config
) -> tuple[str, str, str] | None:
    """Show no dots: the first test of an experiment runs it all, and progress is shown by time."""
    if config.get_verbosity() > 0 or not report.passed or report.when != "call":
        return None
    return report.outcome, "", ""


def prepared(config: pytest.Config) -> Suite:
    """Make the plan, once; nothing is run yet. Raises BufbenchError."""
    if SUITE not in config.stash:
        config.stash[SUITE] = Suite(config)
    return config.stash[SUITE]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per experiment and arm; rounds are timed by the storm's own clock."""
    if {"experiment", "arm"} <= set(metafunc.fixturenames):
        suite = metafunc.config.stash[SUITE]
        metafunc.parametrize(
            ("experiment", "arm"),
            [
                pytest.param(
                    experiment,
                    arm,
                    id=f"{experiment.name}-{arm.name}",
                    marks=pytest.mark.benchmark(group=experiment.name, timer=suite.clock),
                )
                for experiment in suite.profile.experiments
                for arm in experiment.arms
            ],
        )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Plan the experiments of which a test was selected; each runs with all of its arms."""
    suite = session.config.stash[SUITE]
    calls = [getattr(item, "callspec", None) for item in session.items]
    names = {call.params["experiment"].name for call in calls if call is not None}
    suite.chosen = tuple(each for each in suite.profile.experiments if each.name in names)
    if session.config.get_verbosity() <= 0:
        session.config.pluginmanager.getplugin("terminalreporter").showfspath = False


@pytest.fixture
def suite(request: pytest.FixtureRequest) -> Suite:
    """Return the session's plan and trials."""
    return request.config.stash[SUITE]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give each test the time of its own arm: the first one runs all arms of its experiment."""
    report = yield
    if call.when == "setup" and isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        found: Any = item.callspec.params
        suite = item.config.stash[SUITE]
        report.duration = suite.seconds_of(found["experiment"], found["arm"], report.duration)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Close the journal, then let the gates decide the exit code."""
    suite = session.config.stash[SUITE]
    suite.stack.close()
    if suite.journal.exists():
        _record_run(session.config, suite)
    try:
        yield
    except Exception as error:  # noqa: BLE001  anything from saving or comparing
        suite.error = suite.error or internal(error)
    if suite.error is None:
        try:
            _judge(session, suite)
        except BufbenchError as error:
            suite.error = error


def _record_run(config: pytest.Config, suite: Suite) -> None:
    """Write into JUnit's file what ran: kernel, gates, seed, and how much of the plan."""
    run = read_journal(suite.journal).runs[-1]
    found = coverage([run])
    properties = {
        "kernel": run.header.machine.kernel_release,
        "gate": ",".join(map(str, suite.gates)) or "none",
        "seed": str(run.header.seed),
        "planned_trials": str(found.planned_trials),
        "planned_trials_ran": str(found.planned_trials_ran),
    }
    for plugin in config.pluginmanager.get_plugins():
        if record := getattr(plugin, "add_global_property", None):  # --junitxml's
            for name, value in properties.items():
                record(name, value)


def _judge(session: pytest.Session, suite: Suite) -> None:
    option = session.config.getoption
    trials = [trial for each in suite.trials.values() for trial in each]
    suite.failures = {str(gate): gate.failure(trials) for gate in suite.gates}
    if option("benchmark_compare_fail"):
        suite.failures[_COMPARED] = _regressions(session.config, suite.unmeasured)
    gates.check((), trials)
    if failed := [each for each in suite.failures.values() if each]:
        raise GateFailed(f"gate failed: {'; '.join(failed)}")
    if session.testsfailed:
        raise UsageError("tests of the suite failed by themselves, not by what they measured")
    ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if ended and not trials and not any(option(each, False) for each in _SHOWS_ONLY):
        raise UsageError("nothing was measured: no experiment was chosen")


def _regressions(config: pytest.Config, unmeasured: list[str]) -> str:
    """Return why --benchmark-compare-fail does not hold; "" if it does."""
    session = config._benchmarksession  # type: ignore[attr-defined]  # noqa: SLF001
    if session.performance_regressions:
        names = ", ".join(str(name) for name, _ in session.performance_regressions)
        return f"{_COMPARED}: {names[:400]} regressed"
    known = {name for found in (session.compared_mapping or {}).values() for name in found}
    missing = [each.fullname for each in session.benchmarks if each.fullname not in known]
    names = ", ".join(name.rpartition("::")[2] for name in missing)
    lacks = (
        (missing, f"the run compared with has no {names[:400]}"),
        (unmeasured, f"only reduced storms in {', '.join(unmeasured)[:400]}"),
        (not session.benchmarks, "nothing was run"),
    )
    return next((f"{_COMPARED} was not measured: {why}" for lack, why in lacks if lack), "")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Explain the exit code below all tables; under sudo, hand over the files."""
    written = config.getoption("benchmark_json", None)
    if written:
        ownership.hand_over(Path(getattr(written, "name", written)))
    suite = config.stash.get(SUITE, None)
    if suite and suite.error:
        print(f"bufbench: {suite.error}", file=sys.stderr)


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Print the decision and where its journal is; pytest-benchmark's tables on request."""
    suite = config.stash[SUITE]
    session = config._benchmarksession  # type: ignore[attr-defined]  # noqa: SLF001
    shown = ("timings", "benchmark_compare", "benchmark_histogram", "benchmark_cprofile")
    session.quiet = session.quiet or not any(map(config.getoption, shown))
    try:
        yield
    except PerformanceRegression:
        pass  # a gate, already judged
    except Exception as error:  # noqa: BLE001  anything from a library's table
        suite.error = suite.error or internal(error)
    if not suite.trials:
        return
    terminalreporter.section("bufbench")
    write = terminalreporter.write_line
    for line in suite.reduced:
        write(line)
    for summary in compare_journals(read_journal(suite.journal)):
        show(document(summary), Screen(), level=Level.DECISION)
    write(f"journal: {suite.journal}")
    write(page_line(suite.journal))
    write(f"all comparisons: ./run report -- {suite.journal} --full")


def internal(error: BaseException) -> UsageError:
    """Return the error for a failure of pytest or a plugin: neither a gate nor a trial."""
    words = " ".join(str(error).split())[:200]
    return UsageError(
        f"pytest failed: {type(error).__name__}: {words}",
        remedy="every finished trial is in the journal",
    )
