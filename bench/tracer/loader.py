# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Choose what loads tracers: bcc, which compiles them, or libbpf, from prebuilt objects."""

from __future__ import annotations

import os
import re
from enum import StrEnum
from errno import E2BIG, EFAULT
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from bench import paths
from bench.errors import MachineUnfit, UsageError

VARIABLE: Final = "BUFBENCH_LOADER"
INSTALL: Final = "apt-get install python3-bpfcc"
_OLDEST: Final = (0, 26)
"""Debian 12's: the oldest seen to work without kernel headers."""
TOO_COMPLEX: Final = (E2BIG, EFAULT)
"""Errors of a verifier that gives up: too many steps, or too many branches left."""
SIMPLER: Final = "take 100 --records or fewer, or records of one length"


class Loader(StrEnum):
    """Name the ways to load tracers."""

    BCC = "bcc"
    PREBUILT = "prebuilt"


def objects() -> tuple[Path, ...]:
    """Return the objects that were built with the package; empty where there was no clang."""
    return tuple(sorted(paths.bpf_sources().glob("*.bpf.o")))


def chosen() -> Loader:
    """Return the loader that the environment names; else bcc if installed, or without prebuilt."""
    if name := os.environ.get(VARIABLE):
        if name not in [*Loader]:
            raise UsageError(
                f"{VARIABLE} is {name[:40]!r}", remedy=f"set it to {' or '.join(Loader)}"
            )
        return Loader(name)
    return Loader.BCC if has_bcc() or not objects() else Loader.PREBUILT


def of_emulated() -> Loader:
    """Return the loader in emulated guests, where bcc would compile for half a minute.

    The one that the environment names; else the prebuilt ones, if there are any.
    """
    if os.environ.get(VARIABLE):
        return chosen()
    return Loader.PREBUILT if objects() else Loader.BCC


def has_bcc() -> bool:
    """Return whether bcc is installed; libbcc's readers need it whatever loads the tracers."""
    return find_spec("bcc") is not None


def bcc_version() -> str:
    """Import bcc and return its version; MachineUnfit if it is missing or too old."""
    try:
        import bcc
    except ImportError as error:
        raise MachineUnfit(f"bcc cannot be imported ({error})", remedy=INSTALL) from error
    if not hasattr(bcc, "BPF"):
        raise MachineUnfit(
            f"the module bcc in {getattr(bcc, '__file__', None)} is PyPI's lattice library",
            remedy=f"pip uninstall bcc; {INSTALL}",
        )
    version = str(getattr(bcc, "__version__", "0"))
    if tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise MachineUnfit(f"bcc {version} is older than {oldest}", remedy=INSTALL)
    return version


def version() -> str:
    """Return the chosen loader's version, for the journal; MachineUnfit if it cannot be used."""
    if chosen() is Loader.BCC:
        return bcc_version()
    from bench.tracer import libbpf

    found = libbpf.find()
    if not objects():
        raise MachineUnfit(
            "bufbench was built without clang, and so has no prebuilt tracers", remedy=INSTALL
        )
    return f"none: prebuilt, libbpf {libbpf.version_of(found)}"


def shown() -> str:
    """Return how tracers are loaded here, in words; MachineUnfit as above."""
    found = version()
    return f"compiled by bcc {found}" if chosen() is Loader.BCC else found.removeprefix("none: ")
