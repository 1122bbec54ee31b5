/* SPDX-License-Identifier: GPL-2.0-only */
/* The zones of a zoned block device, and writes to them. Offsets and lengths in bytes. */
#ifndef ZONES_H
#define ZONES_H

#include <sys/ioctl.h>
#include <linux/blkzoned.h>
#include "bytes.h"

/* Since Linux 6.19; the headers of the host may be older. */
#ifndef BLKREPORTZONEV2
#define BLKREPORTZONEV2 _IOWR(0x12, 142, struct blk_zone_report)
#define BLK_ZONE_REP_CACHED (1U << 31)
#define BLK_ZONE_COND_ACTIVE 0xff
#endif

static const struct {
	int value;
	const char *name;
} zone_conditions[] = {
	{ BLK_ZONE_COND_NOT_WP, "conventional" },
	{ BLK_ZONE_COND_EMPTY, "empty" },
	{ BLK_ZONE_COND_IMP_OPEN, "implicitly-open" },
	{ BLK_ZONE_COND_EXP_OPEN, "explicitly-open" },
	{ BLK_ZONE_COND_CLOSED, "closed" },
	{ BLK_ZONE_COND_READONLY, "read-only" },
	{ BLK_ZONE_COND_FULL, "full" },
	{ BLK_ZONE_COND_OFFLINE, "offline" },
	{ BLK_ZONE_COND_ACTIVE, "active" },
};

static const char *condition_name(int value)
{
	for (size_t i = 0; i < sizeof(zone_conditions) / sizeof(zone_conditions[0]); i++) {
		if (zone_conditions[i].value == value)
			return zone_conditions[i].name;
	}
	return "unknown";
}

/* @flags: BLK_ZONE_REP_CACHED for what the kernel knows by itself, where it tells. */
static void print_zones(int fd, const char *device, const char *word, unsigned long request,
			unsigned int flags)
{
	enum { MOST = 256 };
	struct blk_zone_report *report = calloc(1, sizeof(*report) + MOST * sizeof(struct blk_zone));

	if (!report)
		die("no memory");
	do {
		struct blk_zone *last;

		report->nr_zones = MOST;
		report->flags = flags;
		if (ioctl(fd, request, report)) {
			if (flags && errno == ENOTTY)
				break;
			die("cannot report the zones of %s", device);
		}
		for (unsigned int i = 0; i < report->nr_zones; i++) {
			const struct blk_zone *zone = &report->zones[i];

			printf("%s start=%llu bytes=%llu capacity=%llu written=%lld condition=%s\n",
			       word, zone->start * 512, zone->len * 512, zone->capacity * 512,
			       (long long)(zone->wp - zone->start) * 512, condition_name(zone->cond));
		}
		if (!report->nr_zones)
			break;
		last = &report->zones[report->nr_zones - 1];
		report->sector = last->start + last->len;
	} while (report->nr_zones == MOST);
	free(report);
}

/*
 * zones DEVICE, or zones reset|open|close|finish DEVICE OFFSET BYTES. A device
 * that refuses to is a result, and not our failure. The kernel's own account
 * comes first: a report from the device may correct it.
 */
static void cmd_zones(int argc, char **argv)
{
	static const struct {
		const char *name;
		unsigned long request;
	} verbs[] = {
		{ "reset", BLKRESETZONE },
		{ "open", BLKOPENZONE },
		{ "close", BLKCLOSEZONE },
		{ "finish", BLKFINISHZONE },
	};

	if (argc == 1) {
		int fd = open_or_die(argv[0], O_RDONLY);

		print_zones(fd, argv[0], "cached", BLKREPORTZONEV2, BLK_ZONE_REP_CACHED);
		print_zones(fd, argv[0], "zone", BLKREPORTZONE, 0);
		return;
	}
	for (size_t i = 0; argc == 4 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		struct blk_zone_range range;
		int failed;

		if (strcmp(argv[0], verbs[i].name))
			continue;
		range.sector = number(argv[2]) / 512;
		range.nr_sectors = number(argv[3]) / 512;
		failed = ioctl(open_or_die(argv[1], O_RDWR), verbs[i].request, &range);
		printf("zones error=%s\n", failed ? strerrorname_np(errno) : "0");
		return;
	}
	errno = 0;
	die("zones: want DEVICE, or reset, open, close or finish DEVICE OFFSET BYTES");
}

/*
 * write DEVICE OFFSET BYTES SEED FROM: past the page cache, which would write
 * whole pages, and when it likes. What the device says is a result.
 */
static void cmd_write(int argc, char **argv)
{
	struct range range = parse_range("write", argc, argv);
	int fd = open_or_die(range.path, O_RDWR | O_DIRECT), err = 0;
	char *buffer = direct_buffer();
	uint64_t done = 0, began = clock_ns();

	while (done < range.bytes && !err) {
		size_t want = next_chunk(range.bytes - done);
		ssize_t got;

		fill_pattern(buffer, want, range.seed, range.from + done);
		got = pwrite(fd, buffer, want, range.offset + done);
		if (got < 0)
			err = errno;
		else if (!got)
			err = EIO;
		else
			done += got;
	}
	free(buffer);
	close(fd);
	printf("write error=%s bytes=%llu began=%llu\n", err ? strerrorname_np(err) : "0",
	       (unsigned long long)done, (unsigned long long)began);
}

#endif
