# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that the summary names what did not balance or grew, and ./run soak's exit codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from made_up_trials import trial
from soak import summary
from soak.test_health import samples

from bench.trial.result import State

pytest_plugins = ["pytester"]
TRIALS = [replace(trial("ringbuf@8KiB", block), state=State.VALID) for block in range(3)]


def test_a_sound_soak() -> None:
    text = "\n".join(summary.lines(7, TRIALS, samples(8)))
    assert text.startswith("# 3 random trials in 1 min: all of them balance; nothing grew\n")
    assert "- seed 7: valid 3" in text
    assert "3 of 3 trials balanced" in text
    assert "| open files | 20 | 20 | flat |" in text


def test_what_grew_and_what_does_not_balance_is_named() -> None:
    broken = replace(TRIALS[1], state=State.INVALID, reasons=("two and two are five",))
    text = "\n".join(summary.lines(7, [TRIALS[0], broken], samples(maps=lambda n: n)))
    assert "1 do not balance; BPF maps grew" in text
    assert "| BPF maps | 17 | 32 | GREW |" in text
    assert "- did not balance: ringbuf@8KiB, round 1: two and two are five" in text


def test_too_few_rounds_say_nothing() -> None:
    assert "too few rounds to say what grew" in next(summary.lines(7, TRIALS, samples(7)))


@pytest.mark.parametrize(
    ("raised", "code"), [("GateFailed", 1), ("NotBalanced", 4), ("MachineUnfit", 3)]
)
def test_exit_codes(pytester: pytest.Pytester, raised: str, code: int) -> None:
    hooks = Path(__file__).with_name("conftest.py")
    pytester.makeconftest(hooks.read_text())
    pytester.makepyfile(
        f"from bench import errors\ndef test_x():\n    raise errors.{raised}('made up')\n"
        "def test_y():\n    pass\n"
    )
    assert pytester.runpytest("-p", "no:cacheprovider").ret == code
