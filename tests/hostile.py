# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""List names that others may choose, with a meaning where they are shown."""

from __future__ import annotations

NAMES = {
    "controls": "a\x00\x07\b\r\nb\x7f",
    "escapes": "\x1b[2J\x1b]0;title\x07\x9b31m",
    "bidi": "\u202egnp.exe\u2066\u200b\ufeff",
    "html": "</title></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;",
    "markup": "[red]x[/red] [link=http://x]y[/link] [/]",
    "formats": "%s %n {0} {config.__class__} ${x} {{ 7*7 }} {% raw %}",
    "markdown": "`x` **b** [a](javascript:x) | c\n# head\n| --- |",
    "formula": "=cmd|' /C calc'!A0",
    "plus": "+1+1",
    "at": "@SUM(1)",
    "minus": "-2+3",
    "tab": "\t=1",
    "apostrophe": "'=1",
    "quotes": 'a"b,c;d',
    "emoji": "\U0001f600\u00e9\u4e2d",
    "ktap": "Subtest: # SKIP x\nnot ok 1 y # TODO",
    "long": "x" * 3_000,
}
