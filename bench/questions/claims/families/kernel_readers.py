# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Claims about kernel ns per record beside a reader: one that sleeps, one that polls busily."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Final

from bench.plan.config import Wake
from bench.plan.experiments import Experiment
from bench.questions.claims.claim import for_perf
from bench.questions.claims.compare import Of, levels, over
from bench.questions.claims.contrast import sides
from bench.questions.claims.evidence import Evidence
from bench.questions.claims.quantities import steady_ns
from bench.questions.claims.rules import above
from bench.questions.claims.setting import MORE_BLOCKS, STOPPED, Setting, experiment
from bench.questions.transports.profiles import BUSY


def experiments(on: Setting) -> tuple[Experiment, ...]:
    """Return what a busily polling reader costs the producer; nothing with a single CPU."""
    if on.count < 2:
        return ()
    at_once = max(50, min(1_000, 8_000 // on.count))
    alone = on.on_cpus(on.amplified(240, at_once, wake=Wake.NONE, kernel_stats=True), 1)
    readers = {"asleep": STOPPED, "busy": BUSY}
    return (
        experiment(
            "busy-poll",
            "Does a consumer that polls busily make records more expensive for the producer?",
            on.each(
                on.holding_on_each(alone),
                {
                    name: replace(alone, consumer=replace(reader, cpu=on.last))
                    for name, reader in readers.items()
                },
            ),
            blocks=MORE_BLOCKS,
        ),
    )


_wake = partial(Of, steady_ns, "wake")
_WOKEN: Final = {
    "rb output, adaptive": _wake("ringbuf", "output-adaptive-epoll"),
    "rb output, forced": _wake("ringbuf", "output-forced-epoll"),
    "pb, every record": _wake("perfbuf", "adaptive-epoll"),
}
_POLLED: Final = {
    f"{words}, {variant}": Of(steady_ns, "busy-poll", transport, variant)
    for words, transport in (("rb", "ringbuf"), ("pb", "perfbuf"))
    for variant in ("busy", "asleep")
}
_TAX: Final = over("cost of busy polling to the producer, rb over pb", *_POLLED.values())


def _busy_levels(evidence: Evidence) -> Iterable[str]:
    _, asleep, perf_busy, perf_asleep = _POLLED.values()
    ring = asleep.median(evidence)
    busy, perf = sides(perf_busy(evidence), perf_asleep(evidence))
    # So that the four agree with the tax.
    values = (ring * busy / perf * _TAX(evidence).estimate.point, ring, busy, perf)
    return (f"{words}: {ns:,.0f} ns a record" for words, ns in zip(_POLLED, values, strict=True))


CLAIMS: Final = (
    for_perf(
        id="rb-output-slower",
        statement="a ring output call costs more than a perf one",
        sources="cilium/pwru#195, jschwinger233/bpf_k2u_benchmark",
        published="81 ms pb, 198 ms rb unwoken, 1,821 ms rb forced, for 10 M calls",
        test="with live readers, successes only",
        reproduced_when="ns per successful run higher on rb. The published run installed no perf "
        "readers, so its pb calls failed at once: say so",
        experiments=("wake",),
        rule=above(
            over(
                "kernel ns a record with nobody woken, rb output over pb output",
                _wake("ringbuf", "output-none-epoll"),
                _wake("perfbuf", "none-epoll"),
            ),
            details=(
                levels("{}: {:,.0f} ns a record", _WOKEN),
                lambda _: (
                    "the published run installed no perf readers, so its pb calls failed at once",
                ),
            ),
        ),
    ),
    for_perf(
        id="busy-poll-taxes-rb",
        statement="a busy-polling consumer slows the ring's producers more than the perf buffer's",
        sources="seen here, not published",
        test="kernel ns per record, consumer busy polling against asleep",
        reproduced_when="ratio on rb above the ratio on pb",
        experiments=("busy-poll",),
        rule=above(_TAX, details=(_busy_levels,)),
        cpus=2,
    ),
)
