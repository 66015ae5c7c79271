/* Loops over rows of float32 tables: sums of rows, entries sorted by key, and steps of optimizers on the rows touched.
 *
 * All arrays belong to the caller. Functions give -1 where sizes or numbers do not fit together. Every task of a pool owns
 * the rows that it writes and adds in a fixed order, so results do not depend on the number of threads. */
#ifndef TEXTCNN_ROWS_H
#define TEXTCNN_ROWS_H

#include <stdint.h>

#include "pool.h"

/* out (num_sums, width): the k-th is the sum of weights[e] * table[rows[e]], e from offsets[k] to offsets[k + 1], in order. */
int tc_sum_table_rows(
    tc_pool *pool, const int64_t *offsets, int64_t num_sums, const int64_t *rows, const float *weights, int64_t num_entries,
    const float *table, int64_t num_rows, int64_t width, float *out
);

/* Entries in the order of their keys, equal ones as they came, and offsets (num_keys + 1) of each key. */
int tc_sort_entries(
    const int64_t *keys, const int64_t *others, const float *weights, int64_t num_entries, int64_t num_keys,
    int64_t *offsets, int64_t *moved_others, float *moved_weights
);

/* Adam without bias correction on weight[rows]; moments (num_rows, 2, width) holds both averages of a row. No row twice. */
int tc_adam_rows(
    tc_pool *pool, float *weight, float *moments, int64_t num_rows, int64_t width, const int64_t *rows, const float *grad,
    int64_t num_touched, float rate, float first, float second, float eps
);

/* Adagrad with a number a row on weight[rows], which grows by the mean of the gradient's squares. No row twice. */
int tc_adagrad_rows(
    tc_pool *pool, float *weight, float *total, int64_t num_rows, int64_t width, const int64_t *rows, const float *grad,
    int64_t num_touched, float rate, float eps
);

/* The same for a gradient with an entry for each example, rows may repeat: the number grows by 2 / width of the squared
 * norm of each entry, first for all of them. */
int tc_adagrad_entries(
    tc_pool *pool, float *weight, float *total, int64_t num_rows, int64_t width, const int64_t *rows, const float *grad,
    int64_t num_entries, float rate
);

#endif
