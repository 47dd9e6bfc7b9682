# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""pytest plugin of the suite: options, the campaign, the replayed clock and the summary."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.session import PerformanceRegression

from bench import paths
from bench.campaign import campaign, gates, progress
from bench.errors import BufbenchError, UsageError
from bench.host import limits, ownership
from bench.linux import cpus, procfs
from bench.plan.experiments import Arm, Experiment
from bench.plan.outline import outline
from bench.questions.transports import profiles
from bench.suite.clock import ReplayClock
from bench.trial.result import TrialResult


class Suite:
    """What the tests of one session share: the plan, and its trials once they are run."""

    def __init__(self, config: pytest.Config) -> None:
        name = config.getoption("--profile")
        usable = cpus.usable(procfs.online_cpus())
        self.profile = profiles.profile(name, usable)
        self.gates = gates.parse(*config.getoption("--fail-on"))
        gates.check_plan(
            self.gates,
            (arm.config.transport for each in self.profile.experiments for arm in each.arms),
        )
        self.clock = ReplayClock()
        self.journal = Path(config.getoption("--journal") or paths.new_journal(name))
        self.chosen = self.profile.experiments  # those of them that tests were selected of
        self.trials: dict[str, tuple[TrialResult, ...]] = {}
        self.reduced: list[str] = []  # storms that are no rounds, in words
        self.unmeasured: list[str] = []  # tests that had no other storms
        self.stack = ExitStack()
        self.error: BufbenchError | None = None  # the first that ended it, or gates at its end
        self.spent_s: dict[tuple[str, str], float] = defaultdict(float)  # by experiment and arm
        self.opening_s = 0.0
        self.ran_s = 0.0  # since a test's time was last taken
        self._seed: int = config.getoption("--seed")
        self._wait: bool = config.getoption("--wait")
        self._request()  # refuses what no run can have
        self._campaign: campaign.Campaign | None = None
        self._begin: progress.Begin | None = None

    def run(self, experiment: Experiment) -> tuple[TrialResult, ...]:
        """Return the experiment's trials; the first of its tests to ask runs all blocks."""
        if experiment.name not in self.trials:
            began = time.monotonic()
            try:
                with limits.explain():
                    self.trials[experiment.name] = self._trials(experiment)
            except BufbenchError as error:  # no other experiment would fare better
                self.error = error
                pytest.exit(f"bufbench: {error}", returncode=error.exit_code)
            self.ran_s += time.monotonic() - began
        return self.trials[experiment.name]

    def seconds_of(self, experiment: Experiment, arm: Arm, setup_s: float) -> float:
        """Return a test's own set-up time, without the trials of other tests' arms."""
        ran_s, self.ran_s = self.ran_s, 0.0
        return max(0.0, setup_s - ran_s) + self.spent_s[experiment.name, arm.name]

    def _trials(self, experiment: Experiment) -> tuple[TrialResult, ...]:
        last = time.monotonic()
        if self._campaign is None or self._begin is None:
            self._campaign = self.stack.enter_context(campaign.opened(self._request()))
            self._campaign.census(profiles.census_budgets_bytes(self.profile.name))
            self._begin = self.stack.enter_context(progress.shown(self.profile.experiments))
            self.opening_s, last = time.monotonic() - last, time.monotonic()
        ended = self._begin(experiment)

        def listener(trial: TrialResult) -> None:
            nonlocal last
            now = time.monotonic()
            self.spent_s[trial.experiment, trial.arm] += now - last
            last = now
            ended(trial)

        return self._campaign.run(experiment, listener)

    def _request(self) -> campaign.Request:
        return campaign.Request(
            journal=self.journal,
            command_line=sys.argv,
            profile=self.profile.name,
            seed=self._seed,
            wait=self._wait,
            plan=outline(self.chosen),
            left_out=self.profile.left_out,
        )


SUITE: pytest.StashKey[Suite] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Define the options of ./run bench."""
    group = parser.getgroup("bufbench")
    group.addoption(
        "--profile", default="quick", help=f"which experiments: {', '.join(profiles.NAMES)}"
    )
    group.addoption("--seed", type=int, default=profiles.DEFAULT_SEED, help="of the blocks' order")
    group.addoption("--wait", action="store_true", help="wait until no other measurement runs")
    group.addoption("--journal", default="", help="the journal to write (results/PROFILE-TIME)")
    group.addoption(
        "--fail-on",
        action="append",
        default=[],
        metavar="GATES",
        help="exit 1 on these, e.g. ringbuf:drops,ringbuf:causal",
    )


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


@pytest.fixture
def suite(request: pytest.FixtureRequest) -> Suite:
    """Return the session's plan and trials."""
    return request.config.stash[SUITE]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let each test have the time of its own arm: the first one runs all of its experiment's."""
    report = yield
    if call.when == "setup" and isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        found: Any = item.callspec.params
        suite = item.config.stash[SUITE]
        report.duration = suite.seconds_of(found["experiment"], found["arm"], report.duration)
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say below all tables why the exit code is what it is; under sudo, hand over what is left."""
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
    """Print the comparison and where its journal lies, after pytest-benchmark's tables."""
    suite = config.stash[SUITE]
    try:
        yield
    except PerformanceRegression:
        pass  # a gate, which has been judged
    except Exception as error:  # noqa: BLE001  whatever a table of a library's ends in
        suite.error = suite.error or internal(error)
    if not suite.trials:
        return
    from bench.journal.reader import read_journal
    from bench.questions.transports.document import document
    from bench.questions.transports.summary import compare_journals
    from bench.report.document import Level
    from bench.report.renderers.terminal import Screen, show

    terminalreporter.section("bufbench")
    for line in suite.reduced:
        terminalreporter.write_line(line)
    for summary in compare_journals(read_journal(suite.journal)):
        show(document(summary), Screen(), level=Level.DECISION)
    from bench.cli.files import page_line

    terminalreporter.write_line(f"journal: {suite.journal}")
    terminalreporter.write_line(page_line(suite.journal))
    terminalreporter.write_line(f"all tables: ./run report -- {suite.journal}")


def record_plan(config: pytest.Config, journal: Path) -> None:
    """Write into JUnit's file how many trials were planned, and how many of them ran."""
    from bench.journal.reader import read_journal
    from bench.judge.coverage import coverage

    found = coverage(read_journal(journal).runs[-1:])
    for plugin in config.pluginmanager.get_plugins():
        record = getattr(plugin, "add_global_property", None)  # --junitxml's
        if record is not None:
            record("planned_trials", str(found.planned))
            record("planned_trials_ran", str(found.ran))


def internal(error: BaseException) -> UsageError:
    """Say what pytest or a plugin of its failed at: neither a gate nor a trial."""
    words = " ".join(str(error).split())[:200]
    return UsageError(
        f"pytest failed: {type(error).__name__}: {words}",
        remedy="every finished trial is in the journal",
    )
