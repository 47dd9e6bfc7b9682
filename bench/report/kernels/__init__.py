# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The report over kernels: tables that text, Markdown and the page share, and the page's charts."""
