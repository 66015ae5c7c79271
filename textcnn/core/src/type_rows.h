/* Rows of types for look-up: a type's vector, and its exact products with the taps of all filters.
 *
 * Vectors and weights are whole numbers with a power of two for each row, so their products and all sums of them are exact
 * in float64, in any order and with or without fused operations. textcnn/core/type_rows_numpy.py is the definition. */
#ifndef TEXTCNN_TYPE_ROWS_H
#define TEXTCNN_TYPE_ROWS_H

#include <stdint.h>

#include "pool.h"

#define TC_PANEL 16 /* columns of the weights that stand together */

/* What vectors are made of. A type's is the mean of its word row and its n-gram rows or, if `adds`, its word row plus the
 * mean of its n-gram rows; types from num_types on have no word row. A fixed channel stands before it. */
typedef struct {
    const float *fixed; /* (num_types, fixed_dim), or NULL */
    const float *words; /* (num_types, dim) */
    const float *ngrams; /* (num_ngrams, dim), or NULL */
    int64_t num_types, num_ngrams, fixed_dim, dim, adds;
    const float *scores; /* (num_ngrams, num_shares), or NULL: times score_scale, what an n-gram adds to a type's shares */
    double score_scale;
} tc_vector_tables;

/* The weights that vectors are multiplied with: panels (columns / 16 rounded up, fixed_dim + dim, 16) of whole numbers, 0
 * after the last column, and the power of two of each column; whole vectors have so many bits. */
typedef struct {
    const double *panels, *scales; /* scales (num_columns) */
    int64_t num_columns, bits;
} tc_whole_weights;

/* How products become rows: columns (num_taps * num_filters), then those of num_shares shares of the mean.
 *
 * Without steps a row is (num_taps, width) float32. With steps (num_sizes * num_filters) it is int8, and each size has its
 * own taps: (sum of sizes, width) whole numbers of steps from -127 to 127. */
typedef struct {
    int64_t num_taps, num_filters, width, num_shares, num_sizes;
    const int64_t *sizes, *first_taps; /* (num_sizes) */
    const double *steps;               /* (num_sizes * num_filters), or NULL */
} tc_row_layout;

/* The n-gram rows of types: those of type k are rows[offsets[k]] to rows[offsets[k + 1]]. */
typedef struct {
    const int32_t *rows;
    int64_t num_rows;
    const int64_t *offsets; /* (num_types + 1) */
} tc_bags;

/* Vectors (num_types, fixed_dim + dim) of types. Gives 0, or -1 where sizes or numbers do not fit together. */
int tc_compose_vectors(
    tc_pool *pool, const tc_vector_tables *tables, const int64_t *types, int64_t num_types, const tc_bags *bags, float *out
);

/* Fill rows (num_types, taps, width), shares (num_types, num_shares) in whole numbers of 2^-36, and clipped (num_types),
 * which rows left the range of int8. Gives 0, -1 where sizes or numbers do not fit together, or -2 without memory. */
int tc_fill_rows(
    tc_pool *pool, const tc_vector_tables *tables, const tc_whole_weights *weights, const tc_row_layout *layout,
    const int64_t *types, int64_t num_types, const tc_bags *bags, void *rows, int64_t *shares, uint8_t *clipped
);

#endif
