# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from quotes import claims_tables
from reference import content
from rendered import text as text_of

from bench.errors import UsageError
from bench.questions.claims import run as claims_plan
from bench.questions.claims import words
from bench.questions.claims.catalogue import UNTESTABLE, chosen, claims, judge
from bench.questions.claims.document import document
from bench.questions.claims.evidence import of_journals
from bench.questions.claims.words import SIGNS, links
from bench.report.document import Document, Fold, Level, Strip
from bench.report.renderers import html as html_form
from bench.report.renderers import markdown

H2O = "https://github.com/h2o/h2o/issues/2800"
PAGE = Path(__file__).parents[3] / "docs" / "claims.md"


def test_the_page_is_what_the_catalogue_says() -> None:
    assert "\n".join(claims_tables()) in PAGE.read_text(encoding="utf-8"), "stale: ./run generate"


def test_every_claim_has_an_id_of_its_own_and_is_listed() -> None:
    ids = [claim.id for claim in claims()]
    assert len({*ids}) == len(ids) > 50
    listed = "\n".join(claims_tables())
    assert all(f"\n| {each} | " in listed for each in ids)


def test_what_claims_need_is_planned() -> None:
    planned = {experiment.name for experiment in claims_plan.experiments(range(4))}
    needed = {name for claim in claims() for name in claim.experiments}
    assert needed <= planned


def test_an_unknown_claim_is_refused() -> None:
    with pytest.raises(UsageError, match="rb-ordre"):
        chosen(["rb-order", "rb-ordre"])


@cache
def reference() -> Document:
    (evidence,) = of_journals(content("claims/journal.jsonl.gz"))
    return document(judge(evidence))


def test_the_title_counts_the_claims_that_could_be_judged() -> None:
    verdicts = Counter(each.verdict for each in reference().data.claims)
    judged = verdicts["reproduced"] + verdicts["refuted"] + verdicts["inconclusive"]
    assert 0 < judged < sum(verdicts.values())
    others = [f"{verdicts[each]} {each}" for each in ("refuted", "inconclusive") if verdicts[each]]
    title = ", ".join([f"{verdicts['reproduced']} of {judged} claims reproduced", *others])
    assert reference().title.startswith(title)


def test_the_decision_names_every_claim_once_the_refuted_first() -> None:
    lines = text_of(reference().up_to(Level.DECISION)).splitlines()
    assert len(lines) <= 40
    whole = "\n".join(lines)
    assert all(len(re.findall(rf"{each.id}\b(?!-)", whole)) == 1 for each in claims())
    first = [line.split()[0] for line in lines if line.lstrip()[:1] in SIGNS.values()]
    assert first == sorted(first, key="✗?✓".index)


def test_every_claim_has_an_address_and_its_sources_have_links() -> None:
    page = html_form.render(reference())
    ids = re.findall(r'<details class="fold" id="m0-([^"]+)"', page)
    assert set(ids) == {each.id for each in claims()} | {"not-judged"}
    addresses = re.findall(r'<a href="(https:[^"]+)" rel="noreferrer">', page)
    assert H2O in addresses
    assert len(re.findall(r'href="(?!#|data:)', page)) == len(addresses)
    text = text_of(reference())
    assert all(f": {address}\n" in text for address in addresses)
    assert f"[h2o/h2o\\#2800]({H2O})" in markdown.render(reference())


def test_a_strip_says_between_which_values_the_blocks_lie() -> None:
    (evidence,) = of_journals(content("claims/journal.jsonl.gz"))
    measured = {each.claim.id: each.finding.measured for each in judge(evidence).judgements}
    strips = {
        fold.key: part
        for fold in reference().parts
        if isinstance(fold, Fold)
        for part in fold.parts
        if isinstance(part, Strip)
    }
    assert len(strips) > 20
    for name, strip in strips.items():
        of = measured[name]
        assert of is not None
        ends = of.written(min(strip.blocks)), of.written(max(strip.blocks))
        assert strip.words.startswith(f"{len(strip.blocks)} blocks, {ends[0]} to {ends[1]} ")


def test_abbreviations_are_explained() -> None:
    lines = text_of(reference().up_to(Level.DECISION)).splitlines()
    assert "rb: the ring buffer; pb: the perf buffers." in lines
    assert all(f"{each} " in words.SOURCES for each in words._KNOWN)
    assert words.SOURCES in " ".join(text_of(reference()).split())


def test_what_is_not_judged_is_in_the_last_line_with_its_reason() -> None:
    known = {claim.id for claim in claims()}
    text = " ".join(text_of(reference()).split())
    for each in UNTESTABLE:
        assert each.id not in known
        assert f"{each.id} ({each.reason})" in text
        row = f"| {each.id} | {each.statement} | {each.sources} | {each.reason} |"
        assert row in claims_tables()
    assert text.endswith(f"{UNTESTABLE[-1].id} ({UNTESTABLE[-1].reason})")


def test_sources_without_an_address_are_no_links() -> None:
    found = dict(
        links(
            "BLOG; a/b#7, bpf list 2023, x/y, a tracexec report, https://z.org/p/q.html, "
            "kernel commit f9a80c7ce49e"
        )
    )
    assert found == {
        "BLOG": "https://nakryiko.com/posts/bpf-ringbuf/",
        "a/b#7": "https://github.com/a/b/issues/7",
        "x/y": "https://github.com/x/y",
        "https://z.org/p/q.html": "https://z.org/p/q.html",
        "kernel commit f9a80c7ce49e": "https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/"
        "linux.git/commit/?id=f9a80c7ce49e",
    }


@pytest.mark.parametrize("address", ["javascript:alert(1)", "http://example.org", "//example.org"])
def test_a_fold_leads_to_https_alone(address: str) -> None:
    with pytest.raises(ValueError, match="https"):
        Fold(key="k", summary="", parts=(), links=(("text", address),))
