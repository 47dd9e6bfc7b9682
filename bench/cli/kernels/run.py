# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench kernels run."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer
from typer import Argument

from bench.cli.kernels import counted
from bench.cli.kernels.report import show
from bench.cli.options import (
    AsJson,
    DryRun,
    Seed,
    Sources,
    of_guest,
    of_output,
    of_run,
    refuse,
)
from bench.cli.output import read_or_not, speaker, write
from bench.cli.values import Size, Time
from bench.errors import MachineUnfit, UsageError, check_range

if TYPE_CHECKING:
    from bench.guests.boot import Accelerator
    from bench.guests.sources import Image
    from bench.questions.kernels.run import Request, Say

_MEMORY = of_guest(click_type=Size(unit=1 << 20), help="Of each guest, 2G or in MiB; 2048 usually.")
_LIMIT = of_guest(
    click_type=Time("s"), help="Of each guest, in seconds; it measures for half of it."
)
_APPEND = of_guest(help="Kernel parameter, like preempt=full; repeatable.")
_SPEEDS = (("emulated", 800.0), ("a slow kernel emulated, such as rt", 150.0))
_FOLDER = of_output(help="Folder to write; results/kernels-TIME by default.")
_CPUS = of_guest(help="Of each guest; all, up to 4.")
_JOBS = of_run(help="Guests at a time; 1, of reproducible ones as many as CPUs.")
_ACCELERATOR = of_guest(
    click_type=click.Choice(("kvm", "emulated")), help="Take this; else KVM where it works."
)
_REPRODUCIBLE = of_run(
    "--reproducible",
    help="Count instructions in guests that come out the same, to the byte, on any machine.",
)
_SEEDS = of_run(help="Reproducible guests of each kernel, one sample each; 8 make verdicts.")
_RESUME = of_run("--resume", help="Leave out the kernels that --output is done with.")


