/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#pragma once
#define CONFIG_BPF_SYSCALL 1
