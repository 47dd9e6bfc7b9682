# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Test that an impossible value of an option is refused in one line that names the option."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import beginnings
import pytest
from tracing import within

from bench.errors import ExitCode
from bench.host import lock

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what typer says of click
    import click
    import typer

    from bench.cli import app

pytestmark = pytest.mark.slow

VALUES = ("0", "-1", "nonsense", "", "1e99", "nan")
NOWHERE = "/nowhere"
BESIDE = {
    "duet": ("ringbuf", "perfbuf"),
    "check": ("--", "bpftrace"),
    "object build": (NOWHERE,),
    "object run": (NOWHERE,),
    "object compare": (NOWHERE,),
    "report": (NOWHERE,),
    "compare": (NOWHERE, NOWHERE),
    "history": (NOWHERE,),
    "kernels run": ("6.12",),
    "kernels report": (NOWHERE,),
    "kernels exact": ("6.1", "6.12"),
    "kernels bisect": ("6.1", "6.12", "--test", "reserve-submit:+0"),
    "kernels bisect-step": ("6.12", "--test", "reserve-submit=193"),
    "kernels fetch": ("6.12",),
    "fleet certificates": ("made",),
    "fleet run": ("--scheduler", "127.0.0.1", "--output", "out", "--profile", "quick"),
    "fleet worker": ("127.0.0.1",),
    "fleet report": (NOWHERE,),
}
"""What a command takes at least."""

TOGETHER = {
    ("run", "--gap"): ("--rate", "5"),
    ("run", "--burst"): ("--workload", "burst"),
    ("run", "--depth"): ("--workload", "chain"),
    ("run", "--interval"): ("--poll", "timed"),
    ("size", "--on-cpus"): ("--rate", "5"),
    ("kernels run", "--seeds"): ("--reproducible",),
    ("object compare", "--event"): ("--stamp", "time_ns"),
}
"""What an option has an effect with."""


def commands(group: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command and its name, "kernels run" say."""
    context = click.Context(group)
    for each in group.list_commands(context):
        found, called = group.get_command(context, each), f"{name} {each}".strip()
        if hasattr(found, "list_commands"):
            yield from commands(found, called)
        else:
            yield called, found


def options() -> Iterator[tuple[str, str, bool]]:
    """Yield every option that takes a value, with its command, and whether it names a file."""
    for name, command in commands(typer.main.get_command(app.app)):
        for each in command.params:
            if each.param_type_name == "option" and not each.is_flag and each.name != "help":
                yield name, each.opts[0], isinstance(each.type, click.Path)


@pytest.fixture(autouse=True)
def begins_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    beginnings.stop(monkeypatch)
    monkeypatch.setattr(lock, "held", beginnings.entered)
    monkeypatch.setattr("subprocess.Popen", beginnings.called)  # QEMU, apt-get, skopeo, clang
    monkeypatch.setattr("bench.tracer.sampler.Sampler", beginnings.called)
    monkeypatch.setattr("bench.fleet.collect.connected", beginnings.called)
    monkeypatch.setattr("bench.fleet.scheduler.serve", beginnings.called)
    monkeypatch.setattr("bench.fleet.worker.serve", beginnings.called)


def line_of(*words: str) -> str:
    """Return the one line on stderr of a command that ended as documented; "" for none."""
    done = within(*words)
    assert done.returncode in set(ExitCode), (words, done)
    lines = done.stderr.splitlines()
    assert len(lines) <= 1 or done.returncode == 0, (words, lines)
    return lines[0] if lines and done.returncode else ""


@pytest.mark.parametrize(("command", "option", "file"), [*options()])
def test_an_impossible_value_is_refused_by_the_options_name(
    command: str, option: str, file: bool
) -> None:
    beside = (*TOGETHER.get((command, option), ()), *BESIDE.get(command, ()))
    usual = line_of(*command.split(), *beside)
    if option in beside:
        beside = tuple(
            each for at, each in enumerate(beside) if option not in beside[at - 1 : at + 1]
        )
    for value in VALUES:
        line = line_of(*command.split(), f"{option}={value}", *beside)
        fine = not line or line == usual or beginnings.REACHED in line
        named = option in line or (file and f" {value or '.'} " in line)
        assert fine or named, (value, line)
