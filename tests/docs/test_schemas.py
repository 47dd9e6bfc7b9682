# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that docs/schemas describes what the commands print as JSON."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import made_up_exact
import pytest
import reference
import schemas
from golden.outputs import kept
from jsonschema import Draft202012Validator
from made_up_trials import blocks, header
from quotes import _designs as designs_of

from bench.errors import UsageError
from bench.guests.sources import Image
from bench.journal.writer import JournalWriter
from bench.plan.budgets import KIB
from bench.questions.bisect.condition import Reading
from bench.questions.bisect.run import Bisection, Tried
from bench.questions.bisect.search import Verdict
from bench.questions.duet.designs import designs
from bench.questions.exact import document as exact_document
from bench.questions.sizing.document import Sized, document
from bench.questions.sizing.judge import sizing
from bench.questions.sizing.plan import Load
from bench.report.renderers.json import render

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    from bench.cli import app


def check(name: str, text: str) -> Any:
    schema = json.loads((schemas.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    value = json.loads(text)
    Draft202012Validator(schema).validate(value)
    return value


@pytest.mark.parametrize("name", schemas.KINDS)
def test_schemas_are_up_to_date(name: str) -> None:
    kept_schema = (schemas.FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert kept_schema == schemas.written(name), "stale: ./run generate"
    Draft202012Validator.check_schema(json.loads(kept_schema))


def test_no_other_schema_is_kept() -> None:
    assert {path.stem for path in schemas.FOLDER.iterdir()} == {*schemas.KINDS}


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("report", "standard.json"),
        ("report", "claims-run.json"),
        ("claims", "claims.json"),
        ("kernels-report", "kernels.json"),
    ],
)
def test_what_the_reference_journals_give_is_as_described(name: str, output: str) -> None:
    check(name, kept(output))


def test_a_key_that_is_missing_or_of_another_type_is_not() -> None:
    value = check("claims", kept("claims.json"))
    schema = Draft202012Validator(schemas.schema("claims"))
    claim = value["machines"][0]["claims"][0]
    for key, wrong in (("verdict", "perhaps"), ("blocks", "8"), ("details", None)):
        right = claim[key]
        claim[key] = wrong
        assert not schema.is_valid(value)
        claim[key] = right
    del claim["reason"]
    assert not schema.is_valid(value)


@pytest.mark.slow
def test_duets_are_as_described() -> None:
    found = designs_of(next((reference.FOLDER / "duets").glob("*.jsonl.gz")))
    check("duet", render(data=found[0]))
    check("duet-designs", render(data=designs(found).data))


def test_a_size_is_as_described() -> None:
    trials = [
        trial for block in range(24) for trial in blocks("ringbuf@8KiB", [{}] * 24)[block:][:1]
    ]
    found = sizing("ringbuf", trials, (8 * KIB, 16 * KIB), tolerated=0.0, margin=2.0)
    sized = Sized(
        load=Load(),
        workers=2,
        exits_per_s=1.0,
        tolerated=0.0,
        sizings=(found,),
        cpus=2,
        journal="size.jsonl",
    )
    check("size", render(document(sized)))


def test_images_are_as_described() -> None:
    image = Image(
        label="6.12", release="6.12.1", vmlinuz=Path("/boot/x"), modules=None, origin="local file"
    )
    check("kernels-fetch", render(data=(image,)))


def test_counts_are_as_described() -> None:
    refused = {("dynptr-submit", 72): "invalid func unknown#198"}
    kernels = made_up_exact.kernel("6.1", made_up_exact.all_calls() | refused)
    check("kernels-exact", render(exact_document.document(made_up_exact.study(kernels))))


@pytest.mark.slow
def test_commands_print_nothing_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, lost in (("old", 0), ("new", 200)):
        with JournalWriter(tmp_path / f"{name}.jsonl") as writer:
            writer.write(header())
            for arm, dropped in (("ringbuf@64KiB", lost), ("perfbuf@64KiB", 30)):
                for trial in blocks(arm, [{"dropped": dropped}] * 8, p50_ns=10_000 + lost):
                    writer.write(trial)
    old, new = (str(tmp_path / f"{name}.jsonl") for name in ("old", "new"))
    for name, *words in (
        ("doctor", "doctor"),
        ("report", "report", old),
        ("claims", "claims", "--from", old),
        ("compare", "compare", old, new),
        ("history", "history", str(tmp_path)),
        ("kernels-report", "kernels", "report", str(tmp_path)),
    ):
        assert app.run([*words, "--json"]) in (0, 3)
        check(name, capfd.readouterr().out)


@pytest.mark.parametrize("command", [["report"], ["claims", "--from"]])
def test_json_and_another_format_contradict(command: list[str]) -> None:
    with pytest.raises(UsageError, match="--json contradicts --format markdown"):
        app.run([*command, "x.jsonl", "--json", "--format", "markdown"])


def test_bisections_are_as_described() -> None:
    reading = Reading(name="reserve-submit@72", value=149)
    tried = Tried(
        kernel="7.3",
        place=2,
        release="7.3.4+deb13-amd64",
        origin="made up",
        verdict=Verdict.BAD,
        readings=(reading, replace(reading, value="refused"), replace(reading, value=None)),
        seeds=(1, 2),
        why="149, not at most 141",
    )
    found = Bisection(
        test="reserve-submit@72:+0",
        good="6.1",
        bad="7.3",
        candidates=("6.1", "7.3"),
        different=2,
        most_boots=4,
    )
    for each in (found, replace(found, first_bad="7.3", last_good="6.1", tried=(tried,))):
        check("kernels-bisect", render(data=each))
