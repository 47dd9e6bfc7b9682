# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Plan experiments and the blocks in which they run."""
