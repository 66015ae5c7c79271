/* Logits of very many labels, and the largest of them: a dense head over the features of each text, and sparse weights of
 * its n-grams. All numbers are float32, each sum has an order of its own, so that results depend neither on the number of
 * threads nor on the other texts, nor on the instruction set. textcnn/core/many_labels_numpy.py is the definition. */
#ifndef TEXTCNN_MANY_LABELS_H
#define TEXTCNN_MANY_LABELS_H

#include <stdint.h>

#include "pool.h"

#define TC_PANEL 32 /* labels whose weights stand together */

/* logits (num_texts, TC_PANEL * num_panels) = bias + features (num_texts, num_features) times panels (num_panels,
 * num_features, TC_PANEL), one feature after the other. */
int tc_head_logits(
    tc_pool *pool, const float *features, int64_t num_texts, int64_t num_features, const float *panels, const float *bias,
    int64_t num_panels, float *logits
);

/* The sparse table: weights of feature f for the labels labels[offsets[f]] to labels[offsets[f + 1]]. */
typedef struct {
    const int64_t *offsets; /* (num_features + 1) */
    const int32_t *labels;  /* (num_entries) */
    const float *weights;
    int64_t num_features, num_entries, num_labels;
} tc_sparse_table;

/* Whether offsets ascend and labels are below num_labels: to be asked once, before the table is used. */
int tc_check_sparse(const tc_sparse_table *table);

/* logits (num_texts, stride) += scale times the value of each feature of a text times the feature's weights; the features
 * of text b are rows[offsets[b]] to rows[offsets[b + 1]]. */
int tc_add_sparse(
    tc_pool *pool, const tc_sparse_table *table, float scale, const int32_t *rows, const float *values, int64_t num_entries,
    const int64_t *offsets, int64_t num_texts, float *logits, int64_t stride
);

/* The `count` largest of the first num_labels logits of each text (num_texts, stride), the largest first, of equal ones the
 * first, into best (num_texts, count); and their probabilities, of the logits divided by a temperature. */
int tc_best_labels(
    tc_pool *pool, const float *logits, int64_t num_texts, int64_t num_labels, int64_t stride, float temperature,
    int64_t count, int32_t *best, double *probabilities
);

#endif
