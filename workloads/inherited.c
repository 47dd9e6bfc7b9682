// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Signal actions, signal mask and timer slack survive an exec. A process that ignores SIGCHLD
 * cannot wait for its children, and one that ignores SIGTERM cannot be asked to end.
 */
#define _GNU_SOURCE
#include "forkstorm.h"

#include <signal.h>
#include <sys/prctl.h>

#define USUAL_SLACK_NS 50000UL

void settle_inherited(void)
{
	sigset_t none;

	for (int number = 1; number <= SIGRTMAX; number++)
		signal(number, SIG_DFL); /* fails for SIGKILL and SIGSTOP, which stay as they are */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_TIMERSLACK, USUAL_SLACK_NS);
}
