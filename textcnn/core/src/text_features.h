/* Features of texts: weighted word uni- and bigrams, character n-grams of words, word dropout and unique types.
 *
 * All arrays belong to the caller. Functions give -1 where sizes or numbers do not fit together. The key of a word is its
 * id, that of a pair (first + 1) << 32 | second. A table of counted pairs (num_slots, 2) holds key and value, -1 where it
 * is empty; num_slots is a power of 2. */
#ifndef TEXTCNN_TEXT_FEATURES_H
#define TEXTCNN_TEXT_FEATURES_H

#include <stdint.h>

/* Encoded texts: those of text b are ids[offsets[b]] to ids[offsets[b + 1]], of num_ids. */
typedef struct {
    const int32_t *ids;
    int64_t num_ids;
    const int64_t *offsets; /* (num_texts + 1) */
    int64_t num_texts;
} tc_texts;

/* Document frequency (num_types) of each type; last (num_types) is scratch memory; ids from num_types on are ignored. */
int tc_count_words(tc_texts texts, int64_t num_types, int64_t *frequency, int32_t *last);

/* The pairs of neighbours of all texts, those of a part together, by a hash of the pair: a table of the pairs of one part
 * is small enough for a cache. keys and numbers (most: num_ids is always room enough) are filled with each pair and the
 * number of its text, counted from `first`; starts (parts + 1) with where each part begins. */
int tc_part_pairs(
    tc_texts texts, int64_t num_types, int64_t first, int64_t parts, int64_t *starts, int64_t *keys, int32_t *numbers,
    int64_t most
);

/* Count in how many texts each pair is; the value of a slot is the last text with it << 32 | how many have it. Texts come
 * in ascending order. Begins with pair *done, and gives 0 when all are done, or 1 where the table must grow first; *used
 * are its entries. */
int tc_count_pairs(
    const int64_t *keys, const int32_t *numbers, int64_t count, int64_t *table, int64_t num_slots, int64_t *done,
    int64_t *used
);

/* Put the entries of a table of pairs into a larger one, which is all -1. */
int tc_move_pairs(const int64_t *table, int64_t num_slots, int64_t *larger, int64_t num_larger);

/* Rows of ascending keys: of words in word_rows (num_words), -1 where a word has none, of pairs in a hash table of rows
 * (num_slots), all -1, of which a quarter must stay empty. */
int tc_index_ngrams(
    const int64_t *keys, int64_t num_keys, int32_t *word_rows, int64_t num_words, int32_t *table, int64_t num_slots
);

/* How often a text holds the same type, at most; `counts` (num_types) is all 0 and stays so. */
int64_t tc_largest_count(tc_texts texts, int32_t *counts, int64_t num_types);

/* Rows and weights of the features of each text, ascending, and how many each text has: counts (num_texts). The keys
 * (num_features), word_rows and table are those of tc_index_ngrams.
 *
 * A feature that a text holds n times weighs logarithms[n - 1] * idf[row], divided by the root of the sum of the squares
 * of the text; sums are in the order of the rows. rows, weights (most) are filled: 2 * num_ids is always room enough;
 * scratch (4 * longest text) and exact (2 * longest text) are for its own use. Gives the number of features. */
int64_t tc_weigh_ngrams(
    tc_texts texts, const int64_t *keys, const int32_t *word_rows, int64_t num_words, const int32_t *table,
    int64_t num_slots, const float *idf, int64_t num_features, const double *logarithms, int64_t num_logarithms,
    int32_t *rows, float *weights, int64_t most, int64_t *counts, int32_t *scratch, double *exact, int64_t longest
);

/* How many rows each feature has for each label: counts (num_features, num_labels), added to. */
int tc_count_labels(
    const int32_t *rows, int64_t num_rows, const int64_t *offsets, int64_t num_texts, const int64_t *targets,
    int64_t num_features, int64_t num_labels, int32_t *counts
);

/* Where the character n-grams of each word begin: offsets (num_words + 1). A word is written as <word>, and has its first
 * `most` n-grams. */
int tc_ngram_offsets(
    const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_words, int64_t shortest, int64_t longest,
    int64_t most, int64_t *offsets
);

/* Their buckets (num_ngrams): FNV-1a (32 bits) of their bytes modulo num_buckets; shorter ones first. */
int tc_ngram_buckets(
    const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_words, int64_t shortest, int64_t longest,
    int64_t most, int64_t num_buckets, const int64_t *offsets, int64_t *buckets, int64_t num_ngrams
);

/* Write `unknown` in the place of ids that a number in [0, 1) made of state, row and place drops, by the rate of each. */
int tc_drop_words(
    tc_texts texts, const int64_t *rows, const float *rates, int64_t num_rates, int32_t unknown, uint64_t state,
    int32_t *out
);

/* The types among ids, ascending: unique (most), and which of them each id is: inverse (num_ids); numbers (num_types) for
 * its own use, all -1. Gives how many they are. */
int64_t tc_unique_types(
    const int32_t *ids, int64_t num_ids, int32_t *numbers, int64_t num_types, int64_t *unique, int64_t most,
    int64_t *inverse
);

#endif
