# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench check."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Final

import typer

from bench.cli.options import AsFormat, Wait, of_output, of_run, of_storm, parsed
from bench.cli.output import answer, say, speaker
from bench.errors import MachineUnfit, UsageError, check_range, reject
from bench.host import lock

_STRUCTURES: Final = ("task_struct", "pt_regs", "nsproxy", "pid_namespace", "cred")
_COMMAND = typer.Argument(help="The tool and its arguments, after --.", metavar="-- COMMAND...")
_PRESET = of_run(help="How to read its lines; by default by the tool's name.", metavar="NAME")
_PATTERN = of_run(
    help="Regular expression that a line matches; its first group, or the one named pid, is the "
    "PID. Other names: parent, code, signal.",
    metavar="REGEX",
)
_KEY = of_run(help="Path of the PID in a line of JSON, like .process.pid.", metavar="PATH")
_LOST = of_run(
    help="Regular expression of its reports of losses; the first group is their number.",
    metavar="REGEX",
)
_RATES = of_storm(
    help="Processes a second, ascending, with commas; 0: as fast as possible.", metavar="LIST"
)
_SECONDS = of_storm(unit="s", within=(0.1, 600), help="Length of each storm.")
_waiting = partial(of_run, unit="s", within=(1, 3_600))
_ATTACH = _waiting(help="How long to wait for it to show a first process.")
_SETTLE = _waiting(help="How long to wait for the last process of a storm.")
_GATES = of_output(
    "--fail-on",
    help="Exit 1 on these: silent (missing and not reported), missing, twice, wrong (PID, parent, "
    "code or signal), order. Separated by commas; repeatable.",
    metavar="GATES",
)


def command(
    tool: Annotated[list[str], _COMMAND],
    *,
    preset: Annotated[str | None, _PRESET] = None,
    pid_pattern: Annotated[str | None, _PATTERN] = None,
    pid_key: Annotated[str | None, _KEY] = None,
    lost_pattern: Annotated[str | None, _LOST] = None,
    execs: Annotated[bool, of_run(help="The tool shows execs, not exits.")] = False,
    pipe: Annotated[bool, of_run(help="Let it print to a pipe instead of a terminal.")] = False,
    rates: Annotated[str, _RATES] = "100,300,1000,3000,10000,0",
    seconds: Annotated[float, _SECONDS] = 2.0,
    attach_timeout: Annotated[float, _ATTACH] = 60.0,
    settle_timeout: Annotated[float, _SETTLE] = 10.0,
    wait: Wait = False,
    fail_on: Annotated[list[str] | None, _GATES] = None,
    form: AsFormat = "text",
) -> None:
    """Check whether a tool sees every process that exits, and reports those that it missed.

    The tool runs during storms of rising rates. The generator knows the PID, the parent and the
    exit code or signal of each process that it made; the tool's output is compared with these. The
    first storm begins once the tool has shown a probe process.

    Output of exitsnoop and execsnoop (of bcc and libbpf-tools), bpftrace, tetragon and tracee can
    be read; for other tools give --pid-pattern or --pid-key. bcc's tools are given the kernel
    headers that they need.

    Exit code 0, 1 if a gate failed, 3 if the tool died, printed nothing or never attached.

    Example: bufbench check -- exitsnoop-bpfcc

    Example: bufbench check --fail-on silent -- bpftrace exits.bt

    Example: bufbench check --pid-key .event.pid --lost-pattern 'dropped=(\\d+)' -- mytracer --json
    """
    from bench.questions.check import judge, lines
    from bench.questions.check.document import document
    from bench.questions.check.run import Plan, check
    from bench.questions.check.tool import running

    base = lines.preset_of(tool[0])
    if preset is not None:
        base = parsed("--preset", lines.preset, preset)
    reading = lines.own(pattern=pid_pattern, key=pid_key, lost=lost_pattern, execs=execs, base=base)
    gates = parsed("--fail-on", judge.parse_gates, fail_on or [])
    per_s, progress = _rates(rates), speaker()
    plan = Plan(
        rates_per_s=per_s, seconds=seconds, attach_s=attach_timeout, settle_s=settle_timeout
    )
    with (
        lock.held(wait=wait),
        _headers() as environment,
        running(tool, environment=environment, pipe=pipe) as started,
    ):
        seen = started.output
        checked = check(
            started, reading, plan, lambda each: judge.rung(each, seen, reading).whole, progress
        )
        verdict = judge.judge(checked, seen, reading)
    answer(form, [document(tool, reading, verdict)])
    if verdict.ended:
        raise MachineUnfit(verdict.ended)
    judge.check_gates(gates, verdict)


@contextmanager
def _headers() -> Iterator[Mapping[str, str]]:
    """Yield an environment in which bcc's tools find this kernel's structures."""
    from bench.tracer import btf, compiler

    try:
        with btf.opened() as types:
            declarations = types.declarations(*_STRUCTURES)
    except MachineUnfit as error:
        say(f"bcc's tools get no kernel headers: {error}")
        yield {}
        return
    with compiler.tree(compiler.tree_for_others(os.uname().release, declarations)) as environment:
        yield environment


def _rates(text: str) -> tuple[float, ...]:
    """Return the rates; UsageError unless they rise, with 0 only at the end."""
    try:
        found = [float(each) for each in text.split(",")]
    except ValueError:
        remedy = "write it like 100,1000,0"
        raise UsageError(f"--rates {text[:40]} is not a list of numbers", remedy=remedy) from None
    rising = [each or float("inf") for each in found]
    for each in found:
        check_range("--rates", each, 0, 1_000_000)
    wrong = rising != sorted(set(rising))
    reject(wrong, f"--rates {text[:40]} do not rise", "write them like 100,1000,0, with 0 last")
    return tuple(found)