def command(
    context: typer.Context,
    kernels: Annotated[
        list[str], Argument(help="6.12, 6.12-rt, ./bzImage, ci-kernels:6.12, host, a JSON list ...")
    ],
    *,
    cpus: Annotated[int | None, _CPUS] = None,
    memory: Annotated[int | None, _MEMORY] = None,
    time_limit: Annotated[float, _LIMIT] = 600.0,
    jobs: Annotated[int | None, _JOBS] = None,
    append: Annotated[list[str] | None, _APPEND] = None,
    accelerator: Annotated[str | None, _ACCELERATOR] = None,
    emulate: Annotated[bool, of_guest("--emulate", help="Do not try KVM.")] = False,
    reproducible: Annotated[bool, _REPRODUCIBLE] = False,
    seeds: Annotated[int, _SEEDS] = 8,
    seed: Seed = 1,
    output: Annotated[Path | None, _FOLDER] = None,
    resume: Annotated[bool, _RESUME] = False,
    sources: Sources = None,
    as_json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Measure each kernel in a guest of its own, and report on all of them.

    The guest sees this machine's files read-only and writes only into the results folder. One that
    panics, hangs or is killed costs that kernel's row, never the run.

    Example: bufbench kernels run 5.10 6.1 6.12 7.3

    Example: bufbench kernels run --reproducible 6.1 7.3
    """
    import psutil

    from bench import paths
    from bench.guests import boot, lists, parameters
    from bench.guests.reproducible import fitting
    from bench.host import ownership
    from bench.questions.kernels import run as kernels_run
    from bench.questions.kernels import seeds as sampled

    kernels = lists.expand(kernels)
    _check(context, kernels, accelerator, emulate=emulate, reproducible=reproducible)
    if resume and output is None:
        raise UsageError("--resume needs the folder to go on with", remedy="add --output FOLDER")
    check_range("--time-limit", time_limit, 10, 86_400)
    memory_mib = None if memory is None else memory >> 20
    if jobs is None:
        jobs = fitting(max(1, memory_mib or boot.USUAL_MIB)) if reproducible else 1
    check_range("--jobs", jobs, 1, 64)
    folder = output or kernels_run.new_folder(paths.RESULTS)
    guest = boot.fitting(
        cpus=counted.CPUS if reproducible and cpus is None else cpus,
        memory_mib=memory_mib,
        jobs=jobs,
        available_mib=psutil.virtual_memory().available >> 20,
    )
    guest = replace(guest, time_limit_s=time_limit, append=parameters.check(append or []))
    chosen = tuple(range(seed, seed + seeds))
    samples = sampled.Request(folder=folder, guest=guest, jobs=jobs, seeds=chosen)
    if dry_run:
        if reproducible:
            counted.show_plan(kernels, samples, as_json=as_json)
        else:
            _show(kernels, guest.cpus, jobs=jobs, time_limit_s=time_limit, as_json=as_json)
        return
    kernels_run.check_place(folder)
    say = speaker(time.monotonic())
    pending = kernels_run.pending(folder, kernels)
    left = pending if resume else kernels
    kernels_run.check_free(folder, left, resume=resume)
    images = _images(left, folder, sources, say)
    ownership.make_folder(folder)
    if reproducible:
        sampled.write_request(samples, kernels, sys.argv)
        sampled.run(samples, images, say)
    else:
        request = kernels_run.Request(
            folder=folder,
            guest=guest,
            accelerator=boot.EMULATION,
            jobs=jobs,
            seed=seed,
            command_line=tuple(sys.argv),
        )
        _run(request, kernels, images, "emulated" if emulate else accelerator, say)
    print(f"results: {folder}", file=sys.stderr)
    _conclude(folder, "json" if as_json else "text")


def _check(
    context: typer.Context,
    kernels: Sequence[str],
    accelerator: str | None,
    *,
    emulate: bool,
    reproducible: bool,
) -> None:
    """Raise UsageError for options that contradict each other, or have no effect."""
    from bench.guests.sources import source_of
    from bench.guests.sources.host import HOST

    wanted = [source_of(label) for label in kernels]
    if emulate and accelerator == "kvm":
        raise UsageError("--emulate contradicts --accelerator kvm", remedy="leave one out")
    if reproducible:
        counted.check(context, kernels, accelerator)
    else:
        refuse(context, "without --reproducible", "seeds")
    if set(kernels) == {HOST}:
        guests_only = ("cpus", "memory", "jobs", "append", "accelerator", "emulate")
        refuse(context, "where no guest is run", *guests_only)
    if not any(each.fetches for each in wanted):
        refuse(context, "where no kernel is an archive's", "sources")


def _run(
    request: Request,
    kernels: Sequence[str],
    images: Sequence[Image],
    accelerator: str | None,
    say: Say,
) -> None:
    """Run the guests, by KVM where it works unless ``accelerator`` says so, then the host."""
    from bench.guests import boot
    from bench.guests.sources.host import HOST
    from bench.host import lock
    from bench.questions.kernels import run as kernels_run

    def run_in(chosen: Accelerator, images: Sequence[Image]) -> None:
        guest = replace(request.guest, kvm=chosen.kvm)
        asked = replace(request, guest=guest, accelerator=chosen)
        kernels_run.write_request(asked, kernels)
        kernels_run.run(asked, images, say)

    if guests := [image for image in images if image.label != HOST]:
        with lock.held():  # the probe boots a guest too
            chosen = boot.EMULATION
            if accelerator != "emulated":
                chosen = boot.probe(guests[0], request.guest, request.folder)
            if accelerator == "kvm" and not chosen.kvm:
                raise MachineUnfit(
                    f"--accelerator kvm: {chosen.why.removeprefix('emulated: ')}",
                    remedy="leave it out",
                )
            run_in(chosen, guests)
    if host := [image for image in images if image.label == HOST]:
        run_in(boot.EMULATION, host)  # takes the lock itself


def _show(
    kernels: Sequence[str], cpus: int, *, jobs: int, time_limit_s: float, as_json: bool
) -> None:
    """Print what each guest runs; how fast it is, is measured in it."""
    from bench.cli import dry_run
    from bench.plan.duration import nominal_rate_per_s
    from bench.questions.kernels import profile, schedule
    from bench.questions.kernels.run import MEASURING_SHARE

    rate_per_s = nominal_rate_per_s(profile.calibration(cpus).arms[0].config.storm)
    setting = profile.Setting(rate_per_s=rate_per_s, cpus=cpus)
    measuring_s = time_limit_s * MEASURING_SHARE
    dry_run.show(
        profile.experiments(setting),
        as_json=as_json,
        times=len(kernels),
        at_most_s=-(-len(kernels) // jobs) * time_limit_s,
        notes=[
            f"On each of {', '.join(kernels)}, besides booting and fetching.",
            "The time is that of a guest with KVM; an emulated one takes longer.",
            f"Each measures for {measuring_s:g} s, half of --time-limit. Planned, by its speed:",
            *(
                f"{words}, {per_s:g} processes a second: "
                f"{schedule.fitted(profile.experiments(on), on, measuring_s).words}"
                for words, per_s in _SPEEDS
                for on in [replace(setting, rate_per_s=per_s)]
            ),
        ],
    )


def _images(kernels: Sequence[str], folder: Path, sources: Path | None, say: Say) -> list[Image]:
    """Provide an image for each kernel; one that cannot be fetched now has its row."""
    from bench.guests import boot
    from bench.guests.sources import Image, Options, each_or_why
    from bench.questions.kernels import run as kernels_run

    found: list[Image] = []
    foreign = {label: reason for label in kernels if (reason := boot.why_foreign(label))}
    options = Options(say=say, sources_file=sources)
    own = [label for label in kernels if label not in foreign]
    for label, image in (*foreign.items(), *each_or_why(own, options)):
        why = boot.why_foreign(label, image) if isinstance(image, Image) else str(image)
        if isinstance(image, Image) and not why:
            found.append(image)
        else:
            kernels_run.not_fetched(folder, label, why, say)
    return found


def _conclude(folder: Path, form: str) -> None:
    """Print a run's report and write its page beside the journals, then judge the gates."""
    from bench.campaign import gates
    from bench.questions.kernels.document import document
    from bench.questions.kernels.folders import read_matrix
    from bench.questions.kernels.matrix import compare
    from bench.report import renderers

    entries = read_matrix([folder])
    matrix = compare(entries)
    with read_or_not():
        show(matrix, form, None, folder)
    try:
        page = write(folder / "report.html", renderers.find("html")(document(matrix)))
        print(f"page: {page}", file=sys.stderr)
    except MachineUnfit as lack:
        print(f"page: none, {lack}", file=sys.stderr)
    gates.check((), [trial for entry in entries for trial in entry.content.trials])
    if not any(trial.ledger for row in matrix.rows for trial in row.trials):
        first = matrix.rows[0]
        raise MachineUnfit(
            f"no kernel gave a result; {first.label} {first.status}: {first.reason}",
            remedy=f"see the logs in {folder}",
        )
