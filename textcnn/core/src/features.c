#include "text_features.h"

#include <math.h>
#include <string.h>

#include "checks.h"
#include "fpmode.h"
#include "mix.h"

#define MOST_PARTS 256
#define AHEAD 32   /* pairs whose slots are fetched from memory before they are looked at */
#define FEW_ROWS 48 /* sorted by insertion */

static int are_texts(tc_texts t) {
    if (t.num_texts < 0 || t.num_texts >= INT32_MAX || t.num_ids < 0) return 0;
    if (!tc_are_ascending(t.offsets, t.num_texts + 1, 0, t.num_ids)) return 0;
    for (int64_t j = t.offsets[0]; j < t.offsets[t.num_texts]; j++)
        if (t.ids[j] < 0) return 0;
    return 1;
}

static int64_t pair_key(int32_t first, int32_t second) {
    return (int64_t)(((uint64_t)first + 1) << 32 | (uint32_t)second); /* unsigned: 2^63 for the last id is no overflow */
}

static int bits_of(int64_t num_slots) {
    int bits = 0;
    while (((int64_t)1 << bits) < num_slots) bits++;
    return bits;
}

/* Where the search for a key begins: the high bits of its product with the golden ratio (Knuth 1973, 6.4). */
static uint64_t product(int64_t key) {
    return (uint64_t)key * 0x9E3779B97F4A7C15ULL;
}

static int64_t slot_of(uint64_t product, int bits) {
    return bits == 0 ? 0 : (int64_t)(product >> (64 - bits));
}

int tc_count_words(tc_texts texts, int64_t num_types, int64_t *frequency, int32_t *last) {
    if (num_types < 0 || !are_texts(texts)) return -1;
    for (int64_t id = 0; id < num_types; id++) {
        frequency[id] = 0;
        last[id] = -1;
    }
    for (int64_t b = 0; b < texts.num_texts; b++)
        for (int64_t j = texts.offsets[b]; j < texts.offsets[b + 1]; j++) {
            int32_t id = texts.ids[j];
            if (id >= num_types || last[id] == (int32_t)b) continue;
            last[id] = (int32_t)b;
            frequency[id]++;
        }
    return 0;
}

/* The part of a pair: by another multiplier than its slot, so that the pairs of a part are spread over their table. */
static int64_t part_of(int64_t key, int64_t parts) {
    return (int64_t)(((uint64_t)key * 0xD6E8FEB86659FD93ULL >> 40) * (uint64_t)parts >> 24);
}

static int is_pair(const int32_t *ids, int64_t num_types) {
    return ids[0] < num_types && ids[1] < num_types;
}

int tc_part_pairs(
    tc_texts texts, int64_t num_types, int64_t first, int64_t parts, int64_t *starts, int64_t *keys, int32_t *numbers,
    int64_t most
) {
    if (parts < 1 || parts > MOST_PARTS || first < 0 || first + texts.num_texts >= INT32_MAX || !are_texts(texts)) return -1;
    int64_t next[MOST_PARTS + 1] = {0};
    for (int64_t b = 0; b < texts.num_texts; b++)
        for (int64_t j = texts.offsets[b]; j + 1 < texts.offsets[b + 1]; j++)
            if (is_pair(texts.ids + j, num_types)) next[part_of(pair_key(texts.ids[j], texts.ids[j + 1]), parts) + 1]++;
    for (int64_t part = 0; part < parts; part++) next[part + 1] += next[part];
    if (next[parts] > most) return -1;
    memcpy(starts, next, sizeof(int64_t) * (size_t)(parts + 1));
    for (int64_t b = 0; b < texts.num_texts; b++)
        for (int64_t j = texts.offsets[b]; j + 1 < texts.offsets[b + 1]; j++) {
            if (!is_pair(texts.ids + j, num_types)) continue;
            int64_t key = pair_key(texts.ids[j], texts.ids[j + 1]), place = next[part_of(key, parts)]++;
            keys[place] = key;
            numbers[place] = (int32_t)(first + b);
        }
    return 0;
}

int tc_count_pairs(
    const int64_t *keys, const int32_t *numbers, int64_t count, int64_t *table, int64_t num_slots, int64_t *done,
    int64_t *used
) {
    if (count < 0 || *done < 0 || *done > count || *used < 0 || num_slots < 2 || !tc_is_power_of_two(num_slots)) return -1;
    int bits = bits_of(num_slots);
    int64_t mask = num_slots - 1;
    for (int64_t k = *done; k < count; k++) {
        int64_t key = keys[k], text = numbers[k], slot = slot_of(product(key), bits);
        *done = k;
        if (key < 0) return -1;
        if (2 * (*used + 1) > num_slots) return 1;
        while (table[2 * slot] >= 0 && table[2 * slot] != key) slot = (slot + 1) & mask;
        int64_t *entry = table + 2 * slot;
        if (entry[0] < 0) {
            entry[0] = key;
            entry[1] = text << 32 | 1;
            ++*used;
        } else if (entry[1] >> 32 != text) {
            entry[1] = text << 32 | ((entry[1] & 0xFFFFFFFF) + 1);
        }
    }
    *done = count;
    return 0;
}

