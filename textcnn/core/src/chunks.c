#include "chunks.h"

#include <string.h>

#include "checks.h"

#define AHEAD 32 /* chunks that are looked for together */
#define FNV_BASIS 14695981039346656037ULL
#define FNV_PRIME 1099511628211ULL

static int is_blank(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* The slot of a chunk, or the empty one where it is to go; -1 if the table is full or not a table. */
static int64_t find(const tc_chunk_table *t, uint64_t hash, const uint8_t *chunk, int64_t size) {
    int64_t mask = t->num_slots - 1, slot = (int64_t)(hash & (uint64_t)mask);
    for (int64_t step = 0; step <= mask; step++, slot = (slot + 1) & mask) {
        uint64_t entry = t->table[2 * slot + 1];
        if (entry == 0) return slot;
        if (t->table[2 * slot] != hash) continue;
        if (entry > (uint64_t)t->used) return -1;
        int64_t begin = t->starts[entry - 1], length = t->starts[entry] - begin;
        if (begin < 0 || length < 0 || begin > t->most_bytes - length) return -1;
        if (length == size && memcmp(t->pool + begin, chunk, (size_t)size) == 0) return slot;
    }
    return -1;
}

typedef struct {
    int64_t text, first, size;
    uint64_t hash;
} chunk;

/* The next chunks of texts, at most AHEAD, from progress on; their slots are fetched from memory meanwhile. */
static int64_t scan(
    const uint8_t *data, const int64_t *ends, int64_t num_texts, const tc_chunk_table *t, tc_chunk_progress *progress,
    int64_t *offsets, chunk *found
) {
    int64_t place = progress->place, b = progress->text, count = 0;
    while (b < num_texts) {
        int64_t end = ends[b];
        while (place < end && is_blank(data[place])) place++;
        if (place == end) {
            offsets[++b] = progress->count + count;
            continue;
        }
        if (count == AHEAD) break;
        int64_t first = place;
        uint64_t hash = t->seed;
        for (; place < end && !is_blank(data[place]); place++) hash = (hash ^ data[place]) * FNV_PRIME;
        hash ^= hash >> 32; /* the low bits would know little of the last bytes */
        __builtin_prefetch(t->table + 2 * (hash & (uint64_t)(t->num_slots - 1)));
        found[count++] = (chunk){b, first, place - first, hash};
    }
    *progress = (tc_chunk_progress){b, place, progress->count + count};
    return count;
}

/* Prefetch the memory that the search for these chunks will read after their slots. */
static void fetch(const tc_chunk_table *t, const chunk *found, int64_t count) {
    int64_t entries[AHEAD];
    for (int64_t k = 0; k < count; k++) {
        entries[k] = (int64_t)t->table[2 * (found[k].hash & (uint64_t)(t->num_slots - 1)) + 1];
        if (entries[k] > 0 && entries[k] <= t->used) __builtin_prefetch(t->starts + entries[k] - 1);
    }
    for (int64_t k = 0; k < count; k++)
        if (entries[k] > 0 && entries[k] <= t->used) __builtin_prefetch(t->pool + t->starts[entries[k] - 1]);
}

/* The number of a chunk, the next one if it is new; -1 where the table must grow, -2 where it is none. */
static int64_t number(tc_chunk_table *t, const uint8_t *bytes, int64_t size, uint64_t hash) {
    int64_t slot = find(t, hash, bytes, size);
    if (slot < 0) return -2;
    if (t->table[2 * slot + 1] == 0) {
        int64_t begin = t->starts[t->used];
        if (2 * (t->used + 1) > t->num_slots || t->used == t->most_chunks || begin > t->most_bytes - size) return -1;
        memcpy(t->pool + begin, bytes, (size_t)size);
        t->starts[t->used + 1] = begin + size;
        t->table[2 * slot] = hash;
        t->table[2 * slot + 1] = (uint64_t)++t->used;
    }
    return (int64_t)t->table[2 * slot + 1] - 1;
}

int tc_number_chunks(
    const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_texts, tc_chunk_table *t,
    tc_chunk_progress *progress, int64_t *numbers, int64_t most_numbers, int64_t *offsets
) {
    if (num_bytes < 0 || num_texts < 0 || !tc_is_power_of_two(t->num_slots) || t->used < 0 || t->used > t->most_chunks
        || progress->text < 0 || progress->text > num_texts || progress->place < 0 || progress->count < 0
        || t->starts[t->used] < 0 || t->starts[t->used] > t->most_bytes || !tc_are_ascending(ends, num_texts, 0, num_bytes))
        return -1;
    chunk found[AHEAD];
    offsets[0] = 0;
    for (;;) {
        int64_t done = progress->count, count = scan(data, ends, num_texts, t, progress, offsets, found);
        if (count == 0) return 0;
        if (count > most_numbers - done) return -1;
        fetch(t, found, count);
        for (int64_t k = 0; k < count; k++) {
            numbers[done + k] = number(t, data + found[k].first, found[k].size, found[k].hash);
            if (numbers[done + k] == -2) return -1;
            if (numbers[done + k] == -1) {
                *progress = (tc_chunk_progress){found[k].text, found[k].first, done + k};
                return 1;
            }
        }
    }
}

int tc_move_chunks(const uint64_t *table, int64_t num_slots, uint64_t *larger, int64_t num_larger) {
    if (!tc_is_power_of_two(num_slots) || !tc_is_power_of_two(num_larger) || num_larger <= num_slots) return -1;
    uint64_t mask = (uint64_t)num_larger - 1;
    for (int64_t k = 0; k < num_slots; k++) {
        if (table[2 * k + 1] == 0) continue;
        uint64_t slot = table[2 * k] & mask;
        while (larger[2 * slot + 1] != 0) slot = (slot + 1) & mask;
        larger[2 * slot] = table[2 * k];
        larger[2 * slot + 1] = table[2 * k + 1];
    }
    return 0;
}

int tc_take_ragged(
    const int32_t *values, int64_t num_values, const int64_t *offsets, int64_t num_ragged, const int64_t *rows,
    int64_t num_rows, const int64_t *out_offsets, int32_t *out, int64_t num_out
) {
    if (num_rows < 0 || out_offsets[0] != 0 || !tc_are_ascending(out_offsets, num_rows + 1, 0, num_out)) return -1;
    for (int64_t k = 0; k < num_rows; k++) {
        int64_t row = rows[k], length = out_offsets[k + 1] - out_offsets[k];
        if (row < 0 || row >= num_ragged) return -1;
        int64_t begin = offsets[row];
        if (begin < 0 || begin > num_values - length || offsets[row + 1] < begin + length) return -1;
        int32_t *to = out + out_offsets[k];
        for (int64_t i = 0; i < length; i++) to[i] = values[begin + i];
    }
    return 0;
}

int tc_place_tokens(
    const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_texts, const int64_t *numbers,
    int64_t num_numbers, const int64_t *spans, int64_t num_chunks, const int64_t *lows, const int64_t *highs,
    int64_t num_spans, int64_t *starts, int64_t *stops, int64_t num_tokens, int64_t *offsets
) {
    if (num_bytes < 0 || num_texts < 0 || num_chunks < 0 || !tc_are_ascending(ends, num_texts, 0, num_bytes)
        || !tc_are_ascending(spans, num_chunks + 1, 0, num_spans))
        return -1;
    int64_t place = 0, chunk = 0, token = 0;
    offsets[0] = 0;
    for (int64_t b = 0; b < num_texts; b++) {
        int64_t character = 0;
        while (place < ends[b]) {
            if (is_blank(data[place])) {
                character++;
                place++;
                continue;
            }
            if (chunk == num_numbers || numbers[chunk] < 0 || numbers[chunk] >= num_chunks) return -1;
            int64_t first = spans[numbers[chunk]], end = spans[numbers[chunk] + 1];
            if (end - first > num_tokens - token) return -1;
            chunk++;
            for (int64_t k = first; k < end; k++, token++) {
                starts[token] = (int64_t)((uint64_t)character + (uint64_t)lows[k]); /* beyond 64 bits as numpy's */
                stops[token] = (int64_t)((uint64_t)character + (uint64_t)highs[k]);
            }
            for (; place < ends[b] && !is_blank(data[place]); place++)
                character += (data[place] & 0xC0) != 0x80; /* other bytes go on with a character */
        }
        offsets[b + 1] = token;
    }
    return 0;
}

int tc_hash_texts(const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_texts, uint64_t *hashes) {
    if (num_bytes < 0 || num_texts < 0 || !tc_are_ascending(ends, num_texts, 0, num_bytes)) return -1;
    int64_t place = 0;
    for (int64_t b = 0; b < num_texts; b++) {
        uint64_t hash = FNV_BASIS;
        int is_parted = 0; /* a blank since the last word */
        for (; place < ends[b]; place++) {
            uint8_t byte = data[place];
            if (is_blank(byte) || (byte >= 0x1c && byte <= 0x1f)) {
                is_parted = hash != FNV_BASIS;
                continue;
            }
            if (is_parted) hash = (hash ^ ' ') * FNV_PRIME;
            is_parted = 0;
            hash = (hash ^ (byte >= 'A' && byte <= 'Z' ? byte + 32u : byte)) * FNV_PRIME;
        }
        hashes[b] = hash;
    }
    return 0;
}
