// SPDX-License-Identifier: GPL-2.0-only
/*
 * blkcopy - copy between block devices in a guest and say what came of it.
 *
 * Everything is printed as "word key=value ..." lines on stdout. An error of
 * the call under test is a result and printed; an error of this tool goes to
 * stderr and gives exit status 2.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/fs.h>
#include <linux/ioprio.h>
#include "bytes.h"
#include "device.h"
#include "flight.h"
#include "frame.h"
#include "scsi.h"
#include "tool.h"
#include "zones.h"

/* The ABI under test; the host's headers do not have it. */
struct blk_copy {
	__u64 src_offset;
	__u64 dst_offset;
	__u64 len;
	__s32 src_fd;
	__u32 flags;
	__u64 copied;
	__u64 offloaded;
	__u64 reserved[2];
};

struct blk_copy_range {
	__u64 offset;
	__u64 len;
};

struct blk_copy_vec {
	__u64 ranges;
	__u32 nr_ranges;
	__s32 src_fd;
	__u64 dst_offset;
	__u32 flags;
	__u32 reserved0;
	__u64 copied;
	__u64 offloaded;
	__u64 reserved[2];
};

#define BLKCOPY_IOCTL _IOWR(0x12, 150, struct blk_copy)
#define BLKCOPYV_IOCTL _IOWR(0x12, 151, struct blk_copy_vec)

#define MAX_COPIES 192
/* One more than the kernel takes. */
#define MAX_RANGES 257

/* Of one read, and of the write after it, unless --block says otherwise. */
#define READ_WRITE_BYTES (256 * 1024)

/* What the out fields hold before the call: a kernel that forgets them is seen. */
#define UNSET UINT64_MAX

/* -- copy -- */

enum call { CALL_BLKCOPY, CALL_BLKCOPYV, CALL_FILE_RANGE, CALL_READ_WRITE };

/* In memory that is shared with the process that makes the call. */
struct job {
	union {
		struct blk_copy one;
		struct blk_copy_vec many;
	} arg;
	struct blk_copy_range ranges[MAX_RANGES];
	int src_fd, dst_fd;
	uint64_t copied;	/* by copy_file_range(), or by reading and writing */
	int err;
	bool ended;
	bool injected;		/* the place that --fail-nth counts to was there */
	uint64_t ns, end;
};

static struct {
	enum call call;
	const char *src_mode, *dst_mode;
	int src_flags, dst_flags;
	uint64_t flags, nr_ranges;
	uint64_t block, repeat;
	int reserved;		/* number of the reserved field that is not 0, -1 for none */
	bool nr_ranges_given, trace_clear, timed;
	const char *fail_nth, *read_only, *flight, *ioprio, *pull, *cgroup;
} options;

/* What all CPUs of the guest have spent on work while the calls were made. */
static uint64_t busy;
static struct job *jobs;
static int job_count;
static pthread_barrier_t *start;

static int open_mode(const char *mode)
{
	if (!strcmp(mode, "ro"))
		return O_RDONLY;
	if (!strcmp(mode, "wo"))
		return O_WRONLY;
	if (!strcmp(mode, "rw"))
		return O_RDWR;
	if (!strcmp(mode, "path"))
		return O_PATH;
	errno = 0;
	die("unknown open mode '%s'", mode);
}

/* A path, "pipe:" for the reading end of a pipe, or "fd:N" for a raw number. */
static int open_source(const char *name, int flags)
{
	int ends[2];

	if (!strncmp(name, "fd:", 3))
		return atoi(name + 3);
	if (strcmp(name, "pipe:"))
		return open(name, flags | O_CLOEXEC);
	if (pipe2(ends, O_CLOEXEC))
		die("cannot make a pipe");
	return ends[0];
}

/* "OFFSET+LEN/OFFSET+LEN/...", or "none" */
static unsigned int parse_ranges(char *text, struct blk_copy_range *ranges)
{
	unsigned int count = 0;
	char *save, *word;

	if (!strcmp(text, "none"))
		return 0;
	for (word = strtok_r(text, "/", &save); word; word = strtok_r(NULL, "/", &save)) {
		char *plus = strchr(word, '+');

		errno = 0;
		if (!plus || count == MAX_RANGES)
			die("copy: want 1 to %d times OFFSET+LEN", MAX_RANGES);
		*plus = 0;
		ranges[count].offset = number(word);
		ranges[count++].len = number(plus + 1);
	}
	return count;
}