static void put_pair(int64_t *table, int64_t num_slots, int bits, int64_t key, int64_t value) {
    int64_t slot = slot_of(product(key), bits);
    while (table[2 * slot] >= 0) slot = (slot + 1) & (num_slots - 1);
    table[2 * slot] = key;
    table[2 * slot + 1] = value;
}

int tc_move_pairs(const int64_t *table, int64_t num_slots, int64_t *larger, int64_t num_larger) {
    if (!tc_is_power_of_two(num_slots) || !tc_is_power_of_two(num_larger) || num_larger <= num_slots) return -1;
    int bits = bits_of(num_larger);
    for (int64_t slot = 0; slot < num_slots; slot++)
        if (table[2 * slot] >= 0) put_pair(larger, num_larger, bits, table[2 * slot], table[2 * slot + 1]);
    return 0;
}

int tc_index_ngrams(
    const int64_t *keys, int64_t num_keys, int32_t *word_rows, int64_t num_words, int32_t *table, int64_t num_slots
) {
    if (num_keys < 0 || num_keys > INT32_MAX || num_words < 0 || !tc_is_power_of_two(num_slots)) return -1;
    int bits = bits_of(num_slots);
    int64_t num_pairs = 0, mask = num_slots - 1;
    for (int64_t row = 0; row < num_keys; row++) {
        int64_t key = keys[row];
        if (key < 0 || (key >> 32 == 0 && key >= num_words)) return -1;
        if (key >> 32 == 0) {
            word_rows[key] = (int32_t)row;
            continue;
        }
        if (4 * ++num_pairs > 3 * num_slots) return -1;
        int64_t slot = slot_of(product(key), bits);
        while (table[slot] >= 0) slot = (slot + 1) & mask;
        table[slot] = (int32_t)row;
    }
    return 0;
}

int64_t tc_largest_count(tc_texts texts, int32_t *counts, int64_t num_types) {
    if (num_types < 0 || !are_texts(texts)) return -1;
    int32_t largest = 0;
    for (int64_t b = 0; b < texts.num_texts; b++) {
        for (int64_t j = texts.offsets[b]; j < texts.offsets[b + 1]; j++) {
            if (texts.ids[j] >= num_types) return -1;
            if (++counts[texts.ids[j]] > largest) largest = counts[texts.ids[j]];
        }
        for (int64_t j = texts.offsets[b]; j < texts.offsets[b + 1]; j++) counts[texts.ids[j]] = 0;
    }
    return largest;
}

static void insert_rows(int32_t *rows, int64_t count) {
    for (int64_t i = 1; i < count; i++) {
        int32_t row = rows[i];
        int64_t j = i;
        for (; j > 0 && rows[j - 1] > row; j--) rows[j] = rows[j - 1];
        rows[j] = row;
    }
}

/* Sort rows below 2 to the power `bits` by their bytes, the lowest first; `other` has as much room. Gives where they are. */
static int32_t *sort_rows(int32_t *rows, int64_t count, int32_t *other, int bits) {
    if (count <= FEW_ROWS) {
        insert_rows(rows, count);
        return rows;
    }
    for (int shift = 0; shift < bits; shift += 8) {
        int64_t starts[257] = {0};
        for (int64_t i = 0; i < count; i++) starts[((uint32_t)rows[i] >> shift & 0xFF) + 1]++;
        for (int k = 0; k < 256; k++) starts[k + 1] += starts[k];
        for (int64_t i = 0; i < count; i++) other[starts[(uint32_t)rows[i] >> shift & 0xFF]++] = rows[i];
        int32_t *swap = rows;
        rows = other;
        other = swap;
    }
    return rows;
}

typedef struct {
    const int64_t *keys; /* (num_features) */
    const int32_t *word_rows, *table;
    int64_t num_words, num_slots, num_features;
    int bits;
} ngram_index;

