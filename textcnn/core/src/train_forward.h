/* The forward pass: vectors of the unique types, their products with the taps, and for each text the rest. */
#ifndef TEXTCNN_TRAIN_FORWARD_H
#define TEXTCNN_TRAIN_FORWARD_H

#include "gemm.h"
#include "train_loss.h"
#include "train_state.h"

#define AHEAD 12 /* rows fetched before they are needed: a row of a large table comes from memory */

typedef struct {
    tc_trainer *trainer;
    const tc_corpus *corpus;
    const tc_step *step; /* NULL: no dropout, no loss */
    tc_optimizer *optimizer;
    float *main, *wide; /* logits asked for, or NULL */
    int64_t slots_a_task, texts_a_task;
} tc_pass;

static const float *row_data(const tc_network *network, int64_t row) {
    return row < network->num_types ? network->word + row * network->dim
                                    : network->ngram + (row - network->num_types) * network->dim;
}

static void fetch_row(const tc_network *network, int64_t row) {
    const char *data = (const char *)row_data(network, row);
    for (int64_t at = 0; at < network->dim * 4; at += 64) __builtin_prefetch(data + at);
}

TC_INLINE void add_row(float *restrict sum, const float *restrict row, int64_t width) {
    for (int64_t i = 0; i < width; i += TC_VECTOR) tc_store(sum + i, tc_load(sum + i) + tc_load(row + i));
}

static void scale_row(float *row, float share, int64_t width) {
    for (int64_t i = 0; i < width; i += TC_VECTOR) tc_store(row + i, tc_load(row + i) * tc_all(share));
}

/* The vector of a slot, (X): the channel that is fixed, then the rows of word and n-grams. */
static void compose(const tc_trainer *trainer, int64_t slot) {
    const tc_network *network = &trainer->network;
    const tc_batch *batch = &trainer->batch;
    float *vector = trainer->vectors + slot * trainer->width, *tuned = vector + trainer->tuned_at;
    int64_t type = batch->types[slot], dim = network->dim;
    int64_t first = batch->row_starts[slot], end = batch->row_starts[slot + 1];
    for (int64_t e = first + AHEAD; e < end + AHEAD && e < batch->num_entries; e++) fetch_row(network, batch->row_of[e]);
    memset(vector, 0, (size_t)trainer->width * sizeof *vector);
    if (network->has_fixed_channel && type < network->num_types) add_row(vector, network->fixed + type * dim, dim);
    int has_row = type < network->num_types;
    const float *word = network->word + type * dim;
    if (has_row && !network->adds_ngrams) add_row(tuned, word, dim);
    if (first + has_row < end) {
        const float *ngrams = network->ngram - network->num_types * dim; /* rows are numbered from V on */
        tc_add_rows(tuned, ngrams, dim, dim, batch->row_of + first + has_row, end - first - has_row);
    }
    scale_row(tuned, batch->shares[slot], dim);
    if (has_row && network->adds_ngrams) add_row(tuned, word, dim);
}

static void make_products(void *context, int task, int thread) {
    const tc_pass *pass = context;
    tc_trainer *trainer = pass->trainer;
    (void)thread;
    if (pass->step != NULL && task < 2) {
        if (task == 0) tc_sort_rows(trainer);
        else tc_sort_places(trainer);
        return;
    }
    int64_t first = 1 + (task - (pass->step ? 2 : 0)) * pass->slots_a_task, end = first + pass->slots_a_task;
    if (end > trainer->batch.num_slots + 1) end = trainer->batch.num_slots + 1;
    for (int64_t slot = first; slot < end; slot++) compose(trainer, slot);
    tc_gemm(
        trainer->products + first * trainer->stride, trainer->stride, trainer->vectors + first * trainer->width,
        trainer->panels, end - first, trainer->stride, trainer->width
    );
}

/* ---- the largest score of each filter over the windows of a text ---- */

TC_INLINE void take_best(float *restrict best, int32_t *restrict at, const float *restrict sum, int32_t t, int64_t n) {
    for (int64_t f = 0; f < n; f++) {
        at[f] = sum[f] > best[f] ? t : at[f];
        best[f] = sum[f] > best[f] ? sum[f] : best[f];
    }
}

