/* Lookup runtime: max-pooled sums of precomputed products over windows, and the other terms of a one-layer model's logits.
 *
 * All arrays belong to the caller. Functions give -1 where sizes or numbers do not fit together. Texts are tasks of a pool
 * (NULL: this thread alone), and a text adds in an order of its own, so results depend neither on the number of threads
 * nor on the other texts, nor on the instruction set. textcnn/core/lookup_numpy.py is the definition. */
#ifndef TEXTCNN_LOOKUP_H
#define TEXTCNN_LOOKUP_H

#include <stdint.h>

#include "pool.h"

#define TC_LOOKUP_LANES 16 /* filters are padded to a multiple */

enum { TC_ACTIVATE_RELU, TC_ACTIVATE_LEAKY_RELU, TC_ACTIVATE_TANH, TC_ACTIVATE_IDENTITY };

/* Rows of products (num_rows, num_taps, width), float32 or, if `is_whole`, int8; row 0 is 0 and stands outside of texts.
 *
 * A window of sizes[g] words adds the taps first_taps[g], first_taps[g] + 1, ... of its words, in this order. Widths that
 * share their taps are nested: they are neighbours with the same first tap, each wider than the one before. */
typedef struct {
    const void *products;
    int64_t num_rows, num_taps, width;
    const int64_t *sizes, *first_taps; /* (num_sizes) */
    int64_t num_sizes;
    int64_t is_whole;
} tc_products;

/* Texts as rows: those of text b are rows[offsets[b]] to rows[offsets[b + 1]], of num_tokens. */
typedef struct {
    const int64_t *rows, *offsets; /* (num_tokens), (num_texts + 1) */
    int64_t num_tokens, num_texts;
} tc_row_texts;

/* Features of the wide branch: rows of its table with weights, those of text b from offsets[b] on. */
typedef struct {
    const float *table; /* (num_features, num_labels) */
    int64_t num_features;
    double scale;
    const int32_t *rows;
    const float *weights;
    int64_t num_entries;
    const int64_t *offsets; /* (num_texts + 1) */
} tc_wide_features;

/* best (num_texts, num_sizes, width) float32, or int16 where rows are whole: the largest sum of every filter over the
 * windows of every text, which reach over both ends; 0 for a text without words. */
int tc_pool_windows(tc_pool *pool, const tc_products *products, const tc_row_texts *texts, void *best);

/* The same, and places (num_texts, num_sizes, width): the first word of the first window that has the largest sum, below 0
 * where it begins outside of the text. */
int tc_find_winners(tc_pool *pool, const tc_products *products, const tc_row_texts *texts, void *best, int32_t *places);

/* out (num_texts, num_labels) += features (num_texts, num_features) times weights (num_features, num_labels), in float64,
 * one feature after the other. */
int tc_add_head(
    tc_pool *pool, const float *features, int64_t num_texts, int64_t num_features, const float *weights, int64_t num_labels,
    double *out
);

/* The same of the activations of best (num_texts, num_sizes, width) + bias (num_sizes * num_filters); none of a text that
 * is marked in `empty` (num_texts). */
int tc_add_scores(
    tc_pool *pool, const float *best, int64_t num_texts, int64_t num_sizes, int64_t width, const float *bias,
    int64_t num_filters, const float *weights, int64_t num_labels, int64_t activation, const uint8_t *empty, double *out
);

/* out (num_texts, num_labels) += the rows of each text's words of a table (num_rows, num_labels). */
int tc_add_whole_rows(
    tc_pool *pool, const int64_t *table, int64_t num_rows, int64_t num_labels, const tc_row_texts *texts, int64_t *out
);

/* out (num_texts, num_labels) += weighted rows of the wide table, in whole numbers of 2^-48. */
int tc_add_features(tc_pool *pool, const tc_wide_features *wide, int64_t num_texts, int64_t num_labels, int64_t *out);

/* tc_pool_windows into `best`, tc_add_whole_rows of `means` into mean_sums, tc_add_features into wide_sums, in one loop. */
int tc_collect(
    tc_pool *pool, const tc_products *products, const tc_row_texts *texts, const int64_t *means, int64_t num_labels,
    const tc_wide_features *wide, void *best, int64_t *mean_sums, int64_t *wide_sums
);

#endif
