# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Run a plan on this machine: the rig, the journal, gates and progress."""
