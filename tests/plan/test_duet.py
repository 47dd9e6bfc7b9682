# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Arms and assignments as they are written."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.plan import duet
from bench.plan.config import MIXED, Call, Duet, Producer, TrialConfig, Wake


@pytest.mark.parametrize(
    ("text", "transport", "producer"),
    [
        ("ringbuf", "ringbuf", Producer()),
        ("ringbuf:output", "ringbuf", Producer(call=Call.OUTPUT)),
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
    found = duet.side(text)
    assert (found.transport, found.producer) == (transport, producer)


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
        duet.side(text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("record", Duet()),
        ("1ms", Duet(window_ns=1_000_000, washout_ns=200_000)),
        ("500 us", Duet(window_ns=500_000, washout_ns=100_000)),
        ("0.0175s", Duet(window_ns=17_500_000, washout_ns=3_500_000)),
    ],
)
def test_assignments(text: str, rule: Duet) -> None:
    assert duet.assignment(text) == rule


@pytest.mark.parametrize("text", ["", "499us", "2s", "1", "ms", "-1ms", "1e3us", "records"])
def test_windows_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"500us to 1s|record, or a window like 1ms"):
        duet.assignment(text)


def test_the_same_arm_twice_has_two_names() -> None:
    config = TrialConfig(transport="none", budget_bytes=0, duet=Duet())
    sides = (duet.side("ringbuf:output"),) * 2
    found = duet.experiment("aa", sides, config, 1 << 20, 8)
    assert [arm.name for arm in found.arms] == ["ringbuf@1MiB/output", "ringbuf@1MiB/output#2"]
    assert found.arms[0].config == found.arms[1].config
    assert found.arms[0].config.budget_bytes == 1 << 20
