# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Gates: what they count, what they leave alone, and in which order failures are told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_trials import trial

from bench import gates
from bench.errors import GateFailed, NotBalanced, UsageError
from bench.trial.result import State


@given(st.lists(st.sampled_from(["drops", "causal", "ringbuf:drops", "perfbuf:causal"])))
def test_what_is_written_is_what_is_meant(words: list[str]) -> None:
    assert [str(gate) for gate in gates.parse(",".join(words))] == words
    assert [str(gate) for gate in gates.parse(" , ".join(words))] == words


@pytest.mark.parametrize("text", ["boredom", "ringbuf:", "drops:ringbuf", "drops;causal", "DROPS"])
def test_no_such_gate(text: str) -> None:
    with pytest.raises(UsageError, match="no gate"):
        gates.parse(text)


TRIALS = [
    trial("ringbuf@8KiB", 0, dropped=2),
    trial("ringbuf@8KiB", 1, dropped=3),
    trial("perfbuf@8KiB", 0, pairs=100, violations=7),
    trial("noop", 0),
]


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("", ""),
        ("perfbuf:drops,ringbuf:causal", ""),
        ("sharded:drops", ""),
        ("drops", "drops happened 5 times"),
        ("ringbuf:drops", "ringbuf:drops happened 5 times"),
        ("causal,drops", "causal happened 7 times, drops happened 5 times"),
    ],
)
def test_a_gate_counts_its_own(text: str, failed: str) -> None:
    if not failed:
        gates.check(gates.parse(text), TRIALS)
        return
    with pytest.raises(GateFailed) as told:
        gates.check(gates.parse(text), TRIALS)
    assert str(told.value) == f"gate failed: {failed}"
    assert told.value.exit_code == 1


def test_noise_and_disturbance_do_not_excuse_drops() -> None:
    for state in (State.NOISY, State.DISTURBED):
        with pytest.raises(GateFailed):
            gates.check(gates.parse("drops"), [replace(TRIALS[0], state=state)])


def test_what_does_not_balance_fails_before_any_gate_and_without_one() -> None:
    wrong = trial("perfbuf@8KiB", 4, dropped=9, state=State.INVALID, reasons=("one is gone",))
    for text in ("", "drops"):
        with pytest.raises(
            NotBalanced, match=r"1 of 5 .* perfbuf@8KiB block 4: one is gone"
        ) as told:
            gates.check(gates.parse(text), [*TRIALS, wrong])
        assert told.value.exit_code == 4


def test_trials_may_be_read_once_only() -> None:
    with pytest.raises(GateFailed, match=r"ringbuf:drops .* drops"):
        gates.check(gates.parse("ringbuf:drops,drops"), iter(TRIALS))
