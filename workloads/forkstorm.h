/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* Shared by the parts of the fork-storm generator: the request and the counts. */
#ifndef FORKSTORM_H
#define FORKSTORM_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NS_PER_S 1000000000ULL
#define ERRNO_LIMIT 256 /* Linux's errnos end at 133 */
#define WORKERS_LIMIT 8192
#define CPUS_LIMIT 8192 /* the most that a kernel can be built for */
#define THREADS_LIMIT 256
#define DEPTH_LIMIT 4096 /* one stack frame a process under vfork */

/* Long enough for any kernel, which refuses a shorter set: a cpu_set_t ends at 1,024 CPUs. */
struct cpus {
	cpu_set_t set[CPUS_LIMIT / CPU_SETSIZE];
};

struct request;
struct worker;

/* A kind of storm. A member that is left out has the value of most shapes. */
struct shape {
	const char *name;
	void (*run)(struct worker *worker); /* makes a worker's children */
	void (*prepare)(struct worker *worker); /* before the start */
	/* processes and threads that each worker has beside it at once, at most; else one */
	unsigned int (*beside)(const struct request *request);
	unsigned int workers; /* however many are requested; 0: as requested */
	bool one_cpu; /* the first one alone */
	bool two_cpus; /* at least */
	bool paced; /* takes a rate */
	bool in_bursts; /* all workers' children exist at once, and have no rate */
	bool scheduled; /* children are due when the schedule says */
	bool first_ends; /* the storm is over when its first worker is */
};

enum spawn {
	SPAWN_VFORK,
	SPAWN_FORK,
	SPAWN_CLONE,
};

enum stop {
	STOP_NOT,
	STOP_SECONDS,
	STOP_SIGNAL,
	STOP_DONE, /* uneven: the hot worker has made its children */
};

/* One storm as requested. */
struct request {
	const struct shape *shape;
	enum spawn spawn;
	bool exponential; /* gaps between paced arrivals */
	uint64_t count;
	unsigned int workers;
	double rate_per_s; /* over all workers (uneven: the quiet one); 0: as fast as they can */
	unsigned int burst_size;
	double pause_ms;
	unsigned int depth;
	unsigned int threads;
	int exit_code; /* -1: 0..255 in turn */
	double seconds;
	uint64_t seed;
	const char *tiny; /* program that children exec, or NULL */
	const char *tiny_name; /* the same within tiny_folder, where children run */
	int tiny_folder;
	int tiny_file;
	int tiny_copy; /* in memory, or -1 */
	bool privileged; /* keeps its privileges */
	bool change_user; /* uid and gid were given */
	uid_t uid;
	gid_t gid;
	struct cpus cpus;
	bool pinned; /* cpus was given */
	unsigned int kill_every; /* every n-th child kills itself; 0: none does */
	int schedule_fd; /* a file of the ns from the start at which each child is due, or -1 */
	int truth_fd; /* a file that has room for a struct truth of each child, or -1 */
	int report_fd;
	int go_fd;
};

/* What the process that reaped a child knows of it; workloads/truth.py mirrors it. */
struct truth {
	uint64_t reaped_ns; /* CLOCK_MONOTONIC; 0: this place is empty */
	uint32_t pid;
	uint32_t parent;
	uint32_t status; /* as waitpid gives it */
	uint32_t reserved;
};

/*
 * Shared by every process of the storm. A process may be killed at any instruction, so nothing
 * here is a lock: there are counters, and futex words.
 */
struct shared {
	_Alignas(64) _Atomic uint32_t stop; /* futex: enum stop */
	_Alignas(64) _Atomic uint32_t ready; /* futex: workers that wait for the start */
	_Alignas(64) _Atomic uint32_t start; /* futex */
	_Alignas(64) _Atomic uint64_t next; /* children handed out to workers */
	_Alignas(64) _Atomic uint64_t next_quiet; /* uneven only: the same of the quiet one */
	_Alignas(64) _Atomic uint64_t made;
	_Alignas(64) _Atomic uint64_t threads_made;
	_Alignas(64) _Atomic uint64_t end_ns; /* when the last worker finished */
	const uint64_t *due_ns; /* of each child, from the start, or NULL */
	_Alignas(64) _Atomic uint64_t truths; /* places taken */
	struct truth *truth; /* where every process of the storm has it mapped, or NULL */
	uint64_t truth_size; /* places */
	_Alignas(64) _Atomic uint64_t exits[256]; /* reaped, by exit code */
	_Atomic uint64_t signals[256]; /* reaped, by signal, with 0x80 for a core dump */
	_Atomic uint64_t failed[ERRNO_LIMIT];
	/* burst only */
	unsigned int workers; /* that take part in a round */
	_Alignas(64) _Atomic uint32_t round; /* futex */
	_Alignas(64) _Atomic uint32_t forking; /* workers still making this round's children */
	_Atomic uint32_t forked; /* children of this round */
	_Atomic uint32_t parked; /* of those, the ones that wait */
	_Atomic uint32_t widest; /* children of the largest round */
	_Atomic uint32_t reaping; /* workers still reaping them */
	_Atomic uint32_t settled; /* futex: rounds that are reaped */
	_Atomic uint32_t over; /* this round is the last one */
};

/* inherited.c */
void settle_inherited(void);

/* options.c */
void parse_request(struct request *request, int argc, char **argv);
_Noreturn void usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* cpus.c */
void add_cpu(struct cpus *cpus, int cpu);
bool has_cpu(const struct cpus *cpus, int cpu);
int count_cpus(const struct cpus *cpus);
int get_affinity(struct cpus *cpus);
int run_on(const struct cpus *cpus);
int run_on_one(int cpu);

/* privileges.c, in the order of use */
void open_tiny(struct request *request);
void drop_privileges(const struct request *request);
void copy_tiny(struct request *request);

/* limits.c */
unsigned int lower_to_limits(struct request *request);
unsigned int planned_at_once(const struct request *request);
unsigned int most_at_once(const struct request *request, const struct shared *shared);

/* shapes.c */
extern const struct shape SHAPES[]; /* up to one without a name; the first is the default */
_Noreturn void run_worker(const struct request *request, struct shared *shared,
			  unsigned int index);

/* children.c */
void count_status(struct shared *shared, int status);
void count_failure(struct shared *shared, int error);

/* waiting.c */
uint64_t now_ns(void);
long futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t until_ns);
void futex_wake_all(_Atomic uint32_t *word);
void rest_until(struct shared *shared, uint64_t until_ns);

#endif
