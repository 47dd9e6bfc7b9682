# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the claim on torn records: what a kernel can show, and which arms must not tear."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_claims import arm, dropped, evidence
from made_up_trials import machine

from bench.plan import arms
from bench.questions.claims.catalogue import judge
from bench.questions.claims.claim import Finding, Verdict
from bench.tracer.transports import find
from bench.trial.result import TrialResult

ARMS = ("ringbuf:scratch", "ringbuf:raw", "ringbuf:raw:scratch", "perfbuf:raw:scratch")


def trials(*torn: int) -> list[TrialResult]:
    """Return two trials of each arm, with so many torn records."""
    found = []
    for text, count in zip(ARMS, torn, strict=True):
        side = arms.side(f"{text}:delay=500000", find)
        for made in arm("torn", f"{side.transport.name}@1MiB/{side.variant}", dropped, (0, 0)):
            assert made.ledger is not None
            config = replace(made.config, producer=side.producer)
            found.append(replace(made, config=config, ledger=replace(made.ledger, torn=count)))
    return found


def finding(release: str, preemption: str, *torn: int) -> Finding:
    made = evidence(trials(*torn))
    on = replace(machine(), kernel_release=release, preemption=preemption)
    judged = judge(replace(made, machine=on)).judgements
    return next(each.finding for each in judged if each.claim.id == "raw-tp-tears")


@pytest.mark.parametrize(
    ("release", "preemption", "torn", "expected"),
    [
        ("7.3.4+deb13-amd64", "full", (0, 0, 9, 8), Verdict.REPRODUCED),
        ("7.3.4+deb13-amd64", "lazy", (0, 0, 0, 1), Verdict.REPRODUCED),
        ("7.3.4+deb13-amd64", "full", (0, 1, 9, 8), Verdict.REFUTED),
        ("7.3.4+deb13-amd64", "full", (1, 0, 0, 0), Verdict.REFUTED),
        ("7.3.4+deb13-amd64", "full", (0, 0, 0, 0), Verdict.INCONCLUSIVE),
        ("7.3.4+deb13-amd64", "none", (0, 0, 0, 0), Verdict.NOT_APPLICABLE),
        ("6.18.15+deb13-amd64", "full", (0, 0, 0, 0), Verdict.NOT_APPLICABLE),
        ("6.18.15+deb13-amd64", "none", (0, 2, 0, 0), Verdict.REFUTED),
    ],
)
def test_where_records_tear(
    release: str, preemption: str, torn: tuple[int, ...], expected: Verdict
) -> None:
    assert finding(release, preemption, *torn).verdict is expected


def test_the_counts_are_named() -> None:
    found = finding("7.3.4", "full", 0, 0, 9, 8)
    assert found.reason == "34 of 4,000 records; no others"
    assert found.measured is not None
    assert found.measured.point == pytest.approx(34 / 4_000)
    before = finding("6.18.1", "full", 0, 0, 0, 0)
    assert before.reason.endswith("here none of 4,000 records was torn")
