#include "rows.h"

#include <math.h>
#include <string.h>

#include "checks.h"
#include "fpmode.h"

#define TASKS 32 /* parts of a loop; fixed, whatever the number of threads */
#define LANES 16 /* partial sums of a row's squares */

static int are_rows(const int64_t *rows, int64_t count, int64_t num_rows) {
    if (count < 0 || num_rows < 0) return 0;
    for (int64_t e = 0; e < count; e++)
        if (rows[e] < 0 || rows[e] >= num_rows) return 0;
    return 1;
}

/* Run a loop with rounding to nearest and denormal numbers, whatever the process has. */
static void run_exactly(tc_pool *pool, tc_task task, void *context) {
    tc_fp_mode before = tc_fp_enter(TC_FP_EXACT);
    tc_pool_run(pool, TASKS, task, context);
    tc_fp_leave(before);
}

typedef struct {
    const int64_t *offsets, *rows;
    const float *weights, *table;
    int64_t num_sums, width;
    float *out;
} sums;

static void add_row(float *restrict out, const float *restrict row, float weight, int64_t width) {
    for (int64_t i = 0; i < width; i++) out[i] += weight * row[i];
}

static void sum_some(void *context, int task, int thread) {
    const sums *s = context;
    (void)thread;
    /* Frequent words come first and have the most entries: a task takes every so-manieth sum, not a range. */
    for (int64_t k = task; k < s->num_sums; k += TASKS) {
        float *out = s->out + k * s->width;
        memset(out, 0, sizeof(float) * (size_t)s->width);
        for (int64_t e = s->offsets[k]; e < s->offsets[k + 1]; e++)
            add_row(out, s->table + s->rows[e] * s->width, s->weights[e], s->width);
    }
}

int tc_sum_table_rows(
    tc_pool *pool, const int64_t *offsets, int64_t num_sums, const int64_t *rows, const float *weights, int64_t num_entries,
    const float *table, int64_t num_rows, int64_t width, float *out
) {
    if (num_sums < 0 || width < 0 || !are_rows(rows, num_entries, num_rows)) return -1;
    if (!tc_are_ascending(offsets, num_sums + 1, 0, num_entries)) return -1;
    sums s = {offsets, rows, weights, table, num_sums, width, out};
    run_exactly(pool, sum_some, &s);
    return 0;
}

int tc_sort_entries(
    const int64_t *keys, const int64_t *others, const float *weights, int64_t num_entries, int64_t num_keys,
    int64_t *offsets, int64_t *moved_others, float *moved_weights
) {
    if (num_keys < 0 || !are_rows(keys, num_entries, num_keys)) return -1;
    memset(offsets, 0, sizeof(int64_t) * (size_t)(num_keys + 1));
    for (int64_t e = 0; e < num_entries; e++) offsets[keys[e] + 1]++;
    for (int64_t key = 0; key < num_keys; key++) offsets[key + 1] += offsets[key];
    for (int64_t e = 0; e < num_entries; e++) { /* a key's offset is its next free place while entries move */
        int64_t place = offsets[keys[e]]++;
        moved_others[place] = others[e];
        moved_weights[place] = weights[e];
    }
    for (int64_t key = num_keys; key > 0; key--) offsets[key] = offsets[key - 1];
    offsets[0] = 0;
    return 0;
}

typedef struct {
    float *weight, *state;
    const int64_t *rows;
    const float *grad;
    int64_t width, count;
    float rate, first, second, eps;
} updates;

static void adam_row(
    float *restrict row, float *restrict average, float *restrict square, const float *restrict g, const updates *u
) {
    float rate = u->rate, first = u->first, second = u->second, eps = u->eps;
    for (int64_t i = 0; i < u->width; i++) {
        average[i] += first * (g[i] - average[i]);
        square[i] += second * (g[i] * g[i] - square[i]);
        row[i] -= rate * average[i] / (sqrtf(square[i]) + eps);
    }
}

static void adam_some(void *context, int task, int thread) {
    const updates *u = context;
    (void)thread;
    for (int64_t e = task; e < u->count; e += TASKS) {
        float *moments = u->state + u->rows[e] * 2 * u->width;
        adam_row(u->weight + u->rows[e] * u->width, moments, moments + u->width, u->grad + e * u->width, u);
    }
}

int tc_adam_rows(
    tc_pool *pool, float *weight, float *moments, int64_t num_rows, int64_t width, const int64_t *rows, const float *grad,
    int64_t num_touched, float rate, float first, float second, float eps
) {
    if (width < 0 || !are_rows(rows, num_touched, num_rows)) return -1;
    updates u = {weight, moments, rows, grad, width, num_touched, rate, first, second, eps};
    run_exactly(pool, adam_some, &u);
    return 0;
}

/* Sum of squares: partial sums of every LANES-th number, then by halves. */
static float squares(const float *g, int64_t width) {
    float part[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= width; i += LANES)
        for (int lane = 0; lane < LANES; lane++) part[lane] += g[i + lane] * g[i + lane];
    for (int lane = 0; i + lane < width; lane++) part[lane] += g[i + lane] * g[i + lane];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int lane = 0; lane < half; lane++) part[lane] += part[lane + half];
    return part[0];
}

static void adagrad_some(void *context, int task, int thread) {
    const updates *u = context;
    (void)thread;
    for (int64_t e = task; e < u->count; e += TASKS) {
        const float *g = u->grad + e * u->width;
        float *total = u->state + u->rows[e];
        *total += squares(g, u->width) / (float)u->width;
        add_row(u->weight + u->rows[e] * u->width, g, -(u->rate / (sqrtf(*total) + u->eps)), u->width);
    }
}

int tc_adagrad_rows(
    tc_pool *pool, float *weight, float *total, int64_t num_rows, int64_t width, const int64_t *rows, const float *grad,
    int64_t num_touched, float rate, float eps
) {
    if (width < 1 || !are_rows(rows, num_touched, num_rows)) return -1;
    updates u = {weight, total, rows, grad, width, num_touched, rate, 0.0f, 0.0f, eps};
    run_exactly(pool, adagrad_some, &u);
    return 0;
}

static void adagrad_own(void *context, int task, int thread) {
    const updates *u = context;
    (void)thread;
    float share = 2.0f / (float)u->width;
    for (int64_t e = 0; e < u->count; e++)
        if (u->rows[e] % TASKS == task) u->state[u->rows[e]] += share * squares(u->grad + e * u->width, u->width);
    for (int64_t e = 0; e < u->count; e++) {
        if (u->rows[e] % TASKS != task) continue;
        float total = u->state[u->rows[e]];
        float step = u->rate / sqrtf(total > 1e-30f ? total : 1e-30f);
        add_row(u->weight + u->rows[e] * u->width, u->grad + e * u->width, -step, u->width);
    }
}

int tc_adagrad_entries(
    tc_pool *pool, float *weight, float *total, int64_t num_rows, int64_t width, const int64_t *rows, const float *grad,
    int64_t num_entries, float rate
) {
    if (width < 1 || !are_rows(rows, num_entries, num_rows)) return -1;
    updates u = {weight, total, rows, grad, width, num_entries, rate, 0.0f, 0.0f, 0.0f};
    run_exactly(pool, adagrad_own, &u);
    return 0;
}
