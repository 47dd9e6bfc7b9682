# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Plan: experiments, profiles and the blocks they are run in."""
