# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""The published claims and what a journal says of them: a family a file, found by catalogue.py."""
