// SPDX-License-Identifier: GPL-2.0-only
/*
 * blkcopy - drive the BLKCOPY ioctl in a guest and say what came of it.
 *
 * Everything is printed as "word key=value ..." lines on stdout. An error of
 * the call under test is a result and printed; an error of this tool goes to
 * stderr and gives exit status 2.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>

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

#define TRACING "/sys/kernel/tracing"
#define CHUNK (256 * 1024)
#define MAX_COPIES 64

/* What the out fields hold before the call: a kernel that forgets them is seen. */
#define UNSET UINT64_MAX

static void die(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	fputs("blkcopy: ", stderr);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (err)
		fprintf(stderr, ": %s (%s)", strerror(err), strerrorname_np(err));
	fputc('\n', stderr);
	exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end) {
		errno = 0;
		die("'%s' is not a number", text);
	}
	return value;
}

/* -- the pattern; harness/evidence/pattern.ts computes the same -- */

static uint32_t mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x85ebca6b;
	x ^= x >> 13;
	x *= 0xc2b2ae35;
	x ^= x >> 16;
	return x;
}

/* @from: byte offset within the pattern, a multiple of 4 as @bytes is. */
static void fill_pattern(void *buffer, size_t bytes, uint32_t seed, uint64_t from)
{
	uint32_t key = mix(seed + 0x9e3779b9), whitener = mix(key + 0x9e3779b9);
	uint32_t *words = buffer, index = from / 4;

	for (size_t i = 0; i < bytes / 4; i++)
		words[i] = mix((index + i) ^ key) ^ whitener;
}

/* -- files -- */

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die("cannot open %s", path);
	return fd;
}

static void write_file(const char *path, const char *text)
{
	int fd = open_or_die(path, O_WRONLY);

	if (write(fd, text, strlen(text)) < 0)
		die("cannot write '%s' to %s", text, path);
	close(fd);
}

static void pour(int fd, const char *name)
{
	char buffer[16384];
	ssize_t got;

	while ((got = read(fd, buffer, sizeof(buffer))) > 0)
		fwrite(buffer, 1, got, stdout);
	if (got < 0)
		die("cannot read %s", name);
}

/*
 * Write back and drop what is cached of a device, so that the host may read and
 * change the disk. A device that fails to is a result, and not our failure.
 */
static void flush_device(const char *path)
{
	int fd = open_or_die(path, O_RDWR), err = 0;

	if (fsync(fd) || ioctl(fd, BLKFLSBUF, 0))
		err = errno;
	printf("flush device=%s error=%s\n", path, err ? strerrorname_np(err) : "0");
	close(fd);
}

/* -- copy -- */

struct job {
	struct blk_copy arg;
	int dst_fd;
	int err;
	uint64_t ns;
	pthread_barrier_t *start;
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

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
	return -1;
}

/* A path, "pipe:" for the reading end of a pipe, or "fd:N" for a raw number. */
static int open_source(const char *name, int flags)
{
	int ends[2];

	if (!strncmp(name, "fd:", 3))
		return atoi(name + 3);
	if (strcmp(name, "pipe:"))
		return open_or_die(name, flags);
	if (pipe2(ends, O_CLOEXEC))
		die("cannot make a pipe");
	return ends[0];
}

static void *run_job(void *data)
{
	struct job *job = data;
	uint64_t begin;

	pthread_barrier_wait(job->start);
	begin = clock_ns();
	job->err = ioctl(job->dst_fd, BLKCOPY_IOCTL, &job->arg) ? errno : 0;
	job->ns = clock_ns() - begin;
	return NULL;
}

