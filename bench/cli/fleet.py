# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define bufbench fleet: certificates, scheduler, worker, run, report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
import typer
from typer import Argument

from bench import paths
from bench.amounts import counted
from bench.cli.options import AsFormat, Full, group, of_output, of_run, parsed, refuse
from bench.cli.output import answer, read, read_or_not, say, writable
from bench.errors import ExitCode, MachineUnfit, NotBalanced, reject
from bench.fleet import address, engine
from bench.fleet.address import Address
from bench.fleet.plan import CLAIMS, KERNELS, PROFILES, Plan, check_only, fits_a_file, options_of

if TYPE_CHECKING:
    from bench.fleet.folder import Folder
    from bench.fleet.roster import Roster
    from bench.questions.fleet.judge import Measured

_Certificates = Annotated[
    Path | None,
    of_run(
        "--certificates",
        help="Folder of the certificates; required off loopback.",
        metavar="FOLDER",
    ),
]


def _certificates(
    folder: Annotated[Path, Argument(help="Folder to write.")],
    *,
    days: Annotated[int, of_output(within=(1, 3650), help="Days for which they are valid.")] = 365,
) -> None:
    """Make an authority, and certificates of scheduler, workers and clients.

    A machine needs ca.pem and the two files of its role, such as worker.pem and worker-key.pem.
    Keep ca-key.pem on none of them: any of the keys allows code to be run as root on every worker.

    Example: bufbench fleet certificates ~/fleet
    """
    engine.require()
    from bench.fleet.certificates import make

    with writable(folder, "FOLDER"):
        made = make(folder, days=days)
    print(*made, sep="\n")


def _joining(text: str, certificates: Path | None, role: str, option: str) -> tuple[Address, Any]:
    """Return an address, and Dask's security for a role: None without certificates.

    UsageError for an address that requires certificates, without them.
    """
    where = parsed(option, address.parse, text)
    if certificates is None:
        where = parsed(option, where.without_tls)
    engine.require()
    from bench.fleet.certificates import Role, security

    if certificates is None:
        return where, None
    return where, parsed("--certificates", security, certificates, Role(role))


_BIND = of_run(help="Where to listen, like 10.0.0.1 or [::1]:8786.", metavar="ADDRESS")


def _scheduler(
    *, bind: Annotated[str, _BIND] = "127.0.0.1:8786", certificates: _Certificates = None
) -> None:
    """Start Dask's scheduler, for fleet worker and fleet run; Ctrl-C ends it.

    On loopback by default. Elsewhere it needs --certificates, and so do all who join: a scheduler
    sends code to its workers. Its dashboard listens on loopback alone.

    Exit code 2 if it would listen off loopback without certificates, 3 if it cannot listen.

    Example: bufbench fleet scheduler --bind 10.0.0.1 --certificates ~/fleet
    """
    where, security = _joining(bind, certificates, "scheduler", "--bind")
    from bench.fleet.scheduler import serve

    serve(where, security=security, say=say)


_NAME = of_run(help="Name of this machine in the fleet; its host name by default.")
_SPOOL = of_output(
    help="Folder of journals until they are fetched; results/fleet-worker by default.",
    metavar="FOLDER",
)


def _worker(
    scheduler: Annotated[str, Argument(help="Its address, like 10.0.0.1:8786.")],
    *,
    name: Annotated[str, _NAME] = "",
    spool: Annotated[Path | None, _SPOOL] = None,
    certificates: _Certificates = None,
) -> None:
    """Measure on this machine what fleet run sends, one plan at a time.

    Each measurement waits for the machine's lock. A journal is kept here until it has been
    fetched: a plan that was run to its end is not run again. If the scheduler goes away, the
    worker waits for it. Ctrl-C ends the worker and what it runs.

    Exit code 2 if the scheduler is off loopback and there are no certificates, 3 if there is no
    scheduler.

    Example: bufbench fleet worker 10.0.0.1 --certificates ~/fleet
    """
    called = name or os.uname().nodename
    odd = f"a machine cannot be called {called!r}"
    reject(not fits_a_file(called), odd, "take letters, digits, . _ - in --name")
    where, security = _joining(scheduler, certificates, "worker", "SCHEDULER")
    from bench.fleet.spool import Spool
    from bench.fleet.worker import serve

    place = spool or paths.RESULTS / "fleet-worker"
    with writable(place, "--spool"):
        kept = Spool(place.absolute())
    serve(where, name=called, spool=kept, security=security, say=say)


