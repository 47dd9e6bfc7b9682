# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Measure how fast the capture drains full buffers, time stamps included, on one core.

Beside it, in turn, a drain that stamps each record, as all readers did before stamps were shared.
pytest-benchmark prints the median time, and ``extra_info`` holds records a second and the error of
latencies. Rates are not asserted, since machines differ; how they compare is, and how few stamps
records have.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from statistics import median

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.measure import latency
from bench.plan.config import Poll, Producer, TrialConfig, Wake
from bench.tracer import settings, transports
from bench.tracer.capture import Capture
from bench.tracer.transport import BufferRequest
from bench.trial.observe import captured
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
    rates: dict[bool, list[float]] = {True: [], False: []}  # by whether each record has a stamp
    with Rig() as rig, ExitStack() as stack:
        program = rig.program_for(way, config)
        request = BufferRequest(config=config, cpus=rig.cpus)

        def filled() -> Capture:
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
            return capture

        def compared() -> tuple[tuple[Capture], dict[str, object]]:
            """Drain once with a stamp for each record, then fill the buffers for a round."""
            capture = filled()
            capture.stamp_each()
            drain(capture, apart=True)
            return (filled(),), {}

        def drain(capture: Capture, *, apart: bool = False) -> Capture:
            capture.run(poll=Poll.BUSY)
            counts.append(capture.count)
            rates[apart].append(1e9 * capture.count / capture.cpu_ns)
            return capture

        last = benchmark.pedantic(drain, setup=compared, rounds=ROUNDS)
        records = captured(last)
        half_ns, most_ns = np.percentile(latency.errors_ns(records, records), [50, 100])
    assert min(counts) > 300_000  # what one CPU's perf buffer holds, if all ran there
    # Of a visit's 4,096 the first 64 have stamps of their own, then a 64th of those so far shares.
    assert len(np.unique(records["delivered_ns"])) < len(records) / 10
    apart, shared = (median(rates[each]) for each in (True, False))
    assert shared > 1.5 * apart
    benchmark.extra_info |= {
        "records_per_s": round(shared),
        "records_per_s_stamped_each": round(apart),
        "latency_error_median_ns": round(half_ns),
        "latency_error_max_ns": round(most_ns),
    }
    print(
        f"\n{name}: {shared / 1e6:.1f} million records a second of CPU time, "
        f"{apart / 1e6:.1f} with a stamp each; latencies are too long by "
        f"{half_ns / 1e3:.1f} us at the median, {most_ns / 1e3:.1f} us at most"
    )
