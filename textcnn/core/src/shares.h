/* Attributions: the words of max-pooled windows, their addends to scores and logits, and the top values.
 *
 * All arrays belong to the caller. Functions give -1 where sizes or numbers do not fit together. Texts are tasks of a
 * pool (NULL: this thread alone). textcnn/core/shares_numpy.py is the definition. */
#ifndef TEXTCNN_SHARES_H
#define TEXTCNN_SHARES_H

#include "lookup.h"

/* Winning windows of num_texts texts: first (num_texts, num_filters), their first word inside, counted through all texts;
 * inside, how many words that are; adds (num_texts, num_filters, widest), what each of them adds to the score. */
typedef struct {
    int64_t *first, *inside;
    double *adds;
    int64_t num_texts, num_filters, widest;
} tc_window_words;

/* Fill the words of the windows that begin at places (num_texts, num_sizes, width), of float32 rows. */
int tc_find_window_words(
    tc_pool *pool, const tc_products *products, const tc_row_texts *texts, const int32_t *places, const tc_window_words *out
);

/* Give to words (num_words, num_labels) and to n-grams (num_words * widest, num_labels) what the filters add to the
 * logits, text by text, filter by filter, word by word; `won` (num_words * widest) marks the n-grams that made a feature.
 * reach, features (num_texts, num_filters); heads (num_texts, num_labels, num_filters). */
int tc_spread_shares(
    tc_pool *pool, const tc_window_words *windows, const double *reach, const double *features, const double *heads,
    int64_t num_labels, int64_t num_words, double *words, double *ngrams, uint8_t *won
);

/* The `top` strongest values of each text, the strongest first and of equals the first one: their numbers, those of text b
 * from ends[b] to ends[b + 1], and the sum of the others in `rest` (num_texts). */
int tc_find_strongest(
    tc_pool *pool, const int64_t *offsets, int64_t num_texts, const double *values, int64_t num_values, int64_t top,
    const int64_t *ends, int64_t *order, int64_t num_order, double *rest
);

#endif
