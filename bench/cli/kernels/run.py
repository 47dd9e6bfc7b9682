# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench kernels run and report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import click
import psutil
import typer
from typer import Argument

from bench import paths
from bench.amounts import given
from bench.cli import options
from bench.cli.kernels.available import check_booted, check_sources, provided
from bench.cli.options import of_guest, of_output, of_run, parsed, refuse
from bench.cli.output import answer, name_faults, page_in, speaker, write
from bench.errors import GateFailed, MachineUnfit, Say, check_range, clean, reject
from bench.host import lock, ownership
from bench.journal.bounds import LARGEST

if TYPE_CHECKING:
    from bench.guests.boot import Accelerator
    from bench.guests.sources import Image
    from bench.questions.kernels.run import Request
    from bench.questions.kernels.seeds import Request as Samples

_MEMORY = of_guest(
    click_type=options.Size(unit=1 << 20),
    help="Memory of each guest, like 2G, or in MiB; by default 2048 if there is enough.",
)
_LIMIT = of_guest(
    unit="s",
    within=(10, 86_400),
    help="Time limit of each guest, in seconds; it measures for half of that.",
)
_SPEEDS: Final = (("emulated", 800.0), ("a slow kernel emulated, such as rt", 150.0))
_COUNTED_CPUS: Final = 2  # with one, no order of two CPUs can be violated
_GUESTS_ONLY: Final = ("cpus", "memory", "jobs", "append", "accelerator", "emulate")
_FOLDER = of_output(help="Folder to write; results/kernels-TIME by default.")
_JOBS = of_run(
    within=(1, 64), help="Guests at a time; by default 1, or one a CPU with --reproducible."
)
_ACCELERATOR = of_guest(
    click_type=click.Choice(("kvm", "emulated")), help="Use this; by default KVM where it works."
)
_REPRODUCIBLE = of_run(
    "--reproducible",
    help="Count instructions, in guests whose results are the same each time, to the byte.",
)
_SEEDS = of_run(
    within=(1, 1_000), help="Reproducible guests of each kernel, one sample each; 8 make verdicts."
)
_RESUME = of_run("--resume", help="Leave out kernels with results in --output.")


def command(
    context: typer.Context,
    kernels: Annotated[
        list[str], Argument(help="6.12, 6.12-rt, ./bzImage, ci-kernels:6.12, host, a JSON list ...")
    ],
    *,
    cpus: Annotated[int | None, of_guest(help="CPUs of each guest; all, up to 4.")] = None,
    memory: Annotated[int | None, _MEMORY] = None,
    time_limit: Annotated[float, _LIMIT] = 600.0,
    jobs: Annotated[int | None, _JOBS] = None,
    append: options.Append = None,
    accelerator: Annotated[str | None, _ACCELERATOR] = None,
    emulate: options.Emulate = False,
    reproducible: Annotated[bool, _REPRODUCIBLE] = False,
    seeds: Annotated[int, _SEEDS] = 8,
    seed: options.Seed = 1,
    output: Annotated[Path | None, _FOLDER] = None,
    resume: Annotated[bool, _RESUME] = False,
    wait: options.Wait = False,
    sources: options.Sources = None,
    as_json: options.AsJson = False,
    dry_run: options.DryRun = False,
) -> None:
    """Measure each kernel in its own guest, and report on all of them.

    The guest sees this machine's files read-only and writes only into the results folder. A guest
    that panics, hangs or is killed costs only its kernel's result, never the run.

    Example: bufbench kernels run 5.10 6.1 6.12 7.3

    Example: bufbench kernels run 6.12 6.12-arm64

    Example: bufbench kernels run --reproducible 6.1 7.3
    """
    from bench.guests import boot, lists, parameters
    from bench.guests.reproducible import fitting
    from bench.guests.sources import Options, find, source_of
    from bench.questions.kernels import run as kernels_run
    from bench.questions.kernels import seeds as sampled

    kernels = lists.expand(kernels)
    _check(context, kernels)
    options.need_output(resume, output)
    memory_mib = None if memory is None else memory >> 20
    if jobs is None:
        jobs = fitting(max(1, memory_mib or boot.USUAL_MIB)) if reproducible else 1
    folder = output or kernels_run.new_folder(paths.RESULTS)
    guest = boot.fitting(
        cpus=_COUNTED_CPUS if reproducible and cpus is None else cpus,
        memory_mib=memory_mib,
        jobs=jobs,
        available_mib=psutil.virtual_memory().available >> 20,
    )
    guest = replace(guest, time_limit_s=time_limit, append=parameters.check(append or []))
    chosen = tuple(range(seed, seed + seeds))
    samples = sampled.Request(folder=folder, guest=guest, jobs=jobs, seeds=chosen)
    if dry_run:
        find([label for label in kernels if not source_of(label).fetches], Options(say=speaker()))
        show = _show_counted if reproducible else _show_timed
        show(kernels, samples, as_json=as_json)
        return
    kernels_run.check_place(folder)
    say = speaker()
    pending = kernels_run.pending(folder, kernels)
    left = pending if resume else kernels
    kernels_run.check_free(folder, left, resume=resume)
    images = _images(left, folder, sources, say, counted=reproducible)
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
        chosen_by = "emulated" if emulate else accelerator
        _run(request, kernels, images, chosen_by, say, wait=wait, sources=sources)
    print(f"results: {folder}", file=sys.stderr)
    _conclude(folder, "json" if as_json else "text")


