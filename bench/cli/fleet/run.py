# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""bufbench fleet run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import click
import typer

from bench.amounts import counted
from bench.cli.fleet.sides import Certificates, security_of
from bench.cli.options import of_output, of_run, refuse
from bench.cli.output import read_or_not, say
from bench.errors import ExitCode, MachineUnfit, NotBalanced, UsageError
from bench.fleet.plan import CLAIMS, KERNELS, PROFILES, Plan, check_only, options_of

if TYPE_CHECKING:
    from bench.fleet.address import Address
    from bench.fleet.folder import Folder
    from bench.fleet.roster import Roster

_SCHEDULER = of_run(help="Its address, like 10.0.0.1:8786.", metavar="ADDRESS")
_LOCAL = of_run("--local", help="This machine alone: a scheduler and a worker in the process.")
_PROFILE = of_run(click_type=click.Choice(PROFILES), help="What each machine runs.")
_SET = of_run(
    "--set", help="Option of run, claims or kernels run; repeatable.", metavar="NAME=VALUE"
)
_ONLY = of_run(help="Of --profile claims or kernels, this one; repeatable.", metavar="ID")
_MACHINE = of_run(help="Just this machine, by name; repeatable.", metavar="NAME")
_MACHINES = of_run(within=(1, 10_000), help="Wait a minute for so many machines.", metavar="N")
_RESUME = of_run("--resume", help="Go on with --output: leave out the machines that are done.")


def command(
    context: typer.Context,
    *,
    output: Annotated[Path, of_output(help="Folder of the journals.", metavar="FOLDER")],
    scheduler: Annotated[str, _SCHEDULER] = "",
    local: Annotated[bool, _LOCAL] = False,
    certificates: Certificates = None,
    profile: Annotated[str | None, _PROFILE] = None,
    only: Annotated[list[str] | None, _ONLY] = None,
    options: Annotated[list[str] | None, _SET] = None,
    machine: Annotated[list[str] | None, _MACHINE] = None,
    machines: Annotated[int, _MACHINES] = 1,
    resume: Annotated[bool, _RESUME] = False,
) -> None:
    """Run a profile on each machine that works for the scheduler; write its journal as it comes.

    A machine that is lost costs its task, which is tried again when it is back, or on another of
    its type. Workers keep what was not fetched: after Ctrl-C, or without a scheduler, go on with
    --resume. fleet.json in the folder has a row for each machine, with why there is no journal.

    Exit code 0, 2 on wrong usage, 3 where the scheduler or a machine gave nothing, 4 if a trial
    did not balance.

    Example: bufbench fleet run --scheduler 10.0.0.1 --certificates tls --profile quick --output out

    Example: bufbench fleet run --local --set workload=pingpong --set blocks=8 --output results/one
    """
    from bench.fleet import address, engine
    from bench.fleet.folder import Folder

    if bool(scheduler) == local:
        raise UsageError("take either --scheduler ADDRESS or --local")
    refuse(context, local, "with --local", "certificates", "machine", "machines")
    several = profile in (CLAIMS, KERNELS)
    refuse(context, not several, "without --profile claims or kernels", "only")
    if profile is None and not options:
        raise UsageError("there is nothing to run", remedy="add --profile quick")
    where = None if local else address.parse(scheduler)
    if where is not None:
        where.require_tls_off_loopback(tls=certificates is not None)
    check_only(profile, only or ())
    plan = Plan(id="", profile=profile, only=tuple(only or ()), options=options_of(options or []))
    engine.require()
    from bench.fleet import collect, view
    from bench.fleet.roster import Roster

    roster = Roster(frozenset(machine or ()))
    folder, done = Folder.opened(output, plan, resume=resume)
    roster.rows.update((row.name, row) for row in done)
    if where is None:
        joining = collect.local(os.uname().nodename, output.absolute() / ".worker")
    else:
        joining = collect.connected(where, security_of(certificates, "client"))
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
    if where is not None and not where.loopback:
        link += f" after: ssh -L {port}:127.0.0.1:{port} {where.host}"
    say(f"Dask's dashboard: {link}")


def _conclude(folder: Folder, roster: Roster, machines: int) -> None:
    """Print what became of each machine, a line each; raise where that is not all well."""
    from bench.fleet.roster import State
    from bench.fleet.view import doing

    rows = sorted(roster.rows.values(), key=lambda row: row.name)
    with read_or_not():
        for row in rows:
            done = row.state is State.DONE
            print(folder.journal(row.name) if done else f"{row.name}: {doing(row)}")
    if len(rows) < machines:
        raise MachineUnfit(
            f"{len(rows)} of {counted(machines, 'machine')} came",
            remedy="start bufbench fleet worker there, then go on with --resume",
        )
    if missing := [row for row in rows if row.state is not State.DONE]:
        named = "; ".join(f"{row.name}: {doing(row)}" for row in missing[:5])
        raise MachineUnfit(
            f"{len(missing)} of {counted(len(rows), 'machine')} gave no journal: {named}"
        )
    if unbalanced := [row for row in rows if row.exit_code == ExitCode.NOT_BALANCED]:
        raise NotBalanced(f"a trial did not balance on {', '.join(row.name for row in unbalanced)}")
