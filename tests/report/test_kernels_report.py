# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The report over kernels in each of its forms: complete, safe, and closed in itself."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import pytest
from made_up_kernels import beside_callers, entry, lost, memory_line, storms
from rich.console import Console

from bench.questions.kernels import sentences
from bench.questions.kernels.document import document
from bench.questions.kernels.matrix import Matrix, compare
from bench.report.renderers import html, markdown
from bench.report.renderers import json as json_form
from bench.report.renderers.text import show

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


def test_sentences_tell_what_is_judged(matrix: Matrix) -> None:
    told = "\n".join(sentences.verdict(matrix))
    assert "3 of 5 left a result (1 unavailable, 1 panicked)" in told
    assert "Ledger: every trial balances on every kernel" in told
    assert "Ring, order: 0 causal violations in 28,800 pairs on 3 kernels" in told
    assert "Perf buffers, order: 2,160 causal violations" in told
    assert "beside bpf() calls on 1 of 1, up to 70.0 %" in told
    assert "Emulated: all" in told


def test_reduced_storms_are_named() -> None:
    cut = [
        replace(each, storm=replace(each.storm, lowered_from=5_000)) if each.block < 2 else each
        for each in storms()
    ]
    matrix = compare([entry("6.12", "6.12.1-amd64", trials=cut)])
    told = [line for line in sentences.verdict(matrix) if line.startswith("Reduced on 6.12: ")]
    assert [line.split(": ")[1] for line in told] == ["storm", "chain", "trickle"]
    assert all("4 of 32 storms reduced" in line or "4 of 16" in line for line in told)
    assert all("limits lowered the storm from 5,000 processes" in line for line in told)


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
    told = json.loads(render_json(matrix))
    labels = [each["label"] for each in told["kernels"]]
    assert labels[:4] == ["5.4", "6.1", "6.12", "6.12-rt"]
    assert all(len(change["states"]) == len(labels) for change in told["changes"])
    assert all(len(claim["findings"]) == len(labels) for claim in told["claims"])
    lock = next(change for change in told["changes"] if change["key"] == "lock")
    assert lock["onsets"] == ["6.12"]
    assert told["missed"][1]["noise"]["missed"] == 16 * 700
    assert {point["series"] for curve in told["curves"] if curve["times_within_one_guest"]
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
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "://" not in re.sub(r'xmlns(:xlink)?="http[^"]*"', "", page)
    for key in ("drops", "order", "latency", "cost", "missed"):
        assert f'<figure id="m0-chart-{key}"' in page
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "Times of different kernels are never compared with each other" in page


def test_a_matrix_without_a_result_says_why() -> None:
    nothing = compare([lost("6.12", "hung", "no result within 360 s")])
    for made in (text_of(nothing), render_markdown(nothing), render_page(nothing)):
        assert "no result within 360 s" in made
        assert "No kernel left a result" in made