def _check(context: typer.Context, kernels: Sequence[str]) -> None:
    """Raise UsageError for options that contradict each other or have no effect.

    MachineUnfit without the QEMU that reproducible guests need.
    """
    from bench.guests import boot, machines
    from bench.guests.sources.host import HOST

    check_sources(context, kernels)
    given = context.params
    kvm, reproducible = given["accelerator"] == "kvm", given["reproducible"]
    reject(given["emulate"] and kvm, "--emulate contradicts --accelerator kvm", "leave one out")
    for label in kernels if kvm else ():
        foreign = f"--accelerator kvm: {label} is of another architecture, which is emulated"
        reject(boot.foreign(label) != "", foreign, "leave one of them out")
    counts = "--reproducible counts instructions, which KVM cannot"
    reject(reproducible and kvm, counts, "leave out --accelerator kvm")
    refuse(context, not reproducible, "without --reproducible", "seeds")
    refuse(context, reproducible, "with --reproducible", "wait")
    refuse(context, set(kernels) == {HOST}, "where no guest is run", *_GUESTS_ONLY)
    check_range("--seed", given["seed"], -LARGEST, LARGEST)  # before a guest is booted
    if reproducible:
        check_booted(kernels)
        check_range("--seed", given["seed"], 0, 1 << 62)
        if not given["dry_run"]:
            machines.usual().qemu()  # before anything is fetched


def _run(
    request: Request,
    kernels: Sequence[str],
    images: Sequence[Image],
    accelerator: str | None,
    say: Say,
    *,
    wait: bool,
    sources: Path | None,
) -> None:
    """Run the guests with ``accelerator``, by default with KVM if that works, then the host.

    With ``wait``, once no other measurement runs.
    """
    from bench.guests import boot
    from bench.guests.sources.host import HOST
    from bench.questions.kernels import run as kernels_run

    def run_in(chosen: Accelerator, images: Sequence[Image], measuring: int) -> None:
        guest = replace(request.guest, kvm=chosen.kvm)
        final = replace(request, guest=guest, accelerator=chosen)
        kernels_run.write_request(final, kernels)
        kernels_run.run(final, images, say, sources, measuring=measuring)

    if not images:
        return
    with lock.held(wait=wait) as measuring:  # the probe boots a guest too
        if guests := [image for image in images if image.label != HOST]:
            chosen = boot.EMULATION
            if accelerator != "emulated":
                own = [image for image in guests if not boot.foreign(image.label, image)]
                chosen = boot.probe((own or guests)[0], request.guest, request.folder)
            if accelerator == "kvm" and not chosen.kvm:
                raise MachineUnfit(
                    f"--accelerator kvm: {chosen.why.removeprefix('emulated: ')}",
                    remedy="leave it out",
                )
            run_in(chosen, guests, measuring)
        if host := [image for image in images if image.label == HOST]:
            run_in(boot.EMULATION, host, measuring)


