# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Define documents and their renderers; no verdict is computed here."""
