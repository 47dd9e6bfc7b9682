# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Provide the files that guests run from: this machine's or, for another architecture, Debian's.

Those are unpacked from packages, which needs no privilege and runs nothing of that architecture.
bufbench is added: its modules, the objects of its tracers, and its C, built by the distribution's
cross compiler. All is kept in the user's store; bufbench's part is made again when bufbench has
changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from bench.errors import FetchFailed, MachineUnfit
from bench.guests import apt, sealed, store
from bench.guests.boot import HERE, System, first_process, foreign
from bench.guests.machines import MACHINES, Machine
from bench.guests.sources import Image, Options
from bench.guests.store import Store
from bench.host import process, scratch

SUITE: Final = "trixie"
"""The first of Debian whose packages are as new as pyproject.toml requires."""

_PACKAGES: Final = ("python3", "python3-numpy", "python3-psutil", "libbpf1", "busybox-static")
"""For the imports of a trial, and for virtme-ng's initial RAM disk."""
_HEADERS: Final = "libpython3-dev"
_PYTHON: Final = "/usr/bin/python3"
_SITE: Final = "/site"
_RESULTS: Final = "/results"
_FOLDERS: Final = ("dev", "proc", "run", "sys", "tmp", _RESULTS.strip("/"))
_MERGED: Final = ("bin", "lib", "lib64", "sbin")
"""Links into /usr, which a script of a package would make."""
_ALTERNATIVES: Final = ("blas", "lapack")  # folders of libraries that a script would link to
_OWN: Final = ("bench", "workloads")
_SOURCES: Final = frozenset((".c", ".h", ".o", ".pxd", ".py", ".pyx"))
_ALONE: Final = ("mapcalls", "tiny")  # programs of one file; all other files are the generator's
_GENERATOR: Final = "forkstorm"
_STATIC: Final = ("-std=gnu17", "-O2", "-static")
_SHARED: Final = ("-w", "-O3", "-shared", "-fPIC")
_BUILD_S: Final = 300.0
_DEBIAN_BYTES: Final = 400_000_000  # lists, packages and their contents, at the peak
_OWN_BYTES: Final = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Describe an entry of the store: Debian's part, or all of a system."""

    kind: str
    digest: str  # of everything that it is made from
    made_s: float  # since the epoch

    @property
    def release(self) -> str:
        """Return its name, for people."""
        return f"the system {self.kind}"

    @property
    def key(self) -> str:
        """Return its unique name in the store, usable as a file name."""
        return _key(self.kind, self.digest)


def provide(image: Image, options: Options) -> System:
    """Return the system that a kernel's guests run from, made if necessary.

    MachineUnfit for what this machine lacks, FetchFailed if disk or network prevent it.
    """
    architecture = foreign(image.label, image)
    if not architecture:
        return HERE
    check(architecture)
    root = _root(MACHINES[architecture], options)
    return System(
        machine=MACHINES[architecture],
        root=root,
        python=_PYTHON,
        path=_SITE,
        results=_RESULTS,
        init="/init",
    )


def check(architecture: str) -> None:
    """Raise MachineUnfit if this machine lacks a tool to make or boot guests of an architecture."""
    machine = MACHINES[architecture]
    machine.qemu()
    if shutil.which(machine.compiler) is None:
        raise MachineUnfit(
            f"{machine.compiler} is missing", remedy=f"apt-get install {machine.compiler_packages}"
        )
    if find_spec("Cython") is None:
        raise MachineUnfit("Cython is missing", remedy="pip install cython")


def prune(*, every: bool) -> Iterator[str]:
    """Remove systems that were replaced, or all; yield a line for each."""

    def newest(known: Iterable[Made]) -> Sequence[Made]:
        return [*{each.kind: each for each in sorted(known, key=lambda each: each.made_s)}.values()]

    yield from _store().prune(lambda known: () if every else newest(known))


def _root(machine: Machine, options: Options) -> Path:
    """Return the root of a system, with bufbench in it."""
    _store().sweep()
    home = Path(HERE.path)
    digest = hashlib.sha256(f"{SUITE} {' '.join(_PACKAGES)}\n".encode())
    debian = digest.hexdigest()
    for each in _sources():
        digest.update(f"{each.relative_to(home)} {each.stat().st_size}\n".encode())
        digest.update(each.read_bytes())
    made = digest.hexdigest()

    def fill(folder: Path) -> Made:
        base = _kept(f"debian-{machine.architecture}", debian, _DEBIAN_BYTES, unpack, options)
        options.say(f"building bufbench for {machine.architecture}")
        shutil.copytree(base / "root", folder / "root", symlinks=True, copy_function=os.link)
        build(machine, base / "headers", folder / "root")
        return Made(kind=machine.architecture, digest=made, made_s=time.time())

    def unpack(folder: Path) -> Made:
        options.say(f"fetching Debian {SUITE} for {machine.architecture}")
        _unpack(machine, options, folder)
        return Made(kind=f"debian-{machine.architecture}", digest=debian, made_s=time.time())

    return _kept(machine.architecture, made, _OWN_BYTES, fill, options) / "root"


