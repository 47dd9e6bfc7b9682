# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that the sentences of a check agree with its storms."""

from __future__ import annotations

from dataclasses import replace

from bench.questions.check.document import document
from bench.questions.check.judge import Rung, Verdict
from bench.questions.check.lines import Reading
from bench.report.document import Sentence

WHOLE = Rung(
    rate_per_s=100.0,
    asked_per_s=100.0,
    processes=200,
    seen=200,
    twice=0,
    reported=0,
    silent=0,
    wrong_pid=0,
    wrong_parent=0,
    wrong_status=0,
    settled=True,
    delay_p50_ms=1.0,
    delay_p99_ms=2.0,
    delay_max_ms=3.0,
    cpu_share=0.1,
    rss_bytes=1 << 20,
)


def lossy(rate_per_s: float, *, reported: int, silent: int) -> Rung:
    seen = WHOLE.processes - reported - silent
    return replace(WHOLE, rate_per_s=rate_per_s, seen=seen, reported=reported, silent=silent)


def text(*rungs: Rung, ended: str = "") -> str:
    verdict = Verdict(rungs=rungs, order=None, attached_s=0.5, ended=ended)
    parts = document(["tool"], Reading(pattern=""), verdict).parts
    return " ".join(each.text for each in parts if isinstance(each, Sentence))


def test_the_share_missing_is_of_one_storm_and_what_was_reported_of_all() -> None:
    said = text(WHOLE, lossy(1_000.0, reported=2, silent=0), lossy(9_000.0, reported=0, silent=40))
    assert (
        "all were shown up to 100 a second; at 1,000 a second 1.0 % are missing; over all storms "
        "it reported 2 of 42 missing processes." in said
    )
    assert "it reported 0 of 1 missing process." in text(lossy(50.0, reported=0, silent=1))


def test_order_that_was_not_checked_has_its_reason() -> None:
    assert "not checked: the tool ended before." in text(WHOLE, ended="tool has ended")
    late = "not checked: at no rate were all processes shown in time."
    assert late in text(lossy(50.0, reported=0, silent=1))
    assert late in text(replace(WHOLE, settled=False))
