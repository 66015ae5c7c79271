/* A training step, compiled once for each instruction set (TC_SET names it). */
#include "train_update.h"

#define TC_JOIN(name, set) name##_##set
#define TC_NAMED(name, set) TC_JOIN(name, set)

static int parts(int64_t count, int64_t size) {
    return (int)((count + size - 1) / size);
}

/* Room for what a batch of this size needs; the blank's vector and products are 0. */
static int make_room(tc_trainer *trainer) {
    const tc_batch *batch = &trainer->batch;
    int64_t slots = batch->num_slots + 1 + TC_GEMM_SHARD, texts = batch->num_texts, labels = padded_labels(&trainer->network);
    int64_t scratch = 3 * trainer->num_maxima + trainer->network.num_filters + trainer->network.num_outputs
                      + (2 * FILTERS_A_TASK + 1) * (trainer->network.num_widths * texts + 1) + 2 * FEW + trainer->network.dim + 64;
    tc_room *room = trainer->rooms + STEP_ROOMS;
    trainer->scratch_size = (scratch + 15) / 16 * 16;
    int ok = (trainer->vectors = tc_room_for(room++, slots * trainer->width, 4)) != NULL
             && (trainer->vector_grads = tc_room_for(room++, slots * trainer->network.dim, 4)) != NULL
             && (trainer->products = tc_room_for(room++, slots * trainer->stride, 4)) != NULL
             && (trainer->features = tc_room_for(room++, texts * trainer->num_features, 4)) != NULL
             && (trainer->feature_grads = tc_room_for(room++, texts * trainer->num_features, 4)) != NULL
             && (trainer->mean_grads = tc_room_for(room++, texts * trainer->network.dim, 4)) != NULL
             && (trainer->logits = tc_room_for(room++, texts * labels, 4)) != NULL
             && (trainer->wide_logits = tc_room_for(room++, texts * labels, 4)) != NULL
             && (trainer->score_grads = tc_room_for(room++, texts * trainer->num_maxima + 1, 4)) != NULL
             && (trainer->winners = tc_room_for(room++, texts * trainer->num_maxima + 1, 4)) != NULL
             && (trainer->entry_at = tc_room_for(room++, batch->num_places + texts + 1, 4)) != NULL
             && (trainer->entries.columns = tc_room_for(room++, texts * trainer->most_entries, 4)) != NULL
             && (trainer->entries.values = tc_room_for(room++, texts * trainer->most_entries, 4)) != NULL
             && (trainer->losses = tc_room_for(room++, texts, 8)) != NULL
             && (trainer->scratch = tc_room_for(room++, tc_pool_threads(trainer->pool) * trainer->scratch_size, 4)) != NULL;
    if (!ok) return 0;
    memset(trainer->vectors, 0, (size_t)trainer->width * 4);
    memset(trainer->products, 0, (size_t)trainer->stride * 4);
    return 1;
}

/* What the sum of losses is divided by: class weights by their sum over the batch, as everywhere in torch. */
static double divisor_of(const tc_trainer *trainer, const tc_corpus *corpus) {
    const float *weights = trainer->objective.class_weights;
    if (weights == NULL || trainer->network.is_multi_label || trainer->network.is_regression) return (double)trainer->batch.num_texts;
    double sum = 0.0;
    for (int64_t b = 0; b < trainer->batch.num_texts; b++) {
        int64_t row = trainer->batch.rows[b], labels = trainer->network.num_labels;
        if (corpus->shares == NULL) sum += weights[corpus->targets[row]];
        else
            for (int64_t c = 0; c < labels; c++) sum += (double)corpus->shares[row * labels + c] * weights[c];
    }
    return sum;
}

static int begin(tc_pass *pass) {
    tc_trainer *trainer = pass->trainer;
    if (!make_room(trainer)) return TC_NO_MEMORY;
    if (!trainer->is_ready)
        for (int64_t panel = 0; panel < trainer->stride / TC_GEMM_COLUMNS; panel++) pack_panel(trainer, panel);
    trainer->is_ready = 1;
    pass->slots_a_task = TC_GEMM_SHARD;
    while (trainer->batch.num_slots / pass->slots_a_task > 4096) pass->slots_a_task *= 2;
    pass->texts_a_task = trainer->batch.num_texts <= 64 ? 2 : (trainer->batch.num_texts + 31) / 32;
    tc_pool_run(
        trainer->pool, parts(trainer->batch.num_slots, pass->slots_a_task) + (pass->step ? 2 : 0), make_products, pass
    );
    return TC_OK;
}

