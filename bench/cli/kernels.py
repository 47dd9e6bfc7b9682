# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench kernels: list, fetch, prune, run, report, exact."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument

from bench.cli import exact, settings
from bench.cli.options import (
    AsFormat,
    AsJson,
    AsJsonForm,
    Command,
    DryRun,
    Full,
    Gates,
    Group,
    Seed,
    Sources,
    form_of,
    of_guest,
    of_output,
    of_run,
    plain_app,
    refuse,
)
from bench.cli.output import answer, answer_json, name_faults, read_or_not, say, write
from bench.cli.report import refuse_text_file
from bench.cli.values import Size, Time
from bench.errors import (
    BufbenchError,
    GateFailed,
    MachineUnfit,
    UsageError,
    check_range,
)

if TYPE_CHECKING:
    from bench.campaign.gates import Gate
    from bench.guests.boot import Accelerator
    from bench.guests.catalogue import Kernel
    from bench.guests.library import Library
    from bench.guests.sources import Image
    from bench.questions.kernels.matrix import Matrix
    from bench.questions.kernels.run import Say

_ROOM_FOR_ALL = 120

app = plain_app(Group)

Update = Annotated[bool, of_run("--update", help="Fetch the archives' lists anew, however old.")]
_NOT_ONLY_NEWEST = of_output("--all", help="Not just the newest of each series and flavour.")
_SERIES = Argument(help="6.12, 6.12-rt, a release or a package.", metavar="SERIES...")
_EVERYTHING = of_run("--all", help="All kernels, and the archives' lists.")
_MEMORY = of_guest(click_type=Size(unit=1 << 20), help="Of each guest, 2G or in MiB; 2048 usually.")
_LIMIT = of_guest(click_type=Time("s"), help="Of each guest, in seconds.")
_APPEND = of_guest(help="Kernel parameter, like preempt=full; repeatable.")
_FOLDER = of_output(help="Folder to write; results/kernels-TIME by default.")
_RESUME = of_run("--resume", help="Leave out the kernels that --output is done with.")
_OUTPUT = of_output(help="File to write; html: report.html beside the journals.")
_MISSING = of_output("--fail-on-missing", help="Exit 1 if a kernel left no result.")
_PLACES = Argument(help="Folders of journals, or journals.", metavar="DIR...")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A kernel that can be had."""

    series: str
    flavour: str
    release: str
    version: str
    archive: str
    suite: str
    modules: bool
    packages: tuple[str, ...]
    download_bytes: int
    fetched: bool
    vmlinuz: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, and what was kept, in words."""

    lines: tuple[str, ...]


@app.callback()
def _kernels(context: typer.Context) -> None:
    """Compare kernels: fetch them from distributions, boot them in guests, report on all.

    Nothing is installed, and nothing of this machine's is changed. docs/kernels.md has more.

    Example: bufbench kernels run 5.10 6.1 6.12 7.3
    """
    group = context.command
    settings.check_commands(context, tuple(getattr(group, "commands", ())))


@app.command("list", cls=Command)
def list_kernels(
    *,
    every: Annotated[bool, _NOT_ONLY_NEWEST] = False,
    sources: Sources = None,
    update: Update = False,
    as_json: AsJson = False,
) -> None:
    """Show which kernels can be had, and which have been fetched.

    Lists are those of today; older ones are fetched anew. A kernel without modules boots only if
    its image brings the drivers that a guest needs.

    Example: bufbench kernels list

    Example: bufbench kernels list --all --json
    """
    from bench.guests.catalogue import newest
    from bench.guests.library import opened

    library = opened(sources, say)
    known = library.known(update=update, troubles=True)
    rows = list(_rows(known if every else newest(known), library))
    if as_json:
        answer_json(tuple(rows))
    else:
        _print_table(rows)


@app.command(cls=Command)
def fetch(
    series: Annotated[list[str], _SERIES],
    *,
    sources: Sources = None,
    update: Update = False,
    as_json: AsJson = False,
) -> None:
    """Fetch kernels and unpack them, so that they can be booted.

    6.12 is the newest of that series, 6.12-rt and 6.12-cloud its flavours; releases, packages and
    their versions are taken too. Signatures are checked. Kernels lie in bufbench/kernels below
    XDG_CACHE_HOME; what is there already is not fetched again.

    Example: bufbench kernels fetch 5.10 6.12-rt 7.3-cloud
    """
    from bench.guests.sources import Options, provide

    images = provide(series, Options(say=say, sources_file=sources, update=update))
    if as_json:
        answer_json(tuple(images))
        return
    for image in images:
        typer.echo(f"{image.label}: {image.release or 'unknown release'}, {image.vmlinuz}")


