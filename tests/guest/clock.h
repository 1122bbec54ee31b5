/* SPDX-License-Identifier: GPL-2.0-only */
/* The time, and what the guest's CPUs have worked. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/*
 * What all CPUs together have spent since the boot on anything but idling, from
 * the first line of proc_stat(5), whose unit is a tick of some milliseconds.
 */
static uint64_t busy_ms(void)
{
	unsigned long long ticks = 0, value;
	FILE *file = fopen("/proc/stat", "r");

	if (!file || fscanf(file, "cpu") < 0) {
		perror("/proc/stat");
		exit(2);
	}
	/* user nice system idle iowait irq softirq steal; those behind are in user and nice, too. */
	for (int i = 0; i < 8 && fscanf(file, "%llu", &value) == 1; i++) {
		if (i != 3 && i != 4)
			ticks += value;
	}
	fclose(file);
	return ticks * 1000 / sysconf(_SC_CLK_TCK);
}

#endif
