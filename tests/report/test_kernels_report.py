# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the report over kernels in each form: complete, safe, and self-contained."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from made_up_kernels import beside_callers, entry, lost, memory_line, storms
from reference import FOLDER
from rich.console import Console

from bench.linux.machine import COUNTED
from bench.questions.kernels import sentences
from bench.questions.kernels.answers import Answer, answers
from bench.questions.kernels.charts import axis_ticks
from bench.questions.kernels.document import document
from bench.questions.kernels.folders import Entry, read_matrix
from bench.questions.kernels.matrix import Matrix, compare
from bench.questions.kernels.outcome import Status
from bench.report.document import Level, Mark, Table
from bench.report.renderers import html, markdown
from bench.report.renderers import json as json_form
from bench.report.renderers.text import show
from bench.trial.result import TrialResult

EVIL = "<script>evil=1</script>\x1b[31m\u202e|`"


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    peace = [each for each in storms() if each.experiment == "storm"]
    noisy = [*storms(), *beside_callers(peace, 700)]
    lines = tuple(memory_line(way) for way in ("ringbuf", "perfbuf", "sharded"))
    return compare(
        [
            entry("6.1", "6.1.1-amd64", memory=lines, ring_lock="spinlock_t"),
            entry("6.12", "6.12.1-amd64", memory=lines, trials=noisy, ring_lock="raw_spinlock_t"),
            entry("6.12-rt", "6.12.1-rt-amd64", preemption="rt", ring_lock="raw_spinlock_t"),
            lost("5.4", "unavailable", "no archive has it"),
            lost(EVIL, "panicked", EVIL),
        ]
    )


def text_of(matrix: Matrix) -> str:
    out = io.StringIO()
    show(document(matrix), Console(file=out, width=100))
    return out.getvalue()


def render_markdown(matrix: Matrix) -> str:
    return markdown.render(document(matrix))


def render_json(matrix: Matrix) -> str:
    return json_form.render(data=document(matrix).data)


def render_page(matrix: Matrix) -> str:
    return html.render(document(matrix))


def test_shares_on_axes_are_written_as_elsewhere(matrix: Matrix) -> None:
    labels = set(re.findall(r">(\d+ ?%)<", render_page(matrix)))
    assert labels
    assert all(" %" in label for label in labels), labels


def cells(matrix: Matrix, question: str) -> dict[str, Answer]:
    """Return the answers to a question, by kernel."""
    (found,) = (each for each in answers(matrix) if each.question == question)
    return {each.kernel: each for each in found.answers}


def test_the_title_is_the_answer_over_versions(matrix: Matrix) -> None:
    assert document(matrix).title.startswith(
        "On 3 of 5 kernels, 6.1 to 6.12-rt, the ring buffer drops fewer events, keeps order better"
    )


def test_the_counts_behind_it_are_said(matrix: Matrix) -> None:
    lines = "\n".join(map(str, sentences.verdict(matrix)))
    assert "3 of 5 left a result (1 unavailable, 1 panicked)" in lines
    assert "Ledger: every trial balances on every kernel" in lines
    assert "Ring, order: 0 causal violations in 28,800 pairs on 3 kernels" in lines
    assert "Perf buffers, order: 2,160 causal violations" in lines
    assert "Emulated: all" in lines


def test_a_result_with_a_fault_is_named_with_it() -> None:
    again = replace(entry("7.3", "7.3.4"), status=Status.NOT_REPRODUCIBLE)
    (counts, *_) = sentences.verdict(compare([entry("6.1", "6.1.1"), again]))
    assert re.fullmatch(r"2 of 2 left a result; 7.3: not reproducible; \S+ trials", counts.text)


def test_a_cell_says_who_is_better_and_by_how_much(matrix: Matrix) -> None:
    assert {each.words for each in cells(matrix, "drops").values()} == {"ring by 3 points"}
    assert {each.words for each in cells(matrix, "order").values()} == {"ring by 7.5 points"}
    assert {each.better for each in cells(matrix, "order").values()} == {"ringbuf"}
    assert {each.words for each in cells(matrix, "write").values()} == {"not measured"}


def test_what_the_kernel_skipped_is_marked_where_it_differs(matrix: Matrix) -> None:
    skipped = cells(matrix, "missed")
    assert skipped["6.12"].words == "70.0 % during bpf()"
    assert [each.changed for each in skipped.values()] == ["", "", ""]  # 6.1 had no callers
    peace = [each for each in storms() if each.experiment == "storm"]
    noisy, calm = ([*storms(), *beside_callers(peace, missed)] for missed in (700, 0))
    both = compare([entry("6.1", "6.1.1", trials=calm), entry("6.12", "6.12.1", trials=noisy)])
    assert cells(both, "missed")["6.12"].changed == "6.1"


