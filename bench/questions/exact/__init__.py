# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer what a call costs on each kernel, to the instruction."""
