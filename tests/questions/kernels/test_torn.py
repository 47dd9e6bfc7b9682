# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Sum torn records over kernels by arm; none of them is in what is said of the buffers."""

from __future__ import annotations

from dataclasses import replace

from made_up_claims import arm, dropped
from made_up_trials import machine

from bench.judge.comparison import compare_arms
from bench.judge.filing import file
from bench.judge.samples import Stretch
from bench.judge.sums import torn
from bench.plan import arms
from bench.plan.config import Attach
from bench.questions.kernels.matrix import TornOn
from bench.questions.kernels.tables import torn as table
from bench.questions.kernels.tables import torn_sentences as sentences
from bench.questions.transports import torn as words
from bench.report.document import NONE
from bench.tracer.transports import find
from bench.trial.result import TrialResult

ARMS = {"ringbuf:raw:scratch": 3, "ringbuf:scratch": 0, "perfbuf:raw:scratch": 0}


def trials(delay: str) -> list[TrialResult]:
    found = []
    for text, count in ARMS.items():
        side = arms.side(text + delay, find)
        name = f"{side.transport.name}@1MiB/{side.variant}"
        for made in arm("torn", name, dropped, (0.1,) * 8):
            assert made.ledger is not None
            config = replace(made.config, producer=side.producer, transport=side.transport.name)
            book = replace(made.ledger, torn=count, missed=2, reaped=1_002)
            found.append(replace(made, config=config, ledger=book))
    return found


def test_sums_are_by_arm_and_those_that_may_tear_come_last() -> None:
    (samples,) = file([Stretch(trials=trials(":delay=500000"), machine=machine())]).values()
    found = [*torn(samples)]
    assert [(e.attach, e.transport, e.torn, e.delivered, e.missed) for e in found] == [
        (Attach.TRACEPOINT, "ringbuf", 0, 7_200, 16),
        (Attach.RAW, "perfbuf", 0, 7_200, 16),
        (Attach.RAW, "ringbuf", 24, 7_200, 16),
    ]
    said = str(words.sentence(found))
    assert said.startswith("Torn: 24 of 7,200 records of the ring buffer on a raw tracepoint with")
    assert said.endswith("none of the other arms' 14,400.")
    assert [str(cell.text) for row in words.table(found).rows for cell in row.cells][-2:] == [
        "24",
        "16",
    ]


def test_arms_that_are_held_up_say_nothing_of_the_buffers() -> None:
    held, free = (
        next(iter(file([Stretch(trials=trials(delay), machine=machine())]).values()))
        for delay in (":delay=500000", "")
    )
    assert len(compare_arms(free, [])) == 1
    assert compare_arms(held, []) == ()


def test_kernels_stand_apart() -> None:
    (samples,) = file([Stretch(trials=trials(""), machine=machine())]).values()
    one = TornOn(kernel="7.3", preemption="full", arms=tuple(torn(samples)))
    other = replace(one, kernel="6.18", arms=tuple(replace(each, torn=0) for each in one.arms[:2]))
    torn_on, none_on = map(str, sentences([other, one]))
    assert torn_on.startswith(
        "Torn on 7.3, preemption full: 24 of 7,200 records of the ring buffer"
    )
    assert none_on == "Torn: no record on 6.18."
    rows = {row.heading.text: [cell.text for cell in row.cells] for row in table([other, one]).rows}
    assert rows["7.3"] == ["full", "0 of 7,200", "0 of 7,200", "24 of 7,200"]
    assert rows["6.18"][-1] == NONE
