/* SPDX-License-Identifier: GPL-2.0-only */
/* SCSI disks, and the target that they may be units of. */
#ifndef SCSI_H
#define SCSI_H

#include <glob.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <linux/pr.h>
#include "tool.h"

/* Bytes of a file, or -1 when it cannot be read: the disk may just come. */
static ssize_t read_some(const char *path, char *buffer, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read(fd, buffer, size);
	close(fd);
	return got;
}

/* Prints the disk that a directory of sysfs is of, when it is all there. */
static bool print_disk(const char *directory)
{
	char path[512], number[32], node[64], link[512];
	ssize_t bytes;
	int fd;

	/* Takes the lock under which the disk is probed, and partitions looked for. */
	snprintf(path, sizeof(path), "%s/device/rescan", directory);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (write(fd, "1", 1) < 0)
		die("cannot look at %s again", directory);
	close(fd);
	snprintf(path, sizeof(path), "%s/dev", directory);
	bytes = read_some(path, number, sizeof(number));
	snprintf(node, sizeof(node), "/dev/%s", strrchr(directory, '/') + 1);
	if (bytes <= 0 || access(node, F_OK))
		return false;
	number[bytes - 1] = 0;
	snprintf(path, sizeof(path), "%s/device", directory);
	bytes = readlink(path, link, sizeof(link) - 1);
	if (bytes <= 0)
		return false;
	link[bytes] = 0;
	printf("scsi-disk device=%s number=%s address=%s\n", node, number, strrchr(link, '/') + 1);
	return true;
}

/*
 * scsi-disk DIRECTORY: waits for the disk of a SCSI device, by a pattern for its directory in sysfs, since disks are
 * probed beside what has made the devices.
 */
static void cmd_scsi_disk(int argc, char **argv)
{
	uint64_t deadline = clock_ns() + 15000000000ull;
	char pattern[512];

	errno = 0;
	if (argc != 1)
		die("scsi-disk: want DIRECTORY");
	snprintf(pattern, sizeof(pattern), "%s/block/*", argv[0]);
	do {
		bool there = false;
		glob_t found;

		if (!glob(pattern, 0, NULL, &found)) {
			there = print_disk(found.gl_pathv[0]);
			globfree(&found);
		}
		if (there)
			return;
		nanosleep(&(struct timespec) { .tv_nsec = 2000000 }, NULL);
	} while (clock_ns() < deadline);
	errno = 0;
	die("there is no SCSI disk at %s", argv[0]);
}

/*
 * reserve DEVICE KEY TYPE: registers the initiator port and reserves the unit for it; clear DEVICE KEY takes all of
 * that back. Types are those of linux/pr.h.
 */
static void cmd_reserve(int argc, char **argv)
{
	struct pr_registration registration = { 0 };
	struct pr_reservation reservation = { 0 };
	int fd;

	errno = 0;
	if (argc != 3)
		die("reserve: want DEVICE KEY TYPE");
	fd = open_or_die(argv[0], O_RDWR);
	/* There the target keeps what registrations are to survive it. */
	mkdir("/var", 0755);
	mkdir("/var/target", 0755);
	mkdir("/var/target/pr", 0755);
	registration.new_key = reservation.key = number(argv[1]);
	reservation.type = number(argv[2]);
	if (ioctl(fd, IOC_PR_REGISTER, &registration) || ioctl(fd, IOC_PR_RESERVE, &reservation))
		die("cannot reserve %s", argv[0]);
	close(fd);
}

static void cmd_clear(int argc, char **argv)
{
	struct pr_clear clear = { 0 };
	int fd;

	errno = 0;
	if (argc != 2)
		die("clear: want DEVICE KEY");
	fd = open_or_die(argv[0], O_RDWR);
	clear.key = number(argv[1]);
	if (ioctl(fd, IOC_PR_CLEAR, &clear))
		die("cannot take back the reservation of %s", argv[0]);
	close(fd);
}

/* counters WHEN FILE...: what files say that have a number each */
static void cmd_counters(int argc, char **argv)
{
	const char *when = *argv;

	errno = 0;
	if (argc < 2)
		die("counters: want WHEN FILE...");
	for (argc--, argv++; argc; argc--, argv++) {
		char text[32];
		ssize_t bytes = read_some(*argv, text, sizeof(text) - 1);

		if (bytes <= 0)
			die("cannot read %s", *argv);
		text[bytes] = 0;
		printf("counter when=%s file=%s value=%llu\n", when, *argv, strtoull(text, NULL, 10));
	}
}

#endif
