/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes of a device as the guest sees them: written and compared through the
 * page cache, or read past it for the host to compare.
 */
#ifndef BYTES_H
#define BYTES_H

#include <stdbool.h>
#include <sys/ioctl.h>
#include <linux/fs.h>
#include "sha256.h"
#include "tool.h"

#define CHUNK (256 * 1024)

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

/* -- through the page cache -- */

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

static size_t next_chunk(uint64_t left)
{
	return left < CHUNK ? left : CHUNK;
}

/* "dirty" leaves the bytes in the page cache, not written to the device. */
static void cmd_fill(int argc, char **argv)
{
	bool dirty = argc == 6 && !strcmp(argv[5], "dirty");
	struct range range = parse_range("fill", dirty ? 5 : argc, argv);
	static char buffer[CHUNK];
	int fd = open_or_die(range.path, O_RDWR);

	for (uint64_t done = 0; done < range.bytes;) {
		size_t want = next_chunk(range.bytes - done);

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
	uint64_t first = 0, differing = 0;
	int fd = open_or_die(range.path, O_RDONLY);

	for (uint64_t done = 0; done < range.bytes;) {
		size_t want = next_chunk(range.bytes - done);

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

/*
 * Write back and drop what is cached of a device, so that the host may read and
 * change the disk. A device that fails to is a result, and not our failure.
 */
static void cmd_flush(int argc, char **argv)
{
	for (; argc; argc--, argv++) {
		int fd = open(*argv, O_RDWR | O_CLOEXEC), err = 0;

		if (fd < 0 || fsync(fd) || ioctl(fd, BLKFLSBUF, 0))
			err = errno;
		printf("flush device=%s error=%s\n", *argv, err ? strerrorname_np(err) : "0");
		if (fd >= 0)
			close(fd);
	}
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

/* Holds the device as a file system does: nobody else gets it with O_EXCL. */
static void cmd_claim(int argc, char **argv)
{
	for (; argc; argc--, argv++)
		open_or_die(*argv, O_RDWR | O_EXCL);
}

/* -- past the page cache -- */

static void read_direct(int fd, const char *path, void *buffer, size_t bytes, uint64_t offset)
{
	ssize_t got = pread(fd, buffer, bytes, offset);

	if (got == (ssize_t)bytes)
		return;
	if (got >= 0)
		errno = 0;
	die("cannot read %s at %llu", path, (unsigned long long)offset);
}

static void *direct_buffer(void)
{
	void *buffer = aligned_alloc(4096, CHUNK);

	if (!buffer)
		die("no memory");
	return buffer;
}

/*
 * SHA-256 of a whole device as it answers to O_DIRECT, and with PIECE, a multiple
 * of 4096 up to CHUNK, of each piece of that many bytes besides.
 */
static void cmd_digest(int argc, char **argv)
{
	struct sha256 whole, part;
	uint64_t bytes, piece;
	char *buffer = direct_buffer();
	int fd;

	if (argc != 1 && argc != 2)
		die("digest: want DEVICE [PIECE]");
	piece = argc == 2 ? number(argv[1]) : CHUNK;
	if (!piece || piece > CHUNK || piece % 4096)
		die("digest: no piece of %s bytes", argv[1]);
	fd = open_or_die(argv[0], O_RDONLY | O_DIRECT);
	if (ioctl(fd, BLKGETSIZE64, &bytes))
		die("cannot tell the size of %s", argv[0]);
	sha256_begin(&whole);
	for (uint64_t done = 0; done < bytes;) {
		size_t want = bytes - done < piece ? bytes - done : piece;

		read_direct(fd, argv[0], buffer, want, done);
		sha256_add(&whole, buffer, want);
		if (argc == 2) {
			sha256_begin(&part);
			sha256_add(&part, buffer, want);
			printf("piece offset=%llu sha256=%s\n", (unsigned long long)done,
			       sha256_end(&part));
		}
		done += want;
	}
	printf("digest device=%s bytes=%llu sha256=%s\n", argv[0], (unsigned long long)bytes,
	       sha256_end(&whole));
}

/* Bytes of a device in hexadecimal, as it answers to O_DIRECT. */
static void cmd_dump(int argc, char **argv)
{
	/* printf() takes seconds for this, where the CPU is emulated. */
	static const char digits[] = "0123456789abcdef";
	static char hex[2 * CHUNK];
	unsigned char *buffer = direct_buffer();
	uint64_t bytes;
	int fd;

	if (argc != 3)
		die("dump: want DEVICE OFFSET BYTES");
	bytes = number(argv[2]);
	if (bytes > CHUNK)
		die("dump: at most %d bytes", CHUNK);
	fd = open_or_die(argv[0], O_RDONLY | O_DIRECT);
	read_direct(fd, argv[0], buffer, bytes, number(argv[1]));
	for (uint64_t i = 0; i < bytes; i++) {
		hex[2 * i] = digits[buffer[i] >> 4];
		hex[2 * i + 1] = digits[buffer[i] & 15];
	}
	printf("dump hex=%.*s\n", (int)(2 * bytes), hex);
}

#endif
