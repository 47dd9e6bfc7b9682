# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Read the sections of a BPF object before libbpf does, which trusts more than it should.

Source of the format: elf(5).
"""

from __future__ import annotations

import struct
import sys
from typing import Final

from bench.errors import UsageError

MAGIC: Final = b"\x7fELF"
_HEADER: Final = "16sHHIQQQIHHHHHH"
_SECTION: Final = "IIQQQQIIQQ"
_CLASS_64: Final = 2
_ENDS: Final = {"little": 1, "big": 2}
_NO_BITS: Final = 8
_RELOCATABLE: Final = 1
_MACHINE_BPF: Final = 247
_REMEDY: Final = "make it again with bufbench object build, or clang -target bpf"


def sections(elf: bytes) -> dict[str, memoryview]:
    """Return the contents of each section by name; UsageError unless it is a whole BPF object."""
    if not elf.startswith(MAGIC) or len(elf) < struct.calcsize(f"={_HEADER}"):
        raise UsageError("it holds no ELF object", remedy=_REMEDY)
    if elf[4] != _CLASS_64 or elf[5] != _ENDS[sys.byteorder]:
        raise UsageError(
            f"its object is for another architecture: it is not 64-bit {sys.byteorder}-endian",
            remedy="build it on a machine like this one",
        )
    _, kind, machine, _, _, _, place, _, _, _, _, size, count, of_names = struct.unpack_from(
        f"={_HEADER}", elf
    )
    if machine != _MACHINE_BPF or kind != _RELOCATABLE:
        raise UsageError(f"its ELF file is not a BPF object (machine {machine})", remedy=_REMEDY)
    if size != struct.calcsize(f"={_SECTION}") or place + size * count > len(elf):
        raise UsageError("its object is truncated: no section table", remedy=_REMEDY)
    headers = [struct.unpack_from(f"={_SECTION}", elf, place + size * n) for n in range(count)]
    whole, contents = memoryview(elf), []
    for _, kind, _, _, offset, length, *_ in headers:
        if kind != _NO_BITS and offset + length > len(elf):
            raise UsageError("its object is truncated: a section is not whole", remedy=_REMEDY)
        contents.append(whole[:0] if kind == _NO_BITS else whole[offset : offset + length])
    if of_names >= count:
        raise UsageError("its object is damaged: its sections have no names", remedy=_REMEDY)
    names = bytes(contents[of_names])
    return {
        names[name : max(name, names.find(b"\0", name))].decode(errors="replace"): content
        for (name, *_), content in zip(headers, contents, strict=True)
    }