def _kept(
    kind: str, digest: str, needed_bytes: int, fill: Callable[[Path], Made], options: Options
) -> Path:
    what = f"the system {kind}"
    return _store().fetch(_key(kind, digest), what, needed_bytes, fill, options.say).folder


def _key(kind: str, digest: str) -> str:
    return f"{kind}_{digest[:16]}"


def _store() -> Store[Made]:
    return Store(store.folder() / "systems", Made)


def _sources() -> list[Path]:
    """Return bufbench's files that do not depend on an architecture."""
    found = (each for package in _OWN for each in Path(HERE.path, package).rglob("*"))
    return sorted(each for each in found if each.suffix in _SOURCES)


def packages(
    names: Iterable[str], suite: str, architecture: str, options: Options, place: Path
) -> tuple[Path, ...]:
    """Fetch packages of a suite and all their dependencies, with a private APT root in ``place``.

    Raises FetchFailed.
    """
    known = apt.read(options.sources_file or apt.find_file(), apt.host_mirrors())
    chosen = [each for each in known if suite in each.suites]
    if not chosen:
        raise FetchFailed(f"no archive has Debian's {suite}", remedy='set use = ["debian"]')
    if without_keys := chosen[0].without_keys():
        raise FetchFailed(f"no packages of {suite} can be fetched: {without_keys}")
    only = [each.model_copy(update={"suites": (suite,)}) for each in chosen]
    root = apt.Root(place, only, architecture)
    root.make()
    root.update()
    return root.download_all(names)


def _unpack(machine: Machine, options: Options, folder: Path) -> None:
    """Unpack Debian's packages: root/ to run, headers/ to compile with."""
    root, headers, place = (folder / name for name in ("root", "headers", "apt"))
    wanted = (*_PACKAGES, _HEADERS)
    for name in (*_FOLDERS, *(f"usr/{each}" for each in _MERGED)):
        (root / name).mkdir(parents=True)
    for name in _MERGED:
        (root / name).symlink_to(f"usr/{name}")
    for package in packages(wanted, SUITE, machine.architecture, options, place):
        name = package.name.partition("_")[0]
        if not name.endswith("-dev"):
            process.run(["dpkg-deb", "-x", package, root], timeout_s=_BUILD_S)
        elif name.startswith("libpython"):
            process.run(["dpkg-deb", "-x", package, headers], timeout_s=_BUILD_S)
    libraries = root / f"usr/lib/{machine.family}-linux-gnu"
    for name in _ALTERNATIVES:
        for path in (libraries / name).glob("*.so.*"):
            (libraries / path.name).symlink_to(f"{name}/{path.name}")
    shutil.rmtree(place)


def build(machine: Machine, headers: Path, root: Path) -> None:
    """Add bufbench to a root: its first process, its modules, its programs and extensions.

    ``headers`` has those of the root's Python, below usr/include.
    """
    home, files, site = Path(HERE.path), _sources(), root / _SITE.strip("/")
    for path in (*files, *sealed.metadata()):
        to = site / path.relative_to(home)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
    first_process(root, _RESULTS, python=_PYTHON, script=f"{_SITE}/bench/guests/init.py")
    compiled = partial(_compiled, machine)
    parts = sorted((home / "workloads").glob("*.c"))
    programs = {name: [each for each in parts if each.stem == name] for name in _ALONE}
    programs[_GENERATOR] = [each for each in parts if each.stem not in _ALONE]
    for name, sources in programs.items():
        compiled(sources, site / "workloads" / name, *_STATIC)
    (include,) = (headers / "usr/include").glob("python3.*")
    folders = (include, include.parent, home / "bench/tracer/capture", home / "bench/bpf/common")
    with scratch.folder() as place:
        for source in (each for each in files if each.suffix == ".pyx"):
            c = place / f"{source.stem}.c"
            cython: list[str | Path] = [sys.executable, "-m", "cython", "-3", source, "-o", c]
            process.run(cython, cwd=home, timeout_s=_BUILD_S)
            to = (site / source.relative_to(home)).with_suffix(".so")
            compiled([c], to, *_SHARED, *(f"-I{each}" for each in folders))


def _compiled(machine: Machine, sources: Sequence[Path], to: Path, *flags: str) -> None:
    process.run([machine.compiler, *flags, *sources, "-o", to], timeout_s=_BUILD_S)
