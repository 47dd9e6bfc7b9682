# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test what stderr shows of a fleet."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from bench.fleet import view
from bench.fleet.facts import look
from bench.fleet.roster import Roster, Row, State
from bench.fleet.spool import Progress

FACTS = replace(look(), unfit="", cpu_model="made up", cpus=4, kernel="6.1", virtualisation="kvm")


def roster() -> Roster:
    made = Roster()
    progress = Progress(trials=5, planned=20, elapsed_s=10.0)
    for each in (
        Row(name="a", state=State.RUNNING, machine="a", facts=FACTS, progress=progress),
        Row(name="b", state=State.NOT_USED, machine="b", reason="BTF: none"),
        Row(name="c+a", state=State.DONE, machine="a", notes=["in place of c"]),
    ):
        made.rows[each.name] = each
    return made


def test_a_terminal_has_a_row_for_each_machine(capsys: pytest.CaptureFixture[str]) -> None:
    Console(width=120).print(view._table(roster()))
    head, first, *others = capsys.readouterr().out.splitlines()
    assert head.split() == ["machine", "type", "what", "it", "does", "left"]
    assert first.split() == [
        *("a", "4", "x", "made", "up,", f"{FACTS.architecture},", "Linux", "6.1,", "kvm"),
        *("running,", "5", "of", "20", "trials", "30", "s"),
    ]
    assert ["not used, BTF: none" in others[0], "done, in place of c" in others[1]] == [True] * 2


def test_elsewhere_there_is_a_line_for_each_change(capsys: pytest.CaptureFixture[str]) -> None:
    made = roster()
    with view.shown() as show:
        for _ in range(2):
            show(made)
        made.rows["a"].state = State.DONE
        show(made)
    assert capsys.readouterr().err.splitlines() == [
        "a: running, 5 of 20 trials",
        "b: not used, BTF: none",
        "c+a: done, in place of c",
        "a: done",
    ]