static void prepare_job(struct job *job, char **argv)
{
	unsigned int count;

	job->src_fd = open_source(argv[0], open_mode(options.src_mode) | options.src_flags);
	if (job->src_fd < 0 && strncmp(argv[0], "fd:", 3))
		die("cannot open the source %s", argv[0]);
	job->dst_fd = open_or_die(argv[2], open_mode(options.dst_mode) | options.dst_flags);
	if (options.call == CALL_BLKCOPYV) {
		count = parse_ranges(argv[1], job->ranges);
		job->arg.many = (struct blk_copy_vec) {
			.ranges = (uintptr_t)job->ranges,
			.nr_ranges = options.nr_ranges_given ? options.nr_ranges : count,
			.src_fd = job->src_fd,
			.dst_offset = number(argv[3]),
			.flags = options.flags,
			.reserved0 = options.reserved == 0,
			.copied = UNSET,
			.offloaded = UNSET,
			.reserved = { options.reserved == 1, options.reserved == 2 },
		};
		return;
	}
	job->arg.one = (struct blk_copy) {
		.src_fd = job->src_fd,
		.src_offset = number(argv[1]),
		.dst_offset = number(argv[3]),
		.len = number(argv[4]),
		.flags = options.flags,
		.copied = UNSET,
		.offloaded = UNSET,
		.reserved = { options.reserved == 0, options.reserved == 1 },
	};
}

/* As cp does: until all is copied, nothing more is, or an error. */
static int copy_by_file_range(struct job *job)
{
	const struct blk_copy *arg = &job->arg.one;
	off64_t from = arg->src_offset, to = arg->dst_offset;

	while (job->copied < arg->len) {
		ssize_t done = copy_file_range(job->src_fd, &from, job->dst_fd, &to,
					       arg->len - job->copied, options.flags);

		if (done < 0)
			return errno;
		if (!done)
			return 0;
		job->copied += done;
	}
	return 0;
}

/* As dd does: for kernels that have no call of the other kinds. */
static int copy_by_read_write(struct job *job)
{
	const struct blk_copy *arg = &job->arg.one;
	char *buffer = aligned_alloc(4096, options.block);

	errno = 0;
	if (!buffer)
		die("no memory");
	while (job->copied < arg->len) {
		uint64_t left = arg->len - job->copied;
		size_t wanted = left < options.block ? left : options.block;
		ssize_t done = pread(job->src_fd, buffer, wanted, arg->src_offset + job->copied);

		if (done > 0)
			done = pwrite(job->dst_fd, buffer, done, arg->dst_offset + job->copied);
		if (done < 0) {
			free(buffer);
			return errno;
		}
		if (!done)
			break;
		job->copied += done;
	}
	free(buffer);
	return 0;
}

static int make_call(struct job *job)
{
	if (options.call == CALL_READ_WRITE)
		return copy_by_read_write(job);
	if (options.call == CALL_FILE_RANGE)
		return copy_by_file_range(job);
	if (options.call == CALL_BLKCOPYV)
		return ioctl(job->dst_fd, BLKCOPYV_IOCTL, &job->arg.many) ? errno : 0;
	return ioctl(job->dst_fd, BLKCOPY_IOCTL, &job->arg.one) ? errno : 0;
}

/*
 * The same call again and again, as long as it does all of it. What is said of them is the sum of what each has
 * said: one that fell back is seen among others that did not.
 */