_SCHEDULER = of_run(help="Its address, like 10.0.0.1:8786.", metavar="ADDRESS")
_LOCAL = of_run("--local", help="This machine alone: a scheduler and a worker in the process.")
_PROFILE = of_run(click_type=click.Choice(PROFILES), help="What each machine runs.")
_SET = of_run(
    "--set", help="Option of run, claims or kernels run; repeatable.", metavar="NAME=VALUE"
)
_ONLY = of_run(
    help="With --profile claims or kernels, only this claim or kernel; repeatable.", metavar="ID"
)
_MACHINE = of_run(help="Just this machine, by name; repeatable.", metavar="NAME")
_MACHINES = of_run(within=(1, 10_000), help="Wait a minute for this many machines.", metavar="N")
_RESUME = of_run("--resume", help="Continue --output: leave out the machines that are done.")


def _run(
    context: typer.Context,
    *,
    output: Annotated[Path, of_output(help="Folder of the journals.", metavar="FOLDER")],
    scheduler: Annotated[str, _SCHEDULER] = "",
    local: Annotated[bool, _LOCAL] = False,
    certificates: _Certificates = None,
    profile: Annotated[str | None, _PROFILE] = None,
    only: Annotated[list[str] | None, _ONLY] = None,
    options: Annotated[list[str] | None, _SET] = None,
    machine: Annotated[list[str] | None, _MACHINE] = None,
    machines: Annotated[int, _MACHINES] = 1,
    resume: Annotated[bool, _RESUME] = False,
) -> None:
    """Run a profile on each machine that works for the scheduler; write its journal as it arrives.

    If a machine is lost, its task is tried again when it is back, or on another of its type.
    Workers keep journals that were not fetched: after Ctrl-C, or without a scheduler, continue with
    --resume. fleet.json in the folder has a row for each machine, with the reason if there is no
    journal.

    Exit code 0, 2 on wrong usage, 3 if there is no scheduler, or no journal of a machine, 4 if a
    trial did not balance.

    Example: bufbench fleet run --scheduler 10.0.0.1 --certificates tls --profile quick --output out

    Example: bufbench fleet run --local --set workload=pingpong --set blocks=8 --output results/one
    """
    from bench.fleet.folder import Folder

    reject(bool(scheduler) == local, "take either --scheduler ADDRESS or --local")
    refuse(context, local, "with --local", "certificates", "machine", "machines")
    several = profile in (CLAIMS, KERNELS)
    refuse(context, not several, "without --profile claims or kernels", "only")
    nothing = profile is None and not options
    reject(nothing, "there is nothing to run", "add --profile quick")
    check_only(profile, only or ())
    if profile == CLAIMS:
        from bench.questions.claims.catalogue import chosen

        parsed("--only", chosen, only or ())
    plan = Plan(id="", profile=profile, only=tuple(only or ()), options=options_of(options or []))
    where, security = None, None
    if local:
        engine.require()
    else:
        where, security = _joining(scheduler, certificates, "client", "--scheduler")
    from bench.fleet import collect, view
    from bench.fleet.roster import Roster

    roster = Roster(frozenset(machine or ()), plan.kernels)
    with Folder.opened(output, plan, resume=resume) as (folder, done):
        roster.rows.update((row.name, row) for row in done)
        if where is None:
            joining = collect.local(os.uname().nodename, output.absolute() / ".worker")
        else:
            joining = collect.connected(where, security)
        with joining as client:
            _name_dashboard(collect.dashboard_port(client), where)
            with view.shown() as show:
                collect.collect(client, folder, roster, machines=machines, show=show)
    _conclude(folder, roster, machines)


