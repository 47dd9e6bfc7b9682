# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test which machine gets which task: a made-up fleet, and a clock set by hand."""

from __future__ import annotations

from dataclasses import replace

from bench.fleet.facts import Facts, look
from bench.fleet.roster import GRACE_S, MOST_ATTEMPTS, PATIENCE_S, Roster, Row, Seen, State

ONE = replace(look(), unfit="", cpu_model="one")
OTHER = replace(ONE, cpu_model="other")


def there(**machines: Facts | None) -> dict[str, Seen]:
    return {
        f"tls://{name}": Seen(address=f"tls://{name}", name=name, facts=known)
        for name, known in machines.items()
    }


def sent(roster: Roster) -> list[tuple[str, str]]:
    found = []
    for row, seen in [*roster.due()]:
        roster.send(row, seen)
        found.append((row.name, seen.name))
    return found


def lost_at(now_s: float, **left: Facts) -> Roster:
    """Lose machine a of type ONE; those in ``left`` were there with it, and are done."""
    roster = Roster()
    roster.see(there(a=ONE, **left), 0)
    sent(roster)
    for name in left:
        roster.rows[name].state = State.DONE
    roster.see(there(**left), now_s)
    return roster


def test_each_machine_gets_one_task_once() -> None:
    roster = Roster()
    for now_s in (0, 1, 2):
        roster.see(there(a=ONE, b=OTHER), now_s)
        assert sent(roster) == ([("a", "a"), ("b", "b")] if now_s == 0 else [])


def test_a_lost_task_waits_for_its_machine_then_goes_to_one_of_its_type() -> None:
    left = {"b": OTHER, "c": ONE}
    roster = lost_at(5, **left)
    assert roster.rows["a"].state is State.LOST
    roster.see(there(**left), 5 + GRACE_S)
    assert sent(roster) == []
    roster.see(there(**left), 5.1 + GRACE_S)
    assert sent(roster) == [("a+c", "c")]
    assert roster.rows["a+c"].notes == ["in place of a"]
    assert roster.rows["a"].state is State.REPLACED


def test_a_machine_that_was_replaced_still_gives_its_own_journal_once_it_is_back() -> None:
    """It may have measured it meanwhile."""
    roster = lost_at(5, c=ONE)
    roster.see(there(c=ONE), 6 + GRACE_S)
    assert sent(roster) == [("a+c", "c")]
    roster.see(there(a=ONE, c=ONE), 7 + GRACE_S)
    assert sent(roster) == [("a", "a")]
    for row in roster.rows.values():
        row.state = State.DONE
    assert {(row.name, seen.name) for row, seen in roster.unacknowledged()} == {
        *(("a", "a"), ("c", "c"), ("a+c", "c")),
    }


def test_two_lost_tasks_take_turns_on_the_one_machine_of_their_type() -> None:
    roster = Roster()
    roster.see(there(a=ONE, b=ONE, c=ONE), 0)
    sent(roster)
    roster.rows["c"].state = State.DONE
    roster.see(there(c=ONE), 1)
    for now_s, name in ((2 + GRACE_S, "a+c"), (3 + PATIENCE_S, "b+c")):
        roster.see(there(c=ONE), now_s)
        assert sent(roster) == [(name, "c")]
        roster.rows[name].state = State.DONE
    assert roster.ended


def test_each_kernel_of_a_machine_is_a_task_and_one_runs_at_a_time() -> None:
    roster = Roster(kernels=("6.1", "ci-kernels:6.12", "host"))
    roster.see(there(a=ONE, b=OTHER), 0)
    assert sent(roster) == [("a+6.1", "a"), ("b+6.1", "b")]
    assert sent(roster) == []
    roster.rows["a+6.1"].state = State.DONE
    assert sent(roster) == [("a+ci-kernels_6.12", "a")]
    assert roster.rows["a+ci-kernels_6.12"].kernel == "ci-kernels:6.12"
    roster.see(there(b=OTHER), 1)
    assert [row.state for row in roster.rows.values() if row.machine == "a"] == [
        *(State.DONE, State.LOST, State.LOST)
    ]
    roster.see(there(a=ONE, b=OTHER), 2)
    assert sent(roster) == [("a+ci-kernels_6.12", "a")]
    assert roster.machines == 2


