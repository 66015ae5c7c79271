/* The second half of a step: AdamW on dense weights, which are packed for the next product, and the rows of the tables. */
#ifndef TEXTCNN_TRAIN_UPDATE_H
#define TEXTCNN_TRAIN_UPDATE_H

#include "train_backward.h"

#define FIRST_DECAY 0.9f /* of AdamW's averages: of the gradient and of its square */
#define SECOND_DECAY 0.999f
#define ADAMW_EPSILON 1e-8f
#define ROW_SECOND_DECAY 0.99f /* of Adam on rows, without bias correction */
#define ROW_EPSILON 1e-6f
#define ADAGRAD_EPSILON 1e-10f
#define PANELS_A_TASK 2
#define ROWS_A_TASK 64

typedef struct {
    const tc_pass *pass;
    int panels, rows; /* how many tasks there are of each kind; one for biases and head stands between them */
    float clip;       /* what gradients are multiplied by */
    float step_size, root_correction, decay;
} tc_update_tasks;

static void adamw(const tc_update_tasks *tasks, int64_t first, int64_t count) {
    const tc_trainer *trainer = tasks->pass->trainer;
    float *restrict weights = trainer->network.dense + first;
    const float *restrict grads = trainer->dense_grads + first;
    float *restrict average = tasks->pass->optimizer->first + first, *restrict square = tasks->pass->optimizer->second + first;
    float clip = tasks->clip, step_size = tasks->step_size, correction = tasks->root_correction, decay = tasks->decay;
    for (int64_t i = 0; i < count; i++) {
        float g = grads[i] * clip;
        average[i] += (1.0f - FIRST_DECAY) * (g - average[i]);
        square[i] += (1.0f - SECOND_DECAY) * (g * g - square[i]);
        weights[i] = weights[i] * decay - step_size * average[i] / (sqrtf(square[i]) * correction + ADAMW_EPSILON);
    }
}

static void pack_panel(const tc_trainer *trainer, int64_t panel) {
    int64_t first = panel * TC_GEMM_COLUMNS;
    tc_gemm_pack(
        trainer->panels + first * trainer->width, trainer->network.dense, first, trainer->columns, trainer->width
    );
}

static void update_panel(const tc_update_tasks *tasks, int64_t panel) {
    const tc_trainer *trainer = tasks->pass->trainer;
    int64_t first = panel * TC_GEMM_COLUMNS, end = first + TC_GEMM_COLUMNS;
    if (end > trainer->columns) end = trainer->columns;
    if (first < end) adamw(tasks, first * trainer->width, (end - first) * trainer->width);
    pack_panel(trainer, panel);
}

/* Hold the rows of the head to a norm, as torch.renorm does. */
static void renormalize_head(const tc_trainer *trainer) {
    const tc_network *network = &trainer->network;
    float *head = network->dense + trainer->columns * trainer->width + trainer->num_maxima;
    float most = trainer->objective.max_norm;
    for (int64_t c = 0; c < network->num_outputs && most > 0.0f; c++) {
        float *row = head + c * trainer->num_features;
        float norm = sqrtf(tc_dot(row, row, trainer->num_features));
        if (norm > most) scale_row(row, most / (norm + 1e-7f), trainer->num_features);
    }
}

/* Biases of the filters and the head; of a head with candidates only their rows, so that a step takes as long as they do. */
static void update_head(const tc_update_tasks *tasks) {
    const tc_trainer *trainer = tasks->pass->trainer;
    const tc_step *step = tasks->pass->step;
    int64_t first = trainer->columns * trainer->width, head = first + trainer->num_maxima, width = trainer->num_features;
    if (step->candidates == NULL) {
        adamw(tasks, first, trainer->num_dense - first);
    } else {
        adamw(tasks, first, trainer->num_maxima);
        for (int64_t j = 0; j < step->num_candidates; j++) {
            adamw(tasks, head + step->candidates[j] * width, width);
            adamw(tasks, head + trainer->network.num_outputs * width + step->candidates[j], 1);
        }
    }
    renormalize_head(trainer);
}

