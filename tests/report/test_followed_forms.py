# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test the forms that CI systems take, each by its consumer's parser or schema."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import reference
from hostile import NAMES
from ktap import read as read_ktap
from made_up_trials import blocks, header, trial
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as textfile
from tap.parser import Parser

from bench.journal.reader import read_journal
from bench.journal.writer import JournalWriter
from bench.questions import page
from bench.questions.kernels.document import document as kernels_document
from bench.questions.kernels.folders import read_matrix
from bench.questions.kernels.matrix import compare as compare_kernels
from bench.questions.transports.document import document
from bench.questions.transports.summary import compare
from bench.report.document import Check, Document, Measure, Passing, checks, measures
from bench.report.renderers import find
from bench.report.renderers.summary import LINES
from bench.trial.result import State

SCHEMA = json.loads(
    Path(__file__).parents[1].joinpath("bmf.schema.json").read_text(encoding="utf-8")
)
JOURNALS = (*reference.JOURNALS, *(f"duets/{name}-idle.jsonl.gz" for name in ("burst", "storm")))


@cache
def of_journal(journal: str) -> tuple[Document, ...]:
    """Return what `bufbench report` has of a reference journal."""
    return page.documents(reference.content(journal), {})


@cache
def of_kernels() -> Document:
    return kernels_document(compare_kernels(read_matrix([reference.FOLDER / "kernels"])))


def metric(measure: Measure) -> dict[str, float]:
    bounds = {"lower_value": measure.low, "upper_value": measure.high}
    return {"value": measure.value, **{k: v for k, v in bounds.items() if v is not None}}


def check_bmf(documents: tuple[Document, ...]) -> None:
    text = find("bmf")(*documents)
    found = json.loads(text)
    jsonschema.validate(found, SCHEMA, cls=jsonschema.Draft7Validator)
    read = {
        f"{subject}/{slug.replace('-', '_')}": each
        for subject, numbers in found.items()
        for slug, each in numbers.items()
    }
    assert read == {each.key: metric(each) for each in measures(documents)}
    slugs = {slug for numbers in found.values() for slug in numbers}
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", slug) for slug in slugs)
    for each in read.values():
        value = each["value"]
        assert each.get("lower_value", value) <= value <= each.get("upper_value", value)


def github(documents: tuple[Document, ...], form: str) -> dict[str, dict[str, Any]]:
    """Return the entries by name, once they have the fields that the action takes."""
    entries = json.loads(find(form)(*documents))
    for each in entries:
        assert {"name", "unit", "value"} <= each.keys()
        assert each.keys() <= {"name", "unit", "value", "range", "extra"}
        assert isinstance(each["value"], int | float)
        assert isfinite(each["value"])
        assert all(isinstance(each[name], str) for name in each.keys() - {"value"})
    named = {each["name"]: each for each in entries}
    assert len(named) == len(entries)
    return named


def check_github(documents: tuple[Document, ...]) -> None:
    found = measures(documents)
    for form, bigger in (("github-benchmark", False), ("github-benchmark-bigger", True)):
        entries = github(documents, form)
        listed = [each for each in found if each.more_is_better is bigger]
        assert [*entries] == [each.key for each in listed]
        for each in listed:
            entry = entries[each.key]
            assert (entry["value"], entry["unit"]) == (each.value, each.unit)
            if each.low is None or each.high is None:
                assert "range" not in entry
            else:
                low, high = map(float, entry["range"].split(" to "))
                assert (low, high) == pytest.approx((each.low, each.high), rel=1e-3)


def check_openmetrics(documents: tuple[Document, ...]) -> None:
    text = find("openmetrics")(*documents)
    assert text.endswith("# EOF\n")
    read = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in openmetrics(text)
        for sample in family.samples
    }
    same = [sample for family in textfile(text) for sample in family.samples]
    assert {(each.name, tuple(sorted(each.labels.items()))): each.value for each in same} == read
    assert len(same) == len(read)
    values = [value for (name, _), value in read.items() if name != "bufbench_check"]
    numbers = [n for each in measures(documents) for n in metric(each).values()]
    assert sorted(values) == sorted(map(float, numbers))
    assert len(read) - len(values) == len(checks(documents))


def check_ktap(documents: tuple[Document, ...]) -> None:
    text, expected = find("ktap")(*documents), checks(documents)
    found = read_ktap(text)
    assert [(each.ok, each.skipped) for each in found] == [
        (each.outcome is not Passing.FAILED, each.outcome is Passing.SKIPPED) for each in expected
    ]
    lines = [line for line in Parser().parse_text(text) if line.category == "test"]
    assert [(line.ok, bool(line.skip), line.number) for line in lines] == [
        (each.ok, each.skipped, number) for number, each in enumerate(found, 1)
    ]