def three(*, middle: list[TrialResult]) -> Matrix:
    """Return 6.1, 6.12 with other trials, 6.12-rt and 6.18."""
    return compare(
        [
            entry("6.1", "6.1.1-amd64"),
            entry("6.12", "6.12.1-amd64", trials=middle),
            entry("6.12-rt", "6.12.1-rt-amd64"),
            entry("6.18", "6.18.1-amd64"),
        ]
    )


def test_another_answer_is_marked_and_named_in_the_title() -> None:
    found = three(middle=storms(ring_lost=80, perf_lost=20))
    drops = cells(found, "drops")
    assert {kernel: each.changed for kernel, each in drops.items()} == {
        "6.1": "", "6.12": "6.1", "6.12-rt": "6.12", "6.18": "6.12"
    }  # fmt: skip
    assert drops["6.12"].words == "perf buffers by 6 points"
    expected = "drops fewer events on 6.1, 6.12-rt and 6.18 and drops more events on 6.12"
    assert expected in document(found).title
    (shown,) = [each for each in document(found).parts if isinstance(each, Table)]
    assert [row.cells[0].mark for row in shown.rows] == [Mark.NONE, Mark.NEW, Mark.NEW, Mark.NEW]


def counting(found: Entry) -> Entry:
    """Return the kernel as a guest that counts instructions leaves it."""
    (run,) = found.content.runs
    on = replace(run.header.machine, virtualisation=COUNTED, emulated=True)
    counted = replace(run, header=replace(run.header, machine=on))
    return replace(found, content=replace(found.content, runs=(counted,)))


def test_fewer_instructions_are_not_said_to_be_sooner() -> None:
    kernels = [entry("6.1", "6.1.1-amd64"), entry("6.12", "6.12.1-amd64")]
    assert "delivers sooner" in document(compare(kernels)).title
    title = document(compare([*map(counting, kernels)])).title
    assert "delivers after fewer instructions" in title
    assert not re.search("sooner|faster|less CPU", title)


def test_another_answer_on_another_architecture_is_not_marked() -> None:
    other = storms(ring_lost=80, perf_lost=20)
    found = compare(
        [
            entry("6.1", "6.1.1-amd64"),
            entry("6.1-arm64", "6.1.1-arm64", trials=other),
            entry("6.12", "6.12.1-amd64"),
            entry("6.12-arm64", "6.12.1-arm64", trials=other),
        ]
    )
    assert not any(each.changed for each in cells(found, "drops").values())


def test_an_open_answer_is_no_change() -> None:
    """Too few blocks on the kernel between say nothing about it."""
    found = three(middle=[each for each in storms() if each.block < 5])
    drops = cells(found, "drops")
    assert drops["6.12"].words == "not decided (few blocks)"
    assert not any(each.changed for each in drops.values())
    assert "drops fewer events on 6.1, 6.12-rt and 6.18" in document(found).title
    assert "(not decided (few blocks) on 6.12)" in document(found).title


def test_too_few_pairs_are_words() -> None:
    few = [
        replace(each, ordering=replace(each.ordering, causal_pairs=900))
        if each.ordering is not None and each.ordering.causal_pairs
        else each
        for each in storms()
    ]
    found = compare([entry("6.12", "6.12.1-amd64", trials=few)])
    assert cells(found, "order")["6.12"].words == "too few pairs"
    assert "order too few pairs" in document(found).title


def test_the_decision_fits_a_screen_and_leaves_nothing_blank() -> None:
    made = document(compare(read_matrix([FOLDER / "kernels"]))).up_to(Level.DECISION)
    for width in (80, 100):
        out = io.StringIO()
        show(made, Console(file=out, width=width))
        lines = out.getvalue().splitlines()
        assert len(lines) <= 40
        assert max(map(len, lines)) <= width
    (table,) = (each for each in made.parts if isinstance(each, Table))
    assert len(table.rows) == 6
    assert all(len(cell.text) > 1 and cell.text != "n/a" for r in table.rows for cell in r.cells)


def test_reduced_storms_are_named() -> None:
    cut = [
        replace(each, storm=replace(each.storm, lowered_from=5_000)) if each.block < 2 else each
        for each in storms()
    ]
    matrix = compare([entry("6.12", "6.12.1-amd64", trials=cut)])
    lines = [str(e) for e in sentences.verdict(matrix) if e.lead == "Reduced on 6.12"]
    assert [line.split(": ")[1] for line in lines] == ["storm", "chain", "trickle"]
    assert all("4 of 32 storms reduced" in line or "4 of 16" in line for line in lines)
    assert all("limits lowered the storm from 5,000 processes" in line for line in lines)