static void move_row(const tc_pass *pass, int64_t row, const float *restrict grad) {
    const tc_network *network = &pass->trainer->network;
    const tc_optimizer *optimizer = pass->optimizer;
    int is_word = row < network->num_types;
    int64_t dim = network->dim, place = is_word ? row : row - network->num_types;
    float *restrict weights = (is_word ? network->word : network->ngram) + place * dim;
    float rate = is_word ? pass->step->word_rate : pass->step->ngram_rate, *state = is_word ? optimizer->word : optimizer->ngram;
    if (!optimizer->rows_by_adam) {
        state[place] += tc_dot(grad, grad, dim) / (float)network->own_dim;
        tc_add_scaled(weights, grad, -rate / (sqrtf(state[place]) + ADAGRAD_EPSILON), dim);
        return;
    }
    float *restrict average = state + place * 2 * dim, *restrict square = average + dim;
    for (int64_t i = 0; i < dim; i++) {
        average[i] += (1.0f - FIRST_DECAY) * (grad[i] - average[i]);
        square[i] += (1.0f - ROW_SECOND_DECAY) * (grad[i] * grad[i] - square[i]);
        weights[i] -= rate * average[i] / (sqrtf(square[i]) + ROW_EPSILON);
    }
}

static void fetch_state(const tc_pass *pass, int64_t row) {
    const tc_network *network = &pass->trainer->network;
    int64_t numbers = pass->optimizer->rows_by_adam ? 2 * network->dim : 1;
    fetch_row(network, row);
    if (row < network->num_types) __builtin_prefetch(pass->optimizer->word + row * numbers, 1);
    else __builtin_prefetch(pass->optimizer->ngram + (row - network->num_types) * numbers, 1);
}

/* The gradient of the r-th distinct row of the batch, (D). */
static void row_grad(const tc_trainer *trainer, int64_t r, float *grad) {
    const tc_batch *batch = &trainer->batch;
    int64_t first = batch->entry_starts[r], count = batch->entry_starts[r + 1] - first, dim = trainer->network.dim;
    memset(grad, 0, (size_t)dim * sizeof *grad);
    tc_sum_rows(grad, trainer->vector_grads, dim, dim, batch->entry_slots + first, batch->entry_shares + first, count);
}

static void update_weights(void *context, int task, int thread) {
    const tc_update_tasks *tasks = context;
    const tc_trainer *trainer = tasks->pass->trainer;
    const tc_batch *batch = &trainer->batch;
    float *grad = thread_scratch(trainer, thread);
    if (task < tasks->panels) {
        int64_t panels = trainer->stride / TC_GEMM_COLUMNS;
        for (int64_t k = task * PANELS_A_TASK; k < (task + 1) * PANELS_A_TASK && k < panels; k++) update_panel(tasks, k);
        return;
    }
    task -= tasks->panels;
    if (task == 0) {
        update_head(tasks);
        return;
    }
    int64_t first = (int64_t)(task - 1) * ROWS_A_TASK, end = first + ROWS_A_TASK;
    if (end > batch->num_rows) end = batch->num_rows;
    for (int64_t r = first; r < end; r++) {
        if (r + AHEAD < batch->num_rows) fetch_state(tasks->pass, batch->distinct[r + AHEAD]);
        row_grad(trainer, r, grad);
        move_row(tasks->pass, batch->distinct[r], grad);
    }
}

/* The share of the gradients that clipping leaves: 1 where their norm is small enough (torch's clip_grad_norm_). */
static float clip_share(const tc_trainer *trainer) {
    if (!(trainer->objective.clip_norm > 0.0f)) return 1.0f;
    double sum = 0.0;
    for (int64_t i = 0; i < trainer->num_dense; i++) sum += (double)trainer->dense_grads[i] * trainer->dense_grads[i];
    double share = trainer->objective.clip_norm / (sqrt(sum) + 1e-6);
    return share < 1.0 ? (float)share : 1.0f;
}

#endif
