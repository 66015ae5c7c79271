/* What the libFuzzer targets share: numbers drawn from the input, and memory as large as it must be and no larger. */
#ifndef TEXTCNN_TESTS_FUZZ_H
#define TEXTCNN_TESTS_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BLOCKS = 64 };

static const uint8_t *input, *input_end;
static void *blocks[MOST_BLOCKS];
static int num_blocks;

static inline void require(int holds) {
    if (!holds) abort();
}

static inline void begin(const uint8_t *bytes, size_t size) {
    input = bytes, input_end = bytes + size, num_blocks = 0;
}

static inline void end(void) {
    while (num_blocks > 0) free(blocks[--num_blocks]);
}

/* Memory that is freed at the end; a byte behind it is an error of the address sanitizer. */
static inline void *room(int64_t count, size_t size) {
    void *found = malloc((size_t)count * size);
    require(found != NULL && num_blocks < MOST_BLOCKS);
    return blocks[num_blocks++] = found;
}

/* The same, every byte with this value. */
static inline void *filled(int64_t count, size_t size, int value) {
    return memset(room(count, size), value, (size_t)count * size);
}

/* 0 behind the end of the input. */
static inline int byte(void) {
    return input < input_end ? *input++ : 0;
}

static inline int64_t below(int bound) {
    return byte() % bound;
}

/* One number of 16 is anything at all, the others lie from -1 to most. */
static inline int64_t number(int64_t most) {
    int first = byte();
    if (first % 16 != 15) return (first >> 4 | (most > 14 ? byte() << 4 : 0)) % (most + 2) - 1;
    uint64_t bits = 0;
    for (int k = 0; k < 8; k++) bits = bits << 8 | (uint64_t)byte();
    return (int64_t)bits;
}

static inline int64_t *numbers(int64_t count, int64_t most) {
    int64_t *found = room(count, sizeof *found);
    for (int64_t k = 0; k < count; k++) found[k] = number(most);
    return found;
}

static inline int32_t *small_numbers(int64_t count, int64_t most) {
    int32_t *found = room(count, sizeof *found);
    for (int64_t k = 0; k < count; k++) found[k] = (int32_t)number(most);
    return found;
}

/* count + 1 ascending offsets from 0 to last, one array of 16 with anything in it. */
static inline int64_t *offsets(int64_t count, int64_t last) {
    int is_ascending = byte() % 16 != 15;
    int64_t *found = is_ascending ? room(count + 1, sizeof *found) : numbers(count + 1, last);
    if (!is_ascending) return found;
    found[0] = 0;
    for (int64_t k = 1; k <= count; k++) found[k] = found[k - 1] + below((int)(last - found[k - 1]) + 1);
    return found;
}

/* What remains of the input, again and again, as bytes of floats: NaN and infinity among them. */
static inline void *bytes_of(int64_t count, size_t size) {
    uint8_t *found = filled(count, size, 0);
    size_t have = (size_t)(input_end - input), all = (size_t)count * size;
    for (size_t k = 0; have > 0 && k < all; k += have) memcpy(found + k, input, have < all - k ? have : all - k);
    return found;
}

#endif
