# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Compile an object from its source, by the distribution's clang and this kernel's types."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.errors import MachineUnfit, UsageError
from bench.host import process, scratch
from bench.tracer import btf
from bench.tracer.object import package

_INSTALL: Final = "apt-get install clang libbpf-dev"
_TARGETS: Final = {"x86_64": "x86", "aarch64": "arm64"}
_HEADERS: Final = Path("/usr/include/bpf/bpf_helpers.h")
_LONGEST_S: Final = 120.0
_COMMENT: Final = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_STRUCTURE: Final = re.compile(r"\bstruct\s+([A-Za-z_]\w*)\s*\{")
_INCLUDE: Final = re.compile(r'^\s*#\s*include\s+"([^"\n]+)"', re.MULTILINE)
_TYPES: Final = "vmlinux.h"
_ERROR: Final = re.compile(r"^(?P<place>.*?: )?(?:fatal )?error: (?P<reason>.*)$", re.MULTILINE)


def possible() -> bool:
    """Return whether everything needed to build is installed."""
    return shutil.which("clang") is not None and _HEADERS.exists()


def build(source: Path, header: Path | None, events: Sequence[str]) -> package.Package:
    """Compile ``source`` and return it with the structures that its events have.

    These are ``events``, else those that the header defines, or, without a header, the source and
    its includes from the same folder. Raises UsageError if the source does not compile,
    MachineUnfit without clang.
    """
    names = [*events] or list(dict.fromkeys(_defined(source, header)))
    if shutil.which("clang") is None:
        raise MachineUnfit("objects are built by clang, which is not installed", remedy=_INSTALL)
    built = package.parse(_compile(source, names), source.name.split(".", 1)[0])
    missing = [each for each in names if built.types.find(each) is None]
    if missing or not names:
        name = f"struct {missing[0]}" if missing else "structure"
        raise UsageError(
            f"{source} defines no {name} that its events could have",
            remedy="include its header in the source, or name another with --event",
        )
    return replace(built, exported=package.exports(built.types, names))


def _defined(source: Path, header: Path | None) -> Iterator[str]:
    text = _COMMENT.sub(" ", _text(header or source))
    for match in () if header else _INCLUDE.finditer(text):
        beside = source.parent / match[1]
        if beside.is_file() and beside.name != _TYPES:
            text += _COMMENT.sub(" ", _text(beside))
    return (match[1] for match in _STRUCTURE.finditer(text))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _compile(source: Path, names: Sequence[str]) -> bytes:
    _text(source)
    place = str(source.resolve())
    if {*place} & {'"', "\n"}:
        raise UsageError(
            f"{source} cannot be compiled: no #include can name its path", remedy="rename it"
        )
    with scratch.folder() as folder:
        with btf.opened() as types:
            types.write_header(folder / _TYPES)
        whole, elf = folder / "object.bpf.c", folder / "object.bpf.o"
        # A structure without a variable is not in the object's BTF.
        kept = "".join(
            f"struct {each} *bufbench_event_{each} __attribute__((unused));\n" for each in names
        )
        whole.write_bytes(os.fsencode(f'#include "{place}"\n{kept}'))
        try:
            process.run(
                [
                    *("clang", "-g", "-O2", "-target", "bpf", "-c", whole, "-o", elf),
                    f"-D__TARGET_ARCH_{_TARGETS.get(platform.machine(), platform.machine())}",
                    *("-I", folder, "-fno-color-diagnostics", "-fdebug-compilation-dir=."),
                    *(f"-ffile-prefix-map={each}=." for each in (folder, source.resolve().parent)),
                    *("-idirafter", f"/usr/include/{sysconfig.get_config_var('MULTIARCH')}"),
                ],
                timeout_s=_LONGEST_S,
                env={"LC_ALL": "C"},
            )
        except process.ProgramFailed as error:
            raise _failed(source, error) from error
        if shutil.which("llvm-strip"):  # drop what only debuggers read; BTF stays
            process.run(["llvm-strip", "-g", elf], timeout_s=_LONGEST_S)
        return elf.read_bytes()


def _failed(source: Path, error: process.ProgramFailed) -> UsageError | MachineUnfit:
    """Return the error for clang's first complaint."""
    said = error.completed.stderr if error.completed and not error.timed_out else ""
    found = _ERROR.search(said)
    if found is None:
        return UsageError(f"{source} cannot be compiled: {error.message}")
    if "'bpf/" in found["reason"]:
        return MachineUnfit("the headers of libbpf are not installed", remedy=_INSTALL)
    return UsageError(f"{source} cannot be compiled: {found['place'] or ''}{found['reason']}")
