/* The loss of each text and its gradients: of the maxima, the head, the taps at the winning windows, and the vectors. */
#ifndef TEXTCNN_TRAIN_BACKWARD_H
#define TEXTCNN_TRAIN_BACKWARD_H

#include "train_forward.h"

#define FILTERS_A_TASK 8
#define OUTPUTS_A_TASK 4
#define WIDE_TASKS 4 /* parts of the linear branch's table; fixed, whatever the number of threads */
#define FEW 512      /* entries collected before they are summed */

/* How many outputs of the head a step moves, and the j-th of them. */
static int64_t num_learnt(const tc_pass *pass) {
    return pass->step->candidates != NULL ? pass->step->num_candidates : pass->trainer->network.num_outputs;
}

static int64_t learnt(const tc_pass *pass, int64_t j) {
    return pass->step->candidates != NULL ? pass->step->candidates[j] : j;
}

static float *thread_scratch(const tc_trainer *trainer, int thread) {
    return trainer->scratch + thread * trainer->scratch_size;
}

static tc_loss loss_of_text(const tc_pass *pass, int64_t row) {
    const tc_objective *objective = &pass->trainer->objective;
    const tc_corpus *corpus = pass->corpus;
    int64_t labels = pass->trainer->network.num_labels;
    double weight = corpus->weights ? corpus->weights[row] : 1.0;
    return (tc_loss){
        .num_labels = labels,
        .is_multi_label = pass->trainer->network.is_multi_label,
        .is_regression = pass->trainer->network.is_regression,
        .target = corpus->targets ? corpus->targets[row] : 0,
        .shares = corpus->shares ? corpus->shares + row * labels : NULL,
        .weights = objective->class_weights,
        .smoothing = objective->smoothing,
        .gamma = objective->focal_gamma,
        .huber = objective->huber,
        .cuts = objective->cuts,
        .num_cuts = objective->num_cuts,
        .slope = objective->grade_slope,
        .scale = weight / pass->trainer->divisor,
    };
}

/* textcnn.tokenization.masking.uniform_rows is its twin. */
static void drop_some(
    float *restrict features, float *restrict slopes, int64_t count, uint32_t state, uint32_t first, float rate, float kept
) {
    for (int64_t f = 0; f < count; f++) {
        uint32_t x = state + (first + (uint32_t)f) * 0x9E3779B9u;
        x = (x ^ x >> 16) * 0x7FEB352Du;
        x = (x ^ x >> 15) * 0x846CA68Bu;
        x ^= x >> 16;
        float factor = (float)(int32_t)(x >> 8) * (1.0f / 16777216.0f) >= rate ? kept : 0.0f;
        features[f] *= factor;
        slopes[f] *= factor;
    }
}

/* Drop features at random; `slopes` (G F) becomes what a feature's gradient is multiplied by to be its score's. */
static void drop_features(const tc_pass *pass, int64_t text, float *features, float *slopes) {
    const tc_trainer *trainer = pass->trainer;
    const tc_network *network = &trainer->network;
    const tc_objective *objective = &trainer->objective;
    int64_t own = network->own_filters, n = network->num_filters;
    float rate = objective->dropout, kept = 1.0f / (1.0f - rate);
    uint64_t state = tc_mixed(pass->step->mask_state, (uint64_t)trainer->batch.rows[objective->shared_dropout ? 0 : text]);
    find_slopes(network->activation, slopes, features, trainer->num_maxima);
    if (rate == 0.0f) return;
    for (int64_t g = 0; g < network->num_widths; g++)
        drop_some(features + g * n, slopes + g * n, own, (uint32_t)(state ^ state >> 32), (uint32_t)(g * own), rate, kept);
}

/* Sort what the winning windows of a text give to its places: for each place the columns of the taps and the gradients.
 * `some` has room for the numbers of the filters (G F) that have a gradient. */
