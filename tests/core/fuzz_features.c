/* Any ids, offsets, keys and tables as encoded texts, for libFuzzer (`make fuzz-core`): an error or an answer in its memory. */
#include "chunks.h"
#include "fuzz.h"
#include "text_features.h"

static tc_texts texts;
static int64_t num_types;

static void draw(void) {
    int64_t num_ids = below(24);
    num_types = below(16);
    texts.num_texts = below(6);
    texts.num_ids = num_ids;
    texts.offsets = offsets(texts.num_texts, num_ids);
    texts.ids = small_numbers(num_ids, num_types);
}

static void count(void) {
    tc_count_words(texts, num_types, room(num_types, 8), room(num_types, 4));
    int64_t parts = 1 + below(4), *starts = room(parts + 1, 8), *keys = room(texts.num_ids, 8), slots = INT64_C(2) << below(4);
    int32_t *of_texts = room(texts.num_ids, 4);
    if (tc_part_pairs(texts, num_types, below(9), parts, starts, keys, of_texts, texts.num_ids) == 0) {
        int64_t *table = filled(2 * slots, 8, -1), done = 0, used = 0;
        while (tc_count_pairs(keys, of_texts, starts[parts], table, slots, &done, &used) == 1) {
            int64_t *larger = filled(4 * slots, 8, -1);
            require(tc_move_pairs(table, slots, larger, 2 * slots) == 0);
            table = larger, slots *= 2;
        }
        require(done == starts[parts] && used <= slots);
    }
    int64_t largest = tc_largest_count(texts, filled(num_types, 4, 0), num_types);
    require(largest >= -1 && largest <= texts.num_ids);
    int64_t *inverse = room(texts.num_ids, 8);
    int64_t unique = tc_unique_types(texts.ids, texts.num_ids, filled(num_types, 4, -1), num_types, room(num_types, 8), num_types, inverse);
    require(unique >= -1 && unique <= num_types);
    int64_t rows = below(6), *taken = offsets(rows, 20);
    tc_take_ragged(
        texts.ids, texts.num_ids, texts.offsets, texts.num_texts, numbers(rows, texts.num_texts), rows, taken, room(20, 4), 20
    );
    tc_drop_words(texts, numbers(texts.num_texts, 99), bytes_of(num_types, 4), num_types, 1, 7, room(texts.num_ids, 4));
}

static void weigh(void) {
    int64_t num_keys = below(16), num_words = below(16), slots = INT64_C(1) << below(6), num_features = below(18), longest = below(24);
    int64_t *keys = numbers(num_keys, num_words);
    int32_t *table = filled(slots, 4, -1);
    for (int64_t k = 0; k < num_keys; k++)
        if (byte() % 2) keys[k] = below(18) << 32 | below(18);
    int32_t *word_rows = filled(num_words, 4, -1);
    if (tc_index_ngrams(keys, num_keys, word_rows, num_words, table, slots) != 0 && byte() % 2) {
        memcpy(table, bytes_of(slots, 4), (size_t)slots * 4); /* no table that anybody has made */
        memcpy(word_rows, bytes_of(num_words, 4), (size_t)num_words * 4);
    }
    int64_t most = below(48), num_logarithms = below(8), *counts = filled(texts.num_texts, 8, 0);
    int32_t *rows = room(most, 4), *scratch = room(4 * longest, 4);
    int64_t written = tc_weigh_ngrams(
        texts, num_features > num_keys ? bytes_of(num_features, 8) : keys, word_rows, num_words, table, slots,
        bytes_of(num_features, 4), num_features, bytes_of(num_logarithms, 8), num_logarithms, rows, room(most, 4), most, counts,
        scratch, room(2 * longest, 8), longest
    );
    require(written >= -1 && written <= most);
    for (int64_t e = 0; e < written; e++) require(rows[e] >= 0 && rows[e] < num_features);
    int64_t labels = 1 + below(3);
    tc_count_labels(
        rows, written > 0 ? written : 0, offsets(texts.num_texts, written > 0 ? written : 0), texts.num_texts,
        numbers(texts.num_texts, labels), num_features, labels, filled(num_features * labels, 4, 0)
    );
}

/* Bytes of words, where they end, and lengths of n-grams that may be none. */
static void hash_ngrams(void) {
    int64_t num_words = below(6), shortest = number(6), longest = number(8), most = number(40), buckets = number(999);
    int64_t *own = room(num_words + 1, 8), num_bytes, num_ngrams = 0;
    int64_t *ends = offsets(num_words, 30);
    num_bytes = num_words > 0 ? (ends[num_words] >= 0 && ends[num_words] <= 99 ? ends[num_words] : 30) : 0;
    const uint8_t *data = bytes_of(num_bytes, 1);
    if (longest > 64 || most > 4096) return; /* as many as are asked for */
    if (tc_ngram_offsets(data, num_bytes, ends + 1, num_words, shortest, longest, most, own) == 0) num_ngrams = own[num_words];
    else own = numbers(num_words + 1, 40);
    if (byte() % 8 == 7) own[below((int)num_words + 1)] = number(40);
    int64_t *found = room(num_ngrams, 8);
    if (tc_ngram_buckets(data, num_bytes, ends + 1, num_words, shortest, longest, most, buckets, own, found, num_ngrams) == 0)
        for (int64_t k = 0; k < own[num_words]; k++) require(found[k] >= 0 && found[k] < buckets);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    begin(bytes, size);
    int part = byte() % 3;
    draw();
    (part == 0 ? count : part == 1 ? weigh : hash_ngrams)();
    end();
    return 0;
}
