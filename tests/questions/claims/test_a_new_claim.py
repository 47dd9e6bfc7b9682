# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that a new claim is one entry in one file: judged, listed and planned by that alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import quotes
from made_up_claims import arm, evidence, noisy, ns

from bench.questions.claims import catalogue, families, run
from bench.questions.claims.claim import Verdict

FAMILY = """
from bench.plan.budgets import MIB
from bench.questions.claims.claim import Claim, Side
from bench.questions.claims.compare import Of, over
from bench.questions.claims.planner import experiment
from bench.questions.claims.quantities import steady_ns
from bench.questions.claims.rules import above


def experiments(on):
    return (experiment("toys", "Which is dearer?", on.each(MIB, {"": on.amplified(100, 10)})),)


CLAIMS = (
    Claim(
        id="toy-dearer",
        side=Side.PERF,
        statement="the ring is dearer with toys",
        sources="TOY",
        test="kernel ns of a record",
        reproduced_when="ratio > 1",
        experiments=("toys",),
        rule=above(
            over("ns, rb over pb", *(Of(steady_ns, "toys", way) for way in ("ringbuf", "perfbuf")))
        ),
    ),
)
"""


@pytest.fixture(autouse=True)
def _toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "toys.py").write_text(FAMILY, encoding="utf-8")
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    forget()
    yield
    forget()


def forget() -> None:
    catalogue.families.cache_clear()
    catalogue.claims.cache_clear()


@pytest.mark.parametrize(
    ("ring", "verdict"), [(300, Verdict.REPRODUCED), (50, Verdict.REFUTED), (None, None)]
)
def test_it_is_judged(ring: int | None, verdict: Verdict | None) -> None:
    made = arm("toys", "perfbuf@1MiB", ns, noisy(100))
    if ring is not None:
        made += arm("toys", "ringbuf@1MiB", ns, noisy(ring)[::-1])
    judged = catalogue.judge(evidence(made), catalogue.chosen(["toy-dearer"]))
    (judgement,) = judged.judgements
    assert judgement.finding.verdict is (verdict or Verdict.NOT_MEASURED)


def test_it_is_listed() -> None:
    (row,) = (each for each in quotes.claims_tables() if "| toy-dearer |" in each)
    assert row.startswith("| toy-dearer | the ring is dearer with toys (TOY) | none |")


def test_it_is_planned_after_all_others() -> None:
    planned = run.experiments((0, 1))
    assert planned[-1].name == "toys"
    needed = run.needed(catalogue.chosen(["toy-dearer"]), planned)
    assert [each.name for each in needed] == ["toys"]
