# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that every exported key has one value for one trial, and one definition."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_trials import header, trial
from rendered import kernels_json, run_json

from bench.campaign import gates
from bench.errors import GateFailed
from bench.journal.schema import JournalContent, Run
from bench.journal.writer import encode
from bench.judge.metrics import METRICS
from bench.judge.numbers import NUMBERS
from bench.measure.by_cpu import CpuShare
from bench.measure.cost import Occupancy
from bench.questions.claims import quantities
from bench.questions.kernels.folders import read_matrix
from bench.questions.kernels.matrix import compare
from bench.questions.transports import table
from bench.questions.transports.summary import compare_journals
from bench.suite.test_experiments import extra_info
from bench.trial.result import TrialResult

ROOT = Path(__file__).parents[2]


def beside_a_neighbour(made: TrialResult) -> TrialResult:
    """Add 700 records of other processes to the trial, 90 of them lost: no two counts are alike."""
    assert made.ledger is not None
    assert made.cost is not None
    ledger = replace(
        made.ledger,
        attempted=made.ledger.attempted + 700,
        delivered=made.ledger.delivered + 610,
        dropped=made.ledger.dropped + 90,
        missed=3,
        reaped=made.ledger.own_exits + 3,
    )
    return replace(
        made,
        ledger=ledger,
        storm=replace(made.storm, reaped=ledger.reaped),
        cost=replace(
            made.cost,
            attempted=ledger.attempted,
            delivered=ledger.delivered,
            delivery_ns=77_000_000,
            consumer_syscalls=55,
            empty_polls=21,
            record_ns=120.0,
        ),
        occupancy=Occupancy(
            samples=9, p50_share=0.1, p99_share=0.2, max_share=0.4, consumer_idle_share=0.7
        ),
        by_cpu=(
            CpuShare(
                cpu=0,
                attempted=ledger.attempted,
                delivered=ledger.delivered,
                dropped=ledger.dropped,
                latency_p50_ns=1,
                latency_p99_ns=2,
            ),
        ),
        skipped_told=3,
    )


RING, PERF = (
    beside_a_neighbour(
        trial(arm, 0, dropped=lost, pairs=2_000, violations=lost // 2, window_ns=lost, run_ns=800)
    )
    for arm, lost in (("ringbuf@64KiB", 12), ("perfbuf@64KiB", 34))
)
RUN = Run(header=header(), trials=(RING, PERF))
CONTENT = JournalContent(runs=(RUN,), faults=())


def expected(of: TrialResult) -> dict[str, float | None]:
    return {key: each.of(of) for key, each in NUMBERS.items()}


def leaves(value: object, key: str = "") -> Iterator[tuple[str, float]]:
    """Yield every number of a document with the key that it stands under."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name != "lost_told":  # its keys are the kernel's
                yield from leaves(each, name)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield key, value


def check(found: dict[str, float], of: TrialResult) -> set[str]:
    """Hold everything that has a name of a number against it; the names that were."""
    known = {key: value for key, value in found.items() if key in NUMBERS}
    assert known == pytest.approx({key: expected(of)[key] for key in known})
    return set(known)


def test_no_two_numbers_are_one_by_chance() -> None:
    """Else a key with the value of another would pass."""
    counts = [
        expected(RING)[key] for key in NUMBERS if re.search("attempted|delivered|dropped", key)
    ]
    assert len(set(counts)) == len(counts)


@pytest.mark.parametrize(
    ("end_ns", "delivered", "rate"),
    [(10**9 + 1, 50_000, 50_000 * 1e9), (10**9 + 1, 0, 0.0), (10**9, 5, None), (1, 5, None)],
)
def test_a_rate_is_over_the_storms_own_length(
    end_ns: int, delivered: int, rate: float | None
) -> None:
    assert RING.ledger is not None
    made = replace(
        RING,
        storm=replace(RING.storm, end_ns=end_ns),
        ledger=replace(RING.ledger, own_delivered=delivered),
    )
    assert NUMBERS["own_delivered_per_s"].of(made) == rate


def test_tables_have_each_number_under_its_name() -> None:
    for row, of in zip(table.rows(CONTENT), (RING, PERF), strict=True):
        assert check(row, of) == set(NUMBERS)


def test_reports_have_the_numbers_of_the_table() -> None:
    document = json.loads(run_json(*compare_journals(CONTENT)))
    (comparison,) = document["summaries"][0]["comparisons"]
    for side, of in (("left", RING), ("right", PERF)):
        assert {"own_attempted", "own_dropped", "missed"} <= check(comparison[side], of)
        numbers = {key: row[side] for key, row in comparison["numbers"].items()}
        assert {"own_dropped_share", "own_delivered_per_s", "latency_p50_ns"} <= check(numbers, of)


def test_the_suites_extra_info_has_the_numbers_of_the_table() -> None:
    assert {"attempted", "own_dropped", "reaped"} <= check(extra_info([PERF]), PERF)


def test_kernels_have_the_numbers_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(encode(RUN.header) + encode(RING) + encode(PERF))
    document = json.loads(kernels_json(compare(read_matrix([tmp_path]))))
    for order, of in zip(document["order"], (RING, PERF), strict=True):
        assert check(order, of) == {"causal_pairs", "causal_violations"}
    peace = document["missed"][0]["peace"]
    both = [expected(of) for of in (RING, PERF)]
    for key in ("missed", "reaped"):
        assert peace[key] == sum(each[key] or 0 for each in both)


def test_claims_take_the_numbers_of_the_table() -> None:
    for take, key in (
        (quantities.drained_per_s, "drained_per_s"),
        (quantities.dropped_share, "own_dropped_share"),
        (quantities.violation_share, "causal_violation_share"),
        (quantities.raised_per_event, "wakeups_raised_per_event"),
        (quantities.cpu_s_per_million, "consumer_cpu_s_per_million"),
        (quantities.latency_p50_ns, "latency_p50_ns"),
    ):
        assert take(RING) == pytest.approx(expected(RING)[key])


def test_gates_count_the_storms_own() -> None:
    with pytest.raises(GateFailed, match=f"happened {12 + 34} times"):
        gates.check(gates.parse("drops"), [RING, PERF])
    with pytest.raises(GateFailed, match="happened 17 times"):
        gates.check(gates.parse("perfbuf:causal"), [RING, PERF])


def test_every_number_is_defined_once_where_the_documents_say() -> None:
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    names = text.partition("## Names")[2].partition("## Ledger")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", names, re.MULTILINE)
    defined = [key for key, _, _ in rows]
    assert len(set(defined)) == len(defined)
    for number in NUMBERS.values():
        assert (number.key, number.unit, number.meaning) in rows, "stale: ./run generate"
    assert {metric.key for metric in METRICS} <= set(defined)


def test_every_exported_key_is_in_a_document(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(encode(RUN.header) + encode(RING) + encode(PERF))
    documents = "".join(
        (ROOT / f"docs/{name}.md").read_text(encoding="utf-8")
        for name in ("metrics", "record-format", "journal-table")
    )
    exported = {
        *(key for key, _ in leaves(json.loads(run_json(*compare_journals(CONTENT))))),
        *(key for key, _ in leaves(json.loads(kernels_json(compare(read_matrix([tmp_path])))))),
        *(key for key, _ in leaves(extra_info([RING]))),
        *(key for row in table.rows(CONTENT) for key in row),
    }
    assert not {key for key in exported if f"`{key}`" not in documents}
