# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""What a worker does for a plan: the one function that a fleet calls, by its name.

Dask sends a function of an installed module as its name. Nothing of bufbench's is sent as code.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a task gives: the journal whole, or why there is none."""

    exit_code: int
    said: str
    sha256: str = ""
    journal: bytes = b""


def run_plan(text: str) -> dict[str, Any]:
    """Run a plan, JSON, on this machine; what it has been run to the end before is not run again.

    What goes wrong is returned as an exit code and a line.
    """
    from distributed import get_worker

    try:
        given = run(plans.parse(text), get_worker().plugins[STATION].spool)
    except BufbenchError as error:
        given = Returned(exit_code=error.exit_code, said=str(error))
    except OSError as error:
        said = f"{error.filename or 'its spool'}: {error.strerror}"
        given = Returned(exit_code=ExitCode.MACHINE_UNFIT, said=said)
    return asdict(given)


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
                return Returned(exit_code=ended.exit_code, said=ended.said)
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