/* Rows of the features of a text, as they stand; gives how many, or -1 for a row that is none. */
static int64_t find_rows(const ngram_index *index, const int32_t *ids, int64_t length, int32_t *rows) {
    int64_t found = 0, keys[AHEAD], slots[AHEAD], mask = index->num_slots - 1;
    for (int64_t j = 0; j < length; j++) {
        int32_t row = ids[j] < index->num_words ? index->word_rows[ids[j]] : -1;
        if (row >= 0) rows[found++] = row;
    }
    for (int64_t j = 0; j + 1 < length;) {
        int count = 0;
        for (; j + 1 < length && count < AHEAD; j++, count++) {
            keys[count] = pair_key(ids[j], ids[j + 1]);
            slots[count] = slot_of(product(keys[count]), index->bits);
            __builtin_prefetch(index->table + slots[count]);
        }
        for (int k = 0; k < count; k++) {
            /* cppcheck-suppress uninitvar ; the loop before has filled `count` of both */
            int32_t row = index->table[slots[k]];
            if (row >= 0 && row < index->num_features) __builtin_prefetch(index->keys + row);
        }
        for (int k = 0; k < count; k++) {
            /* cppcheck-suppress uninitvar */
            int64_t slot = slots[k];
            for (int64_t steps = 0; steps <= mask && index->table[slot] >= 0; steps++, slot = (slot + 1) & mask) {
                int32_t row = index->table[slot];
                if (row >= index->num_features) return -1;
                /* cppcheck-suppress uninitvar */
                if (index->keys[row] != keys[k]) continue;
                rows[found++] = row;
                break;
            }
        }
    }
    for (int64_t e = 0; e < found; e++)
        if (rows[e] < 0 || rows[e] >= index->num_features) return -1;
    return found;
}

/* Not inlined, so that no arithmetic leaves the rounding mode of its caller. */
__attribute__((noinline)) static int64_t weigh_ngrams(
    tc_texts texts, const int64_t *keys, const int32_t *word_rows, int64_t num_words, const int32_t *table,
    int64_t num_slots, const float *idf, int64_t num_features, const double *logarithms, int64_t num_logarithms,
    int32_t *rows, float *weights, int64_t most, int64_t *counts, int32_t *scratch, double *exact, int64_t longest
) {
    if (num_words < 0 || !tc_is_power_of_two(num_slots) || num_features < 0 || !are_texts(texts)) return -1;
    ngram_index index = {keys, word_rows, table, num_words, num_slots, num_features, bits_of(num_slots)};
    int bits = bits_of(num_features);
    int64_t written = 0;
    for (int64_t b = 0; b < texts.num_texts; b++) {
        int64_t length = texts.offsets[b + 1] - texts.offsets[b];
        if (length > longest) return -1;
        int64_t found = find_rows(&index, texts.ids + texts.offsets[b], length, scratch);
        if (found < 0 || found > most - written) return -1;
        const int32_t *sorted = sort_rows(scratch, found, scratch + 2 * longest, bits);
        int64_t begin = written;
        double norm = 0.0;
        for (int64_t e = 0; e < found;) {
            int64_t same = e + 1;
            while (same < found && sorted[same] == sorted[e]) same++;
            if (same - e > num_logarithms) return -1;
            double weight = logarithms[same - e - 1] * (double)idf[sorted[e]];
            norm += weight * weight;
            rows[written] = sorted[e];
            exact[written - begin] = weight;
            written++;
            e = same;
        }
        norm = sqrt(norm);
        for (int64_t e = begin; e < written; e++) weights[e] = (float)(exact[e - begin] / norm);
        counts[b] = written - begin;
    }
    return written;
}

int64_t tc_weigh_ngrams(
    tc_texts texts, const int64_t *keys, const int32_t *word_rows, int64_t num_words, const int32_t *table,
    int64_t num_slots, const float *idf, int64_t num_features, const double *logarithms, int64_t num_logarithms,
    int32_t *rows, float *weights, int64_t most, int64_t *counts, int32_t *scratch, double *exact, int64_t longest
) {
    tc_fp_mode before = tc_fp_enter(TC_FP_EXACT);
    int64_t written = weigh_ngrams(
        texts, keys, word_rows, num_words, table, num_slots, idf, num_features, logarithms, num_logarithms, rows, weights,
        most, counts, scratch, exact, longest
    );
    tc_fp_leave(before);
    return written;
}

int tc_count_labels(
    const int32_t *rows, int64_t num_rows, const int64_t *offsets, int64_t num_texts, const int64_t *targets,
    int64_t num_features, int64_t num_labels, int32_t *counts
) {
    if (num_texts < 0 || num_features < 0 || num_labels < 0 || offsets[0] < 0) return -1;
    for (int64_t b = 0; b < num_texts; b++) {
        if (offsets[b + 1] < offsets[b] || offsets[b + 1] > num_rows || targets[b] < 0 || targets[b] >= num_labels) return -1;
        for (int64_t e = offsets[b]; e < offsets[b + 1]; e++) {
            if (rows[e] < 0 || rows[e] >= num_features) return -1;
            counts[rows[e] * num_labels + targets[b]]++;
        }
    }
    return 0;
}

static int are_words(const int64_t *ends, int64_t num_words, int64_t num_bytes) {
    return num_words >= 0 && num_bytes >= 0 && tc_are_ascending(ends, num_words, 0, num_bytes);
}

static int starts_character(uint8_t byte) {
    return (byte & 0xC0) != 0x80;
}

