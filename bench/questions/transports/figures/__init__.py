# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The page: one self-contained HTML file. Tables need no script; charts are SVG, drawn here.

Whatever imports altair, vl-convert or jinja2 (the extra ``report``) is loaded when a page or a
chart is asked for.
"""
