# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""How fast the capture drains full buffers, time stamps included, on one core.

pytest-benchmark prints the median time, and ``extra_info`` holds records a second. Never asserted.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.plan.config import Consumer, Poll, Producer, TrialConfig, Wake
from bench.tracer import settings, transports
from bench.tracer.capture import Capture
from bench.tracer.transport import BufferRequest
from bench.trial.rig import Rig
from workloads.generator import Generator
from workloads.storm import Storm

pytestmark = [pytest.mark.live, pytest.mark.slow]

BUDGET_BYTES = 64 << 20
PRODUCER = Producer(records_per_exit=1_000, wake=Wake.NONE)  # no consumer waits while it fills
STORM = Storm(count=700)  # 700,000 records: nearly all that fits
ROUNDS = 7


@pytest.mark.parametrize("name", ["ringbuf", "perfbuf"])
def test_draining(name: str, benchmark: BenchmarkFixture) -> None:
    way = transports.find(name)
    config = TrialConfig(transport=name, budget_bytes=BUDGET_BYTES, storm=STORM, producer=PRODUCER)
    counts: list[int] = []
    with Rig() as rig, ExitStack() as stack:
        program = rig.program_for(way, config)
        request = BufferRequest(
            budget_bytes=BUDGET_BYTES, cpus=rig.cpus, producer=PRODUCER, consumer=Consumer()
        )

        def filled() -> tuple[tuple[Capture], dict[str, object]]:
            stack.close()  # gives the other CPUs back as well, on which the storm runs
            stack.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
            capture = rig.capture(config)
            stack.enter_context(way.open(program, capture, request))
            with Generator(STORM) as generator:
                session, rings = generator.session, way.rings(rig.cpus)
                program.configure(settings.encode(PRODUCER, session=session, rings=rings))
                with program.attached():
                    generator.go()
                    generator.wait(60)
            capture.stop()
            os.sched_setaffinity(0, {rig.cpus[-1]})
            return (capture,), {}

        def drain(capture: Capture) -> None:
            capture.run(poll=Poll.BUSY)
            counts.append(capture.count)

        benchmark.pedantic(drain, setup=filled, rounds=ROUNDS)
    assert min(counts) > 300_000  # what one CPU's perf buffer holds, if all ran there
    if benchmark.stats:  # none where benchmarks are disabled
        times_s = benchmark.stats.stats.data
        rate = median(count / time_s for count, time_s in zip(counts, times_s, strict=True))
        benchmark.extra_info["records_per_s"] = round(rate)
        print(f"\n{name}: {rate / 1e6:.1f} million records a second")
