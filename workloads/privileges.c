// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * Gives privileges up, but keeps the ability to exec a program that the new user cannot see.
 *
 * What the storm makes inherits all of this: the user, the empty sets of capabilities, and
 * no_new_privs, without which an exec could bring capabilities back.
 */
#define _GNU_SOURCE
#include "forkstorm.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U /* Linux 6.3; needed where vm.memfd_noexec is 1 */
#endif

static _Noreturn void unfit(const char *what, const char *remedy)
{
	fprintf(stderr, "forkstorm: %s: %s; %s\n", what, strerror(errno), remedy);
	exit(3);
}

/*
 * A user's limit on processes counts everything that runs as that user, for nobody including
 * processes of others. It did not bind root, so it must not bind the new user; the cgroup counts
 * our own.
 */
static void lift_process_limit(void)
{
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_NPROC, &limit) == 0 || getrlimit(RLIMIT_NPROC, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NPROC, &limit);
}

static void become(uid_t uid, gid_t gid)
{
	char name[64];

	lift_process_limit();
	if (setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0)
		return;
	snprintf(name, sizeof(name), "cannot become user %u of group %u", uid, gid);
	unfit(name, "grant CAP_SETUID and CAP_SETGID, or choose another --storm-user");
}

static bool has_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, sets) < 0)
		return true;
	return sets[0].permitted | sets[1].permitted | sets[0].inheritable | sets[1].inheritable;
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) < 0 || has_capabilities())
		unfit("cannot drop capabilities", "choose --storm-user root to keep them");
}

void drop_privileges(const struct request *request)
{
	if (request->privileged)
		return;
	/* Refused without CAP_SETPCAP; then no_new_privs alone keeps an exec from gaining any. */
	for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
		prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);
	if (request->change_user)
		become(request->uid, request->gid);
	drop_capabilities();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		unfit("PR_SET_NO_NEW_PRIVS", "use a kernel that has it, or --storm-user root");
	if (chdir("/") < 0)
		unfit("chdir /", "make the root folder accessible");
}

/*
 * The program's folder, opened while we may: only the last step of its path is then checked, so
 * that a home closed to others does not matter.
 */
void open_tiny(struct request *request)
{
	const char *tiny = request->tiny;
	const char *slash;
	char folder[PATH_MAX];

	if (!tiny)
		return;
	slash = strrchr(tiny, '/');
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - tiny) + 1 : 1,
		 slash ? tiny : ".");
	request->tiny_name = slash ? slash + 1 : tiny;
	request->tiny_folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	request->tiny_file = open(tiny, O_RDONLY | O_CLOEXEC);
	if (request->tiny_folder < 0 || request->tiny_file < 0)
		usage_error("--tiny %s: %s", tiny, strerror(errno));
}

/* If the new user may not exec the program itself, it gets a copy in memory. */
void copy_tiny(struct request *request)
{
	struct stat seen;
	int copy = -1;

	if (!request->tiny)
		return;
	if (fchdir(request->tiny_folder) < 0 || eaccess(request->tiny_name, X_OK) < 0) {
		copy = memfd_create("tiny", MFD_CLOEXEC | MFD_EXEC);
		if (copy < 0 && errno == EINVAL)
			copy = memfd_create("tiny", MFD_CLOEXEC);
		if (copy < 0 || fstat(request->tiny_file, &seen) < 0 ||
		    sendfile(copy, request->tiny_file, NULL, seen.st_size) != seen.st_size)
			unfit("no copy of tiny",
			      "let others read and execute it, or choose --storm-user root");
	}
	request->tiny_copy = copy;
	close(request->tiny_folder);
	close(request->tiny_file);
}
