/* Shared declarations of the lookup runtime: kernels of an instruction set, and unchecked inner functions. */
#ifndef TEXTCNN_LOOKUP_STATE_H
#define TEXTCNN_LOOKUP_STATE_H

#include "lookup.h"

/* Largest sums of one text of at least one word, into best (num_sizes, width), and places if they are asked for. */
typedef void (*tc_text_windows)(const tc_products *, const int64_t *rows, int64_t length, void *best, int32_t *places);

typedef struct {
    tc_text_windows of_floats, of_whole; /* by the kind of the rows of products */
} tc_lookup_kernels;

int tc_are_products(const tc_products *products);
int tc_are_row_texts(const tc_row_texts *texts, int64_t num_rows);
int tc_are_wide_features(const tc_wide_features *wide, int64_t num_texts);

/* Largest sums of text b; zeros where it has no word. */
void tc_windows_of_text(const tc_products *products, const tc_row_texts *texts, int64_t b, void *best, int32_t *places);

void tc_rows_of_text(const int64_t *table, int64_t num_labels, const int64_t *rows, int64_t length, int64_t *out);

/* Features `first` to `last` of the entries. */
void tc_features_of_text(const tc_wide_features *wide, int64_t first, int64_t last, int64_t num_labels, int64_t *out);

/* All but the filters' part of the logits, in 2^-36: the mean of the rows of `length` words in `means` (NULL: no mean),
 * the bias, and the sums of the wide branch, which `rest` holds in 2^-48 before. */
void tc_rest_of_text(
    const int64_t *means, const int64_t *rows, int64_t length, const int64_t *bias, int64_t num_labels, int64_t *rest
);

/* What scores are made of: the filters' biases and activation, and the head. */
typedef struct {
    const float *bias, *weights; /* (num_sizes * num_filters), (num_sizes * num_filters, num_labels) */
    int64_t num_sizes, width, num_filters, num_labels, activation;
} tc_scores;

/* Add the activations of one text's largest sums best (num_sizes, width) times the head to out (num_labels). */
void tc_scores_of_text(const tc_scores *scores, const float *best, double *out);

/* A loop over items in so many ranges, with the arithmetic of IEEE 754; few items of little work need no other thread. */
void tc_run_ranges(tc_pool *pool, int64_t items, int64_t work, void (*range)(void *context, int64_t first, int64_t last), void *context);

#endif