static void sort_entries(const tc_trainer *trainer, int64_t text, const float *grads, const int32_t *at, int32_t *some) {
    const tc_network *network = &trainer->network;
    const tc_batch *batch = &trainer->batch;
    int64_t n = network->num_filters, length = batch->lengths[text], count = 0;
    int64_t ends[TC_MOST_WIDTHS + 1] = {0}; /* of the list, width after width */
    int32_t *starts = trainer->entry_at + batch->starts[text] + text;
    int32_t *columns = trainer->entries.columns + text * trainer->most_entries;
    float *values = trainer->entries.values + text * trainer->most_entries;
    for (int64_t g = 0; g < network->num_widths; g++) {
        for (int64_t f = g * n; f < g * n + n; f++) { /* without a branch that nobody could predict */
            some[count] = (int32_t)f;
            count += grads[f] != 0.0f;
        }
        ends[g + 1] = count;
    }
    memset(starts, 0, (size_t)(length + 1) * sizeof *starts);
    for (int64_t g = 0; g < network->num_widths; g++) {
        for (int64_t k = ends[g]; k < ends[g + 1]; k++) {
            int64_t t = at[some[k]], end = t + network->widths[g];
            starts[t < 0 ? 0 : t]++;
            starts[end > length ? length : end]--;
        }
    }
    int32_t open = 0, total = 0; /* windows that reach over a place, and all entries up to it */
    for (int64_t place = 0; place < length; place++) {
        open += starts[place];
        total += open;
        starts[place] = total;
    }
    starts[length] = total;
    for (int64_t g = 0; g < network->num_widths; g++) {
        for (int64_t k = ends[g]; k < ends[g + 1]; k++) {
            int64_t f = some[k], t = at[f], first = t < 0 ? 0 : t, end = t + network->widths[g];
            int64_t column = (network->first_taps[g] - t - g) * n + f; /* of the place 0 */
            if (end > length) end = length;
            for (int64_t place = first; place < end; place++) {
                int32_t entry = --starts[place];
                columns[entry] = (int32_t)(column + place * n);
                values[entry] = grads[f];
            }
        }
    }
}

static void learn_text(const tc_pass *pass, int64_t text, float *scratch) {
    tc_trainer *trainer = pass->trainer;
    const tc_network *network = &trainer->network;
    const float *head = network->dense + trainer->columns * trainer->width + trainer->num_maxima;
    int64_t labels = padded_labels(network), row = trainer->batch.rows[text], maxima = trainer->num_maxima;
    float *slopes = scratch, *sum = slopes + maxima, *features = trainer->features + text * trainer->num_features;
    float *grads = trainer->feature_grads + text * trainer->num_features;
    float *logits = trainer->logits + text * labels, *wide = trainer->wide_logits + text * labels;
    float *score_grads = trainer->score_grads + text * maxima;
    int32_t *at = trainer->winners + text * maxima, *outputs = (int32_t *)(sum + network->num_filters);
    memset(at, 0, (size_t)maxima * sizeof *at);
    make_features(trainer, text, features, at, sum);
    drop_features(pass, text, features, slopes);
    tc_loss loss = loss_of_text(pass, row);
    if (pass->step->candidates != NULL) {
        int64_t own = tc_place_of(pass->step->candidates, pass->step->num_candidates, loss.target);
        apply_candidates(trainer, pass->step, features, logits);
        logits[own] += pass->step->log_chances[own]; /* the target is sure to be one */
        loss.num_labels = pass->step->num_candidates;
        loss.target = (int32_t)own;
        loss.smoothing = 0.0f;
    } else {
        apply_head(trainer, features, logits);
    }
    if (network->num_outputs < network->num_labels) { /* one output z through a sigmoid: the logits are (0, z) */
        logits[1] = logits[0];
        logits[0] = 0.0f;
    }
    trainer->losses[text] = tc_loss_of(&loss, logits);
    if (network->num_outputs < network->num_labels) logits[0] = logits[1];
    if (network->has_wide) {
        apply_wide(network, pass->corpus, row, wide);
        const float *prior = trainer->objective.prior;
        for (int64_t c = 0; prior != NULL && c < network->num_labels; c++) wide[c] += prior[c];
        loss.smoothing = 0.0f;
        trainer->losses[text] += tc_loss_of(&loss, wide);
    }
    for (int64_t j = 0; j < num_learnt(pass); j++) outputs[j] = (int32_t)learnt(pass, j);
    memset(grads, 0, (size_t)trainer->num_features * sizeof *grads);
    tc_sum_rows(grads, head, trainer->num_features, trainer->num_features, outputs, logits, num_learnt(pass));
    int64_t length = trainer->batch.lengths[text];
    for (int64_t f = 0; f < maxima; f++) score_grads[f] = length > 0 ? slopes[f] * grads[f] : 0.0f;
    if (length == 0) return;
    sort_entries(trainer, text, score_grads, at, outputs);
    if (network->has_mean) {
        float *mean = trainer->mean_grads + text * network->dim;
        memcpy(mean, grads + maxima + trainer->tuned_at, (size_t)network->dim * sizeof *mean);
        scale_row(mean, 1.0f / (float)length, network->dim);
    }
}

