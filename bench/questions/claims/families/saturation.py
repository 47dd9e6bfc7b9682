# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Judge claims about a consumer or a ring at its limit."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from bench.amounts import bound, given, millions, share
from bench.judge.metrics import Unit
from bench.judge.numbers import number
from bench.judge.statistics import Scale
from bench.linux.pages import PAGE_BYTES
from bench.plan.budgets import KIB, label
from bench.plan.config import Consumer, Producer
from bench.plan.experiments import Experiment
from bench.questions.claims import quantities, rules
from bench.questions.claims.claim import Finding, Side
from bench.questions.claims.compare import Of, alone, both, form, less, levels, over
from bench.questions.claims.contrast import ABOUT_EQUAL, NEARLY_NONE
from bench.questions.claims.evidence import Evidence, NotMeasured
from bench.questions.claims.planner import LIBBCC, MOST_BLOCKS, Planner, power_of_two, titled, trial
from bench.questions.transports.profiles import RINGBUF, TRANSPORTS

_SMALL_BYTES: Final = 4 * PAGE_BYTES  # six times what a slow consumer reads between exits
_LARGE_BYTES: Final = 16 * _SMALL_BYTES
_FLAT: Final = 0.02  # of records: the larger ring keeps less than a hundredth at the end
_COST_NS: Final = 7_500  # so that it keeps up with a third
_DEFAULT_BYTES: Final = 256 * KIB  # of a ring, and of each CPU's perf buffer, in libbpf's tools
_LONGER: Final = 32  # times as many records, where only the ring is measured

_titled = titled(
    {
        "slow-consumer": "Does a larger ring lose less where its consumer is the limit?",
        "one-producer": "Which does one busy producer get through sooner, with libbcc's readers?",
    }
)


def experiments(on: Planner) -> tuple[Experiment, ...]:
    """Return one producer with a consumer on another CPU: one that is too slow, and a library's."""
    elsewhere = on.cpus[-1]
    slow = Consumer(cost_ns=_COST_NS, cpu=elsewhere)
    # Paced, or the length of the storm decides how much of it the consumer can read.
    flooded = trial(on.steady(4_000.0, 4_000), slow, Producer(records_per_exit=100))
    usual = on.on_cpus(on.amplified(150, 200, consumer=replace(LIBBCC, cpu=elsewhere)), 1)
    # Such a storm takes 40 ms on a ring: most of them lose nothing, a few lose much.
    longer = replace(usual, storm=replace(usual.storm, count=_LONGER * usual.storm.count))
    sizes = (on.each(size, {"": flooded}, (RINGBUF,)) for size in (_SMALL_BYTES, _LARGE_BYTES))
    # As many pages for each CPU's perf buffer as the ring has: so do the tools.
    defaults = zip(
        TRANSPORTS, (_DEFAULT_BYTES, _DEFAULT_BYTES * power_of_two(on.count)), strict=True
    )
    return (
        _titled("slow-consumer", (arm for arms in sizes for arm in arms), twins=()),
        _titled(
            "one-producer",
            (
                *(on.arm(way, size, "", usual) for way, size in defaults),
                on.arm(RINGBUF, _DEFAULT_BYTES, "longer", longer),
            ),
            twins=(),  # times differ tenfold, and A/A pairs never shifted a margin
            blocks=MOST_BLOCKS,
        ),
    )


_lost = partial(Of, quantities.dropped_share)
_slow = partial(_lost, "slow-consumer", RINGBUF)
_SIZES: Final = {
    "smaller": _slow(budget=label(_SMALL_BYTES), before=_slow(budget="8KiB")),
    "larger": _slow(budget=label(_LARGE_BYTES)),
}
_BUSY: Final = {size: _SIZES[size].taking(number("consumer_busy_share")) for size in _SIZES}
_ROOM: Final = [_lost("capacity-spread", RINGBUF, budget=size) for size in ("16KiB", "128KiB")]
_CPU: Final = both(quantities.cpu_s_per_million, "one-producer")
_LIBRARY: Final = both(quantities.dropped_share, "one-producer")
_LONG: Final = _lost("one-producer", RINGBUF, "longer", before=_LIBRARY["rb"])

_BUSY_SHARE: Final = 0.8  # least share of time for a saturated consumer


