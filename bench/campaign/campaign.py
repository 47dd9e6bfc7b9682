# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run a campaign: experiments block by block on one rig, every trial written as it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from bench.errors import (
    BufbenchError,
    CaptureFull,
    JournalError,
    MachineUnfit,
    StormFailed,
    UsageError,
)
from bench.host import lock, ownership
from bench.host.signals import Terminated, word
from bench.journal.bounds import LARGEST
from bench.journal.reader import as_resumed, finished, last_run, resumable
from bench.journal.schema import Run, RunHeader
from bench.journal.writer import JournalWriter
from bench.judge.numbers import number
from bench.linux import cpus, machine
from bench.plan.config import Producer, TrialConfig, Wake
from bench.plan.experiments import Arm, ArmName, Experiment, Outline, Stage, stage
from bench.tracer import loader
from bench.trial.duet import run_duet
from bench.trial.memory_census import census
from bench.trial.result import TrialResult
from bench.trial.rig import Rig
from bench.trial.run import Slot, run_trial
from workloads.storm import Shape, Storm
from workloads.user import StormUser

Listener = Callable[[TrialResult], None]

_OPEN: Final = Outline(open=True)
_WARM_UP_S: Final = 0.1
_MOST_WARM_UPS: Final = 6
_AGREEING: Final = 0.05  # share by which two storms may differ
_NS_PER_RECORD: Final = number("kernel_ns_per_record")
_WAKEUP_RECORDS: Final = 50  # of each exit, so that other costs of an exit count little


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Describe a requested run, as its header records it."""

    journal: Path
    command_line: Sequence[str] = field(default_factory=lambda: sys.argv)
    profile: str = ""
    seed: int = 1
    resume: bool | None = None  # None: the command has no --resume
    storm_user: StormUser | None = None  # None: nobody, if this process may change user
    wait: bool = False  # for another measurement to end
    wakeups: bool = True  # measure what one costs, which needs its own program
    warm_up: bool = True  # useless where instructions are counted
    left_out: Sequence[str] = ()  # what the plan had to leave out, in words
    plan: Outline = _OPEN  # as far as it is known before the run begins
    # By transport, as in the header; called once no other measurement runs.
    capabilities: Callable[[], Mapping[str, tuple[str, ...] | None]] = dict

    def __post_init__(self) -> None:
        if abs(self.seed) > LARGEST:
            raise UsageError("--seed is out of range", remedy="take one below 2^63")


class Campaign:
    """Run trials with a rig into an open journal; made by :func:`opened`.

    ``last`` is the run that is resumed. ``trials`` are those of the journal's run, including
    resumed ones.
    """

    def __init__(
        self, rig: Rig, header: RunHeader, writer: JournalWriter, last: Run | None
    ) -> None:
        self.rig = rig
        self.header = header
        self._writer = writer
        self.trials: list[TrialResult] = [] if last is None else [*last.trials]
        self._done = {} if last is None else finished(last)
        self._looked = last is not None and bool(last.memory)
        stages = () if header.plan is None else header.plan.stages
        self._planned = {place for each in stages for place in _places(each)}  # in the journal
        self._no_time_for: list[str] = []

    def pending(
        self, experiment: Experiment, first_block: int = 0
    ) -> Iterator[tuple[int, int, Arm]]:
        """Yield (block, position, arm) of every trial that the journal does not hold yet.

        JournalError if it holds one of that name with another configuration.
        """
        arms: dict[str, Arm] = {arm.name: arm for arm in experiment.arms}
        for (name, arm_name, _), done in self._done.items():  # all, before anything is run
            arm = arms.get(arm_name)
            if name == experiment.name and arm is not None and done != arm.config:
                raise JournalError(
                    f"journal {self._writer.path} cannot be resumed: its {experiment.name} "
                    f"{arm.name} had {_difference(asdict(done), asdict(arm.config))}",
                    remedy="repeat the options of that run, or choose another with --output",
                )
        for block in range(first_block, experiment.blocks):
            for position, arm in enumerate(experiment.order(block, self.header.seed)):
                if (experiment.name, arm.name, block) not in self._done:
                    yield block, position, arm

    def run(
        self, experiment: Experiment, listener: Listener, *, first_block: int = 0
    ) -> tuple[TrialResult, ...]:
        """Run the blocks of ``experiment`` from ``first_block`` on.

        ``listener`` is called with each trial once it is on disk. Ctrl-C reports how many are.
        """
        self.intend(stage(experiment, first_block))
        results: list[TrialResult] = []
        played = -1
        try:
            for block, position, arm in self.pending(experiment, first_block):
                place = Slot(experiment=experiment.name, block=block, position=position)
                if arm.config.duet is None:
                    found: tuple[TrialResult, ...] = (run_trial(self.rig, arm, place),)
                elif block != played:  # both arms of a duet share its storm
                    first, second = experiment.arms
                    found = run_duet(self.rig, (first, second), place, self.header.seed)
                    played = block
                else:
                    continue
                self._writer.write(*found)
                self.trials += found
                results += found
                for result in found:
                    listener(result)
        except KeyboardInterrupt as interrupt:
            how = word(isinstance(interrupt, Terminated))
            interrupt.args = (f"bufbench: {how}; {self._writer.safe}, in {self._writer.path}",)
            raise
        except (CaptureFull, MachineUnfit, StormFailed) as error:
            error.message += f" ({self._writer.safe}, in {self._writer.path})"
            raise
        return tuple(results)

    def intend(self, *stages: Stage) -> None:
        """Write that these are planned, unless the journal says so already."""
        fresh = [each for each in stages if not _places(each) <= self._planned]
        if fresh:
            self._planned.update(*map(_places, fresh))
            self._writer.write(Outline(stages=tuple(fresh), open=self._adaptive))

    def leave_out(self, *what: str) -> None:
        """Note, in words, what there is no time for; it is written as the run ends."""
        self._no_time_for.extend(what)

    @property
    def _adaptive(self) -> bool:
        return self.header.plan is None or self.header.plan.open

    def end_plan(self) -> None:
        """Write that nothing more is planned; a run that was stopped has no such line."""
        if self._adaptive or self._no_time_for:
            self._writer.write(Outline(no_time_for=tuple(self._no_time_for)))

    def census(self, budgets_bytes: Sequence[int]) -> None:
        """Measure memory by every instrument at these budgets, unless the journal has that.

        Done before the trials, so that a killed run has it too.
        """
        for line in () if self._looked else census(budgets_bytes):
            self._writer.write(line)


@contextmanager
def opened(request: RunRequest) -> Iterator[Campaign]:
    """Open a campaign that writes to ``request.journal``; its folder is made if missing.

    Busy if another one runs on this machine, unless ``request.wait``.
    """
    try:
        ownership.make_folder(request.journal.parent)
    except OSError as error:
        raise JournalError(
            f"cannot make the folder {request.journal.parent}: {error.strerror}",
            remedy="choose another with --output",
        ) from error
    if request.resume:
        resumable(request.journal)
    JournalWriter.check(request.journal)  # before waiting for another measurement
    with (
        lock.held(wait=request.wait),
        # Before a rig raises this process's limits.
        nullcontext(dict(request.capabilities())) as capabilities,
        Rig(request.storm_user) as rig,
        cpus.held_shallow() as shallow,
    ):
        warm_up_ns = warm_up(rig) if request.warm_up else ()
        header = RunHeader(
            machine=machine.collect(
                bcc_version=loader.version(),
                kernel_facts=rig.kernel.facts,
                wakeup_cost_ns=wakeup_cost_ns(rig) if request.wakeups else None,
                idle_held=shallow,
            ),
            command_line=tuple(request.command_line),
            profile=request.profile,
            seed=request.seed,
            started_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            left_out=tuple(request.left_out),
            run_id=token_hex(8),
            plan=request.plan,
            warm_up_ns=warm_up_ns,
            capabilities=capabilities,
        )
        for line in (*restrictions(header.machine), *header.left_out):
            print(f"bufbench: {line}", file=sys.stderr, flush=True)
        last = last_run(request.journal, header) if request.resume else None
        if last is not None:
            header = as_resumed(header, last.header)
        with JournalWriter(request.journal, resumable=request.resume is not None) as writer:
            writer.write(header)
            campaign = Campaign(rig, header, writer, last)
            yield campaign
            campaign.end_plan()


def _places(stage: Stage) -> set[tuple[str, str, int]]:
    """Return (experiment, arm, block) of every trial of ``stage``."""
    blocks = range(stage.first_block, stage.first_block + stage.blocks)
    return {(stage.experiment, arm, block) for arm in stage.arms for block in blocks}


def restrictions(machine: machine.Machine) -> Iterator[str]:
    """Yield in words what denies a run some of the machine's CPUs, or of their time."""
    if machine.usable_cpus != machine.online_cpus:
        yield (
            f"restricted to CPUs {machine.usable_cpus} of {machine.online_cpus} by affinity or "
            "cpuset: budgets are shared by these alone"
        )
    if machine.cpu_quota is not None:
        yield (
            f"restricted to the time of {machine.cpu_quota:g} "
            f"CPU{'s' * (machine.cpu_quota != 1)} by the cgroup's quota"
        )