static void learn_texts(void *context, int task, int thread) {
    const tc_pass *pass = context;
    int64_t first = task * pass->texts_a_task, end = first + pass->texts_a_task;
    if (end > pass->trainer->batch.num_texts) end = pass->trainer->batch.num_texts;
    for (int64_t text = first; text < end; text++) learn_text(pass, text, thread_scratch(pass->trainer, thread));
}

static void answer_texts(void *context, int task, int thread) {
    const tc_pass *pass = context;
    const tc_trainer *trainer = pass->trainer;
    const tc_network *network = &trainer->network;
    int64_t labels = network->num_labels, first = task * pass->texts_a_task, end = first + pass->texts_a_task;
    float *sum = thread_scratch(trainer, thread);
    int32_t *at = (int32_t *)(sum + network->num_filters);
    if (end > trainer->batch.num_texts) end = trainer->batch.num_texts;
    for (int64_t text = first; text < end; text++) {
        float *features = trainer->features + text * trainer->num_features, *logits = pass->main + text * labels;
        make_features(trainer, text, features, at, sum);
        apply_head(trainer, features, logits);
        if (network->num_outputs < labels) {
            logits[1] = logits[0];
            logits[0] = 0.0f;
        }
        if (network->has_wide && pass->wide != NULL)
            apply_wide(network, pass->corpus, trainer->batch.rows[text], pass->wide + text * labels);
    }
}

/* ---- gradients of the dense weights ---- */

/* The windows in which the filters of a task have won: places of their first words, and gradients. */
typedef struct {
    int32_t *places[FILTERS_A_TASK];
    float *values[FILTERS_A_TASK];
    int64_t counts[FILTERS_A_TASK];
} tc_winners;

/* Add to the lists the windows of width g of the filters from `filter` on, and to their biases' gradients the sums. */
static void list_winners(const tc_trainer *trainer, int64_t g, int64_t filter, tc_winners *winners, float *bias) {
    const tc_batch *batch = &trainer->batch;
    int64_t score = g * trainer->network.num_filters + filter;
    float totals[FILTERS_A_TASK] = {0};
    for (int64_t b = 0; b < batch->num_texts; b++) {
        const float *grads = trainer->score_grads + b * trainer->num_maxima + score;
        const int32_t *at = trainer->winners + b * trainer->num_maxima + score;
        for (int f = 0; f < FILTERS_A_TASK; f++) { /* without a branch that nobody could predict */
            winners->places[f][winners->counts[f]] = (int32_t)(batch->starts[b] + at[f]);
            winners->values[f][winners->counts[f]] = grads[f];
            winners->counts[f] += grads[f] != 0.0f;
            totals[f] += grads[f];
        }
    }
    for (int f = 0; f < FILTERS_A_TASK; f++) bias[score + f] = totals[f];
}