def _where_saturated(rule: rules.Rule) -> rules.Rule:
    """Leave ``rule`` open if the consumer was idle for long, or was not given a CPU."""

    def judge(evidence: Evidence) -> Finding:
        finding = rule(evidence)
        with suppress(NotMeasured):
            busy = min(part.median(evidence) for part in _BUSY.values())
            if busy < _BUSY_SHARE:
                why = f"the consumer ran for {share(busy)} of the time: nothing saturated it"
                return replace(finding, verdict=rules.INCONCLUSIVE, reason=why, p=1.0)
        return finding

    return judge


_millions = partial(Of, quantities.drained_millions_per_s, "rate-default", RINGBUF)
_ALL, _ONE = _millions(), _millions("1cpu")


def _written(millions_per_s: float) -> str:
    return millions(millions_per_s * 1e6)


CLAIMS: Final = (
    Side.PERF.claim(
        id="consumer-bound-size",
        statement="once its one consumer is saturated, what a ring loses does not depend on its "
        "size",
        sources="josefbacik/systing#139",
        published="the same at the default and at 200 MiB",
        test="a consumer that takes three times as long over a record as one takes to come, 16 KiB "
        "against 16 times as much; beside it a reader that comes later, 16 KiB against 128 KiB",
        reproduced_when="the smaller ring loses more where the reader comes later, and within 2 % "
        "of records as much where the consumer is the limit; open where it ran for less than 80 % "
        "of the time",
        experiments=("slow-consumer", "capacity-spread"),
        rule=_where_saturated(
            rules.held(
                rules.above(
                    less("share dropped where the reader comes later, 16 KiB less 128 KiB", *_ROOM),
                    details=(
                        levels(
                            form("consumer saturated, the {} ring: {} lost", share),
                            _SIZES,
                            _SIZES["larger"],
                            Scale.DIFFERENCE,
                        ),
                        levels(
                            form("its consumer, the {} ring: busy for {} of the time", share), _BUSY
                        ),
                    ),
                ),
                less(
                    "share dropped where the consumer is saturated, small less large",
                    *_SIZES.values(),
                ),
                low=-_FLAT,
                high=_FLAT,
                words=f"where the consumer is the limit, size changes less than {bound(_FLAT)}",
            )
        ),
        cpus=2,
    ),
    Side.RING.timed(
        id="rb-beats-pb-opens",
        statement="of ten million events of one program the ring loses none and is through sooner, "
        "at less CPU time in user space",
        sources="https://taillatency.net/posts/ebpf-ringbuf.html",
        published="0 lost, 3.94 s, 48 % against 23,142 lost, 4.81 s, 71 %",
        test="amplified, one producer, libbcc's readers, 256 KiB in the ring and for each CPU; "
        "what rb drops in storms of 32 times as many records",
        reproduced_when="rate ratio > 1, CPU time a record less, and at most 1 % dropped on rb",
        experiments=("one-producer",),
        rule=rules.held(
            rules.above(
                over(
                    "delivered a second, rb over pb",
                    *both(quantities.drained_per_s, "one-producer").values(),
                ),
                over("consumer's CPU time a record, pb over rb", _CPU["pb"], _CPU["rb"]),
                details=(
                    levels(form("{}: {} lost", share), _LIBRARY, _LIBRARY["pb"], Scale.DIFFERENCE),
                ),
            ),
            alone("share dropped on rb in longer storms", _LONG),
            words=f"rb drops at most {bound(NEARLY_NONE)}",
        ),
        cpus=2,
    ),
    Side.PERF.timed(
        id="rb-saturates",
        statement="one ring saturates at 1 to 2 million events a second, however many CPUs write",
        sources="optiqor/kerno#35",
        published="1 to 2 M/s",
        test="amplified, default wake-ups; delivered rate from all CPUs, and from one with the "
        "reader on another",
        reproduced_when="as published from all CPUs, and within 1.25 times what one gives",
        experiments=("rate-default",),
        rule=rules.held(
            rules.inside(
                "million records delivered a second from all CPUs",
                lambda evidence: [_ALL(evidence)],
                low=1.0,
                high=2.0,
                bound=2.0,
                unit=Unit.COUNT,
                details=(levels(form("{}: {}", _written), {"from one CPU": _ONE}),),
            ),
            over("delivered a second, all CPUs over one", _ALL, _ONE),
            low=1 / ABOUT_EQUAL,
            high=ABOUT_EQUAL,
            words=f"all CPUs deliver within {given(ABOUT_EQUAL, 'times')} what one does",
        ),
        comparative=False,
        cpus=2,
    ),
)