def _name_dashboard(port: int | None, where: Address | None) -> None:
    """Print the address of Dask's dashboard, which listens on the scheduler's loopback."""
    if port is None:
        return
    link = f"http://127.0.0.1:{port}/status"
    if where is not None and where.on_loopback() is None:
        link += f" after: ssh -L {port}:127.0.0.1:{port} {where.host}"
    say(f"Dask's dashboard: {link}")


def _conclude(folder: Folder, roster: Roster, machines: int) -> None:
    """Print a line with the outcome of each task; raise if one failed."""
    from bench.fleet.roster import State
    from bench.fleet.view import doing

    rows = sorted(roster.rows.values(), key=lambda row: row.name)
    with read_or_not():
        for row in rows:
            done = row.state is State.DONE
            print(folder.journal(row.name) if done else f"{row.name}: {doing(row)}")
    if roster.machines < machines:
        raise MachineUnfit(
            f"{roster.machines} of {counted(machines, 'machine')} joined",
            remedy="start bufbench fleet worker there, then continue with --resume",
        )
    wanted = [row for row in rows if row.state is not State.REPLACED]
    if missing := [row for row in wanted if row.state is not State.DONE]:
        named = "; ".join(f"{row.name}: {doing(row)}" for row in missing[:5])
        what = counted(len(wanted), "task" if folder.plan.kernels else "machine")
        raise MachineUnfit(f"{len(missing)} of {what} gave no journal: {named}")
    if unbalanced := [row for row in rows if row.exit_code == ExitCode.NOT_BALANCED]:
        raise NotBalanced(f"a trial did not balance on {', '.join(row.name for row in unbalanced)}")


_FILES = Argument(help="Journals of several machines, or a folder of them.", metavar="FILE...")
_REPORT = of_output("--output", help="File to write.", metavar="FILE")


def _report(
    files: Annotated[list[Path], _FILES],
    *,
    form: AsFormat = "text",
    target: Annotated[Path | None, _REPORT] = None,
    full: Full = False,
) -> None:
    """Judge the journals of many machines together.

    Times of two machines are never compared. What each machine found between its own two arms is
    combined by a random-effects meta-analysis of every number, with the interval of the mean, the
    scatter between machines and the range of the next machine's value. Claims are counted by
    machine. Machines that are unlike the others are named, as are facts (kernel, CPUs, lock ...)
    that go with a difference. Journals of one machine and kernel count as one machine.

    For a folder, the results of each machine are kept there (.bufbench-trials) while its journals
    are the same.

    Example: bufbench fleet report results/fleet --full

    Example: bufbench fleet report *.jsonl --format html --output fleet.html
    """
    from bench.questions.fleet.document import document
    from bench.questions.fleet.judge import judge

    machines = _machines(files)
    alone = "these journals are of one machine and kernel"
    reject(len(machines) < 2, alone, "use bufbench report for one")
    answer(form, [document(judge(machines))], target=target, full=full)


def _machines(files: list[Path]) -> list[Measured]:
    """Return each machine's results; those of a folder are kept there."""
    from bench.questions.fleet.judge import Measured, of_journals

    if not any(path.is_dir() for path in files):
        return of_journals(read(files))
    reject(len(files) > 1, "a folder is reported alone", "name one folder, or journals")
    from bench.questions.transports.table import require_polars

    require_polars()
    from bench.dataset.folder import by_machine

    keep = "fleet", tuple[Measured, ...]
    return by_machine(files[0], say, of_journals, keep)


app = group(
    """Run one plan on each machine of a fleet, with Dask, and judge the results together.

    A client of the scheduler can run code as root on its workers: off loopback all sides need
    certificates. docs/fleet.md has more.

    Example: bufbench fleet run --local --profile quick --output results/fleet

    Example: bufbench fleet report results/fleet/*.jsonl
    """,
    {
        "certificates": _certificates,
        "scheduler": _scheduler,
        "worker": _worker,
        "run": _run,
        "report": _report,
    },
)