static void add_tap_grad(
    const tc_trainer *trainer, int64_t column, int64_t tap, const int32_t *places, const float *values, int64_t count,
    int32_t *slots
) {
    for (int64_t e = 0; e < count; e++) slots[e] = trainer->batch.slots[places[e] + tap];
    float *grad = trainer->dense_grads + column * trainer->width;
    tc_sum_rows(grad, trainer->vectors, trainer->width, trainer->width, slots, values, count);
}

/* Gradients of the taps and biases of some filters of all widths. A tap that widths share gets the sum over them. */
static void learn_filters(const tc_trainer *trainer, int64_t filter, float *scratch) {
    const tc_network *network = &trainer->network;
    int64_t n = network->num_filters, room = network->num_widths * trainer->batch.num_texts + 1;
    float *bias = trainer->dense_grads + trainer->columns * trainer->width;
    int32_t *slots = (int32_t *)scratch;
    tc_winners winners;
    for (int f = 0; f < FILTERS_A_TASK; f++) {
        winners.places[f] = slots + (1 + f) * room;
        winners.values[f] = scratch + (1 + FILTERS_A_TASK + f) * room;
        winners.counts[f] = 0;
    }
    for (int64_t tap = 0; tap < network->num_taps; tap++)
        memset(trainer->dense_grads + (tap * n + filter) * trainer->width, 0, FILTERS_A_TASK * (size_t)trainer->width * 4);
    for (int64_t g = network->num_widths - 1; g >= 0; g--) { /* widest first: each tap takes a head of the list */
        if (!network->is_nested) memset(winners.counts, 0, sizeof winners.counts);
        list_winners(trainer, g, filter, &winners, bias);
        int64_t least = network->is_nested && g > 0 ? network->widths[g - 1] : 0;
        for (int64_t tap = least; tap < network->widths[g]; tap++) {
            for (int f = 0; f < FILTERS_A_TASK; f++) {
                int64_t column = (network->first_taps[g] + tap) * n + filter + f;
                add_tap_grad(trainer, column, tap, winners.places[f], winners.values[f], winners.counts[f], slots);
            }
        }
    }
}

static void learn_output(const tc_pass *pass, int64_t place, float *scratch) {
    const tc_trainer *trainer = pass->trainer;
    const tc_network *network = &trainer->network;
    int64_t output = learnt(pass, place), texts = trainer->batch.num_texts, labels = padded_labels(network);
    float *grad = trainer->dense_grads + trainer->columns * trainer->width + trainer->num_maxima;
    float *bias = grad + network->num_outputs * trainer->num_features + output, *values = scratch, total = 0.0f;
    int32_t *rows = (int32_t *)(scratch + texts);
    for (int64_t b = 0; b < texts; b++) {
        rows[b] = (int32_t)b;
        values[b] = trainer->logits[b * labels + place];
        total += values[b];
    }
    grad += output * trainer->num_features;
    memset(grad, 0, (size_t)trainer->num_features * sizeof *grad);
    tc_sum_rows(grad, trainer->features, trainer->num_features, trainer->num_features, rows, values, texts);
    *bias = total;
}

/* ---- gradients of the vectors ---- */

