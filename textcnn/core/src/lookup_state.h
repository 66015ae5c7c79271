/* What the files of look-up share: the kernels of an instruction set, and parts of a text's answer that are checked. */
#ifndef TEXTCNN_LOOKUP_STATE_H
#define TEXTCNN_LOOKUP_STATE_H

#include "lookup.h"

/* Largest sums of one text of at least one word, into best (num_sizes, width), and places if they are asked for. */
typedef void (*tc_text_windows)(const tc_products *, const int64_t *rows, int64_t length, void *best, int32_t *places);

typedef struct {
    tc_text_windows of_floats, of_whole; /* by the kind of the rows of products */
} tc_lookup_kernels;

const tc_lookup_kernels *tc_lookup_kernels_of_set(void);

int tc_are_products(const tc_products *products);
int tc_are_row_texts(const tc_row_texts *texts, int64_t num_rows);
int tc_are_wide_features(const tc_wide_features *wide, int64_t num_texts);

/* Largest sums of text b; zeros where it has no word. */
void tc_windows_of_text(const tc_products *products, const tc_row_texts *texts, int64_t b, void *best, int32_t *places);

void tc_rows_of_text(const int64_t *table, int64_t num_labels, const int64_t *rows, int64_t length, int64_t *out);

/* Features `first` to `last` of the entries. */
void tc_features_of_text(const tc_wide_features *wide, int64_t first, int64_t last, int64_t num_labels, int64_t *out);

/* Activations (num_sizes * num_filters) of one text's largest sums. */
void tc_activate_text(
    const float *best, int64_t num_sizes, int64_t width, const float *bias, int64_t num_filters, int64_t activation,
    float *features
);

void tc_head_of_text(const float *features, int64_t num_features, const float *weights, int64_t num_labels, double *out);

/* A loop over items in so many ranges, with the arithmetic of IEEE 754; few items of little work need no other thread. */
void tc_run_ranges(tc_pool *pool, int64_t items, int64_t work, void (*range)(void *context, int64_t first, int64_t last), void *context);

#endif
