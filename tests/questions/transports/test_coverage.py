# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Report a run that was stopped as such, in every form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_trials import blocks, header
from rendered import claims_json, claims_markdown, kernels_json, run_json, run_markdown, run_text

from bench.journal.reader import as_resumed, read_journals
from bench.journal.schema import JournalContent, Run, RunHeader
from bench.journal.writer import encode
from bench.plan.experiments import Outline, Stage
from bench.questions.claims.catalogue import judge
from bench.questions.claims.evidence import of_journals
from bench.questions.claims.words import tally
from bench.questions.kernels import sentences
from bench.questions.kernels.answers import answers, title
from bench.questions.kernels.folders import read_matrix
from bench.questions.kernels.matrix import compare
from bench.questions.transports.completeness import completeness, incomplete
from bench.questions.transports.coverage import PlanData, coverage
from bench.questions.transports.decision import headline
from bench.questions.transports.summary import compare_journals
from bench.trial.result import TrialResult

ARMS = ("ringbuf@64KiB", "perfbuf@64KiB")
PLAN = Outline(
    stages=(
        Stage(experiment="storm", arms=ARMS, first_block=0, blocks=8),
        Stage(experiment="chain", arms=ARMS, first_block=0, blocks=200),
    )
)


def planned(plan: Outline | None = PLAN, *, run_id: str = "5eed", seed: int = 1) -> RunHeader:
    return replace(header(seed=seed), plan=plan, run_id=run_id)


def storm(count: int = 8, day: int = 1) -> list[TrialResult]:
    return [
        replace(each, started_utc=f"2026-01-{day:02}")
        for arm in ARMS
        for each in blocks(arm, [{"dropped": 3}] * count)
    ]


def run(trials: list[TrialResult], *plans: Outline) -> Run:
    return Run(header=planned(plans[0] if plans else None), trials=tuple(trials), plans=plans)


def test_a_stopped_run_counts_what_it_planned_and_what_ran() -> None:
    found = coverage([run(storm(), PLAN)])
    assert (
        found.planned_trials,
        found.planned_trials_ran,
        found.runs_incomplete,
        found.complete,
    ) == (416, 16, 1, False)
    assert list(map(str, completeness(found))) == [
        "Incomplete: the run was stopped: planned 416 trials, 16 ran."
    ]


def test_a_run_that_had_time_for_less_was_not_stopped() -> None:
    found = coverage([run(storm(), PLAN, Outline(no_time_for=("cost",)))])
    assert list(map(str, completeness(found))) == [
        "Incomplete: time ran out: planned 416 trials, 16 ran.",
        "Left out for lack of time: cost.",
    ]


def test_of_a_complete_run_nothing_is_said() -> None:
    plan = Outline(stages=PLAN.stages[:1])
    found = coverage([run(storm(), plan)])
    assert (found.planned_trials, found.planned_trials_ran, found.complete) == (16, 16, True)
    assert list(map(str, completeness(found))) == []


def test_a_plan_that_was_not_recorded_is_not_guessed() -> None:
    found = coverage([run(storm())])
    assert found.complete is None
    assert (found.runs_without_plan, list(map(str, completeness(found)))) == (1, [])


def test_trials_of_no_plan_fill_no_gap() -> None:
    """Count only trials that were planned, not as many others."""
    plan = Outline(stages=(Stage(experiment="chain", arms=ARMS, first_block=0, blocks=8),))
    assert coverage([run(storm(), plan)]).planned_trials_ran == 0


@pytest.mark.parametrize("last", [7, 9])
def test_each_block_counts(last: int) -> None:
    plan = Outline(stages=(replace(PLAN.stages[0], blocks=last),))
    found = coverage([run(storm(), plan)])
    assert (found.planned_trials, found.planned_trials_ran, found.complete) == (
        2 * last,
        2 * min(last, 8),
        last < 8,
    )


def test_plans_add_up_and_what_they_share_counts_once() -> None:
    resumed = Outline(stages=(replace(PLAN.stages[0], blocks=12),))
    further = Outline(stages=(replace(PLAN.stages[0], first_block=20, blocks=1),))
    found = coverage([run(storm(), Outline(stages=PLAN.stages[:1]), resumed, further)])
    assert (found.planned_trials, found.planned_trials_ran) == (26, 16)


def test_an_adaptive_run_is_complete_once_it_says_so() -> None:
    begun = Outline(stages=PLAN.stages[:1], open=True)
    stopped = coverage([run(storm(), begun)])
    assert stopped.complete is False
    assert "planned 16 or more trials, 16 ran" in str(next(completeness(stopped)))
    ended = coverage([run(storm(), begun, Outline(no_time_for=("further blocks of chain",)))])
    assert ended.complete is True
    assert list(map(str, completeness(ended))) == [
        "Left out for lack of time: further blocks of chain."
    ]


