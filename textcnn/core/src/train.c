/* Trainers: memory, argument checks, and dispatch to an instruction set. */
#define _POSIX_C_SOURCE 200809L
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "cpu.h"
#include "fpmode.h"
#include "gemm.h"
#include "train_state.h"

TC_KERNELS_OF_SET(tc_train_kernels, tc_train)

static int has_widths(const tc_network *n) {
    if (!tc_is_between(n->num_widths, 0, TC_MOST_WIDTHS)) return 0;
    for (int64_t g = 0; g < n->num_widths; g++) {
        if (!tc_is_between(n->widths[g], 1, 1 << 16)) return 0;
        if (!tc_is_between(n->first_taps[g], 0, n->num_taps - n->widths[g])) return 0;
        if (n->is_nested && (n->first_taps[g] != 0 || (g > 0 && n->widths[g] <= n->widths[g - 1]))) return 0;
    }
    return 1;
}

static int is_sound(const tc_network *n) {
    return tc_is_between(n->dim, TC_LANES, 1 << 20) && n->dim % TC_LANES == 0 && tc_is_between(n->own_dim, 1, n->dim)
           && tc_is_between(n->num_filters, TC_LANES, 1 << 20) && n->num_filters % TC_LANES == 0
           && tc_is_between(n->own_filters, 1, n->num_filters) && tc_is_between(n->num_taps, 1, 1 << 16) && has_widths(n)
           && n->num_widths > 0 && tc_is_between(n->num_types, 1, INT32_MAX) && tc_is_between(n->num_ngrams, 0, INT32_MAX)
           && n->num_types + n->num_ngrams <= INT32_MAX && tc_is_between(n->num_features, 0, INT32_MAX)
           && tc_is_between(n->num_labels, 1, 1 << 24) && tc_is_between(n->max_length, 0, TC_MOST)
           && (n->num_outputs == n->num_labels || (n->num_outputs == 1 && n->num_labels == 2 && !n->is_multi_label && !n->is_regression))
           && tc_is_between(n->activation, TC_RELU, TC_IDENTITY) && n->word != NULL && n->dense != NULL
           && (n->num_ngrams == 0 || n->ngram != NULL) && (!n->has_fixed_channel || n->fixed != NULL)
           && (!n->has_wide || n->wide != NULL);
}

static int are_cuts(const tc_objective *o, const tc_network *n) {
    if (o->cuts == NULL) return 1;
    if (!n->is_regression || n->num_labels != 1 || !tc_is_between(o->num_cuts, 1, 1 << 20) || !(o->grade_slope > 0.0)) return 0;
    if (!isfinite(o->grade_slope) || !isfinite(o->cuts[0]) || !isfinite(o->cuts[o->num_cuts - 1])) return 0;
    for (int64_t k = 1; k < o->num_cuts; k++)
        if (!(o->cuts[k - 1] < o->cuts[k])) return 0;
    return 1;
}

static int fits(const tc_objective *o) {
    return o->smoothing >= 0.0f && o->smoothing < 1.0f && o->focal_gamma >= 0.0f && o->dropout >= 0.0f
           && o->dropout < 1.0f && o->clip_norm >= 0.0f && o->max_norm >= 0.0f && o->weight_decay >= 0.0f;
}

tc_trainer *tc_trainer_new(const tc_network *network, const tc_objective *objective, tc_pool *pool, int *status) {
    *status = TC_BAD_ARGUMENT;
    if (network == NULL || objective == NULL || pool == NULL || !is_sound(network) || !fits(objective)
        || !are_cuts(objective, network))
        return NULL;
    *status = TC_NO_MEMORY;
    tc_trainer *trainer = calloc(1, sizeof *trainer);
    if (trainer == NULL) return NULL;
    trainer->kernels = tc_train_of_set();
    trainer->network = *network;
    trainer->objective = *objective;
    trainer->pool = pool;
    trainer->tuned_at = network->has_fixed_channel ? network->dim : 0;
    trainer->width = trainer->tuned_at + network->dim;
    trainer->columns = network->num_taps * network->num_filters;
    trainer->stride = tc_gemm_padded(trainer->columns);
    trainer->num_maxima = network->num_widths * network->num_filters;
    trainer->num_features = trainer->num_maxima + (network->has_mean ? trainer->width : 0);
    trainer->num_dense = trainer->columns * trainer->width + trainer->num_maxima
                         + network->num_outputs * (trainer->num_features + 1);
    for (int64_t g = 0; g < network->num_widths; g++) {
        trainer->most_entries += network->widths[g] * network->num_filters;
        if (network->widths[g] - 1 > trainer->margin) trainer->margin = network->widths[g] - 1;
    }
    trainer->row_marks = calloc((size_t)(network->num_types + network->num_ngrams), sizeof *trainer->row_marks);
    trainer->panels = tc_room_for(&trainer->rooms[PANELS_ROOM], trainer->stride * trainer->width, sizeof *trainer->panels);
    trainer->dense_grads = tc_room_for(&trainer->rooms[DENSE_GRADS_ROOM], trainer->num_dense, sizeof *trainer->dense_grads);
    if (trainer->row_marks == NULL || trainer->panels == NULL || trainer->dense_grads == NULL) {
        tc_trainer_free(trainer);
        return NULL;
    }
    memset(trainer->dense_grads, 0, (size_t)trainer->num_dense * sizeof *trainer->dense_grads);
    *status = TC_OK;
    return trainer;
}

