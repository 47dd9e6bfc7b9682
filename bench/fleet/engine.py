# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Set up Dask distributed for measuring: quiet, without its profiler, with short timeouts."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Final

from bench.errors import MachineUnfit, in_a_line

_LOGGERS: Final = (
    *("distributed", "distributed.client", "distributed.scheduler", "distributed.worker"),
    *("distributed.core", "distributed.comm", "bokeh", "tornado", "tornado.application", "asyncio"),
)
_SETTINGS: Final = {
    # bufbench reports errors itself, in one line.
    "logging": dict.fromkeys(_LOGGERS, "critical"),
    "distributed.comm.timeouts.connect": "10s",
    # Nothing unneeded runs beside a measurement: the profiler samples every thread 100 times a
    # second.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.worker.http.routes": [],
}
_MODULES: Final = ("cryptography", "bokeh", "distributed")


def require() -> None:
    """Import Dask with these settings and no others; MachineUnfit if it is not installed."""
    warnings.simplefilter("ignore")  # Dask's, on stderr: ports in use, other versions
    try:
        try:
            import dask.config
        except (TypeError, ValueError) as error:
            raise MachineUnfit(
                f"Dask cannot read its configuration: {in_a_line(str(error))}",
                remedy="mend or remove it; bufbench does not use it",
            ) from error
        # Files and DASK_ variables could load code, stop workers, or weaken TLS.
        dask.config.refresh(paths=[], env={})
        dask.config.set(_SETTINGS)
        for name in _MODULES:
            import_module(name)
    except ImportError as error:
        raise MachineUnfit(
            f"the fleet's engine is not installed: {error}",
            remedy="./run fleet -- --help installs it; elsewhere pip install 'bufbench[fleet]'",
        ) from error


def version() -> str:
    """Return Dask's version."""
    import distributed

    return str(distributed.__version__)