static int make_calls(struct job *job)
{
	const struct blk_copy first = job->arg.one;
	bool by_ioctl = options.call == CALL_BLKCOPY;
	uint64_t copied = 0, offloaded = 0;
	int err = 0;

	if (options.repeat <= 1)
		return make_call(job);
	for (uint64_t i = 0; !err && i < options.repeat; i++) {
		uint64_t done;

		job->arg.one = first;
		job->copied = 0;
		err = make_call(job);
		done = by_ioctl ? job->arg.one.copied : job->copied;
		if (!err && done != first.len)
			err = EIO;
		copied += done;
		offloaded += job->arg.one.offloaded;
	}
	job->copied = job->arg.one.copied = copied;
	job->arg.one.offloaded = offloaded;
	return err;
}

/* No more faults for this thread; returns how many places short of the fault it was. */
static unsigned int end_faults(int nth)
{
	char left[16] = "";

	if (pread(nth, left, sizeof(left) - 1, 0) <= 0 || pwrite(nth, "0", 1, 0) < 0)
		die("cannot read and write fail-nth");
	return atoi(left);
}

static void *run_job(void *data)
{
	struct job *job = data;
	uint64_t begin;
	int nth = -1;

	if (options.fail_nth)
		nth = open_or_die("/proc/thread-self/fail-nth", O_RDWR);
	pthread_barrier_wait(start);
	/* A value of linux/ioprio.h, for this thread. */
	if (options.ioprio && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, (int)number(options.ioprio)))
		die("cannot set the I/O priority");
	if (nth >= 0 && write(nth, options.fail_nth, strlen(options.fail_nth)) < 0)
		die("cannot write %s to fail-nth", options.fail_nth);
	begin = clock_ns();
	job->err = make_calls(job);
	job->end = clock_ns();
	job->ns = job->end - begin;
	if (nth >= 0)
		job->injected = !end_faults(nth);
	job->ended = true;
	return NULL;
}

static void run_jobs(void)
{
	pthread_t threads[MAX_COPIES];

	for (int i = 1; i < job_count; i++) {
		errno = pthread_create(&threads[i], NULL, run_job, &jobs[i]);
		if (errno)
			die("cannot start a thread");
	}
	run_job(&jobs[0]);
	for (int i = 1; i < job_count; i++)
		pthread_join(threads[i], NULL);
}

/* The same in a child that another process may watch and kill. */
static void run_jobs_in_flight(void)
{
	pid_t child;
	int status;

	fflush(stdout);
	child = fork();
	if (child < 0)
		die("cannot fork");
	if (!child) {
		run_jobs();
		_exit(0);
	}
	flight_announce(options.flight, child);
	if (waitpid(child, &status, 0) < 0)
		die("cannot wait for the call");
	flight_announce(options.flight, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status))
		exit(WEXITSTATUS(status));
	errno = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		die("signal %d has ended the call's process", WTERMSIG(status));
}

static void set_read_only(int value)
{
	for (int i = 0; i < job_count; i++) {
		struct job *job = &jobs[i];

		if (ioctl(!strcmp(options.read_only, "source") ? job->src_fd : job->dst_fd, BLKROSET, &value))
			die("cannot set the %s to read-only %d", options.read_only, value);
	}
}

static void print_result(const struct job *job)
{
	const char *error = job->err ? strerrorname_np(job->err) : "0";

	if (!job->ended)
		error = "KILLED";
	if (options.call == CALL_FILE_RANGE) {
		printf("result error=%s copied=%llu offloaded=unknown", error,
		       (unsigned long long)job->copied);
	} else if (options.call == CALL_READ_WRITE) {
		printf("result error=%s copied=%llu offloaded=0", error,
		       (unsigned long long)job->copied);
	} else {
		bool many = options.call == CALL_BLKCOPYV;

		printf("result error=%s copied=%llu offloaded=%llu", error,
		       (unsigned long long)(many ? job->arg.many.copied : job->arg.one.copied),
		       (unsigned long long)(many ? job->arg.many.offloaded : job->arg.one.offloaded));
	}
	if (options.fail_nth)
		printf(" injected=%d", job->injected);
	if (options.timed)
		printf(" ns=%llu busy_ms=%llu", (unsigned long long)job->ns,
		       (unsigned long long)busy);
	if (options.flight && job->ended)
		printf(" ended=%llu", (unsigned long long)job->end);
	putchar('\n');
}