def test_a_machine_that_is_back_has_its_task_again() -> None:
    roster = lost_at(5, c=ONE)
    roster.see(there(a=ONE, c=ONE), 6)
    assert sent(roster) == [("a", "a")]


def test_a_worker_that_was_restarted_between_two_looks_has_lost_its_task() -> None:
    roster = Roster()
    roster.see(there(a=ONE), 0)
    sent(roster)
    roster.see({"tls://a:2": Seen(address="tls://a:2", name="a", facts=ONE)}, 1)
    assert sent(roster) == [("a", "a")]
    assert roster.rows["a"].address == "tls://a:2"


def test_a_new_machine_takes_over_and_measures_once() -> None:
    roster = lost_at(5)
    now_s = 6 + GRACE_S
    roster.see(there(new=ONE), now_s)
    assert sent(roster) == [("new", "new")]
    assert "new is in its place" in roster.rows["a"].reason
    roster.rows["new"].state = State.DONE
    roster.see(there(new=ONE), now_s + 1)
    assert sent(roster) == []
    assert roster.ended


def test_without_a_machine_of_its_type_it_fails_after_a_while() -> None:
    roster = lost_at(5, b=OTHER)
    roster.see(there(b=OTHER), 5 + PATIENCE_S)
    assert not roster.ended
    roster.see(there(b=OTHER), 5.1 + PATIENCE_S)
    assert roster.ended
    assert "no machine of its type" in roster.rows["a"].reason


def test_a_task_that_kills_its_workers_fails() -> None:
    roster = Roster()
    for now_s in range(MOST_ATTEMPTS):
        roster.see(there(a=ONE), now_s)
        assert sent(roster) == [("a", "a")]
        roster.see({}, now_s + 0.5)
    assert roster.rows["a"].state is State.FAILED


def test_a_machine_that_is_not_used_gets_no_task_until_it_is_fit() -> None:
    roster = Roster()
    unfit = replace(ONE, unfit="no BTF")
    roster.see(there(a=unfit, old=replace(ONE, bufbench="9"), plain=None, **{"../x": ONE}), 0)
    assert sent(roster) == []
    assert {row.state for row in roster.rows.values()} == {State.NOT_USED}
    roster.see(there(a=ONE), 1)
    assert sent(roster) == [("a", "a")]


def test_only_the_machines_that_were_asked_for() -> None:
    roster = Roster(frozenset(("b",)))
    roster.see(there(a=ONE, b=ONE), 0)
    assert sent(roster) == [("b", "b")]


def test_a_clock_that_is_a_day_off_is_noted() -> None:
    roster = Roster()
    roster.see({"x": Seen(address="x", name="a", facts=ONE, clock_ahead_s=-86_400)}, 0)
    sent(roster)
    assert roster.rows["a"].notes == ["its clock is 24 h behind"]


def test_a_machine_is_asked_to_forget_once_for_each_time_that_it_joins() -> None:
    roster = Roster()
    roster.rows["a"] = Row(name="a", state=State.DONE, machine="b")
    asked = []
    for workers in ({}, there(a=ONE, b=ONE), there(a=ONE, b=ONE), {}, there(b=ONE)):
        roster.see(workers, 0)
        asked.append([(row.name, seen.name) for row, seen in roster.unacknowledged()])
    assert asked == [[], [("a", "b")], [], [], []]
    roster.see({"tls://b:2": Seen(address="tls://b:2", name="b", facts=ONE)}, 0)
    assert [seen.address for _, seen in roster.unacknowledged()] == ["tls://b:2"]


def test_what_was_done_before_is_not_done_again() -> None:
    roster = Roster()
    roster.rows["a"] = Row(name="a", state=State.DONE, machine="a")
    roster.see(there(a=ONE), 0)
    assert sent(roster) == []
    assert roster.ended
