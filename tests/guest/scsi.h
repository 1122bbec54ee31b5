/* SPDX-License-Identifier: GPL-2.0-only */
/* SCSI disks, and the target that they may be units of. */
#ifndef SCSI_H
#define SCSI_H

#include <glob.h>
#include "tool.h"

/* Bytes of a file, or -1 when it cannot be read: the disk may just come or go. */
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

/*
 * Prints a disk if it has that serial number, and that LUN if one is given. SPC: VPD page 0x80 has the serial number
 * behind a header of 4 bytes, and LIO puts a 0 behind it. sysfs names the device that the disk belongs to by host,
 * channel, target and LUN.
 */
static bool print_disk(const char *directory, const char *serial, const char *lun)
{
	char path[320], page[256], number[32], link[256], node[64], *address;
	size_t length = strlen(serial);
	ssize_t bytes;

	snprintf(path, sizeof(path), "%s/device/vpd_pg80", directory);
	memset(page, 0, sizeof(page));
	bytes = read_some(path, page, sizeof(page) - 1);
	if (bytes < 4 || memcmp(page + 4, serial, length + 1))
		return false;
	snprintf(path, sizeof(path), "%s/device", directory);
	bytes = readlink(path, link, sizeof(link) - 1);
	if (bytes <= 0)
		return false;
	link[bytes] = 0;
	address = strrchr(link, '/') + 1;
	if (lun && strcmp(strrchr(address, ':') + 1, lun))
		return false;
	/* Takes the lock under which the disk is probed, and partitions looked for. */
	snprintf(path, sizeof(path), "%s/device/rescan", directory);
	write_file(path, "1");
	snprintf(path, sizeof(path), "%s/dev", directory);
	bytes = read_some(path, number, sizeof(number));
	snprintf(node, sizeof(node), "/dev/%s", strrchr(directory, '/') + 1);
	if (bytes <= 0 || access(node, F_OK))
		return false;
	number[bytes - 1] = 0;
	printf("scsi-disk device=%s number=%s address=%s\n", node, number, address);
	return true;
}

/* scsi-disk SERIAL [LUN]: waits for it to be there, since disks are probed beside what has made them. */
static void cmd_scsi_disk(int argc, char **argv)
{
	uint64_t deadline = clock_ns() + 15000000000ull;

	errno = 0;
	if (argc != 1 && argc != 2)
		die("scsi-disk: want SERIAL [LUN]");
	do {
		bool there = false;
		glob_t found;

		if (!glob("/sys/block/sd*", 0, NULL, &found)) {
			for (size_t i = 0; i < found.gl_pathc && !there; i++)
				there = print_disk(found.gl_pathv[i], argv[0], argc == 2 ? argv[1] : NULL);
			globfree(&found);
		}
		if (there)
			return;
		nanosleep(&(struct timespec) { .tv_nsec = 2000000 }, NULL);
	} while (clock_ns() < deadline);
	errno = 0;
	die("no SCSI disk has the serial number %s", argv[0]);
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