static bool value_of(const char *word, const char *option, const char **value)
{
	size_t length = strlen(option);

	if (strncmp(word, option, length) || word[length] != '=')
		return false;
	*value = word + length + 1;
	return true;
}

static void parse_side(const char *option, const char *side, int flag)
{
	bool both = !strcmp(side, "both");

	errno = 0;
	if (!both && strcmp(side, "source") && strcmp(side, "destination"))
		die("%s: want source, destination or both", option);
	if (both || !strcmp(side, "source"))
		options.src_flags |= flag;
	if (both || !strcmp(side, "destination"))
		options.dst_flags |= flag;
}

static void parse_call(const char *name)
{
	errno = 0;
	if (!strcmp(name, "BLKCOPYV"))
		options.call = CALL_BLKCOPYV;
	else if (!strcmp(name, "copy_file_range"))
		options.call = CALL_FILE_RANGE;
	else if (!strcmp(name, "read_write"))
		options.call = CALL_READ_WRITE;
	else if (strcmp(name, "BLKCOPY"))
		die("unknown call %s", name);
}

static void parse_option(const char *word)
{
	const char *value;

	if (value_of(word, "--call", &value))
		parse_call(value);
	else if (value_of(word, "--flags", &value))
		options.flags = number(value);
	else if (value_of(word, "--reserved", &value))
		options.reserved = number(value);
	else if (value_of(word, "--nr-ranges", &value)) {
		options.nr_ranges = number(value);
		options.nr_ranges_given = true;
	} else if (value_of(word, "--src-mode", &value))
		options.src_mode = value;
	else if (value_of(word, "--dst-mode", &value))
		options.dst_mode = value;
	else if (value_of(word, "--direct", &value))
		parse_side(word, value, O_DIRECT);
	else if (value_of(word, "--exclusive", &value))
		parse_side(word, value, O_EXCL);
	else if (value_of(word, "--append", &value))
		parse_side(word, value, O_APPEND);
	else if (value_of(word, "--dsync", &value))
		parse_side(word, value, O_DSYNC);
	else if (value_of(word, "--ioprio", &value))
		options.ioprio = value;
	else if (value_of(word, "--cgroup", &value))
		options.cgroup = value;
	else if (value_of(word, "--read-only", &value))
		options.read_only = value;
	else if (value_of(word, "--pull", &value))
		options.pull = value;
	else if (value_of(word, "--fail-nth", &value))
		options.fail_nth = value;
	else if (value_of(word, "--in-flight", &value))
		options.flight = value;
	else if (value_of(word, "--block", &value))
		options.block = number(value);
	else if (value_of(word, "--repeat", &value))
		options.repeat = number(value);
	else if (!strcmp(word, "--trace-clear"))
		options.trace_clear = true;
	else if (!strcmp(word, "--time"))
		options.timed = true;
	else
		die("unknown option %s", word);
}

/*
 * copy [OPTION...] (SRC SRC-OFFSET DST DST-OFFSET LEN)...
 * With --call=BLKCOPYV, SRC-OFFSET is OFFSET+LEN/OFFSET+LEN/... and LEN is "-".
 */
