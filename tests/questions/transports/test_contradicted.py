# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Name duets that storms of each arm alone contradict, and by how much."""

from __future__ import annotations

import re
from dataclasses import replace

from made_up_trials import blocks, machine
from rendered import text

from bench.plan.config import Duet
from bench.questions.transports.document import document
from bench.questions.transports.summary import compare
from bench.report.document import Level
from bench.report.renderers import markdown
from bench.trial.result import Half, TrialResult

HALF = Half(second=False, key=1, swapped=False, ranks=None, washed_out=0)
NOISE = (1.0, 1.02, 0.99, 1.01, 0.98, 1.0, 1.03, 0.97)


def latencies(experiment: str, ratio: float) -> list[TrialResult]:
    """Return eight storms whose ring takes ``ratio`` times as long to deliver."""
    return [
        trial
        for arm, factor in (("ringbuf@1MiB", ratio), ("perfbuf@1MiB", 1.0))
        for trial in blocks(
            arm,
            [
                {"p50_ns": round(20_000 * factor * each)}
                for each in NOISE[:: 1 if factor == 1 else -1]
            ],
            experiment=experiment,
        )
    ]


def shown(alone: float, together: float) -> tuple[str, str]:
    """Return the brief report on a terminal, and the report as Markdown."""
    duets = [
        replace(each, half=HALF, config=replace(each.config, duet=Duet()))
        for each in latencies("storm-duet", together)
    ]
    found = document(compare([*latencies("storm", alone), *duets], machine()))
    return text(found.up_to(Level.DECISION), width=200), markdown.render(found)


def test_a_contradiction_is_in_every_form_with_both_intervals_and_its_size() -> None:
    said = (
        r"contradiction: latency p50 in storm-duet is x 0\.9\d+ \(.*?\), with each arm alone in "
        r"storm x 0\.[67]\d+ \(.*?\): 3\d\.\d % apart"
    )
    for form in shown(0.7, 0.95):
        flat = " ".join(form.replace("\\", "").split())
        assert len(re.findall(said, flat)) == 1, flat


def test_intervals_that_meet_contradict_nothing() -> None:
    for form in shown(0.94, 0.95):
        assert "contradiction" not in form
