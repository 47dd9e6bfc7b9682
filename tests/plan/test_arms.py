# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test arms by what their programs are attached to, and what such arms cannot have."""

from __future__ import annotations

import pytest

from bench.errors import UsageError
from bench.plan import arms
from bench.plan.arms import compose_duet
from bench.plan.config import Attach, Call, Duet, Producer, TrialConfig, Wake
from bench.record.layout import RECORD_BYTES
from bench.tracer import settings
from bench.tracer.transports import find


@pytest.mark.parametrize(
    ("text", "producer"),
    [
        ("ringbuf:raw", Producer(attach=Attach.RAW, checked=True, payload_bytes=8)),
        ("perfbuf:checked", Producer(checked=True, payload_bytes=8)),
        (
            "perfbuf:tp_btf,scratch",
            Producer(
                attach=Attach.TP_BTF, checked=True, scratch=True, payload_bytes=8, call=Call.OUTPUT
            ),
        ),
        (
            "ringbuf:scratch:raw:delay=500",
            Producer(
                attach=Attach.RAW,
                checked=True,
                scratch=True,
                payload_bytes=8,
                call=Call.OUTPUT,
                delay_ns=500,
            ),
        ),
    ],
)
def test_kinds_of_attachment(text: str, producer: Producer) -> None:
    assert arms.side(text, find).producer == producer
    macros = settings.macros(producer)
    assert macros["SIZE_0"] == RECORD_BYTES + 8
    assert "PADDED" not in macros
    assert ("PREEMPTIBLE" in macros) is (producer.attach is not Attach.TRACEPOINT)


@pytest.mark.parametrize(
    ("text", "usual", "why"),
    [
        ("ringbuf:raw:tp_btf", Producer(), "tp_btf contradicts"),
        ("ringbuf:reserve:scratch", Producer(), "scratch contradicts"),
        ("ringbuf:raw:payload=64", Producer(), "payload=64 contradicts"),
        ("ringbuf:forced:none", Producer(), "none contradicts"),
        ("ringbuf:raw", Producer(payload_bytes=64), "payload is its checksum"),
        ("perfbuf:scratch:records=2", Producer(), "one record per exit"),
        ("perfbuf:checked", Producer(records_per_exit=10), "one record per exit"),
        ("ringbuf:raw:wakeup=9", Producer(), "cannot count records"),
        ("ringbuf:delay=9:records=2", Producer(), "a delayed arm sends one record"),
        ("perfbuf:delay=9", Producer(records_per_exit=10), "a delayed arm sends one record"),
    ],
)
def test_what_does_not_go_together_is_refused(text: str, usual: Producer, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        arms.side(text, find, usual)


def test_what_counts_for_itself_may_be_preempted() -> None:
    found = arms.side("perfbuf:raw:wakeup=9", find).producer
    assert (found.wake, found.watermark) == (Wake.WATERMARK, 9)


def test_a_duet_has_no_checked_arm() -> None:
    config = TrialConfig(transport="none", budget_bytes=0, duet=Duet())
    sides = arms.side("ringbuf:raw", find), arms.side("ringbuf", find)
    with pytest.raises(UsageError, match="a duet has one for each arm") as refused:
        compose_duet("x", "", sides, config, 1 << 20, blocks=8, cpus=2)
    assert "bufbench run --transport ringbuf:raw" in str(refused.value)


def test_labels_have_all_words_and_other_arms_stay_as_they_are() -> None:
    config = TrialConfig(transport="none", budget_bytes=0)
    found = arms.compose(
        name="x",
        title="",
        config=config,
        sides=[arms.side(text, find) for text in ("ringbuf", "ringbuf:raw:scratch")],
        budgets_bytes=(65536, 131072),
        blocks=1,
        cpus=2,
    )
    assert [arm.name for arm in found.arms] == [
        "ringbuf@64KiB",
        "ringbuf@64KiB/raw,scratch",
        "ringbuf@128KiB",
        "ringbuf@128KiB/raw,scratch",
    ]
    assert found.arms[0].config.producer == Producer()