/* Two neighbouring windows of 3, 4 and 5 nested words: the six rows hold the products of the words from t on. */
static __attribute__((noinline)) void take_best_345(
    int64_t n, const float *restrict p0, const float *restrict p1, const float *restrict p2, const float *restrict p3,
    const float *restrict p4, const float *restrict p5, float *restrict best3, float *restrict best4,
    float *restrict best5, int32_t *restrict at3, int32_t *restrict at4, int32_t *restrict at5, int32_t t
) {
    for (int64_t f = 0; f < n; f++) {
        float x = p0[f] + p1[n + f] + p2[2 * n + f], y = p1[f] + p2[n + f] + p3[2 * n + f];
        float z = y > x ? y : x;
        int32_t u = y > x ? t + 1 : t;
        at3[f] = z > best3[f] ? u : at3[f];
        best3[f] = z > best3[f] ? z : best3[f];
        x += p3[3 * n + f];
        y += p4[3 * n + f];
        z = y > x ? y : x;
        u = y > x ? t + 1 : t;
        at4[f] = z > best4[f] ? u : at4[f];
        best4[f] = z > best4[f] ? z : best4[f];
        x += p4[4 * n + f];
        y += p5[4 * n + f];
        z = y > x ? y : x;
        u = y > x ? t + 1 : t;
        at5[f] = z > best5[f] ? u : at5[f];
        best5[f] = z > best5[f] ? z : best5[f];
    }
}

/* Windows of all widths that begin at place t of a text. */
static __attribute__((noinline)) void take_windows(
    const tc_trainer *trainer, const int32_t *slots, int32_t t, float *restrict best, int32_t *restrict at,
    float *restrict sum
) {
    const tc_network *network = &trainer->network;
    int64_t n = network->num_filters, tap = 0;
    for (int64_t g = 0; g < network->num_widths; g++) {
        int64_t width = network->widths[g];
        if (g == 0 || !network->is_nested) {
            memset(sum, 0, (size_t)n * sizeof *sum);
            tap = 0;
        }
        for (; tap < width; tap++) {
            const float *products = trainer->products + (int64_t)slots[t + tap] * trainer->stride;
            add_row(sum, products + (network->first_taps[g] + tap) * n, n);
        }
        if (t + width > 0) take_best(best + g * n, at + g * n, sum, t, n);
    }
}

static int is_345(const tc_network *network) {
    return network->is_nested && network->num_widths == 3 && network->widths[0] == 3 && network->widths[1] == 4
           && network->widths[2] == 5;
}

/* Largest sums (G F) of a text of at least one token, and where their windows begin. */
static void search(const tc_trainer *trainer, int64_t text, float *best, int32_t *at, float *sum) {
    const tc_network *network = &trainer->network;
    const int32_t *slots = trainer->batch.slots + trainer->batch.starts[text];
    int64_t n = network->num_filters;
    int32_t length = (int32_t)trainer->batch.lengths[text], t = -(int32_t)trainer->margin;
    for (int64_t f = 0; f < trainer->num_maxima; f++) {
        best[f] = -HUGE_VALF;
        at[f] = 0;
    }
    if (is_345(network)) {
        for (; t < -2; t++) take_windows(trainer, slots, t, best, at, sum);
        for (; t + 1 < length; t += 2) {
            const float *p[6];
            for (int k = 0; k < 6; k++) p[k] = trainer->products + (int64_t)slots[t + k] * trainer->stride;
            take_best_345(
                n, p[0], p[1], p[2], p[3], p[4], p[5], best, best + n, best + 2 * n, at, at + n, at + 2 * n, t
            );
        }
    }
    for (; t < length; t++) take_windows(trainer, slots, t, best, at, sum);
}