static void cmd_copy(int argc, char **argv)
{
	static struct job jobs[MAX_COPIES];
	const char *src_mode = "ro", *dst_mode = "rw";
	uint64_t flags = 0, reserved = 0;
	bool trace = false, timed = false;
	int extra = 0, count, i;
	pthread_t threads[MAX_COPIES];
	pthread_barrier_t start;

	for (; argc && !strncmp(*argv, "--", 2); argc--, argv++) {
		if (!strncmp(*argv, "--flags=", 8))
			flags = number(*argv + 8);
		else if (!strncmp(*argv, "--reserved=", 11))
			reserved = number(*argv + 11);
		else if (!strncmp(*argv, "--src-mode=", 11))
			src_mode = *argv + 11;
		else if (!strncmp(*argv, "--dst-mode=", 11))
			dst_mode = *argv + 11;
		else if (!strcmp(*argv, "--direct"))
			extra = O_DIRECT;
		else if (!strcmp(*argv, "--trace"))
			trace = true;
		else if (!strcmp(*argv, "--time"))
			timed = true;
		else
			die("unknown option %s", *argv);
	}
	count = argc / 5;
	if (!count || argc % 5 || count > MAX_COPIES)
		die("copy: want 1 to %d times SRC SRC-OFFSET DST DST-OFFSET LEN", MAX_COPIES);

	for (i = 0; i < count; i++, argv += 5) {
		jobs[i].arg = (struct blk_copy) {
			.src_fd = open_source(argv[0], open_mode(src_mode) | extra),
			.src_offset = number(argv[1]),
			.dst_offset = number(argv[3]),
			.len = number(argv[4]),
			.flags = flags,
			.copied = UNSET,
			.offloaded = UNSET,
			.reserved = { 0, reserved },
		};
		jobs[i].dst_fd = open_or_die(argv[2], open_mode(dst_mode) | extra);
		jobs[i].start = &start;
	}

	/* Opening for writing empties the ring buffer. */
	if (trace)
		close(open_or_die(TRACING "/trace", O_WRONLY | O_TRUNC));

	pthread_barrier_init(&start, NULL, count);
	for (i = 1; i < count; i++) {
		errno = pthread_create(&threads[i], NULL, run_job, &jobs[i]);
		if (errno)
			die("cannot start a thread");
	}
	run_job(&jobs[0]);
	for (i = 1; i < count; i++)
		pthread_join(threads[i], NULL);

	for (i = 0; i < count; i++) {
		printf("result error=%s copied=%llu offloaded=%llu",
		       jobs[i].err ? strerrorname_np(jobs[i].err) : "0",
		       (unsigned long long)jobs[i].arg.copied,
		       (unsigned long long)jobs[i].arg.offloaded);
		if (timed)
			printf(" ns=%llu", (unsigned long long)jobs[i].ns);
		putchar('\n');
	}
	if (trace)
		pour(open_or_die(TRACING "/trace", O_RDONLY), "the trace");
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

static int nvme_admin(int fd, int opcode, int cdw10, void *data, int bytes)
{
	struct nvme_admin_cmd cmd = {
		.opcode = opcode,
		.cdw10 = cdw10,
		.addr = (uintptr_t)data,
		.data_len = bytes,
	};
	int status = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd);

	if (status < 0)
		die("cannot send an admin command");
	return status;
}

static unsigned int le16(const unsigned char *at)
{
	return at[0] | at[1] << 8;
}

/*
 * What the controller of a namespace says of copies. NVM Express Base
 * Specification 2.0: Identify Controller has ONCS at byte 520; NVM Command Set:
 * OCFS at 534. Host Behavior Support is feature 16h, CDFE at byte 4 of it.
 */
static void cmd_identify(int argc, char **argv)
{
	static unsigned char id[4096], behaviour[512];
	int fd;

	if (argc != 1)
		die("identify: want DEVICE");
	fd = open_or_die(argv[0], O_RDONLY);
	if (nvme_admin(fd, 0x06, 1, id, sizeof(id))) {
		errno = 0;
		die("%s: Identify Controller failed", argv[0]);
	}
	printf("identify oncs=%u ocfs=%u", le16(id + 520), le16(id + 534));
	if (!nvme_admin(fd, 0x0a, 0x16, behaviour, sizeof(behaviour)))
		printf(" cdfe=%u", le16(behaviour + 4));
	putchar('\n');
}

/* -- bytes, seen through the guest -- */

struct range {
	const char *path;
	uint64_t offset, bytes, from;
	uint32_t seed;
};

static struct range parse_range(const char *verb, int argc, char **argv)
{
	struct range range;

	if (argc != 5)
		die("%s: want DEVICE OFFSET BYTES SEED FROM", verb);
	range = (struct range) {
		.path = argv[0],
		.offset = number(argv[1]),
		.bytes = number(argv[2]),
		.seed = number(argv[3]),
		.from = number(argv[4]),
	};
	if (range.bytes % 4 || range.from % 4)
		die("%s: BYTES and FROM must be multiples of 4", verb);
	return range;
}

/* "dirty" leaves the bytes in the page cache, not written to the device. */
static void cmd_fill(int argc, char **argv)
{
	bool dirty = argc == 6 && !strcmp(argv[5], "dirty");
	struct range range = parse_range("fill", dirty ? 5 : argc, argv);
	static char buffer[CHUNK];
	int fd = open_or_die(range.path, O_RDWR);

	for (uint64_t done = 0; done < range.bytes;) {
		size_t want = range.bytes - done < CHUNK ? range.bytes - done : CHUNK;

		fill_pattern(buffer, want, range.seed, range.from + done);
		if (pwrite(fd, buffer, want, range.offset + done) != (ssize_t)want)
			die("cannot write %s at %llu", range.path,
			    (unsigned long long)(range.offset + done));
		done += want;
	}
	if (!dirty && fsync(fd))
		die("cannot sync %s", range.path);
	printf("fill bytes=%llu\n", (unsigned long long)range.bytes);
}

