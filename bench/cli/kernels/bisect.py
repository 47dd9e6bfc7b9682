# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench kernels bisect and bisect-step."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import psutil
import typer
from typer import Argument

from bench import paths
from bench.cli import options
from bench.cli.kernels.available import check_booted
from bench.cli.options import of_guest, of_output, of_run, parsed, refuse
from bench.cli.output import answer, speaker
from bench.errors import ExitCode, GateFailed, MachineUnfit, Say, check_range, clean, reject
from bench.host import lock, scratch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.guests.sources import Candidate
    from bench.questions.bisect.condition import Condition
    from bench.questions.bisect.readers import Reader

_TEST = of_run(
    "--test",
    help="Holds on good kernels: reserve-submit:+0 (instructions of a call, against GOOD), "
    "ring-output@72:193 (at most), =193, =same, ringbuf:causal, drops, missed:9, "
    "rb-order=reproduced.",
    metavar="TEST",
)
_IMAGES = of_run(
    help="Search the kernel images in this folder, ordered by release.", metavar="FOLDER"
)
_LIMIT = of_guest(
    unit="s",
    help="Time limit of each boot, in seconds; by default 120, or 600 where trials are run.",
    show_default=False,
)
_FOLDER = of_output(help="Folder to write; results/bisect-TIME by default.")
_DRY_RUN = of_run("--dry-run", help="List the kernels and the most boots; boot nothing.")
_BASELINE = of_run(help="JSON of kernels exact: what the test compares with.", metavar="FILE")
_CALLS_S: Final = 120.0
_TRIALS_S: Final = 600.0


def command(
    context: typer.Context,
    good: Annotated[str, Argument(help="A kernel on which the test holds: 6.1, or an image.")],
    bad: Annotated[str, Argument(help="A newer one on which it fails.")],
    *,
    test: Annotated[str, _TEST],
    images: Annotated[Path | None, _IMAGES] = None,
    time_limit: Annotated[float | None, _LIMIT] = None,
    append: options.Append = None,
    emulate: options.Emulate = False,
    sources: options.Sources = None,
    resume: Annotated[bool, of_run("--resume", help="Continue the search in --output.")] = False,
    dry_run: Annotated[bool, _DRY_RUN] = False,
    form: options.AsFormat = "text",
    output: Annotated[Path | None, _FOLDER] = None,
) -> None:
    """Find the first kernel on which a test fails, between a good one and a bad one.

    Boots as few kernels as possible: both ends, then always the middle one of the candidates.
    Tests on instructions boot as kernels exact does, all others as kernels run. A kernel that does
    not boot is skipped. docs/kernels.md has the tests.

    Exit code 0 if the first bad kernel was found, 1 if not: the ends do not differ, or several
    kernels are left.

    Example: bufbench kernels bisect 6.1 6.12 --test reserve-submit:+0

    Example: bufbench kernels bisect good bad --images ./builds --test all=same --dry-run
    """
    from bench.guests import sources as known
    from bench.guests.sources import local
    from bench.questions.bisect import condition, run, state
    from bench.questions.bisect.document import document, title
    from bench.questions.bisect.run import Outcome
    from bench.questions.kernels.run import check_place, new_folder

    wanted = parsed("--test", condition.parse, test)
    options.need_output(resume, output)
    refuse(context, images is not None, "where no kernel is fetched", "sources")
    tell = speaker()
    reader = _reader(context, wanted, time_limit, append or [], tell, label=good, emulate=emulate)
    candidates: Sequence[Candidate] = (
        known.between(good, bad, known.Options(say=tell, sources_file=sources))
        if images is None
        else local.between(images, good, bad)
    )
    study = run.planned(candidates, wanted, len(reader.seeds) - 1)
    if dry_run:
        answer(form, [document(study)])
        return
    folder = output or new_folder(paths.RESULTS, "bisect")
    check_place(folder)
    with lock.held() if not wanted.exact else nullcontext():
        notes = state.opened(folder, reader.setup, resume=resume)
        tell(f"{title(study)}; results: {folder}")
        study = run.bisect(candidates, wanted, run.Booter(reader, notes, tell))
    answer(form, [document(study)], page=folder / "report.html")
    if study.outcome is Outcome.END_UNKNOWN:
        raise MachineUnfit(title(study), remedy="choose another end")
    if study.outcome is not Outcome.FOUND:
        raise GateFailed(f"not found: {title(study)}")