void tc_trainer_free(tc_trainer *trainer) {
    if (trainer == NULL) return;
    for (size_t k = 0; k < sizeof trainer->rooms / sizeof *trainer->rooms; k++) free(trainer->rooms[k].block);
    free(trainer->marks);
    free(trainer->row_marks);
    free(trainer);
}

#define NUMBERS_A_TASK 65536

typedef struct {
    const float *numbers;
    int64_t count;
    int is_finite;
} number_check;

static void check_numbers(void *context, int task, int thread) {
    number_check *check = context;
    int64_t first = (int64_t)task * NUMBERS_A_TASK, end = first + NUMBERS_A_TASK;
    uint32_t largest = 0; /* exponent and fraction without the sign: infinity and NaN are the largest of all */
    (void)thread;
    if (end > check->count) end = check->count;
    for (int64_t i = first; i < end; i++) {
        uint32_t bits;
        memcpy(&bits, check->numbers + i, sizeof bits);
        bits &= 0x7fffffffu;
        largest = bits > largest ? bits : largest;
    }
    if (largest >= 0x7f800000u) __atomic_store_n(&check->is_finite, 0, __ATOMIC_RELAXED);
}

int tc_all_finite(tc_pool *pool, const float *numbers, int64_t count) {
    number_check check = {numbers, count, 1};
    while (check.count > 0) { /* a pool takes a bounded number of tasks */
        number_check part = check;
        if (part.count > INT64_C(30000) * NUMBERS_A_TASK) part.count = INT64_C(30000) * NUMBERS_A_TASK;
        tc_pool_run(pool, (int)((part.count + NUMBERS_A_TASK - 1) / NUMBERS_A_TASK), check_numbers, &part);
        if (!part.is_finite) return 0;
        check.numbers += part.count;
        check.count -= part.count;
    }
    return 1;
}

/* Offsets that begin at 0 and do not fall. */
static int are_offsets(const int64_t *offsets, int64_t count) {
    return offsets[0] == 0 && tc_are_ascending(offsets, count + 1, 0, INT64_MAX);
}

static int are_below(const int32_t *numbers, int64_t count, int64_t bound) {
    for (int64_t i = 0; i < count; i++)
        if (numbers[i] < 0 || numbers[i] >= bound) return 0;
    return 1;
}

/* Shares of labels between 0 and 1, which sum to 1 unless a text may have any number of labels; or finite numbers. */
static int are_shares(const tc_network *network, const tc_corpus *corpus) {
    for (int64_t row = 0; row < corpus->num_texts; row++) {
        const float *shares = corpus->shares + row * network->num_labels;
        double sum = 0.0;
        for (int64_t c = 0; c < network->num_labels; c++) {
            if (network->is_regression ? !isfinite(shares[c]) : !(shares[c] >= 0.0f && shares[c] <= 1.0f)) return 0;
            sum += shares[c];
        }
        if (!network->is_multi_label && !network->is_regression && !(sum > 0.999 && sum < 1.001)) return 0;
    }
    return 1;
}

int tc_corpus_check(const tc_network *network, const tc_corpus *corpus) {
    int ok = corpus->num_texts >= 0 && tc_is_between(corpus->num_ids, network->num_types, INT32_MAX)
             && corpus->num_features == network->num_features && corpus->ids != NULL && corpus->offsets != NULL
             && are_offsets(corpus->offsets, corpus->num_texts)
             && are_below(corpus->ids, corpus->offsets[corpus->num_texts], corpus->num_ids);
    if (ok && corpus->bag_offsets != NULL)
        ok = are_offsets(corpus->bag_offsets, corpus->num_ids)
             && are_below(corpus->bag_rows, corpus->bag_offsets[corpus->num_ids], network->num_ngrams);
    if (ok && network->has_wide)
        ok = corpus->wide_offsets != NULL && are_offsets(corpus->wide_offsets, corpus->num_texts)
             && are_below(corpus->wide_rows, corpus->wide_offsets[corpus->num_texts], network->num_features);
    if (ok && corpus->targets != NULL) ok = are_below(corpus->targets, corpus->num_texts, network->num_labels);
    if (ok && corpus->shares != NULL) ok = are_shares(network, corpus);
    return ok ? TC_OK : TC_BAD_ARGUMENT;
}