def _show_timed(kernels: Sequence[str], request: Samples, *, as_json: bool) -> None:
    """Print what each guest runs; its speed is measured inside it."""
    from bench.cli import dry_run
    from bench.plan.duration import nominal_rate_per_s
    from bench.questions.kernels import profile, schedule
    from bench.questions.kernels.run import MEASURING_SHARE

    guest = request.guest
    rate_per_s = nominal_rate_per_s(profile.calibration(guest.cpus).arms[0].config.storm)
    setting = profile.Setting(rate_per_s=rate_per_s, cpus=guest.cpus)
    measuring_s = guest.time_limit_s * MEASURING_SHARE
    half = given(measuring_s, "s")
    dry_run.show(
        profile.experiments(setting),
        as_json=as_json,
        times=len(kernels),
        at_most_s=-(-len(kernels) // request.jobs) * guest.time_limit_s,
        notes=[
            f"On each of {', '.join(kernels)}, besides booting and fetching.",
            "The time is that of a guest with KVM; an emulated one takes longer.",
            f"Each measures for {half}, half of --time-limit. Planned, by its speed:",
            *(
                f"{words}, {per_s:g} processes a second: "
                f"{schedule.fitted(profile.experiments(on), on, measuring_s).words}"
                for words, per_s in _SPEEDS
                for on in [replace(setting, rate_per_s=per_s)]
            ),
        ],
    )


def _show_counted(kernels: Sequence[str], request: Samples, *, as_json: bool) -> None:
    """Print what each kernel's reproducible guests run."""
    from bench.cli import dry_run
    from bench.questions.kernels.profile import Setting
    from bench.questions.kernels.sample import RATE_PER_S, experiments

    seeds = len(request.seeds)
    turns = -(-(seeds + 1) // request.jobs)
    of_guests = (
        f"On each of {', '.join(kernels)}: a guest, and a block, for each of {seeds} "
        "seeds; the first once more."
    )
    of_this_machine = (
        "The time is the guests' own, in instructions. A guest takes about a minute of this "
        f"machine's, and {request.jobs} run at a time: {turns} minutes a kernel."
    )
    dry_run.show(
        experiments(Setting(rate_per_s=RATE_PER_S, cpus=request.guest.cpus), seeds),
        as_json=as_json,
        times=len(kernels),
        at_most_s=len(kernels) * turns * request.guest.time_limit_s,
        notes=[of_guests, of_this_machine],
    )


def _images(
    kernels: Sequence[str], folder: Path, sources: Path | None, say: Say, *, counted: bool
) -> list[Image]:
    """Provide an image for each kernel; one that is not available gets a row with the reason."""
    from bench.questions.kernels import run as kernels_run

    found: list[Image] = []
    lacking = {label: why for label in kernels if (why := _why_not(label, None, counted=counted))}
    for label, image in provided(kernels, sources, say, lacking):
        why = image if isinstance(image, str) else _why_not(label, image, counted=counted)
        if isinstance(image, str) or why:
            kernels_run.not_fetched(folder, label, why, say)
        else:
            found.append(image)
    return found


def _why_not(label: str, image: Image | None, *, counted: bool) -> str:
    """Return why a kernel of another architecture cannot be run here; "" for any other."""
    from bench.guests import systems
    from bench.guests.boot import foreign

    if not (architecture := foreign(label, image)):
        return ""
    if counted:
        return (
            f"a reproducible guest has this machine's programs, and it is of {architecture}; "
            f"bufbench kernels exact {label} counts its instructions"
        )
    try:
        systems.check(architecture)
    except MachineUnfit as lack:
        return str(lack)
    return ""


def _conclude(folder: Path, form: str) -> None:
    """Print a run's report and write its page beside the journals, then judge the gates."""
    from bench.campaign import gates
    from bench.questions.kernels.document import document
    from bench.questions.kernels.folders import read_matrix
    from bench.questions.kernels.matrix import compare
    from bench.report import renderers

    entries = read_matrix([folder])
    matrix = compare(entries)
    found = document(matrix)
    answer(form, [found], full=False)
    try:
        page = f"{write(folder / 'report.html', renderers.find('html')(found))}"
    except MachineUnfit as lack:
        page = f"none, {lack}"
    print(f"page: {page}", file=sys.stderr)
    gates.check((), [trial for entry in entries for trial in entry.content.trials])
    if not any(trial.ledger for row in matrix.rows for trial in row.trials):
        first = matrix.rows[0]
        raise MachineUnfit(
            f"no kernel gave a result; {first.label} {first.status}: {first.reason}",
            remedy=f"see the logs in {folder}",
        )


_REPORT = of_output("--output", help="File to write; html: report.html beside the journals.")
_MISSING = of_output("--fail-on-missing", help="Exit 1 if a kernel left no result.")
_PLACES = Argument(help="Folders of journals, or journals.", metavar="DIR...")


def report(
    places: Annotated[list[Path], _PLACES],
    *,
    form: options.AsFormat = "text",
    full: options.Full = False,
    target: Annotated[Path | None, _REPORT] = None,
    fail_on: options.Gates = None,
    fail_on_missing: Annotated[bool, _MISSING] = False,
) -> None:
    """Compare kernels: what changed between versions in drops, order, memory, latency and cost.

    Reads folders of `bufbench kernels run`, and folders of journals from anywhere, such as one
    kernel each from the jobs of a CI system. A kernel without a result keeps its row, with the
    reason. Gates must hold on every kernel. Exit code 4 if a trial did not balance.

    Example: bufbench kernels report results/kernels-20261122-101500 --format html
    """
    from bench.campaign import gates
    from bench.questions.kernels.document import document
    from bench.questions.kernels.folders import read_matrix
    from bench.questions.kernels.matrix import compare
    from bench.questions.kernels.outcome import Status

    checks = parsed("--fail-on", gates.parse, *fail_on or [])
    matrix = compare(read_matrix(places))
    name_faults(matrix.faults, matrix.repeated)
    found = document(matrix, checks)
    answer(form, [found], target=target, page=page_in(places[0]), full=full)
    missing = [
        clean(row.label) for row in matrix.rows if row.result is None or row.status != Status.DONE
    ]
    if fail_on_missing and missing:
        raise GateFailed(f"no whole result of {', '.join(missing)}")
    gates.check_each(checks, {clean(row.label): row.trials for row in matrix.rows})