def _difference(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Name the first option that differs."""
    name = next(each for each in then if then[each] != now[each])
    if isinstance(then[name], dict):
        return f"{name} {_difference(then[name], now[name])}"
    return f"{name} {then[name]!r}, not {now[name]!r}"


def warm_up(rig: Rig) -> tuple[float, ...]:
    """Run bare storms until two in a row agree; return the ns per process of each.

    Cold caches, low frequencies and a hypervisor that must find CPUs make the first ones slow.
    """
    storm = Storm(count=1_000_000, seconds=_WARM_UP_S, timed=True, workers=max(2, len(rig.usable)))
    arm = Arm(
        name=ArmName("none"), config=TrialConfig(transport="none", budget_bytes=0, storm=storm)
    )
    paces: list[float] = []
    for block in range(_MOST_WARM_UPS):
        trial = run_trial(rig, arm, Slot(experiment="warm-up", block=block, position=0))
        paces.append((trial.storm.end_ns - trial.storm.start_ns) / max(1, trial.storm.reaped))
        if block and abs(paces[-1] / paces[-2] - 1) < _AGREEING:
            break
    return tuple(paces)


def wakeup_cost_ns(rig: Rig) -> float | None:
    """Return the kernel ns that one wake-up adds to a record: forced minus none.

    None if a trial lost records or wrote none, which shows nothing about wake-ups.
    """
    costs = {}
    for wake in (Wake.NONE, Wake.FORCED):
        config = TrialConfig(
            transport="ringbuf",
            budget_bytes=4 << 20,
            storm=Storm(shape=Shape.STORM, workers=1, count=200, seconds=5.0),
            producer=Producer(wake=wake, records_per_exit=_WAKEUP_RECORDS),
            kernel_stats=True,
        )
        place = Slot(experiment="wakeup-cost", block=0, position=0)
        try:
            result = run_trial(rig, Arm(name=ArmName(wake.value), config=config), place)
        except BufbenchError:
            return None
        cost_ns = _NS_PER_RECORD(result)
        if cost_ns is None or (result.ledger and result.ledger.dropped):
            return None
        costs[wake] = cost_ns
    return costs[Wake.FORCED] - costs[Wake.NONE]
