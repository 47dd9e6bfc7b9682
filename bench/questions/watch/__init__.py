# SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
"""Answer how full the buffers of this machine are, and which processes own them."""
