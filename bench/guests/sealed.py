# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Seal a guest off: it has nothing of this machine but files, all in its initial RAM disk.

:func:`closure` finds the files that a Python module needs to run without the rest of this machine:
Python's standard library, the whole of each package that the module imports, and the shared
libraries that it loads, without a caller's or a distribution's additions to Python (.pth,
sitecustomize). :func:`write` makes the disk. Its first process is bench/guests/messenger.py.
"""

from __future__ import annotations

import json
import os
import py_compile
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

from bench.guests import disk, init
from bench.guests.messenger import FOLDER, ORDER
from bench.host import process, scratch

_FIRST: Final = (
    "import sys; sys.path[:] = {path!r}\nfrom bench.guests import messenger\nmessenger.main()"
)
_ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1"}
_EMPTY: Final = ("/dev", "/proc", "/run", "/sys", "/tmp", FOLDER)  # noqa: S108  a guest's own
_STDLIB: Final = Path(sysconfig.get_path("stdlib"))
_LINKERS: Final = {each for each in (Path("/lib64"), Path("/usr/lib64")) if each.is_dir()}
"""Where programs expect the dynamic linker."""
_PROBE_S: Final = 60.0
_ISOLATED: Final = ("-I", "-S", "-B", "-X", "utf8")
_NEVER_IMPORTED: Final = frozenset(
    (
        *("__pycache__", "dist-packages", "site-packages", "sitecustomize.py", "test", "tests"),
        *("ensurepip", "idlelib", "lib2to3", "pydoc_data", "tkinter", "turtledemo", "venv"),
    )
)
_PROBE: Final = """\
import ctypes, importlib, json, sys
path, modules, libraries = json.loads(sys.argv[1])
sys.path[:] = path
for module in modules:
    importlib.import_module(module)
for library in libraries:
    ctypes.CDLL(library)
files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
with open("/proc/self/maps") as maps:
    mapped = {line.split(maxsplit=5)[5].strip() for line in maps if line.count("/") > 1}
print(json.dumps({"files": sorted(filter(None, files)), "mapped": sorted(mapped)}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """List all that is needed: files of this machine, each for the same path elsewhere."""

    interpreter: str
    path: tuple[str, ...]  # for sys.path
    files: tuple[Path, ...]  # symbolic links among them
    compiled: tuple[Path, ...]  # sources that are certainly imported

    def command(self, script: str, *arguments: str) -> list[str]:
        """Return the command line that runs ``script`` with these modules and no others."""
        begin = f"import sys; sys.path[:] = {[*self.path]!r}\n"
        return [self.interpreter, *_ISOLATED, "-c", begin + script, *arguments]


def closure(modules: Sequence[str], libraries: Sequence[str] = ()) -> Closure:
    """Return what ``modules`` need, and libraries that they load by these names.

    A module that is imported only later, within a function, is included if it belongs to the
    standard library or to a package of which another module is imported at once.
    """
    folders = (os.path.realpath(each) for each in sys.path if each and Path(each).is_dir())
    path = tuple(dict.fromkeys(folders))
    interpreter = os.path.realpath(sys.executable)
    asked = json.dumps([path, [*modules], [*libraries]])
    found = json.loads(
        process.run([interpreter, *_ISOLATED, "-c", _PROBE, asked], timeout_s=_PROBE_S).stdout
    )
    imported = [Path(os.path.realpath(each)) for each in found["files"]]
    mapped = [Path(each) for each in found["mapped"] if ".so" in Path(each).name]
    packages = {each for module in imported if (each := _package(module, path)) is not None}
    own = {each for each in packages if each.name in ("bench", "workloads")}
    late = {file for package in own for file in _below(package)}  # many are imported late
    files = {*mapped, *(each for each in imported if each.suffix != ".pyc")}
    for folder in (_STDLIB, *packages):
        files |= set(_below(folder))
    homes = {each.resolve() for each in ({file.parent for file in mapped} | _LINKERS)}
    files |= {link for each in homes for link in _links(each, files)}
    files |= set(metadata())
    return Closure(
        interpreter=interpreter,
        path=tuple(each for each in path if any(file.is_relative_to(each) for file in files)),
        files=tuple(sorted(files)),
        compiled=tuple(sorted(each for each in {*imported, *late} if each.suffix == ".py")),
    )


def compile_to(source: Path, folder: Path) -> Path:
    """Return the bytecode of ``source``, made in ``folder``; no file's time makes it stale."""
    made = folder / "module.pyc"
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(source), str(made), doraise=True, invalidation_mode=mode, quiet=2)
    return made


def _package(module: Path, path: Iterable[str]) -> Path | None:
    """Return the package on ``path`` that holds a module; None for one of the standard library."""
    homes = [Path(each) for each in path if module.is_relative_to(each)]
    home = max(homes, key=lambda each: len(each.parts), default=None)
    if home is None or home == _STDLIB or _STDLIB in home.parents:
        return None
    top = home / module.relative_to(home).parts[0]
    return top if top.is_dir() else None


def _below(folder: Path) -> Iterator[Path]:
    for here, folders, names in os.walk(folder):
        folders[:] = [each for each in folders if each not in _NEVER_IMPORTED]
        folders[:] = [each for each in folders if not each.startswith("config-")]
        kept = (each for each in names if each not in _NEVER_IMPORTED)
        yield from (Path(here, name) for name in kept if not name.endswith((".pyc", ".pth")))


def _links(folder: Path, files: Iterable[Path]) -> Iterator[Path]:
    """Yield the symbolic links in ``folder`` by which the dynamic linker finds ``files``."""
    real = {str(each) for each in files}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink() and os.path.realpath(entry.path) in real:
                yield Path(entry.path)


def metadata() -> Iterator[Path]:
    """Yield the file with bufbench's version, if bufbench is installed."""
    try:
        files = distribution("bufbench").files or []
    except PackageNotFoundError:
        return
    yield from (Path(os.path.realpath(each.locate())) for each in files if each.name == "METADATA")


def write(
    to: Path,
    closure: Closure,
    command: Sequence[str],
    files: Mapping[str, bytes],
    **environment: str,
) -> None:
    """Write the initial RAM disk of a guest that runs ``command``, with more files by path."""
    script = f"#!{closure.interpreter} -ISB\n{_FIRST.format(path=[*closure.path])}\n"
    order = {"argv": [*command], "env": {**init.ENVIRONMENT, **_ONE_THREAD, **environment}}
    with scratch.folder() as folder, to.open("xb") as file:
        disk.write(
            file,
            (
                *(disk.copy(each) for each in Path("/").iterdir() if each.is_symlink()),
                *(disk.Entry(path=each) for each in _EMPTY),
                *map(disk.copy, closure.files),
                disk.copy(Path(closure.interpreter)),
                *(
                    disk.file(cache_from_source(each), compile_to(each, folder).read_bytes())
                    for each in closure.compiled
                ),
                disk.file("/init", script.encode(), 0o755),
                disk.file(ORDER, json.dumps(order).encode()),
                *(disk.file(path, content) for path, content in files.items()),
            ),
        )