/* A sampled softmax is for one label a text, each a candidate, and for the plain loss. */
static int are_candidates(
    const tc_trainer *trainer, const tc_corpus *corpus, const int64_t *rows, int64_t count, const tc_step *step
) {
    const tc_objective *objective = &trainer->objective;
    const int32_t *candidates = step->candidates;
    int64_t many = step->num_candidates, labels = trainer->network.num_labels;
    if (candidates == NULL) return 1;
    if (step->log_chances == NULL || !tc_is_between(many, 1, labels) || trainer->network.num_outputs != labels) return 0;
    if (trainer->network.is_multi_label || trainer->network.has_wide || corpus->shares != NULL || corpus->targets == NULL) return 0;
    if (objective->class_weights != NULL || objective->focal_gamma > 0.0f || objective->clip_norm > 0.0f) return 0;
    for (int64_t j = 0; j < many; j++)
        if (candidates[j] < 0 || candidates[j] >= labels || (j > 0 && candidates[j] <= candidates[j - 1])) return 0;
    for (int64_t b = 0; b < count; b++)
        if (candidates[tc_place_of(candidates, many, corpus->targets[rows[b]])] != corpus->targets[rows[b]]) return 0;
    return 1;
}

static int prepare(
    tc_trainer *trainer, const tc_corpus *corpus, const int64_t *rows, int64_t count, const tc_step *step, int is_training
) {
    if (count < 1 || count > INT32_MAX) return TC_BAD_ARGUMENT;
    for (int64_t b = 0; b < count; b++)
        if (rows[b] < 0 || rows[b] >= corpus->num_texts) return TC_BAD_ARGUMENT;
    if (is_training && corpus->shares == NULL && (trainer->network.is_multi_label || trainer->network.is_regression || corpus->targets == NULL))
        return TC_BAD_ARGUMENT;
    if (is_training && !are_candidates(trainer, corpus, rows, count, step)) return TC_BAD_ARGUMENT;
    if (trainer->objective.word_dropout != NULL && trainer->objective.unknown_id >= corpus->num_ids) return TC_BAD_ARGUMENT;
    if (corpus->num_ids > trainer->num_marks) {
        free(trainer->marks);
        trainer->marks = calloc((size_t)corpus->num_ids, sizeof *trainer->marks);
        trainer->num_marks = trainer->marks == NULL ? 0 : corpus->num_ids;
        if (trainer->marks == NULL) return TC_NO_MEMORY;
    }
    return tc_gather(trainer, corpus, rows, count, step);
}

int tc_train_step(
    tc_trainer *trainer, const tc_corpus *corpus, const int64_t *rows, int64_t count, const tc_step *step,
    tc_optimizer *optimizer, double *loss
) {
    tc_fp_mode before = tc_fp_enter(TC_FP_FLUSH);
    int status = prepare(trainer, corpus, rows, count, step, 1);
    if (status == TC_OK) status = trainer->kernels->step(trainer, corpus, step, optimizer, loss);
    tc_fp_leave(before);
    return status;
}

int tc_train_gradients(
    tc_trainer *trainer, const tc_corpus *corpus, const int64_t *rows, int64_t count, const tc_step *step, float *dense,
    float *word, float *ngram, float *wide, double *loss
) {
    tc_fp_mode before = tc_fp_enter(TC_FP_FLUSH);
    int status = prepare(trainer, corpus, rows, count, step, 1);
    if (status == TC_OK) status = trainer->kernels->gradients(trainer, corpus, step, dense, word, ngram, wide, loss);
    tc_fp_leave(before);
    return status;
}

int tc_train_logits(
    tc_trainer *trainer, const tc_corpus *corpus, const int64_t *rows, int64_t count, float *main, float *wide
) {
    tc_fp_mode before = tc_fp_enter(TC_FP_FLUSH);
    int status = prepare(trainer, corpus, rows, count, NULL, 0);
    if (status == TC_OK) status = trainer->kernels->logits(trainer, corpus, main, wide);
    tc_fp_leave(before);
    return status;
}

void tc_trainer_refresh(tc_trainer *trainer) {
    trainer->is_ready = 0;
}