static void activate(int32_t activation, float *restrict scores, const float *restrict bias, int64_t n) {
    for (int64_t f = 0; f < n; f++) scores[f] += bias[f];
    if (activation == TC_RELU)
        for (int64_t f = 0; f < n; f++) scores[f] = scores[f] > 0.0f ? scores[f] : 0.0f;
    if (activation == TC_LEAKY_RELU)
        for (int64_t f = 0; f < n; f++) scores[f] = scores[f] > 0.0f ? scores[f] : 0.01f * scores[f];
    if (activation == TC_TANH)
        for (int64_t f = 0; f < n; f++) scores[f] = (float)(1.0 - 2.0 / (tc_exp(2.0 * scores[f]) + 1.0));
}

/* Slopes of the activation where its values are y. */
static void find_slopes(int32_t activation, float *restrict slopes, const float *restrict y, int64_t n) {
    if (activation == TC_RELU)
        for (int64_t f = 0; f < n; f++) slopes[f] = y[f] > 0.0f ? 1.0f : 0.0f;
    else if (activation == TC_LEAKY_RELU)
        for (int64_t f = 0; f < n; f++) slopes[f] = y[f] > 0.0f ? 1.0f : 0.01f;
    else if (activation == TC_TANH)
        for (int64_t f = 0; f < n; f++) slopes[f] = 1.0f - y[f] * y[f];
    else
        for (int64_t f = 0; f < n; f++) slopes[f] = 1.0f;
}

/* Features of a text without dropout: activated maxima (G F), then the mean of its vectors (X). */
static void make_features(const tc_trainer *trainer, int64_t text, float *features, int32_t *at, float *sum) {
    const tc_network *network = &trainer->network;
    const tc_batch *batch = &trainer->batch;
    const float *bias = network->dense + trainer->columns * trainer->width;
    int64_t length = batch->lengths[text];
    memset(features, 0, (size_t)trainer->num_features * sizeof *features);
    if (length == 0) return;
    search(trainer, text, features, at, sum);
    activate(network->activation, features, bias, trainer->num_maxima);
    if (!network->has_mean) return;
    float *mean = features + trainer->num_maxima;
    const int32_t *slots = batch->slots + batch->starts[text];
    tc_add_rows(mean, trainer->vectors, trainer->width, trainer->width, slots, length);
    scale_row(mean, 1.0f / (float)length, trainer->width);
}

/* Logits (outputs) of features by the head. */
static void apply_head(const tc_trainer *trainer, const float *features, float *logits) {
    const tc_network *network = &trainer->network;
    const float *head = network->dense + trainer->columns * trainer->width + trainer->num_maxima;
    const float *bias = head + network->num_outputs * trainer->num_features;
    for (int64_t c = 0; c < network->num_outputs; c++)
        logits[c] = tc_dot(features, head + c * trainer->num_features, trainer->num_features) + bias[c];
}

/* Logits (candidates) by the head, each less the logarithm of its chance to be one. */
static void apply_candidates(const tc_trainer *trainer, const tc_step *step, const float *features, float *logits) {
    const tc_network *network = &trainer->network;
    const float *head = network->dense + trainer->columns * trainer->width + trainer->num_maxima;
    const float *bias = head + network->num_outputs * trainer->num_features;
    for (int64_t j = 0; j < step->num_candidates; j++) {
        int64_t c = step->candidates[j];
        logits[j] = tc_dot(features, head + c * trainer->num_features, trainer->num_features) + bias[c] - step->log_chances[j];
    }
}

/* Logits (C) of the linear branch. */
static void apply_wide(const tc_network *network, const tc_corpus *corpus, int64_t row, float *logits) {
    int64_t labels = network->num_labels, end = corpus->wide_offsets[row + 1];
    memset(logits, 0, (size_t)labels * sizeof *logits);
    for (int64_t e = corpus->wide_offsets[row]; e < end; e++) {
        if (e + AHEAD < end) __builtin_prefetch(network->wide + corpus->wide_rows[e + AHEAD] * labels);
        const float *weights = network->wide + corpus->wide_rows[e] * labels;
        for (int64_t c = 0; c < labels; c++) logits[c] += corpus->wide_values[e] * weights[c];
    }
}

static int64_t padded_labels(const tc_network *network) {
    return (network->num_labels + TC_LANES - 1) / TC_LANES * TC_LANES;
}

#endif
