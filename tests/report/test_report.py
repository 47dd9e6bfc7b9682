# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the three forms of one summary: what comes first, what fits, what can do no harm."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace

import pytest
import reference
from made_up_trials import blocks, machine, trial
from rich.console import Console

from bench.journal.schema import Fault
from bench.linux.machine import COUNTED
from bench.questions.transports.decision import decision_table, verdict
from bench.questions.transports.document import document, report_of
from bench.questions.transports.finding import sentence
from bench.questions.transports.summary import Summary, compare
from bench.report.renderers import json as json_form
from bench.report.renderers import markdown
from bench.report.renderers.text import WIDTH, show
from bench.trial.result import State, TrialResult


def trials() -> list[TrialResult]:
    made: list[TrialResult] = []
    for budget, lost in (("8KiB", 300), ("64KiB", 0)):
        made += blocks(f"ringbuf@{budget}", [{"dropped": lost // 3, "p50_ns": 10_000}] * 8)
        made += blocks(f"perfbuf@{budget}", [{"dropped": lost, "p50_ns": 30_000}] * 8)
    made += blocks("ringbuf@64KiB#2", [{"p50_ns": 10_000}] * 8)
    for arm, violations in (("ringbuf@64KiB", 0), ("perfbuf@64KiB", 30)):
        made += blocks(arm, [{"pairs": 1_344, "violations": violations}] * 8, experiment="chain")
    for transport, least in (("ringbuf", 1), ("perfbuf", 2)):
        for rung, budget in enumerate(("8KiB", "16KiB", "32KiB")):
            lost = 1 if rung < least else 0
            made += blocks(f"{transport}@{budget}", [{"dropped": lost}] * 20, experiment="ladder")
    return made


@pytest.fixture(scope="module")
def summary() -> Summary:
    return compare(trials(), machine())


def text_of(summary: Summary, *, width: int = 120, colour: bool = False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None
    )
    show(document(summary), console)
    return out.getvalue()


def render_markdown(summary: Summary) -> str:
    return markdown.render(document(summary))


def render_json(*summaries: Summary) -> str:
    return json_form.render(data=report_of(*map(document, summaries)))


def test_the_decision_comes_first_and_every_question_has_its_answer(summary: Summary) -> None:
    title, _, text = text_of(summary).partition("  Drops: ")
    assert title.startswith("Use the ring buffer: fewer drops, better order")
    assert text.startswith("the ring buffer drops fewer, in ")
    first, _, second = render_markdown(summary).splitlines()[:3]
    assert first.startswith("## Use the ring buffer: fewer drops, better order")
    assert "- **Drops:** the ring buffer drops fewer" in render_markdown(summary)
    assert "Linux" in second
    headings = [line.split(":")[0] for line in verdict(summary)]
    assert headings == ["Drops", "Order", "Memory", "Latency", "CPU", "Budget", "Quality"]


def test_the_verdict_gives_figures(summary: Summary) -> None:
    drops, order, _, latency, *_ = verdict(summary)
    assert drops.endswith("in 2 of 6 comparisons by 0.1 to 20 points.")
    assert "the ring buffer keeps order better, in 1 of 1 comparison: 0 violations in" in order
    assert "0 violations in 10,752 causal pairs against 240." in order
    assert "the ring buffer delivers sooner, in " in latency
    assert latency.endswith("by 67 %.")


def test_the_decision_fits_a_terminal_of_80_columns(summary: Summary) -> None:
    """Count some 20 lines in the table of numbers, none of them wrapped."""
    lines = text_of(summary, width=80).partition("The numbers behind it")[2].splitlines()
    table = lines[: next(at for at, line in enumerate(lines) if line.startswith("Interval"))]
    assert max(map(len, table)) <= 80
    assert len(table) <= 24
    rows = [line for line in table[3:] if line.strip()]
    assert all(line[0] != " " or line.startswith("  ") for line in rows)
    assert any(line.startswith("drops, storm at 8 KiB") for line in rows)
    assert any(line.startswith("lossless budget, ladder") for line in rows)


def test_the_table_names_the_largest_differences_first() -> None:
    made = reference.summary(reference.OLD)
    assert [row.heading.text for row in decision_table(made).rows[:3]] == [
        "drops, storm-timed at 8 KiB",
        "hotcpu at 64 KiB",
        "burst at 64 KiB",
    ]


def test_the_budget_to_take_has_its_bound_and_a_margin(summary: Summary) -> None:
    (line,) = (line for line in verdict(summary) if line.startswith("Budget"))
    assert (
        "take 32 KiB for the ring buffer: at 16 KiB none of 20 storms (ladder) lost anything, "
        "so at most 13.9 % do" in line
    )
    assert "take 64 KiB for the perf buffers" in line


def test_each_comparison_has_its_sentence(summary: Summary) -> None:
    tight, usual = (each for each in summary.comparisons if each.experiment == "storm")
    assert sentence(tight) == (
        "In storm at 8 KiB, the ring buffer dropped less than the perf buffers, 10.0 % against "
        "30.0 %; the ring buffer delivered sooner (median latency 10.0 µs against 30.0 µs for "
        "what was delivered); the ring buffer took 8 KiB of memory against 8 KiB."
    )
    assert "neither dropped anything (0 of 8,000 records each)" in sentence(usual)
    chain = next(each for each in summary.comparisons if each.experiment == "chain")
    assert "0 of 10,752 causal pairs against 240 of 10,752 were delivered parent first" in sentence(
        chain
    )


def test_a_difference_that_rounding_hides_is_written_beside_the_values() -> None:
    made = [
        each
        for arm, dropped in (("ringbuf@8KiB", 995_000), ("perfbuf@8KiB", 995_300))
        for each in blocks(arm, [{"attempted": 1_000_000, "dropped": dropped}] * 8)
    ]
    (found,) = compare(made, machine()).comparisons
    assert "dropped less than the perf buffers, 99.5 % against 99.5 %, -0.03 pt" in sentence(found)


def test_fewer_instructions_are_not_called_sooner() -> None:
    timed, counted = (
        render_markdown(compare(trials(), replace(machine(), virtualisation=each)))
        for each in ("kvm", COUNTED)
    )
    assert "delivers sooner" in timed
    assert "the ring buffer delivered sooner" in timed
    assert "sooner" not in counted
    assert "delivers after fewer instructions" in counted
    assert "the ring buffer delivered after fewer instructions" in counted


def test_too_few_blocks_give_no_verdict() -> None:
    few = compare([trial(arm, 0, dropped=5) for arm in ("ringbuf@8KiB", "perfbuf@8KiB")])
    assert "; 1 block a comparison; " in verdict(few)[-1]
    assert "no verdict, since there are fewer than 8 blocks" in verdict(few)[0]
    assert "(fewer than 8 blocks)" in sentence(few.comparisons[0])


def test_nothing_to_compare_is_said() -> None:
    empty = compare([])
    assert "Nothing to compare" in text_of(empty)
    assert "Nothing to compare" in render_markdown(empty)
    assert json.loads(render_json(empty))["summaries"][0]["comparisons"] == []


def test_noise_that_was_not_measured_is_said() -> None:
    assert (
        "no A/A comparison was run"
        in verdict(compare(blocks("ringbuf@8KiB", [{}] * 8) + blocks("perfbuf@8KiB", [{}] * 8)))[-1]
    )


def test_an_emulated_machine_is_said() -> None:
    assert "emulated" in verdict(compare(trials(), machine(emulated=True)))[-1]


def test_text_fits_its_width(summary: Summary) -> None:
    for width in (WIDTH, 140):
        assert max(map(len, text_of(summary, width=width).splitlines())) <= WIDTH


def test_no_number_is_cut_off(summary: Summary) -> None:
    assert "…" not in text_of(summary, width=WIDTH)


@pytest.mark.slow
def test_colour_only_where_it_is_wanted(summary: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in text_of(summary)
    assert "\x1b[32m" in text_of(summary, colour=True)
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    show(document(summary), Console(file=out, force_terminal=True, width=WIDTH))
    assert "\x1b[32m" not in out.getvalue()


def test_foreign_text_can_do_nothing() -> None:
    evil = "\x1b]0;owned\x07[red]|<b>`"
    odd = [
        replace(each, experiment=evil)
        for each in blocks("ringbuf@8KiB", [{}] * 8) + blocks("perfbuf@8KiB", [{}] * 8)
    ]
    bad = trial("ringbuf@8KiB", 9, state=State.INVALID, reasons=(evil,))
    made = replace(
        compare([*odd, bad], replace(machine(), hostname=evil)),
        faults=(Fault(path=evil, line=1, reason=evil),),
    )
    text, marked = text_of(made), render_markdown(made)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]" in text  # shown, not obeyed
    assert "<b>" not in marked
    columns = {
        line.replace("\\|", "").count("|")
        for line in marked.splitlines()
        if line.startswith("|") and "owned" in line
    }
    assert columns == {6, 7}  # the decision's table and the overview: no cell was split


def test_what_was_left_out_is_named() -> None:
    bad = trial("ringbuf@8KiB", 9, state=State.INVALID, reasons=("CPU 0: 1 record is gone",))
    noisy = blocks("perfbuf@8KiB", [{"state": State.NOISY}] * 8)
    made = replace(
        compare([*noisy, *blocks("ringbuf@8KiB", [{}] * 8), bad]),
        faults=(Fault(path="j.jsonl", line=7, reason="torn or damaged"),),
    )
    for form in (text_of(made), render_markdown(made).replace("\\", "")):
        assert "invalid, left out: storm ringbuf@8KiB block 9: CPU 0: 1 record is gone" in form
        assert "noisy, but counted: 8 of 16 trials of storm" in form
        assert "j.jsonl, line 7: torn or damaged" in form
    assert "1 invalid and left out" in verdict(made)[-1]


def test_markdown_tables_have_as_many_cells_as_headings(summary: Summary) -> None:
    columns = None
    for line in render_markdown(summary).splitlines():
        if not line.startswith("|"):
            columns = None
            continue
        cells = line.replace("\\|", "").count("|")
        assert columns in (None, cells)
        columns = cells


def test_markdown_shows_text_as_it_is() -> None:
    assert markdown.escape("a_b*c|d`<e>") == "a\\_b\\*c\\|d\\`&lt;e&gt;"


def test_json_has_the_values_of_the_comparison(summary: Summary) -> None:
    values = json.loads(render_json(summary, summary))
    assert values["format"] == 2
    assert len(values["summaries"]) == 2
    first = values["summaries"][0]
    assert sorted(first) == [
        "comparisons",
        "consumers",
        "faults",
        "invalid",
        "ladders",
        "machine",
        "noise_floors",
        "plan",
        "profiles",
        "reduced",
        "restored",
        "seeds",
        "standings",
        "torn",
        "trials",
        "unequal",
        "verdict",
    ]
    comparison = first["comparisons"][0]
    assert (comparison["experiment"], comparison["budget"]) == ("storm", "8KiB")
    dropped = comparison["numbers"]["own_dropped_share"]
    assert dropped["left"] == pytest.approx(0.1)
    assert dropped["estimate"]["point"] == pytest.approx(-0.2)
    assert (dropped["outcome"], dropped["better"], dropped["unit"]) == ("less", "left", "share")
    assert first["ladders"][0]["minimum_bytes"] == 16 * 1024


@pytest.mark.slow
def test_reading_names_for_plans_does_not_wait_for_scipy() -> None:
    modules = "bench.report.renderers.text, bench.questions.transports.document"
    names = f"import sys, {modules}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", names], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"scipy", "pydantic", "bcc", "hdrh"} & set(loaded)