/* Forward and backward passes; the loss of the batch. The linear branch is moved here where there is an optimizer. */
static int learn(tc_pass *pass, double *loss) {
    tc_trainer *trainer = pass->trainer;
    const tc_network *network = &trainer->network;
    trainer->divisor = divisor_of(trainer, pass->corpus);
    int status = begin(pass);
    if (status != TC_OK) return status;
    tc_pool_run(trainer->pool, parts(trainer->batch.num_texts, pass->texts_a_task), learn_texts, pass);
    *loss = 0.0;
    for (int64_t b = 0; b < trainer->batch.num_texts; b++) *loss += trainer->losses[b];
    if (!(*loss - *loss == 0.0)) return TC_NOT_FINITE;
    tc_gradient_tasks tasks = {
        .pass = pass,
        .filters = parts(network->num_filters, FILTERS_A_TASK),
        .outputs = parts(num_learnt(pass), OUTPUTS_A_TASK),
        .wide = network->has_wide && pass->optimizer != NULL ? WIDE_TASKS : 0,
        .slots = parts(trainer->batch.num_slots, pass->slots_a_task),
    };
    tc_pool_run(trainer->pool, tasks.filters + tasks.outputs + tasks.wide + tasks.slots, learn_weights, &tasks);
    return TC_OK;
}

static int step_on(tc_trainer *trainer, const tc_corpus *corpus, const tc_step *step, tc_optimizer *optimizer, double *loss) {
    tc_pass pass = {.trainer = trainer, .corpus = corpus, .step = step, .optimizer = optimizer};
    int status = learn(&pass, loss);
    if (status != TC_OK) return status;
    double steps = (double)++optimizer->steps;
    double first = 1.0 - tc_exp(steps * tc_log(FIRST_DECAY)), second = 1.0 - tc_exp(steps * tc_log(SECOND_DECAY));
    tc_update_tasks tasks = {
        .pass = &pass,
        .panels = parts(trainer->stride / TC_GEMM_COLUMNS, PANELS_A_TASK),
        .rows = parts(trainer->batch.num_rows, ROWS_A_TASK),
        .clip = clip_share(trainer),
        .step_size = (float)(step->dense_rate / first),
        .root_correction = (float)(1.0 / sqrt(second)),
        .decay = 1.0f - step->dense_rate * trainer->objective.weight_decay,
    };
    tc_pool_run(trainer->pool, tasks.panels + 1 + tasks.rows, update_weights, &tasks);
    return TC_OK;
}

static int gradients_of(
    tc_trainer *trainer, const tc_corpus *corpus, const tc_step *step, float *dense, float *word, float *ngram, float *wide,
    double *loss
) {
    const tc_network *network = &trainer->network;
    tc_pass pass = {.trainer = trainer, .corpus = corpus, .step = step};
    int64_t head = trainer->columns * trainer->width + trainer->num_maxima;
    if (step->candidates != NULL) /* a step does not look at the other rows */
        memset(trainer->dense_grads + head, 0, (size_t)(trainer->num_dense - head) * sizeof *dense);
    int status = learn(&pass, loss);
    if (status != TC_OK || dense == NULL) return status;
    memcpy(dense, trainer->dense_grads, (size_t)trainer->num_dense * sizeof *dense);
    for (int64_t r = 0; r < trainer->batch.num_rows; r++) {
        int64_t row = trainer->batch.distinct[r];
        row_grad(trainer, r, row < network->num_types ? word + row * network->dim : ngram + (row - network->num_types) * network->dim);
    }
    for (int64_t b = 0; network->has_wide && b < trainer->batch.num_texts; b++) {
        int64_t row = trainer->batch.rows[b];
        const float *grads = trainer->wide_logits + b * padded_labels(network);
        for (int64_t e = corpus->wide_offsets[row]; e < corpus->wide_offsets[row + 1]; e++)
            tc_add_few(wide + corpus->wide_rows[e] * network->num_labels, grads, corpus->wide_values[e], network->num_labels);
    }
    return TC_OK;
}

static int logits_of(tc_trainer *trainer, const tc_corpus *corpus, float *main, float *wide) {
    tc_pass pass = {.trainer = trainer, .corpus = corpus, .main = main, .wide = wide};
    int status = begin(&pass);
    if (status != TC_OK) return status;
    tc_pool_run(trainer->pool, parts(trainer->batch.num_texts, pass.texts_a_task), answer_texts, &pass);
    return TC_OK;
}

extern const tc_train_kernels TC_NAMED(tc_train, TC_SET);
const tc_train_kernels TC_NAMED(tc_train, TC_SET) = {step_on, gradients_of, logits_of};