def test_text_fits_a_hundred_columns_and_has_every_kernel(matrix: Matrix) -> None:
    text = text_of(matrix)
    assert max(map(len, text.splitlines())) <= 100
    for words in ("5.4: unavailable: no archive has it", "6.12-rt", "◆ 6.12", "raw_spinlock_t"):
        assert words in text
    assert "\x1b" not in text


@pytest.mark.parametrize("render", [text_of, render_markdown, render_json, render_page])
def test_foreign_text_steers_nothing(matrix: Matrix, render: object) -> None:
    made = render(matrix)  # type: ignore[operator]
    assert "\x1b" not in made
    assert "\u202e" not in made
    if render in (render_page, render_markdown):
        assert "<script>evil" not in made


def test_json_has_every_list_in_the_order_of_kernels(matrix: Matrix) -> None:
    data = json.loads(render_json(matrix))
    labels = [each["label"] for each in data["kernels"]]
    assert labels[:4] == ["5.4", "6.1", "6.12", "6.12-rt"]
    assert all(len(change["states"]) == len(labels) for change in data["changes"])
    assert all(len(claim["findings"]) == len(labels) for claim in data["claims"])
    lock = next(change for change in data["changes"] if change["key"] == "lock")
    assert lock["onsets"] == ["6.12"]
    assert data["missed"][1]["noise"]["missed"] == 16 * 700
    assert {point["series"] for curve in data["curves"] if curve["times_within_one_guest"]
            for point in curve["points"]} <= {"ring over perf", "ringbuf", "perfbuf"}  # fmt: skip


def test_markdown_has_a_row_for_each_kernel(matrix: Matrix) -> None:
    text = render_markdown(matrix)
    assert "| 5.4 | unavailable: no archive has it |" in text
    widths = {}
    for line in text.splitlines():
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)\|", line))
            widths.setdefault(cells, []).append(line)
        elif widths:
            assert len(widths) == 1  # all rows of a table are as wide
            widths = {}


@pytest.mark.slow
def test_the_page_needs_nothing_else_and_draws_every_question(matrix: Matrix) -> None:
    page = render_page(matrix)
    unasked = re.sub(r'<a href="https://[^"]+" rel="noreferrer">', "", page)
    assert not re.search(r'(src|href)="(?!#|data:)', unasked)
    assert "://" not in re.sub(r'xmlns(:xlink)?="http[^"]*"', "", unasked)
    for key in ("drops", "order", "latency", "write", "cpu", "missed"):
        assert f'<figure id="m0-chart-{key}"' in page
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "Times of different kernels are never compared with each other" in page


@pytest.mark.slow
def test_every_kernel_has_its_label_under_every_chart() -> None:
    series = [f"{at}.{flavour}" for at in range(5, 8) for flavour in ("1", "10-cloud", "10-rt")]
    labels = [*series, "7.11-cloud", "7.12-rt"]
    matrix = compare([entry(label, label.replace("-", ".1-")) for label in labels])
    page = render_page(matrix)
    charts = re.findall(r'<div class="chart">.*?</svg>', page, re.DOTALL)
    assert len(charts) > 4
    for chart in charts:
        shown = re.findall(r"<text([^>]*)>([^<]*)</text>", chart)
        seen = {text for style, text in shown if 'opacity="0"' not in style}
        assert {*labels} <= seen


def test_a_matrix_without_a_result_says_why() -> None:
    nothing = compare([lost("6.12", "hung", "no result within 360 s")])
    for made in (text_of(nothing), render_markdown(nothing), render_page(nothing)):
        assert "no result within 360 s" in made.replace("\u00a0", " ")
        assert "No kernel left a result" in made


@pytest.mark.parametrize(
    ("low", "high"), [(0.93, 1.08), (0.31, 1.3), (0.5, 2.2), (0.02, 40), (0.9, 9_000), (0.6, 1.6)]
)
def test_an_axis_of_ratios_labels_one_and_every_decade(low: float, high: float) -> None:
    ticks = axis_ticks(low, high)
    assert 3 <= len(ticks) <= 12
    decades = {10.0**power for power in range(-3, 5) if low <= 10.0**power <= high}
    assert decades <= set(ticks)
    assert all(low <= tick <= high for tick in ticks)
