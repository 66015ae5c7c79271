/* Entry points of type rows: argument checks, and the parallel loop. */
#include "type_rows.h"

#include <stddef.h>

#include "checks.h"
#include "cpu.h"
#include "fpmode.h"
#include "type_rows_state.h"

TC_KERNELS_OF_SET(tc_type_kernels, tc_types)

static int are_types(const tc_vector_tables *t, const int64_t *types, int64_t count, const tc_bags *bags) {
    if (!tc_is_between(t->num_types, 0, TC_MOST) || !tc_is_between(t->num_ngrams, 0, TC_MOST) || !tc_is_between(t->dim, 1, 1 << 20)
        || !tc_is_between(t->fixed_dim, 0, 1 << 20) || (t->fixed == NULL) != (t->fixed_dim == 0) || !tc_is_between(count, 0, TC_MOST))
        return 0;
    for (int64_t k = 0; k < count; k++)
        if (types[k] < 0) return 0;
    if (t->ngrams == NULL) return t->scores == NULL;
    if (!tc_is_between(bags->num_rows, 0, TC_MOST) || !tc_are_ascending(bags->offsets, count + 1, 0, bags->num_rows)) return 0;
    for (int64_t e = 0; e < bags->num_rows; e++)
        if (!tc_is_between(bags->rows[e], 0, t->num_ngrams - 1)) return 0;
    return 1;
}

static int fits(const tc_row_layout *l, int64_t num_columns) {
    if (!tc_is_between(l->num_taps, 0, 1 << 20) || !tc_is_between(l->num_filters, 0, 1 << 20) || !tc_is_between(l->width, l->num_filters, 1 << 20)
        || !tc_is_between(l->num_shares, 0, 1 << 24) || !tc_is_between(l->num_sizes, 0, 1 << 20)
        || num_columns != l->num_taps * l->num_filters + l->num_shares)
        return 0;
    for (int64_t g = 0; g < l->num_sizes; g++)
        if (!tc_is_between(l->sizes[g], 1, l->num_taps) || !tc_is_between(l->first_taps[g], 0, l->num_taps - l->sizes[g])) return 0;
    return 1;
}

typedef struct {
    tc_type_job *job;
    void (*some)(tc_type_job *job, int64_t first, int64_t last);
    int64_t per_task;
} loop;

static void run_task(void *context, int task, int thread) {
    const loop *l = context;
    (void)thread;
    int64_t first = task * l->per_task, last = first + l->per_task;
    l->some(l->job, first, last < l->job->num_types ? last : l->job->num_types);
}

static int run(tc_pool *pool, tc_type_job *job, void (*some)(tc_type_job *, int64_t, int64_t)) {
    loop l = {job, some, TC_TYPES_A_TASK};
    while (job->num_types / l.per_task > 4096) l.per_task *= 2;
    tc_fp_mode before = tc_fp_enter(TC_FP_EXACT);
    tc_pool_run(pool, (int)((job->num_types + l.per_task - 1) / l.per_task), run_task, &l);
    tc_fp_leave(before);
    return job->has_failed ? -2 : 0;
}

int tc_compose_vectors(
    tc_pool *pool, const tc_vector_tables *tables, const int64_t *types, int64_t num_types, const tc_bags *bags, float *out
) {
    if (!are_types(tables, types, num_types, bags)) return -1;
    tc_type_job job = {.tables = tables, .types = types, .bags = bags, .num_types = num_types, .vectors = out};
    return run(pool, &job, tc_types_of_set()->compose);
}

int tc_fill_rows(
    tc_pool *pool, const tc_vector_tables *tables, const tc_whole_weights *weights, const tc_row_layout *layout,
    const int64_t *types, int64_t num_types, const tc_bags *bags, void *rows, int64_t *shares, uint8_t *clipped
) {
    if (!are_types(tables, types, num_types, bags) || !fits(layout, weights->num_columns) || !tc_is_between(weights->bits, 1, 52)) return -1;
    tc_type_job job = {
        .tables = tables, .weights = weights, .layout = layout, .types = types, .bags = bags, .num_types = num_types,
        .rows = rows, .shares = shares, .clipped = clipped
    };
    return run(pool, &job, tc_types_of_set()->fill);
}
