# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Parse arms and assignments as they are written."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.plan import arms
from bench.plan.arms import assignment, compose_duet
from bench.plan.config import MIXED, Call, Duet, Producer, TrialConfig, Wake
from bench.tracer.transports import find


@pytest.mark.parametrize(
    ("text", "transport", "producer"),
    [
        ("ringbuf", "ringbuf", Producer()),
        ("ringbuf:output", "ringbuf", Producer(call=Call.OUTPUT)),
        ("ringbuf:dynptr", "ringbuf", Producer(call=Call.DYNPTR)),
        ("ringbuf:largest", "ringbuf", Producer(call=Call.LARGEST)),
        ("ringbuf:discard", "ringbuf", Producer(call=Call.DISCARD)),
        ("perfbuf:wakeup=50", "perfbuf", Producer(wake=Wake.WATERMARK, watermark=50)),
        ("ringbuf:none", "ringbuf", Producer(wake=Wake.NONE)),
        (
            "sharded:forced:payload=512:records=10",
            "sharded",
            Producer(wake=Wake.FORCED, payload_bytes=512, records_per_exit=10),
        ),
        ("ringbuf:payload=mixed", "ringbuf", Producer(payload_bytes=MIXED)),
        ("ringbuf:delay=700:delay-cpu=1", "ringbuf", Producer(delay_ns=700, delay_cpu=1)),
    ],
)
def test_arms(text: str, transport: str, producer: Producer) -> None:
    found = arms.side(text, find)
    assert (found.transport.name, found.producer) == (transport, producer)


@pytest.mark.parametrize(
    "text",
    [
        *("ringbuf:", "ringbuf:fast", "ringbuf:wakeup", "ringbuf:wakeup=0", "ringbuf:wakeup=-1"),
        *("ringbuf:payload=4104", "ringbuf:payload=9", "ringbuf:records=1001", "ringbuf:delay=1e3"),
        *(
            "ringbuf:delay-cpu=1",
            "ringbuf:wakeup=٣",
            "ringbuf:output=1",
            "ringbuf:wakeup=" + "9" * 30,
        ),
    ],
)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        arms.side(text, find)


def test_how_an_arm_is_read() -> None:
    found = arms.side("sharded:rings=4:consumers=2:position=visit:copy=whole", find)
    assert (found.consumers, found.lazy_reader, found.whole_reader) == (2, True, True)
    assert found.own_reader
    assert found.producer == Producer()
    (arm,), _ = arms.made(found, TrialConfig(transport="none", budget_bytes=0), 1 << 20, cpus=8)
    assert str(arm.name) == "sharded:rings=4@1MiB/consumers=2,position=visit,copy=whole"
    assert (arm.config.consumer.threads, arm.config.lazy_reader) == (2, True)
    assert arm.config.whole_reader
    assert not arms.side("sharded:rings=4", find).own_reader


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ringbuf:consumers=2", "one consumer reads"),
        ("aggregate:consumers=2", "one consumer reads"),
        ("overwrite:consumers=2", "one consumer reads"),
        ("sharded:consumers=65", "out of range"),
        ("overwrite:copy=whole", "wait to be read"),
        ("overwrite:position=visit", "wait to be read"),
        ("aggregate:copy=whole", "wait to be read"),
    ],
)
def test_ways_to_read_without_effect_are_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        arms.side(text, find)


def test_a_duet_has_one_consumer() -> None:
    config = TrialConfig(transport="none", budget_bytes=0, duet=Duet())
    sides = arms.side("sharded:consumers=2", find), arms.side("sharded", find)
    with pytest.raises(UsageError, match="one consumer, which drains both arms") as refused:
        compose_duet("x", "", sides, config, 1 << 20, blocks=8, cpus=2)
    assert "--transport sharded:consumers=2" in refused.value.remedy


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("record", Duet()),
        ("1ms", Duet(window_ns=1_000_000, washout_ns=200_000)),
        ("500 us", Duet(window_ns=500_000, washout_ns=200_000)),
        ("0.0175s", Duet(window_ns=17_500_000, washout_ns=3_500_000)),
    ],
)
def test_assignments(text: str, rule: Duet) -> None:
    assert assignment(text) == rule


@pytest.mark.parametrize("text", ["", "499us", "2s", "1", "ms", "-1ms", "1e3us", "records"])
def test_windows_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"500us to 1s|record, solo, or a window like 1ms"):
        assignment(text)


def test_the_same_arm_twice_has_two_names() -> None:
    config = TrialConfig(transport="none", budget_bytes=0, duet=Duet())
    sides = (arms.side("ringbuf:output", find),) * 2
    found = compose_duet("aa", "", sides, config, 1 << 20, blocks=8, cpus=2)
    assert [arm.name for arm in found.arms] == ["ringbuf@1MiB/output", "ringbuf@1MiB/output#2"]
    assert found.arms[0].config == found.arms[1].config
    assert found.arms[0].config.budget_bytes == 1 << 20


def test_budgets_are_the_nearest_that_either_arm_can_have() -> None:
    config = TrialConfig(transport="none", budget_bytes=0, duet=Duet())
    sides = arms.side("ringbuf", find), arms.side("perfbuf", find)
    for cpus in (1, 2, 3, 6, 12):
        found = compose_duet("x", "", sides, config, 1 << 20, blocks=8, cpus=cpus)
        ring, perf = (arm.config.budget_bytes for arm in found.arms)
        assert ring == 1 << 20
        assert ring / 2 < perf <= ring


def test_a_budget_that_holds_no_record_is_refused() -> None:
    config = TrialConfig(transport="none", budget_bytes=0, duet=Duet())
    sides = arms.side("ringbuf:payload=4096", find), arms.side("perfbuf:payload=4096", find)
    with pytest.raises(UsageError, match="too large for one CPU"):
        compose_duet("x", "", sides, config, 8192, blocks=8, cpus=2)


def test_budgets_that_one_arm_cannot_have_are_refused() -> None:
    config = TrialConfig(transport="none", budget_bytes=0, duet=Duet())
    sides = arms.side("ringbuf", find), arms.side("perfbuf", find)
    with pytest.raises(UsageError, match="8,192 and 16,384 bytes"):
        compose_duet("x", "", sides, config, 8192, blocks=8, cpus=4)


@pytest.mark.parametrize("cpu", [2, 8191])
def test_a_delay_on_a_cpu_without_storms_is_refused(cpu: int) -> None:
    sides = [arms.side(f"ringbuf:delay=9:delay-cpu={each}", find) for each in (1, cpu)]
    arms.check_cpus(sides[:1], (0, 1, 3))
    with pytest.raises(UsageError, match=f"CPU {cpu} is not usable") as refused:
        arms.check_cpus(sides, (0, 1, 3))
    assert refused.value.remedy == "choose from 0-1,3"
