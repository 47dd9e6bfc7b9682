# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a worker does for a plan: the one function that a fleet calls, by its name.

Dask sends a function of an installed module as its name. Nothing of bufbench's is sent as code.
"""

from __future__ import annotations

import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypedDict

from bench.errors import BufbenchError, ExitCode
from bench.fleet import plan as plans
from bench.fleet.spool import Ended, Spool
from bench.host import process

if TYPE_CHECKING:
    from bench.fleet.plan import Plan

STATION: Final = "bufbench"
"""The name of the plugin by which a worker's spool is found."""
RESOURCE: Final = "machine"
"""Dask's resource of which each worker has one: one task at a time."""
_LONGEST_S: Final = 7 * 24 * 3600.0
_MEASURED: Final = (ExitCode.OK, ExitCode.NOT_BALANCED)


class Returned(TypedDict):
    """What a task gives: the journal whole, or why there is none."""

    exit_code: int
    said: str
    sha256: str
    journal: bytes


def run_plan(text: str) -> Returned:
    """Run a plan, JSON, on this machine; what it has been run to the end before is not run again.

    What goes wrong is returned as an exit code and a line.
    """
    from distributed import get_worker

    try:
        return run(plans.parse(text), get_worker().plugins[STATION].spool)
    except BufbenchError as error:
        return _none(error.exit_code, str(error))
    except OSError as error:
        what = error.filename or "the worker's folder"
        return _none(ExitCode.MACHINE_UNFIT, f"{what}: {error.strerror}")


def forget(task: str, dask_worker: Any) -> None:
    """Remove a worker's copy of a journal that has been written where it was asked for."""
    dask_worker.plugins[STATION].spool.forget(task)


def run(plan: Plan, spool: Spool) -> Returned:
    """Run bufbench as the plan says, or return what it gave before."""
    with spool.held(plan.id) as journal:
        ended = spool.ended(plan.id)
        if ended is None:
            begun = journal.exists()
            if begun and not plan.resumes:
                journal.unlink()
            ended = _called(plan.words(journal, resume=begun))
            if ended.exit_code not in _MEASURED:
                return _none(ended.exit_code, ended.said)
            digest = sha256(spool.read(plan.id)).hexdigest()
            ended = Ended(exit_code=ended.exit_code, said=ended.said, sha256=digest)
            spool.end(plan.id, ended)
        content = spool.read(plan.id)
    return Returned(
        exit_code=ended.exit_code, said=ended.said, sha256=ended.sha256, journal=content
    )


def _called(words: list[str]) -> Ended:
    program = "from bench.cli import main; main()"
    done = process.run(
        [sys.executable, "-P", "-c", program, *words], timeout_s=_LONGEST_S, check=False
    )
    said = done.stderr.strip().splitlines() or [""]
    code = done.returncode
    return Ended(exit_code=code, said=said[-1].removeprefix("bufbench: "), sha256="")


def _none(exit_code: int, said: str) -> Returned:
    return Returned(exit_code=exit_code, said=said, sha256="", journal=b"")
