/* SPDX-License-Identifier: GPL-2.0-only */
/* SHA-256 (FIPS 180-4). */
#ifndef SHA256_H
#define SHA256_H

#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct sha256 {
	uint32_t h[8];
	uint64_t bytes;
	unsigned char block[64];
};

static const uint32_t sha256_k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t sha256_rotate(uint32_t x, int bits)
{
	return x >> bits | x << (32 - bits);
}

/* One round; the caller renames the variables instead of moving their values. */
#define SHA256_ROUND(a, b, c, d, e, f, g, h, i) do {						\
	uint32_t t = h + (sha256_rotate(e, 6) ^ sha256_rotate(e, 11) ^ sha256_rotate(e, 25)) +	\
		     (g ^ (e & (f ^ g))) + sha256_k[i] + w[i];					\
	d += t;											\
	h = t + (sha256_rotate(a, 2) ^ sha256_rotate(a, 13) ^ sha256_rotate(a, 22)) +		\
	    ((a & b) | (c & (a | b)));								\
} while (0)

static void sha256_block(struct sha256 *s, const unsigned char *block)
{
	uint32_t w[64], a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3];
	uint32_t e = s->h[4], f = s->h[5], g = s->h[6], h = s->h[7];

	for (int i = 0; i < 16; i++) {
		memcpy(&w[i], block + 4 * i, 4);
		w[i] = be32toh(w[i]);
	}
	for (int i = 16; i < 64; i++) {
		uint32_t x = w[i - 15], y = w[i - 2];

		w[i] = w[i - 16] + w[i - 7] +
		       (sha256_rotate(x, 7) ^ sha256_rotate(x, 18) ^ x >> 3) +
		       (sha256_rotate(y, 17) ^ sha256_rotate(y, 19) ^ y >> 10);
	}
	for (int i = 0; i < 64; i += 8) {
		SHA256_ROUND(a, b, c, d, e, f, g, h, i);
		SHA256_ROUND(h, a, b, c, d, e, f, g, i + 1);
		SHA256_ROUND(g, h, a, b, c, d, e, f, i + 2);
		SHA256_ROUND(f, g, h, a, b, c, d, e, i + 3);
		SHA256_ROUND(e, f, g, h, a, b, c, d, i + 4);
		SHA256_ROUND(d, e, f, g, h, a, b, c, i + 5);
		SHA256_ROUND(c, d, e, f, g, h, a, b, i + 6);
		SHA256_ROUND(b, c, d, e, f, g, h, a, i + 7);
	}
	s->h[0] += a;
	s->h[1] += b;
	s->h[2] += c;
	s->h[3] += d;
	s->h[4] += e;
	s->h[5] += f;
	s->h[6] += g;
	s->h[7] += h;
}

static void sha256_begin(struct sha256 *s)
{
	*s = (struct sha256) { .h = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
				      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
}

static void sha256_add(struct sha256 *s, const void *data, size_t bytes)
{
	const unsigned char *at = data;

	while (bytes) {
		size_t have = s->bytes % 64, room = 64 - have;
		size_t part = bytes < room ? bytes : room;

		/* Whole blocks need no copy. */
		if (part == 64) {
			sha256_block(s, at);
			s->bytes += 64;
			at += 64;
			bytes -= 64;
			continue;
		}
		memcpy(s->block + have, at, part);
		s->bytes += part;
		at += part;
		bytes -= part;
		if (have + part == 64)
			sha256_block(s, s->block);
	}
}

/* The digest in hexadecimal, good until the next call. */
static const char *sha256_end(struct sha256 *s)
{
	static char hex[65];
	uint64_t bits = htobe64(s->bytes * 8);

	sha256_add(s, "\x80", 1);
	while (s->bytes % 64 != 56)
		sha256_add(s, "", 1);
	sha256_add(s, &bits, 8);
	for (int i = 0; i < 8; i++)
		sprintf(hex + 8 * i, "%08x", s->h[i]);
	return hex;
}

#endif