/* How many n-grams a word of so many characters has, `most` at most. */
static int64_t count_word_ngrams(int64_t characters, int64_t shortest, int64_t longest, int64_t most) {
    int64_t ngrams = 0;
    for (int64_t n = shortest; n <= longest && n <= characters && ngrams < most; n++) ngrams += characters - n + 1;
    return ngrams < most ? ngrams : most;
}

int tc_ngram_offsets(
    const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_words, int64_t shortest, int64_t longest,
    int64_t most, int64_t *offsets
) {
    if (!are_words(ends, num_words, num_bytes) || shortest < 1 || most < 0) return -1;
    int64_t place = 0;
    offsets[0] = 0;
    for (int64_t k = 0; k < num_words; k++) {
        int64_t characters = 2;
        for (; place < ends[k]; place++) characters += starts_character(data[place]);
        offsets[k + 1] = offsets[k] + count_word_ngrams(characters, shortest, longest, most);
    }
    return 0;
}

/* The byte at a place of <word>, whose first byte is at 0. */
static uint8_t marked_byte(const uint8_t *word, int64_t size, int64_t place) {
    return place == 0 ? '<' : place == size + 1 ? '>' : word[place - 1];
}

/* Buckets of the first `most` n-grams of one word: of each length, from left to right. */
static void hash_word(
    const uint8_t *word, int64_t size, int64_t characters, int64_t shortest, int64_t longest, int64_t most,
    int64_t num_buckets, int64_t *buckets
) {
    int64_t number = 0; /* of the character that the n-grams begin with */
    for (int64_t place = 0; place < size + 2 && number < most; place++) {
        if (!starts_character(marked_byte(word, size, place))) continue;
        uint32_t hash = 2166136261u;
        int64_t end = place, base = 0;
        for (int64_t n = 1; n <= longest && number + n <= characters && base + number < most; n++) {
            do hash = (hash ^ marked_byte(word, size, end++)) * 16777619u;
            while (end < size + 2 && !starts_character(marked_byte(word, size, end)));
            if (n < shortest) continue;
            buckets[base + number] = (int64_t)(hash % (uint32_t)num_buckets);
            base += characters - n + 1;
        }
        number++;
    }
}

int tc_ngram_buckets(
    const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_words, int64_t shortest, int64_t longest,
    int64_t most, int64_t num_buckets, const int64_t *offsets, int64_t *buckets, int64_t num_ngrams
) {
    if (!are_words(ends, num_words, num_bytes) || shortest < 1 || most < 0 || num_buckets < 1 || num_buckets > UINT32_MAX || offsets[0] != 0)
        return -1;
    int64_t begin = 0;
    for (int64_t k = 0; k < num_words; k++) {
        int64_t size = ends[k] - begin, characters = 2;
        for (int64_t i = 0; i < size; i++) characters += starts_character(data[begin + i]);
        int64_t ngrams = count_word_ngrams(characters, shortest, longest, most);
        if (offsets[k + 1] != offsets[k] + ngrams || offsets[k + 1] > num_ngrams) return -1;
        hash_word(data + begin, size, characters, shortest, longest, most, num_buckets, buckets + offsets[k]);
        begin = ends[k];
    }
    return 0;
}

int tc_drop_words(
    tc_texts texts, const int64_t *rows, const float *rates, int64_t num_rates, int32_t unknown, uint64_t state,
    int32_t *out
) {
    if (!are_texts(texts)) return -1;
    for (int64_t b = 0; b < texts.num_texts; b++) {
        uint64_t of_row = tc_mixed(state, (uint64_t)rows[b]);
        for (int64_t j = texts.offsets[b]; j < texts.offsets[b + 1]; j++) {
            if (texts.ids[j] >= num_rates) return -1;
            float chance = (float)(tc_mixed(of_row, (uint64_t)(j - texts.offsets[b])) >> 40) / 16777216.0f;
            out[j] = chance < rates[texts.ids[j]] ? unknown : texts.ids[j];
        }
    }
    return 0;
}

int64_t tc_unique_types(
    const int32_t *ids, int64_t num_ids, int32_t *numbers, int64_t num_types, int64_t *unique, int64_t most,
    int64_t *inverse
) {
    if (num_ids < 0 || num_types < 0 || num_types > INT32_MAX) return -1;
    for (int64_t j = 0; j < num_ids; j++) {
        if (ids[j] < 0 || ids[j] >= num_types) return -1;
        numbers[ids[j]] = 0;
    }
    int64_t count = 0;
    for (int64_t id = 0; id < num_types; id++)
        if (numbers[id] == 0) {
            if (count == most) return -1;
            unique[count] = id;
            numbers[id] = (int32_t)count++;
        }
    for (int64_t j = 0; j < num_ids; j++) inverse[j] = numbers[ids[j]];
    return count;
}