def check_summary(documents: tuple[Document, ...]) -> None:
    text = find("summary")(*documents)
    lines = text.split("\n")
    assert lines.pop() == ""
    assert len(lines) <= LINES
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "--format" in lines[-1]
    columns = [len(re.findall(r"(?<!\\)\|", line)) for line in lines if line.startswith("| ")]
    rules = [at for at, line in enumerate(lines) if line.startswith("| ---")]
    assert len(rules) <= sum(1 for _ in documents)
    assert len({*columns}) <= len(rules)


CHECKS = (check_bmf, check_github, check_openmetrics, check_ktap, check_summary)
every_form = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:])


@every_form
@pytest.mark.parametrize("journal", JOURNALS)
def test_of_a_reference_journal(journal: str, check: Any) -> None:
    check(of_journal(journal))


@every_form
def test_of_the_reference_kernels(check: Any) -> None:
    check((of_kernels(),))


@pytest.mark.parametrize("name", NAMES)
def test_of_hostile_names(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.jsonl"
    plain = header()
    machine = replace(plain.machine, hostname=name, kernel_release=name, cpu_model=name)
    with JournalWriter(path) as writer:
        for host in (name, "other"):
            writer.write(replace(plain, machine=replace(machine, hostname=host)))
            for arm in ("ringbuf@8KiB", "perfbuf@8KiB"):
                for each in blocks(arm, [{"dropped": 3}] * 8, experiment=name):
                    writer.write(each)
            odd = {"experiment": name, "state": State.INVALID, "reasons": (name,)}
            writer.write(trial("ringbuf@8KiB", 9, **odd))
    documents = page.documents(read_journal(path, strict=True), {})
    for check in CHECKS:
        check(documents)


@every_form
def test_of_nothing(check: Any) -> None:
    check((Document(title="Nothing", subject="", parts=(), data=None),))
    check((document(compare([trial("ringbuf@8KiB", 0)])),))


@every_form
def test_of_more_machines_than_a_summary_has_room_for(check: Any) -> None:
    found = []
    for number in range(12):
        made = [*blocks("ringbuf@8KiB", [{"pairs": 9}] * 8), *blocks("perfbuf@8KiB", [{}] * 8)]
        origin = (("host", f"h{number % 11}"), ("kernel", "6.12"))
        found.append(replace(document(compare(made)), origin=origin))
    check(tuple(found))
    assert "Not shown: 9 more of 12" in find("summary")(*found)


def test_a_summary_has_the_decision_and_how_sure_it_is() -> None:
    (found,) = of_journal("standard/journal.jsonl.gz")
    text = find("summary")(found)
    assert text.startswith("### Use the ring buffer: fewer drops")
    for word in ("**Drops:**", "**Quality:**", "| drops, ", "noisy, but counted"):
        assert word in text


def test_a_summary_of_claims_names_those_refuted_once() -> None:
    documents = of_journal("claims/journal.jsonl.gz")
    refuted = [each.name for each in checks(documents) if each.outcome is Passing.FAILED]
    assert refuted
    items = [line for line in find("summary")(*documents).split("\n") if line.startswith("- ")]
    assert all(sum(name in line for line in items) == 1 for name in refuted)


def test_claims_are_there_where_one_was_decided() -> None:
    shorts = {
        name: [each.short for each in of_journal(f"{name}/journal.jsonl.gz")]
        for name in ("standard", "claims")
    }
    assert shorts == {"standard": ["Comparison"], "claims": ["Claims", "Comparison"]}


def test_what_is_cut_is_counted() -> None:
    failed = tuple(
        Check(name=f"c{number}", outcome=Passing.FAILED, text="why") for number in range(60)
    )
    made = Document(title="t", subject="", parts=(), data=None, checks=failed)
    shown = re.findall(r"\*\*failed\*\*", find("summary")(made))
    assert f"- and {60 - len(shown)} more" in find("summary")(made)


def test_ktap_has_the_reason_of_each_failure() -> None:
    made = Document(
        title="t",
        subject="",
        parts=(),
        data=None,
        checks=(
            Check(name="a # TODO b", outcome=Passing.FAILED, text="x\nok 2 y"),
            Check(name="c", outcome=Passing.SKIPPED, text="z"),
        ),
    )
    assert find("ktap")(made).split("\n")[2:5] == [
        r"# 1 a _ TODO b: x\nok 2 y",
        "not ok 1 a _ TODO b",
        "ok 2 c # SKIP z",
    ]