/* Read through the page cache and compare; it may be warm, which is the point. */
static void cmd_check(int argc, char **argv)
{
	struct range range = parse_range("check", argc, argv);
	static char buffer[CHUNK], want_buffer[CHUNK];
	uint64_t first = UNSET, differing = 0;
	int fd = open_or_die(range.path, O_RDONLY);

	for (uint64_t done = 0; done < range.bytes;) {
		size_t want = range.bytes - done < CHUNK ? range.bytes - done : CHUNK;

		if (pread(fd, buffer, want, range.offset + done) != (ssize_t)want)
			die("cannot read %s at %llu", range.path,
			    (unsigned long long)(range.offset + done));
		fill_pattern(want_buffer, want, range.seed, range.from + done);
		for (size_t i = 0; i < want; i++) {
			if (buffer[i] == want_buffer[i])
				continue;
			if (!differing++)
				first = range.offset + done + i;
		}
		done += want;
	}
	printf("check bytes=%llu differing=%llu", (unsigned long long)range.bytes,
	       (unsigned long long)differing);
	if (differing)
		printf(" first=%llu", (unsigned long long)first);
	putchar('\n');
}

static void cmd_flush(int argc, char **argv)
{
	for (; argc; argc--, argv++)
		flush_device(*argv);
}

/*
 * The last close of a block device writes back and drops its page cache. Who
 * wants to see that cache in the commands that follow holds the device open.
 */
static void cmd_hold(int argc, char **argv)
{
	for (; argc; argc--, argv++)
		open_or_die(*argv, O_RDWR);
}

/* -- the case's frame: tracing, kernel messages -- */

static void cmd_trace(int argc, char **argv)
{
	char path[256];

	if (access(TRACING "/trace", F_OK) && mount("tracefs", TRACING, "tracefs", 0, NULL))
		die("cannot mount tracefs");
	for (; argc; argc--, argv++) {
		snprintf(path, sizeof(path), TRACING "/events/block/%s/enable", *argv);
		if (access(path, W_OK)) {
			printf("trace event=%s there=no\n", *argv);
			continue;
		}
		write_file(path, "1");
		printf("trace event=%s there=yes\n", *argv);
	}
}

/* Sync and drop the caches of the devices, and mark the kernel's log. */
static void cmd_begin(int argc, char **argv)
{
	char line[256];

	if (!argc)
		die("begin: want MARKER [DEVICE...]");
	/* Without the newline the record stays open, and readers do not get it. */
	snprintf(line, sizeof(line), "%s\n", argv[0]);
	write_file("/dev/kmsg", line);
	/* Later than the marker: what the kernel says of it must be heard. */
	cmd_flush(argc - 1, argv + 1);
}

/* Whether the kernel is tainted, and its messages since the marker. */
static void cmd_end(int argc, char **argv)
{
	static char log[1 << 20];
	char *text;
	int bytes;

	if (argc != 1)
		die("end: want MARKER");
	printf("tainted ");
	fflush(stdout);
	pour(open_or_die("/proc/sys/kernel/tainted", O_RDONLY), "the taint");
	/* One call for all of it; /dev/kmsg takes one for each message. */
	bytes = klogctl(3 /* SYSLOG_ACTION_READ_ALL */, log, sizeof(log) - 1);
	if (bytes < 0)
		die("cannot read the kernel's log");
	log[bytes] = 0;
	text = strstr(log, argv[0]);
	text = text ? strchr(text, '\n') : NULL;
	if (!text) {
		errno = 0;
		die("the marker is not in the kernel's log any more");
	}
	fputs(text + 1, stdout);
}

/* -- small files of sysfs -- */

static void cmd_get(int argc, char **argv)
{
	for (; argc; argc--, argv++)
		pour(open_or_die(*argv, O_RDONLY), *argv);
}

static void cmd_set(int argc, char **argv)
{
	if (argc != 2)
		die("set: want FILE VALUE");
	write_file(argv[0], argv[1]);
}

static const struct {
	const char *name;
	void (*run)(int argc, char **argv);
} commands[] = {
	{ "copy", cmd_copy },   { "probe", cmd_probe }, { "fill", cmd_fill },
	{ "check", cmd_check }, { "flush", cmd_flush }, { "trace", cmd_trace },
	{ "begin", cmd_begin }, { "end", cmd_end },     { "get", cmd_get },
	{ "set", cmd_set },     { "hold", cmd_hold },
	{ "identify", cmd_identify },
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
	errno = 0;
	die("want copy, probe, identify, fill, check, flush, hold, trace, begin, end, get or set, with \",\" in between");
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
