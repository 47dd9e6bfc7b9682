# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test gates: what they count, what they ignore, and in which order failures are reported."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_trials import trial

from bench.campaign import gates
from bench.errors import GateFailed, NotBalanced, UsageError
from bench.trial.result import State

WORDS = ["drops", "causal", "ringbuf:drops", "perfbuf:causal", "sharded:drops"]


@given(st.lists(st.sampled_from(WORDS), min_size=1, unique=True))
def test_what_is_written_is_what_is_meant(words: list[str]) -> None:
    assert [str(gate) for gate in gates.parse(",".join(words))] == words
    assert [str(gate) for gate in gates.parse(" , ".join(words))] == words
    assert [str(gate) for gate in gates.parse(*words, words[0])] == words
    assert gates.parse() == ()


@pytest.mark.parametrize(
    "text",
    [
        *("boredom", "ringbuf:", "drops:ringbuf", "drops;causal", "DROPS", "", " ", ",", "drops,"),
        *(",drops", "drops,,causal", ":drops", "rngbuf:drops", "noop:drops", "none:causal"),
        *("RINGBUF:drops", "ring buf:drops", "ringbuf:drops:causal"),
    ],
)
def test_no_such_gate(text: str) -> None:
    with pytest.raises(UsageError, match="no gate"):
        gates.parse(text)


PAIRS = "pairs of a parent and its child"
TRIALS = [
    trial("ringbuf@8KiB", 0, dropped=2),
    trial("ringbuf@8KiB", 1, dropped=3),
    trial("perfbuf@8KiB", 0, pairs=100, violations=7),
    trial("noop", 0),
]


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("perfbuf:drops", ""),
        ("sharded:drops", "sharded:drops was not measured: no records on sharded"),
        ("ringbuf:causal", f"ringbuf:causal was not measured: no {PAIRS} on ringbuf"),
        ("drops", "drops happened 5 times"),
        ("ringbuf:drops", "ringbuf:drops happened 5 times"),
        ("causal,drops", "causal happened 7 times; drops happened 5 times"),
    ],
)
def test_a_gate_counts_its_own(text: str, failed: str) -> None:
    gates.check((), TRIALS)
    if not failed:
        gates.check(gates.parse(text), TRIALS)
        return
    with pytest.raises(GateFailed) as raised:
        gates.check(gates.parse(text), TRIALS)
    assert str(raised.value) == f"gate failed: {failed}"
    assert raised.value.exit_code == 1


@pytest.mark.parametrize("text", ["drops", "causal", "ringbuf:drops"])
def test_nothing_measured_is_no_zero(text: str) -> None:
    for trials in ([], [trial("noop", 0), trial("none", 0)]):
        with pytest.raises(GateFailed, match=f"{text} was not measured: no "):
            gates.check(gates.parse(text), trials)


def test_others_records_are_not_those_of_the_storm() -> None:
    made = trial("ringbuf@8KiB", 0)
    assert made.ledger is not None
    only_others = replace(made, ledger=replace(made.ledger, own_attempted=0, own_delivered=0))
    with pytest.raises(GateFailed, match="no records on ringbuf"):
        gates.check(gates.parse("drops"), [only_others])


def test_a_reduced_storm_fails_a_gate_but_holds_none() -> None:
    reduced = trial("ringbuf@8KiB", 0, state=State.REDUCED)
    with pytest.raises(GateFailed, match="no records on ringbuf"):
        gates.check(gates.parse("drops"), [reduced])
    full = trial("ringbuf@8KiB", 1)
    gates.check(gates.parse("drops"), [reduced, full])
    with pytest.raises(GateFailed, match="drops happened 3 times"):
        gates.check(
            gates.parse("drops"), [full, trial("ringbuf@8KiB", 0, dropped=3, state=State.REDUCED)]
        )


def test_any_transport_means_each_that_was_run() -> None:
    pairs = trial("perfbuf@8KiB", 0, pairs=100)
    gates.check(gates.parse("causal"), [pairs])
    with pytest.raises(GateFailed, match=f"no {PAIRS} on ringbuf"):
        gates.check(gates.parse("causal"), [pairs, trial("ringbuf@8KiB", 0)])


def test_a_gate_has_to_be_measured_on_each_kernel() -> None:
    clean = [trial("ringbuf@8KiB", 0, pairs=100)]
    both = gates.parse("ringbuf:causal,ringbuf:drops")
    gates.check_each(both, {"6.1": clean, "6.12": clean})
    with pytest.raises(GateFailed) as raised:
        gates.check_each(both, {"6.1": clean, "6.12": [], "7.3": [trial("ringbuf@8KiB", 0)]})
    assert str(raised.value).count("kernel 6.12") == 2
    assert str(raised.value).count("kernel 7.3") == 1
    assert "kernel 6.1)" not in str(raised.value)


def test_what_a_plan_cannot_measure_fails_before_it_is_run() -> None:
    gates.check_plan(gates.parse("drops,ringbuf:drops"), ["ringbuf", "noop"])
    with pytest.raises(GateFailed, match="perfbuf:drops cannot be measured") as raised:
        gates.check_plan(gates.parse("drops,perfbuf:drops"), ["ringbuf", "noop"])
    assert raised.value.exit_code == 1


def test_noise_and_disturbance_do_not_excuse_drops() -> None:
    for state in (State.NOISY, State.DISTURBED):
        with pytest.raises(GateFailed):
            gates.check(gates.parse("drops"), [replace(TRIALS[0], state=state)])


def test_what_does_not_balance_fails_before_any_gate_and_without_one() -> None:
    wrong = trial("perfbuf@8KiB", 4, dropped=9, state=State.INVALID, reasons=("one is gone",))
    for asked in ((), gates.parse("drops")):
        with pytest.raises(
            NotBalanced, match=r"1 of 5 .* perfbuf@8KiB block 4: one is gone"
        ) as raised:
            gates.check(asked, [*TRIALS, wrong])
        assert raised.value.exit_code == 4


def test_trials_may_be_read_once_only() -> None:
    with pytest.raises(GateFailed, match=r"ringbuf:drops .* drops"):
        gates.check(gates.parse("ringbuf:drops,drops"), iter(TRIALS))