def step(
    context: typer.Context,
    kernel: Annotated[str, Argument(help="6.12, ./bzImage ...")],
    *,
    test: Annotated[str, _TEST],
    baseline: Annotated[Path | None, _BASELINE] = None,
    time_limit: Annotated[float | None, _LIMIT] = None,
    append: options.Append = None,
    emulate: options.Emulate = False,
    sources: options.Sources = None,
) -> None:
    """Judge one kernel by a test, for git bisect run.

    Exit code 0 if the test holds, 1 if it fails, 125 if that cannot be judged (the kernel does not
    boot, or its number is not reproducible), 128 if it was not tried; only the last stops git.

    Example: bufbench kernels bisect-step ./bzImage --test reserve-submit@72:141

    Example: bufbench kernels bisect-step ./bzImage --test all:+0 --baseline yesterday.json
    """
    from bench.guests.sources import Options, provide, source_of
    from bench.questions.bisect import condition, run, state
    from bench.questions.bisect.search import Verdict
    from bench.questions.exact import study

    wanted = parsed("--test", condition.parse, test)
    check_booted([kernel], example="./bzImage")
    refuse(context, not source_of(kernel).fetches, "where no kernel is fetched", "sources")
    name, given = wanted.text, baseline is not None
    no_count = wanted.relative and not wanted.exact
    reject(no_count, f"{name} has no baseline", "name a limit: perfbuf:causal:9")
    reject(wanted.relative and not given, f"{name} compares with nothing", "add --baseline FILE")
    idle = given and not wanted.relative
    reject(idle, f"--baseline has no effect on {name}", "test CALL:+N or CALL=same")
    tell = speaker()
    reader = _reader(context, wanted, time_limit, append or [], tell, label=kernel, emulate=emulate)
    good: tuple[condition.Reading, ...] = ()
    if baseline is not None:
        counted = study.read(baseline).kernels
        base = next((each for each in counted if each.label == kernel), counted[0])
        good = tuple(condition.of_calls(base))
        reject(not wanted.of(good), f"{baseline} has no count of {wanted.what} on {base.label}")
    (image,) = provide([kernel], Options(say=tell, sources_file=sources))
    with lock.held() if not wanted.exact else nullcontext(), scratch.folder() as folder:
        notes = state.opened(folder, reader.setup, resume=False)
        judged = run.step(image, wanted, run.Booter(reader, notes, tell), good)
    numbers = condition.in_short(judged.readings)
    typer.echo(clean(f"{kernel}: {judged.verdict}: {judged.why or numbers}"))
    codes = {Verdict.BAD: ExitCode.GATE_FAILED, Verdict.UNKNOWN: ExitCode.UNDECIDED}
    if judged.verdict in codes:
        raise typer.Exit(codes[judged.verdict])


def _reader(
    context: typer.Context,
    wanted: Condition,
    time_limit: float | None,
    append: Sequence[str],
    tell: Say,
    *,
    label: str,
    emulate: bool,
) -> Reader:
    """Return a reader that boots kernels for this test; MachineUnfit if a tool is missing."""
    from bench.guests import boot
    from bench.guests.machines import machine_named
    from bench.questions.bisect.readers import Calls, Trials

    limit_s = time_limit if time_limit is not None else _CALLS_S if wanted.exact else _TRIALS_S
    check_range("--time-limit", limit_s, 1 if wanted.exact else 10, 86_400)
    why = "where instructions are counted, which is emulated"
    refuse(context, wanted.exact, why, "emulate")
    if wanted.exact:
        machine = machine_named(label)
        machine.qemu()
        return Calls(time_limit_s=limit_s, append=tuple(append), machine=machine)
    available_mib = psutil.virtual_memory().available >> 20
    guest = boot.fitting(cpus=None, memory_mib=None, jobs=1, available_mib=available_mib)
    guest = replace(guest, time_limit_s=limit_s, append=tuple(append))
    return Trials(guest, emulate=emulate, command_line=sys.argv, say=tell)