@app.command(cls=Command)
def prune(*, every: Annotated[bool, _EVERYTHING] = False, as_json: AsJson = False) -> None:
    """Remove fetched kernels of which a newer one of the same series has been fetched.

    What killed fetches left behind goes too. Not while guests run.

    Example: bufbench kernels prune --all
    """
    from bench.guests.store import opened

    lines = opened().prune(every=every)
    if as_json:
        answer_json(Pruned(lines=tuple(lines)))
        return
    for line in lines:
        typer.echo(line)


@app.command(cls=Command)
def run(
    context: typer.Context,
    kernels: Annotated[list[str], Argument(help="6.12, 6.12-rt, ./bzImage, host ...")],
    *,
    cpus: Annotated[int | None, of_guest(help="Of each guest; all, up to 4.")] = None,
    memory: Annotated[int | None, _MEMORY] = None,
    time_limit: Annotated[float, _LIMIT] = 600.0,
    jobs: Annotated[int, of_run(help="Guests at a time.")] = 1,
    append: Annotated[list[str] | None, _APPEND] = None,
    emulate: Annotated[bool, of_guest("--emulate", help="Do not try KVM.")] = False,
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
    """
    import psutil

    from bench import paths
    from bench.guests import boot
    from bench.guests.sources import source_of
    from bench.guests.sources.host import HOST
    from bench.host import lock, ownership
    from bench.questions.kernels import run as kernels_run

    wanted = [source_of(label) for label in kernels]
    if set(kernels) == {HOST}:
        refuse(context, "where no guest is run", "cpus", "memory", "jobs", "append", "emulate")
    if not any(each.fetches for each in wanted):
        refuse(context, "where no kernel is fetched", "sources")
    if resume and output is None:
        raise UsageError("--resume needs the folder to go on with", remedy="add --output FOLDER")
    check_range("--jobs", jobs, 1, 64)
    check_range("--time-limit", time_limit, 10, 86_400)
    folder = output or kernels_run.new_folder(paths.RESULTS)
    available_mib = psutil.virtual_memory().available >> 20
    guest = boot.fitting(
        cpus=cpus,
        memory_mib=None if memory is None else memory >> 20,
        jobs=jobs,
        available_mib=available_mib,
    )
    if dry_run:
        limit_s = -(-len(kernels) // jobs) * time_limit
        _show(kernels, guest.cpus, limit_s, as_json=as_json)
        return
    kernels_run.check_place(folder)
    say = kernels_run.speaker(time.monotonic())
    pending = kernels_run.pending(folder, kernels)
    left = pending if resume else kernels
    kernels_run.check_free(folder, left, resume=resume)
    images = _images(left, folder, sources, say)
    ownership.make_folder(folder)

    def run_in(chosen: Accelerator, images: Sequence[Image]) -> None:
        request = kernels_run.Request(
            folder=folder,
            guest=replace(
                guest, kvm=chosen.kvm, time_limit_s=time_limit, append=tuple(append or [])
            ),
            accelerator=chosen,
            jobs=jobs,
            seed=seed,
            command_line=tuple(sys.argv),
        )
        kernels_run.write_request(request, kernels)
        kernels_run.run(request, images, say)

    if guests := [image for image in images if image.label != HOST]:
        with lock.held(sys.argv):  # the probe boots a guest too
            run_in(boot.EMULATION if emulate else boot.probe(guests[0], guest, folder), guests)
    if host := [image for image in images if image.label == HOST]:
        run_in(boot.EMULATION, host)  # takes the lock itself
    print(f"results: {folder}", file=sys.stderr)
    _conclude(folder, "json" if as_json else "text")


def _show(kernels: Sequence[str], cpus: int, limit_s: float, *, as_json: bool) -> None:
    """Print what each guest runs; how fast it is, is measured in it."""
    from bench.cli import dry_run
    from bench.plan.duration import nominal_rate_per_s
    from bench.questions.kernels import profile
    from bench.questions.transports.profiles import TRANSPORTS

    rate_per_s = nominal_rate_per_s(profile.calibration(cpus).arms[0].config.storm)
    setting = profile.Setting(rate_per_s=rate_per_s, cpus=cpus, transports=TRANSPORTS)
    dry_run.show(
        profile.experiments(setting),
        as_json=as_json,
        times=len(kernels),
        at_most_s=limit_s,
        notes=[
            f"On each of {', '.join(kernels)}, besides booting and fetching.",
            "The time is that of a guest with KVM; an emulated one takes longer.",
        ],
    )


def _images(kernels: Sequence[str], folder: Path, sources: Path | None, say: Say) -> list[Image]:
    """Provide an image for each kernel; one that cannot be fetched now has its row."""
    from bench.guests.sources import Options, find
    from bench.questions.kernels import run as kernels_run

    found: list[Image] = []
    options = Options(say=say, sources_file=sources)
    for label, fetch in zip(kernels, find(kernels, options), strict=True):
        try:
            found.append(fetch())
        except UsageError:
            raise
        except BufbenchError as error:
            kernels_run.not_fetched(folder, label, str(error), say)
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
        _write(matrix, form, None, folder)
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


@app.command(cls=Command)
def report(
    context: typer.Context,
    places: Annotated[list[Path], _PLACES],
    *,
    form: AsFormat = "text",
    full: Full = False,
    as_json: AsJsonForm = False,
    output: Annotated[Path | None, _OUTPUT] = None,
    fail_on: Gates = None,
    fail_on_missing: Annotated[bool, _MISSING] = False,
) -> None:
    """Compare kernels: what changed between versions in drops, order, memory, latency and cost.

    Takes what `bufbench kernels run` left, and folders of journals from anywhere, such as one
    kernel each from the jobs of a CI system. A kernel without a result keeps its row, with why.
    Gates have to hold on every kernel. Exit code 4 if a trial did not balance.

    Example: bufbench kernels report results/kernels-20261122-101500 --format html
    """
    from bench.campaign import gates
    from bench.escape import clean
    from bench.questions.kernels.folders import read_matrix
    from bench.questions.kernels.matrix import compare
    from bench.questions.kernels.outcome import Status

    form = form_of(form, as_json)
    checks = gates.parse(*fail_on or [])
    refuse_text_file(form, output)
    if form != "text":
        refuse(context, f"on {form}, which has all", "full")
    matrix = compare(read_matrix(places))
    name_faults(matrix.faults, matrix.repeated)
    with read_or_not():
        _write(matrix, form, output, places[0], full=full, gates=checks)
    missing = [
        clean(row.label) for row in matrix.rows if row.result is None or row.status != Status.DONE
    ]
    if fail_on_missing and missing:
        raise GateFailed(f"no whole result of {', '.join(missing)}")
    gates.check_each(checks, {clean(row.label): row.trials for row in matrix.rows})


app.command("exact", cls=Command)(exact.command)


def _write(
    matrix: Matrix,
    form: str,
    output: Path | None,
    place: Path,
    *,
    full: bool = False,
    gates: Sequence[Gate] = (),
) -> None:
    from bench.questions.kernels.document import document

    if form == "html" and output is None:
        output = (place if place.is_dir() else place.parent) / "report.html"
    answer(form, [document(matrix, gates)], output=output, full=full)


def _rows(kernels: Sequence[Kernel], library: Library) -> Iterator[Listed]:
    from bench.report.document import pick

    fetched = {one.kernel.key: one for one in library.store.fetched()}
    for kernel in kernels:
        here = fetched.get(kernel.key)
        yield pick(
            Listed,
            kernel,
            series=kernel.upstream.series,
            modules=kernel.has_modules,
            packages=tuple(package.name for package in kernel.packages),
            download_bytes=sum(package.size_bytes for package in kernel.packages),
            fetched=here is not None,
            vmlinuz=here.vmlinuz if here else None,
        )


def _print_table(rows: Sequence[Listed]) -> None:
    from rich.table import Table

    from bench.report.renderers.text import Screen

    screen = Screen()
    several = len({row.archive for row in rows}) > 1
    names = ["series", "flavour", "version", "release", "suite"]
    if screen.width < _ROOM_FOR_ALL:
        if screen.is_terminal:
            names.remove("release")  # the version says nearly the same
        else:
            screen.width = _ROOM_FOR_ALL
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True)
    table.add_column("MB", justify="right")
    table.add_column("", no_wrap=True)
    for row in rows:
        cells = [str(getattr(row, name)) for name in names]
        if several:
            cells[-1] = f"{row.archive} {cells[-1]}"
        remarks = ["fetched"] * row.fetched + ["no modules"] * (not row.modules)
        table.add_row(*cells, f"{row.download_bytes / 1e6:.0f}", ", ".join(remarks))
    screen.print(table)