static void learn_slot(const tc_trainer *trainer, int64_t slot, float *scratch) {
    const tc_network *network = &trainer->network;
    const tc_batch *batch = &trainer->batch;
    const float *taps = network->dense + trainer->tuned_at;
    float *grad = trainer->vector_grads + slot * network->dim, *values = scratch + FEW;
    int32_t *columns = (int32_t *)scratch;
    int64_t few = 0;
    memset(grad, 0, (size_t)network->dim * sizeof *grad);
    for (int64_t k = batch->place_starts[slot]; k < batch->place_starts[slot + 1]; k++) {
        int64_t text = batch->text_of[k];
        const int32_t *starts = trainer->entry_at + batch->place_of[k] + text;
        int64_t first = text * trainer->most_entries + starts[0], count = starts[1] - starts[0];
        if (network->has_mean) add_row(grad, trainer->mean_grads + text * network->dim, network->dim);
        if (few + count > FEW) {
            tc_sum_rows(grad, taps, trainer->width, network->dim, columns, values, few);
            few = 0;
        }
        if (count > FEW) {
            tc_sum_rows(
                grad, taps, trainer->width, network->dim, trainer->entries.columns + first,
                trainer->entries.values + first, count
            );
            continue;
        }
        memcpy(columns + few, trainer->entries.columns + first, (size_t)count * sizeof *columns);
        memcpy(values + few, trainer->entries.values + first, (size_t)count * sizeof *values);
        few += count;
    }
    tc_sum_rows(grad, taps, trainer->width, network->dim, columns, values, few);
}

/* ---- the linear branch: Adagrad with a number a row, which grows by every text that holds the feature ---- */

static void update_wide(const tc_pass *pass, int64_t part) {
    const tc_trainer *trainer = pass->trainer;
    const tc_network *network = &trainer->network;
    const tc_corpus *corpus = pass->corpus;
    float *sums = pass->optimizer->wide, rate = pass->step->wide_rate, share = 2.0f / (float)network->num_labels;
    int64_t labels = network->num_labels, padded = padded_labels(network);
    for (int round = 0; round < 2; round++) {
        for (int64_t b = 0; b < trainer->batch.num_texts; b++) {
            int64_t row = trainer->batch.rows[b], end = corpus->wide_offsets[row + 1];
            const float *grads = trainer->wide_logits + b * padded;
            float norm = 0.0f;
            for (int64_t c = 0; c < labels; c++) norm += grads[c] * grads[c];
            for (int64_t e = corpus->wide_offsets[row]; e < end; e++) {
                int64_t feature = corpus->wide_rows[e];
                if (round == 0 && e + AHEAD < end) __builtin_prefetch(sums + corpus->wide_rows[e + AHEAD], 1);
                if (feature % WIDE_TASKS != part) continue;
                float value = corpus->wide_values[e];
                if (round == 0) {
                    sums[feature] += share * (value * value * norm);
                } else {
                    float sum = sums[feature] > 1e-30f ? sums[feature] : 1e-30f;
                    tc_add_few(network->wide + feature * labels, grads, -rate * value / sqrtf(sum), labels);
                }
            }
        }
    }
}

/* ---- the tasks of the gradients ---- */

typedef struct {
    const tc_pass *pass;
    int filters, outputs, wide, slots; /* how many tasks there are of each kind, in this order */
} tc_gradient_tasks;

static void learn_weights(void *context, int task, int thread) {
    const tc_gradient_tasks *tasks = context;
    const tc_trainer *trainer = tasks->pass->trainer;
    float *scratch = thread_scratch(trainer, thread);
    if (task < tasks->filters) {
        learn_filters(trainer, task * FILTERS_A_TASK, scratch);
        return;
    }
    task -= tasks->filters;
    if (task < tasks->outputs) {
        int64_t end = (task + 1) * OUTPUTS_A_TASK;
        if (end > num_learnt(tasks->pass)) end = num_learnt(tasks->pass);
        for (int64_t c = task * OUTPUTS_A_TASK; c < end; c++) learn_output(tasks->pass, c, scratch);
        return;
    }
    task -= tasks->outputs;
    if (task < tasks->wide) {
        update_wide(tasks->pass, task);
        return;
    }
    int64_t first = 1 + (task - tasks->wide) * tasks->pass->slots_a_task, end = first + tasks->pass->slots_a_task;
    if (end > trainer->batch.num_slots + 1) end = trainer->batch.num_slots + 1;
    for (int64_t slot = first; slot < end; slot++) learn_slot(trainer, slot, scratch);
}

#endif
