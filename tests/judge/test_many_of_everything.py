# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge journals with ten thousand machines, runs or arms: in linear time, or refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from made_up_trials import header, trial

from bench.errors import UsageError
from bench.journal.schema import JournalContent, Run
from bench.plan.experiments import ArmName, comparisons
from bench.questions.transports.summary import by_machine

MANY = 10_000


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Limit the time: squares of ``MANY`` would take minutes."""
    began = time.process_time()
    yield
    assert time.process_time() - began < seconds


def test_machines() -> None:
    runs = tuple(Run(header=header(f"host-{number}"), trials=()) for number in range(MANY))
    with within(30):
        groups = by_machine(JournalContent(runs=runs * 2, faults=()))
    assert [len(group) for group in groups] == [2] * MANY


def test_runs_of_one_machine() -> None:
    run = Run(header=header(), trials=(trial("ringbuf@8KiB", 0),))
    with within(30):
        (group,) = by_machine(JournalContent(runs=(run,) * MANY, faults=()))
    assert len(group) == MANY


def test_kernel_facts_in_another_order_are_the_same_machine() -> None:
    facts = {"one": "yes", "two": "no"}
    runs = [
        Run(header=replace(made, machine=replace(made.machine, kernel_facts=order)), trials=())
        for made in [header()]
        for order in (facts, dict(reversed(facts.items())))
    ]
    assert len(by_machine(JournalContent(runs=tuple(runs), faults=()))) == 1


def test_arms() -> None:
    names = [ArmName.parse(f"t{number}@8KiB") for number in range(MANY)]
    perf = [ArmName.parse(f"perfbuf@8KiB({number}KiB)") for number in range(MANY)]
    with within(30):
        assert len(comparisons([*names, ArmName.parse("perfbuf@8KiB")])) == MANY
        with pytest.raises(UsageError, match="more than 8"):
            comparisons([*names, *perf])