static void cmd_copy(int argc, char **argv)
{
	pthread_barrierattr_t shared;

	memset(&options, 0, sizeof(options));
	options.src_mode = "ro";
	options.dst_mode = "rw";
	options.reserved = -1;
	options.block = READ_WRITE_BYTES;
	for (; argc && !strncmp(*argv, "--", 2); argc--, argv++)
		parse_option(*argv);
	job_count = argc / 5;
	errno = 0;
	if (options.repeat > 1 && options.call == CALL_BLKCOPYV)
		die("copy: --repeat is not for BLKCOPYV");
	if (!job_count || argc % 5 || job_count > MAX_COPIES)
		die("copy: want 1 to %d times SRC SRC-OFFSET DST DST-OFFSET LEN", MAX_COPIES);
	jobs = mmap(NULL, job_count * sizeof(*jobs) + sizeof(*start), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (jobs == MAP_FAILED)
		die("no memory");
	start = (void *)(jobs + job_count);
	for (int i = 0; i < job_count; i++, argv += 5)
		prepare_job(&jobs[i], argv);
	if (options.read_only)
		set_read_only(1);
	if (options.pull)
		write_file(options.pull, "0");
	/* A cgroup.procs: whoever writes 0 goes there. */
	if (options.cgroup)
		write_file(options.cgroup, "0");

	if (options.trace_clear)
		cmd_trace_clear(0, NULL);

	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(start, &shared, job_count);
	busy = options.timed ? busy_ms() : 0;
	if (options.flight)
		run_jobs_in_flight();
	else
		run_jobs();
	if (options.timed)
		busy = busy_ms() - busy;

	if (options.read_only)
		set_read_only(0);
	for (int i = 0; i < job_count; i++)
		print_result(&jobs[i]);
}

static void print_probe(const char *call, bool failed)
{
	printf("probe call=%s error=%s\n", call, failed ? strerrorname_np(errno) : "0");
}

/*
 * Are the calls there at all? No bytes are refused by the ioctls with EINVAL and
 * taken by copy_file_range(), which otherwise is EINVAL for block devices.
 */
static void cmd_probe(int argc, char **argv)
{
	struct blk_copy one = { 0 };
	struct blk_copy_vec many = { 0 };
	off_t from = 0, to = 0;
	int fd;

	if (argc != 1)
		die("probe: want DEVICE");
	fd = open_or_die(argv[0], O_RDWR | O_DIRECT);
	one.src_fd = many.src_fd = fd;
	print_probe("BLKCOPY", ioctl(fd, BLKCOPY_IOCTL, &one));
	print_probe("BLKCOPYV", ioctl(fd, BLKCOPYV_IOCTL, &many));
	print_probe("copy_file_range", copy_file_range(fd, &from, fd, &to, 0, 0) < 0);
}

static const struct {
	const char *name;
	void (*run)(int argc, char **argv);
} commands[] = {
	{ "copy", cmd_copy },	  { "probe", cmd_probe },
	/* bytes.h */
	{ "fill", cmd_fill },	  { "check", cmd_check },
	{ "flush", cmd_flush },	  { "hold", cmd_hold },
	{ "claim", cmd_claim },	  { "digest", cmd_digest },
	{ "dump", cmd_dump },
	/* device.h */
	{ "get", cmd_get },	  { "set", cmd_set },
	{ "mkdir", cmd_mkdir },	  { "rmdir", cmd_rmdir },
	{ "link", cmd_link },	  { "unlink", cmd_unlink },
	{ "set-if-there", cmd_set_if_there },
	{ "identify", cmd_identify }, { "passthrough", cmd_passthrough },
	{ "scan", cmd_scan },	  { "reset", cmd_reset },
	{ "clock", cmd_clock },
	{ "partition", cmd_partition },
	/* scsi.h */
	{ "scsi-disk", cmd_scsi_disk }, { "counters", cmd_counters },
	{ "reserve", cmd_reserve }, { "clear", cmd_clear },
	/* flight.h */
	{ "asleep", cmd_asleep }, { "kill", cmd_kill }, { "send-kill", cmd_send_kill },
	/* zones.h */
	{ "zones", cmd_zones },	  { "write", cmd_write },
	/* frame.h */
	{ "trace", cmd_trace },	  { "trace-clear", cmd_trace_clear },
	{ "trace-print", cmd_trace_print },
	{ "begin", cmd_begin },	  { "end", cmd_end },
};

static void run_command(int argc, char **argv)
{
	for (size_t i = 0; argc && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[0], commands[i].name))
			continue;
		commands[i].run(argc - 1, argv + 1);
		if (fflush(stdout))
			die("cannot write the result");
		return;
	}
	fputs("blkcopy: want, with \",\" in between:", stderr);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stderr, " %s", commands[i].name);
	fputc('\n', stderr);
	exit(2);
}

/* Commands are separated by "," and run in this one process. */
int main(int argc, char **argv)
{
	int first = 1;

	for (int i = 1; i <= argc; i++) {
		if (i < argc && strcmp(argv[i], ","))
			continue;
		run_command(i - first, argv + first);
		first = i + 1;
	}
	return 0;
}
