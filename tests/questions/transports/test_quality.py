# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Count reasons of noisy trials by kind; words for every question."""

from __future__ import annotations

import pytest

from bench.questions.kernels import answers, charts
from bench.questions.transports.background import _command
from bench.questions.transports.decision import WORDS
from bench.questions.transports.quality import kind_of
from bench.questions.transports.standing import Question


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("12.3% of CPU time was stolen", "CPU time was stolen"),  # as journals have had it
        ("12.3 % of CPU time was stolen", "CPU time was stolen"),
        (
            "others' processes used 0.35 CPU seconds a second (bound: 0.25)",
            "others' processes used CPU",
        ),
        ("tasks waited for io in 12% of the time (bound: 5%)", "tasks waited for io"),
        ("tasks waited for io in 12.0 % of the time (bound: 5 %)", "tasks waited for io"),
        (
            "the harness did not run for 1.2 s: stopped, frozen or starved",
            "the harness did not run",
        ),
        (
            "the CPU quota of the cgroup (cpu.max) stopped tasks for 0.3 s (bound: 0)",
            "the CPU quota of the cgroup stopped tasks",
        ),
        (
            "1,204 processes outside the storm exited beside its 1,000 records (bound: 10%)",
            "processes outside the storm exited beside its records",
        ),
    ],
)
def test_a_reason_without_its_figures_is_still_a_sentence(reason: str, kind: str) -> None:
    assert kind_of(reason) == kind


def test_every_question_has_its_words() -> None:
    for words in (WORDS, answers._RING, charts._READINGS):
        assert {*words} - {"missed"} == {*Question}


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (("/home/a b/.venv/bin/bufbench", "run", "--count", "5"), "bufbench run --count 5"),
        (
            ("/x/bench/suite/__main__.py", "--csv=a b"),
            "python -m bench.suite '--csv=a b'",
        ),
        (
            ("bufbench", "run", "--output", "/home/a b/x.jsonl", "--reader-command=/home/a/reader"),
            "bufbench run --output x.jsonl --reader-command=reader",
        ),
        (
            ("bufbench", "run", "--reader-command", "/usr/bin/a --from /etc/b /c/d"),
            "bufbench run --reader-command 'a --from /etc/b /c/d'",
        ),
        (("bufbench", "size", "--output", "out/x.jsonl"), "bufbench size --output out/x.jsonl"),
    ],
)
def test_a_command_is_repeated_without_the_folders_of_its_machine(
    words: tuple[str, ...], typed: str
) -> None:
    assert _command(words) == typed
