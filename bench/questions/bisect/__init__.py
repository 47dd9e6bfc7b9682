# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer on which kernel a number first changed."""
