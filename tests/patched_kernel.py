# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Lengthen a path of a kernel's image: its reserve function takes so many instructions more.

In __bpf_ringbuf_reserve(), the test for NMI context becomes a jump into what is done in that
context, which no guest of `kernels exact` is in: there are as many nops, and a jump back.
"""

from __future__ import annotations

import lzma
import re
import struct

_SECTOR = 512
_XZ = b"\xfd7zXZ\0"
_LIMIT = b"\x48\x81\xfe\xff\xff\xff\x3f\x0f\x87"  # cmp $RINGBUF_MAX_RECORD_SZ,%rsi; ja
_IN_NMI = re.compile(rb"\xa9\x00\x00\xf0\x00\x0f\x85(....)", re.DOTALL)  # test $NMI_MASK,%eax; jne
_TRYLOCK = re.compile(rb"\x4c\x89.\xe8....\x85\xc0\x0f\x85", re.DOTALL)  # not patched at boot
_REACH = 0x100
_CAVE = 20


def longer(image: bytes, more: int) -> bytes:
    """Return the image with ``more`` instructions in reserve; ValueError for one of another form.

    Images that are compressed with xz alone can be put together again.
    """
    setup = (image[0x1F1] + 1) * _SECTOR
    offset, length = struct.unpack_from("<II", image, 0x248)  # payload_offset, payload_length
    payload = image[setup + offset : setup + offset + length]
    if not payload.startswith(_XZ):
        raise ValueError("not compressed with xz")
    kernel = bytearray(lzma.LZMADecompressor().decompress(payload))
    _lengthen(kernel, more)
    packed = lzma.compress(
        kernel,
        check=lzma.CHECK_CRC32,
        filters=[
            {"id": lzma.FILTER_X86},
            {"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": 32 << 20, "nice_len": 273},
        ],
    )
    tail = struct.pack("<I", len(kernel))  # as the decompressor finds it
    if len(packed) + len(tail) > length:
        raise ValueError("it does not fit any more")
    packed += bytes(length - len(tail) - len(packed)) + tail
    return image[: setup + offset] + packed + image[setup + offset + length :]


def _lengthen(kernel: bytearray, more: int) -> None:
    for found in re.finditer(re.escape(_LIMIT), kernel):
        test = _IN_NMI.search(kernel, found.end(), found.end() + _REACH)
        if test is None:
            continue
        in_nmi = test.end() + struct.unpack("<i", test[1])[0]
        cave = _TRYLOCK.search(kernel, in_nmi, in_nmi + _REACH)
        if cave is None:
            continue
        code = b"\x90" * more + _jump(cave.start() + more, test.end())
        if len(code) > _CAVE:
            raise ValueError("so much does not fit")
        kernel[cave.start() : cave.start() + len(code)] = code
        kernel[test.start() : test.start() + 5] = _jump(test.start(), cave.start())
        return
    raise ValueError("no reserve function of this form")


def _jump(start: int, end: int) -> bytes:
    return b"\xe9" + struct.pack("<i", end - start - 5)