def test_a_foreign_plan_of_any_size_is_counted_not_built() -> None:
    huge = Stage(experiment="storm", arms=ARMS, first_block=-(2**62), blocks=2**63 - 1)
    assert coverage([run([], Outline(stages=(huge,)))]).planned_trials == 2 * (2**63 - 1)
    none = replace(huge, blocks=-5)
    assert coverage([run([], Outline(stages=(none,)))]).planned_trials == 0


def pooled(tmp_path: Path) -> JournalContent:
    """Return five runs of one machine, one of them complete."""
    paths = []
    for at in range(5):
        paths.append(tmp_path / f"{at}.jsonl")
        plan = PLAN if at else Outline(stages=PLAN.stages[:1])
        lines = [encode(planned(plan, run_id=f"id{at}"))]
        lines += [encode(each) for each in storm(day=at + 1)]
        paths[-1].write_bytes(b"".join(lines))
    return read_journals(paths)


WORDS = "pooled from 5 runs, 4 incomplete: planned 1,680 trials, 80 ran"


def test_every_report_says_what_is_missing_first(tmp_path: Path) -> None:
    content = pooled(tmp_path)
    (summary,) = compare_journals(content)
    (judged,) = (judge(each) for each in of_journals(content))
    headline_line, _, machine, _, first = run_markdown(summary).splitlines()[:5]
    assert "Incomplete (80 of 1,680 trials ran)" in headline_line.replace("\\", "")
    assert "Linux" in machine
    assert WORDS in first
    assert WORDS in run_text(summary, width=400)
    assert headline(summary).startswith("Incomplete (80 of 1,680 trials ran): ")
    assert tally(judged).startswith("Incomplete (80 of 1,680 trials ran): ")
    assert WORDS in claims_markdown(judged).splitlines()[4]
    matrix = compare(read_matrix([tmp_path]))
    assert "(1 incomplete)" in title(matrix, answers(matrix))
    assert any(WORDS in each.text for each in sentences.verdict(matrix))


def test_json_has_it_as_fields(tmp_path: Path) -> None:
    content = pooled(tmp_path)
    expected = {
        "complete": False,
        "runs": 5,
        "runs_incomplete": 4,
        "runs_without_plan": 0,
        "planned_trials": 1680,
        "planned_trials_ran": 80,
        "more_was_planned": False,
        "no_time_for": [],
        "repeated_trials": 0,
    }
    assert json.loads(run_json(*compare_journals(content)))["summaries"][0]["plan"] == expected
    claims = claims_json(*(judge(each) for each in of_journals(content)))
    assert json.loads(claims)["machines"][0]["plan"] == expected
    kernels = kernels_json(compare(read_matrix([tmp_path])))
    assert json.loads(kernels)["kernels"][0]["plan"] == expected


def test_json_of_an_old_journal_has_null(tmp_path: Path) -> None:
    path = tmp_path / "old.jsonl"
    old = encode(header()).replace(b',"run_id":"","plan":null', b"")
    old = old.replace(b'{"schema":3', b'{"schema":2')
    path.write_bytes(old + b"".join(encode(each) for each in storm()))
    (summary,) = compare_journals(read_journals([path]))
    plan = json.loads(run_json(summary))["summaries"][0]["plan"]
    assert (plan["complete"], plan["planned_trials"], plan["runs_without_plan"]) == (None, None, 1)
    assert "lan" not in "".join(run_markdown(summary).splitlines()[:3])


def test_a_run_that_is_resumed_becomes_complete(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    begun = planned(Outline(stages=PLAN.stages[:1]))
    trials = storm()
    lines = [encode(begun), *(encode(each) for each in trials[:9])]
    path.write_bytes(b"".join(lines))
    (half,) = compare_journals(read_journals([path]))
    assert half.coverage == PlanData(
        complete=False,
        runs=1,
        runs_incomplete=1,
        runs_without_plan=0,
        planned_trials=16,
        planned_trials_ran=9,
        more_was_planned=False,
        no_time_for=(),
        repeated_trials=0,
    )
    lines += [encode(as_resumed(replace(begun, run_id="other"), begun))]
    lines += [encode(each) for each in trials[9:]]
    path.write_bytes(b"".join(lines))
    (whole,) = compare_journals(read_journals([path]))
    assert whole.coverage is not None
    assert (whole.coverage.planned_trials_ran, whole.coverage.complete) == (16, True)


def test_an_open_plan_that_was_stopped_says_so() -> None:
    found = coverage([run(storm(), Outline(stages=PLAN.stages[:1], open=True))])
    assert incomplete(found) == "Incomplete (16 of 16 or more trials ran): "
