# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run a plan on a worker: the only function that a fleet calls, by its name.

Dask sends a function of an installed module by name: no code of bufbench is sent.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from bench.errors import BufbenchError, ExitCode
from bench.fleet import plan as plans
from bench.fleet.spool import Ended, Spool
from bench.host import process

if TYPE_CHECKING:
    from bench.fleet.plan import Plan

STATION: Final = "bufbench"
"""Name of the plugin that holds a worker's spool."""
_LONGEST_S: Final = 7 * 24 * 3600.0
_MEASURED: Final = (ExitCode.OK, ExitCode.NOT_BALANCED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned(Ended):
    """Hold the result of a task: the whole journal, or why it has none."""

    journal: bytes = b""


def run_plan(text: str) -> dict[str, Any]:
    """Run a plan (JSON) on this machine, unless it was completed here before.

    Errors are returned as an exit code and a line.
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
    """Remove a worker's copy of a journal that has been written where it was requested."""
    dask_worker.plugins[STATION].spool.forget(task)


def run(plan: Plan, spool: Spool) -> Returned:
    """Run bufbench as the plan says, or return an earlier result."""
    with spool.held(plan.id) as journal:
        ended = spool.ended(plan.id)
        if ended is None:
            output = spool.folder(plan.id) if plan.profile == plans.KERNELS else journal
            begun = output.exists()
            if begun and not plan.resumes:
                journal.unlink()
            ended = _called(plan.words(output, resume=begun))
            if output != journal:
                spool.join(plan.id)
            if ended.exit_code not in _MEASURED:
                return Returned(**asdict(ended))
            ended = replace(ended, sha256=sha256(spool.read(plan.id)).hexdigest())
            spool.end(plan.id, ended)
        return Returned(**asdict(ended), journal=spool.read(plan.id))


def _called(words: list[str]) -> Ended:
    program = "from bench.cli import main; main()"
    done = process.run(
        [sys.executable, "-P", "-c", program, *words], timeout_s=_LONGEST_S, check=False
    )
    said = done.stderr.strip().splitlines() or [""]
    return Ended(exit_code=done.returncode, said=said[-1].removeprefix("bufbench: "))
