// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
/*
 * How many more processes this machine lets us have, and lowering a request to that. All of
 * these limits count threads.
 */
#define _GNU_SOURCE
#include "forkstorm.h"

#include <dirent.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define UNLIMITED INT64_MAX
#define LEFT_FOR_OTHERS 16 /* a login and a ps must still work beside a storm */

static int64_t smaller(int64_t one, int64_t other)
{
	return one < other ? one : other;
}

/* The number in a file; UNLIMITED if there is no such file, or it says "max". */
static int64_t number_in(const char *path)
{
	long long value = UNLIMITED;
	FILE *file = fopen(path, "re");

	if (!file)
		return UNLIMITED;
	if (fscanf(file, "%lld", &value) != 1)
		value = UNLIMITED;
	fclose(file);
	return value;
}

/*
 * Room in the cgroup `group` below `mount` and in every ancestor. In a container the path may
 * name what the mount does not show; the ancestors that are shown still bind.
 */
static int64_t cgroup_room(const char *mount, char *group)
{
	int64_t room = UNLIMITED;
	char path[3 * PATH_MAX];

	for (;;) {
		char *slash = strrchr(group, '/');
		int64_t most, current;

		snprintf(path, sizeof(path), "%s%s/pids.max", mount, group);
		most = number_in(path);
		snprintf(path, sizeof(path), "%s%s/pids.current", mount, group);
		current = number_in(path);
		if (most != UNLIMITED && current != UNLIMITED)
			room = smaller(room, most - current);
		if (!slash)
			return room;
		*slash = '\0';
	}
}

/* Copies this process's path in the pids hierarchy (version 1) or the unified one; false if there is none. */
static bool own_cgroup(bool unified, char *group, size_t size)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (file && !found && getline(&line, &room, file) > 0) {
		char *rest = line;
		char *controllers;
		bool pids = false;
		char *word;

		strsep(&rest, ":");
		controllers = strsep(&rest, ":");
		if (!rest)
			continue;
		rest[strcspn(rest, "\n")] = '\0';
		if (unified ? *controllers : !*controllers)
			continue;
		while ((word = strsep(&controllers, ",")))
			pids |= !strcmp(word, "pids");
		if (unified || pids) {
			snprintf(group, size, "%s", strcmp(rest, "/") ? rest : "");
			found = true;
		}
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

static int64_t cgroups_room(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	int64_t room = UNLIMITED;
	struct mntent *mount;

	while (mounts && (mount = getmntent(mounts))) {
		bool unified = !strcmp(mount->mnt_type, "cgroup2");
		char group[PATH_MAX];

		if (!unified && (strcmp(mount->mnt_type, "cgroup") || !hasmntopt(mount, "pids")))
			continue;
		if (own_cgroup(unified, group, sizeof(group)))
			room = smaller(room, cgroup_room(mount->mnt_dir, group));
	}
	if (mounts)
		endmntent(mounts);
	return room;
}

/* Threads of one user, as /proc shows them. */
static int64_t threads_of_user(uid_t user)
{
	DIR *proc = opendir("/proc");
	int64_t threads = 0;
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		char path[PATH_MAX], line[256];
		unsigned int owner = UINT_MAX;
		int own = 0;
		FILE *file;

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/status", entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue; /* it ended meanwhile */
		while (fgets(line, sizeof(line), file)) {
			sscanf(line, "Uid: %u", &owner);
			sscanf(line, "Threads: %d", &own);
		}
		fclose(file);
		if (owner == user)
			threads += own;
	}
	if (proc)
		closedir(proc);
	return threads;
}

/* Threads of all users. */
static int threads_in_all(void)
{
	FILE *file = fopen("/proc/loadavg", "re");
	int total = 0;

	if (file) {
		if (fscanf(file, "%*s %*s %*s %*d/%d", &total) != 1)
			total = 0;
		fclose(file);
	}
	return total;
}

/* Room for one user; `wanted` is enough. */
static int64_t user_room(int64_t wanted)
{
	struct rlimit limit;
	int64_t room;

	/* The kernel does not apply it to root. */
	if (getuid() == 0 || getrlimit(RLIMIT_NPROC, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return UNLIMITED;
	/* Counting one user's threads takes long, and is seldom needed. */
	room = (int64_t)limit.rlim_cur - threads_in_all();
	return room >= wanted ? room : (int64_t)limit.rlim_cur - threads_of_user(getuid());
}

static int64_t system_room(void)
{
	int64_t most = smaller(number_in("/proc/sys/kernel/pid_max"),
			       number_in("/proc/sys/kernel/threads-max"));

	return most == UNLIMITED ? most : most - threads_in_all();
}

/* Processes and threads that each worker has beside it, at most, at any time. */
static unsigned int beside_a_worker(const struct request *request)
{
	return request->shape->beside ? request->shape->beside(request) : 1;
}

/* Processes and threads that will exist at once, without the generator, at most. */
unsigned int planned_at_once(const struct request *request)
{
	if (request->shape->in_bursts)
		return request->workers + request->burst_size;
	return request->workers * (1 + beside_a_worker(request));
}

/* Processes and threads that existed at once: of a burst as counted, of other shapes as planned. */
unsigned int most_at_once(const struct request *request, const struct shared *shared)
{
	if (request->shape->in_bursts)
		return shared->workers + shared->widest;
	return shared->workers * (1 + beside_a_worker(request));
}

static unsigned int at_most(unsigned int value, int64_t limit)
{
	if (limit < 1)
		return 1;
	return value < limit ? value : (unsigned int)limit;
}

/*
 * Lowers the request to what the machine has room for: first the number of workers, then what
 * each has beside it. Returns 0, or the processes at once that had been asked for.
 */
unsigned int lower_to_limits(struct request *request)
{
	unsigned int wanted = planned_at_once(request);
	int64_t room = smaller(smaller(cgroups_room(), user_room((int64_t)wanted + LEFT_FOR_OTHERS)),
			       system_room());

	room = room == UNLIMITED ? room : room - LEFT_FOR_OTHERS;
	if (wanted <= room)
		return 0;
	if (request->shape->in_bursts) {
		request->workers = at_most(request->workers, room / 2);
		request->burst_size = at_most(request->burst_size, room - request->workers);
	} else if (!request->shape->workers) {
		request->workers = at_most(request->workers, room / (1 + beside_a_worker(request)));
		request->depth = at_most(request->depth, room - 1);
		request->threads = at_most(request->threads, room - 2);
	}
	if (planned_at_once(request) > room) {
		fprintf(stderr, "forkstorm: limits on processes leave room for %lld, at least %u are needed; "
			"raise pids.max or RLIMIT_NPROC\n",
			(long long)(room > 0 ? room : 0), planned_at_once(request));
		exit(3);
	}
	return wanted;
}
