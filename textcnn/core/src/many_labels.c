/* Entry points of many labels: checks, and loops over panels of labels or over texts. */
#include "many_labels.h"

#include <stddef.h>

#include "checks.h"
#include "cpu.h"
#include "lookup_state.h"
#include "many_labels_state.h"

#define TC_MOST_TERMS (INT64_C(1) << 50) /* no product of sizes leaves 64 bits */

TC_KERNELS_OF_SET(tc_many_labels_kernels, tc_many_labels)

typedef struct {
    const float *features, *panels, *bias;
    int64_t num_texts, num_features, num_panels;
    float *logits;
} heads;

static void some_panels(void *context, int64_t first, int64_t last) {
    const heads *h = context;
    for (int64_t p = first; p < last; p++)
        tc_many_labels_of_set()->panel(
            h->features, h->num_texts, h->num_features, h->panels + p * h->num_features * TC_PANEL, h->bias + p * TC_PANEL,
            h->logits + p * TC_PANEL, h->num_panels * TC_PANEL
        );
}

int tc_head_logits(
    tc_pool *pool, const float *features, int64_t num_texts, int64_t num_features, const float *panels, const float *bias,
    int64_t num_panels, float *logits
) {
    if (!tc_is_between(num_texts, 0, TC_MOST) || !tc_is_between(num_features, 0, 1 << 20) || !tc_is_between(num_panels, 0, 1 << 20))
        return -1;
    heads h = {features, panels, bias, num_texts, num_features, num_panels, logits};
    tc_run_ranges(pool, num_panels, num_texts * num_features, some_panels, &h);
    return 0;
}

int tc_check_sparse(const tc_sparse_table *t) {
    if (!tc_is_between(t->num_features, 0, TC_MOST) || !tc_is_between(t->num_entries, 0, TC_MOST_TERMS)) return -1;
    if (!tc_are_ascending(t->offsets, t->num_features + 1, 0, t->num_entries)) return -1;
    for (int64_t e = 0; e < t->num_entries; e++)
        if (!tc_is_between(t->labels[e], 0, t->num_labels - 1)) return -1;
    return 0;
}

typedef struct {
    const tc_sparse_table *table;
    float scale;
    const int32_t *rows;
    const float *values;
    const int64_t *offsets;
    float *logits;
    int64_t stride;
} sparse_sums;

static void some_sparse(void *context, int64_t first, int64_t last) {
    const sparse_sums *s = context;
    const tc_sparse_table *t = s->table;
    for (int64_t b = first; b < last; b++) {
        float *restrict out = s->logits + b * s->stride;
        for (int64_t n = s->offsets[b]; n < s->offsets[b + 1]; n++) {
            float value = s->scale * s->values[n];
            for (int64_t e = t->offsets[s->rows[n]]; e < t->offsets[s->rows[n] + 1]; e++) out[t->labels[e]] += value * t->weights[e];
        }
    }
}

int tc_add_sparse(
    tc_pool *pool, const tc_sparse_table *table, float scale, const int32_t *rows, const float *values, int64_t num_entries,
    const int64_t *offsets, int64_t num_texts, float *logits, int64_t stride
) {
    if (!tc_is_between(num_texts, 0, TC_MOST) || !tc_is_between(num_entries, 0, TC_MOST) || stride < table->num_labels
        || !tc_are_ascending(offsets, num_texts + 1, 0, num_entries))
        return -1;
    for (int64_t n = 0; n < num_entries; n++)
        if (!tc_is_between(rows[n], 0, table->num_features - 1)) return -1;
    sparse_sums s = {table, scale, rows, values, offsets, logits, stride};
    tc_run_ranges(pool, num_texts, 64 * num_entries, some_sparse, &s);
    return 0;
}

typedef struct {
    const float *logits;
    int64_t num_labels, stride;
    float temperature;
    int64_t count;
    int32_t *best;
    double *probabilities;
} best_labels;

static void some_best(void *context, int64_t first, int64_t last) {
    const best_labels *s = context;
    for (int64_t b = first; b < last; b++)
        tc_many_labels_of_set()->best(
            s->logits + b * s->stride, s->num_labels, s->temperature, s->count, s->best + b * s->count,
            s->probabilities + b * s->count
        );
}

int tc_best_labels(
    tc_pool *pool, const float *logits, int64_t num_texts, int64_t num_labels, int64_t stride, float temperature,
    int64_t count, int32_t *best, double *probabilities
) {
    if (!tc_is_between(num_texts, 0, TC_MOST) || !tc_is_between(num_labels, 1, 1 << 24) || stride < num_labels
        || !tc_is_between(count, 1, num_labels) || !(temperature > 0.0f))
        return -1;
    best_labels s = {logits, num_labels, stride, temperature, count, best, probabilities};
    tc_run_ranges(pool, num_texts, num_texts * num_labels, some_best, &s);
    return 0;
}
