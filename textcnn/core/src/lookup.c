/* Entry points of the lookup runtime: argument checks, loops over texts, and sums common to all instruction sets. */
#include "lookup.h"

#include <stddef.h>

#include "checks.h"
#include "cpu.h"
#include "fpmode.h"
#include "lookup_state.h"
#include "numeric.h"
#include "whole_numbers.h"

#define RANGES 64         /* of a loop over texts; fixed, whatever the number of threads */
#define LITTLE 4096       /* words: it takes longer to wake a thread than to look them up */
#define AHEAD 8           /* features whose rows are fetched from memory before they are added */
#define UNIT (1.0 / 16777216.0) /* 2^-24, of the weights and of the table of the wide branch; a product has its square */
#define WIDE_SHIFT 12     /* from 2^-48, which that is, to the 2^-36 of other parts of logits */
#define LARGEST 16384.0   /* weight, so that a product of both stays far inside 64 bits */

TC_KERNELS_OF_SET(tc_lookup_kernels, tc_lookup)

/* ---- checks */

static int are_offsets(const int64_t *offsets, int64_t count, int64_t bound) {
    return tc_is_between(count, 0, TC_MOST) && tc_is_between(bound, 0, TC_MOST) && tc_are_ascending(offsets, count + 1, 0, bound);
}

int tc_are_products(const tc_products *p) {
    if (!tc_is_between(p->num_rows, 0, TC_MOST) || !tc_is_between(p->num_taps, 0, 1 << 20) || !tc_is_between(p->width, 0, 1 << 20)
        || p->width % TC_LOOKUP_LANES != 0 || !tc_is_between(p->num_sizes, 0, 1 << 20))
        return 0;
    for (int64_t g = 0; g < p->num_sizes; g++)
        if (!tc_is_between(p->sizes[g], 1, p->num_taps) || !tc_is_between(p->first_taps[g], 0, p->num_taps - p->sizes[g])) return 0;
    return 1;
}

int tc_are_row_texts(const tc_row_texts *texts, int64_t num_rows) {
    if (!are_offsets(texts->offsets, texts->num_texts, texts->num_tokens)) return 0;
    for (int64_t n = 0; n < texts->num_tokens; n++)
        if (!tc_is_between(texts->rows[n], 0, num_rows - 1)) return 0;
    return 1;
}

int tc_are_wide_features(const tc_wide_features *wide, int64_t num_texts) {
    if (!tc_is_between(wide->num_features, 0, TC_MOST) || !are_offsets(wide->offsets, num_texts, wide->num_entries)) return 0;
    for (int64_t n = 0; n < wide->num_entries; n++)
        if (!tc_is_between(wide->rows[n], 0, wide->num_features - 1)) return 0;
    return 1;
}

/* ---- loops */

typedef struct {
    void (*range)(void *context, int64_t first, int64_t last);
    void *context;
    int64_t items, ranges;
} loop;

static void run_range(void *context, int task, int thread) {
    const loop *l = context;
    (void)thread;
    l->range(l->context, l->items * task / l->ranges, l->items * (task + 1) / l->ranges);
}

void tc_run_ranges(tc_pool *pool, int64_t items, int64_t work, void (*range)(void *, int64_t, int64_t), void *context) {
    loop l = {range, context, items, items < RANGES ? items : RANGES};
    tc_fp_mode before = tc_fp_enter(TC_FP_EXACT);
    tc_pool_run(work < LITTLE ? NULL : pool, (int)l.ranges, run_range, &l);
    tc_fp_leave(before);
}

/* ---- windows */

typedef struct {
    const tc_products *products;
    const tc_row_texts *texts;
    void *best;
    int32_t *places;
} windows;

void tc_windows_of_text(const tc_products *p, const tc_row_texts *texts, int64_t b, void *best, int32_t *places) {
    int64_t first = texts->offsets[b], length = texts->offsets[b + 1] - first, count = p->num_sizes * p->width;
    if (length > 0) {
        const tc_lookup_kernels *kernels = tc_lookup_of_set();
        (p->is_whole ? kernels->of_whole : kernels->of_floats)(p, texts->rows + first, length, best, places);
        return;
    }
    for (int64_t k = 0; k < count; k++) {
        if (p->is_whole)
            ((int16_t *)best)[k] = 0;
        else
            ((float *)best)[k] = 0.0f;
        if (places != NULL) places[k] = 0;
    }
}

static void some_windows(void *context, int64_t first, int64_t last) {
    const windows *w = context;
    const tc_products *p = w->products;
    int64_t count = p->num_sizes * p->width, bytes = count * (p->is_whole ? 2 : 4);
    for (int64_t b = first; b < last; b++)
        tc_windows_of_text(p, w->texts, b, (char *)w->best + b * bytes, w->places == NULL ? NULL : w->places + b * count);
}

static int look_at_windows(tc_pool *pool, windows w) {
    if (!tc_are_products(w.products) || !tc_are_row_texts(w.texts, w.products->num_rows)) return -1;
    tc_run_ranges(pool, w.texts->num_texts, w.texts->num_tokens, some_windows, &w);
    return 0;
}

int tc_pool_windows(tc_pool *pool, const tc_products *products, const tc_row_texts *texts, void *best) {
    return look_at_windows(pool, (windows){products, texts, best, NULL});
}

int tc_find_winners(tc_pool *pool, const tc_products *products, const tc_row_texts *texts, void *best, int32_t *places) {
    return look_at_windows(pool, (windows){products, texts, best, places});
}

/* ---- head */

static void head_of_text(const float *features, int64_t num_features, const float *weights, int64_t num_labels, double *out) {
    for (int64_t k = 0; k < num_features; k++) {
        double x = features[k];
        if (x == 0.0) continue; /* half of them, after a ReLU; adding 0 changes no bit */
        const float *row = weights + k * num_labels;
        for (int64_t c = 0; c < num_labels; c++) out[c] += x * (double)row[c];
    }
}

static void activate(const float *best, const float *bias, int64_t count, int64_t activation, float *features) {
    for (int64_t f = 0; f < count; f++) features[f] = best[f] + bias[f];
    if (activation == TC_ACTIVATE_RELU)
        for (int64_t f = 0; f < count; f++) features[f] = features[f] > 0.0f ? features[f] : 0.0f;
    else if (activation == TC_ACTIVATE_LEAKY_RELU)
        for (int64_t f = 0; f < count; f++) features[f] = features[f] > 0.0f ? features[f] : features[f] * 0.01f;
    else if (activation == TC_ACTIVATE_TANH)
        for (int64_t f = 0; f < count; f++) features[f] = (float)tc_tanh(features[f]);
}

void tc_scores_of_text(const tc_scores *s, const float *best, double *out) {
    float features[256];
    for (int64_t g = 0; g < s->num_sizes; g++)
        for (int64_t f = 0; f < s->num_filters; f += 256) {
            int64_t count = s->num_filters - f < 256 ? s->num_filters - f : 256, at = g * s->num_filters + f;
            activate(best + g * s->width + f, s->bias + at, count, s->activation, features);
            head_of_text(features, count, s->weights + at * s->num_labels, s->num_labels, out);
        }
}

typedef struct {
    const float *features, *weights;
    int64_t num_features, num_labels;
    double *out;
} heads;

static void some_heads(void *context, int64_t first, int64_t last) {
    const heads *h = context;
    for (int64_t b = first; b < last; b++)
        head_of_text(h->features + b * h->num_features, h->num_features, h->weights, h->num_labels, h->out + b * h->num_labels);
}

int tc_add_head(
    tc_pool *pool, const float *features, int64_t num_texts, int64_t num_features, const float *weights, int64_t num_labels,
    double *out
) {
    if (!tc_is_between(num_texts, 0, TC_MOST) || !tc_is_between(num_features, 0, 1 << 20) || !tc_is_between(num_labels, 0, 1 << 24)) return -1;
    heads h = {features, weights, num_features, num_labels, out};
    tc_run_ranges(pool, num_texts, num_texts * num_features * num_labels / 64, some_heads, &h);
    return 0;
}

typedef struct {
    tc_scores scores;
    const float *best;
    const uint8_t *empty;
    double *out;
} many_scores;

static void some_scores(void *context, int64_t first, int64_t last) {
    const many_scores *m = context;
    const tc_scores *s = &m->scores;
    for (int64_t b = first; b < last; b++)
        if (!m->empty[b]) tc_scores_of_text(s, m->best + b * s->num_sizes * s->width, m->out + b * s->num_labels);
}

int tc_add_scores(
    tc_pool *pool, const float *best, int64_t num_texts, int64_t num_sizes, int64_t width, const float *bias,
    int64_t num_filters, const float *weights, int64_t num_labels, int64_t activation, const uint8_t *empty, double *out
) {
    if (!tc_is_between(num_texts, 0, TC_MOST) || !tc_is_between(num_sizes, 0, 1 << 20) || !tc_is_between(width, 0, 1 << 20)
        || !tc_is_between(num_filters, 0, width) || !tc_is_between(num_labels, 0, 1 << 24)
        || !tc_is_between(activation, TC_ACTIVATE_RELU, TC_ACTIVATE_IDENTITY))
        return -1;
    tc_scores scores = {bias, weights, num_sizes, width, num_filters, num_labels, activation};
    many_scores m = {scores, best, empty, out};
    tc_run_ranges(pool, num_texts, num_texts * num_sizes * num_filters * num_labels / 64, some_scores, &m);
    return 0;
}

/* ---- sums of whole numbers */

/* Whole numbers are added as Python's int64 arrays are: what leaves 64 bits comes back at the other end. */
static void add(int64_t *sum, int64_t number) {
    *sum = (int64_t)((uint64_t)*sum + (uint64_t)number);
}

void tc_rows_of_text(const int64_t *table, int64_t num_labels, const int64_t *rows, int64_t length, int64_t *out) {
    for (int64_t n = 0; n < length; n++)
        for (int64_t c = 0; c < num_labels; c++) add(out + c, table[rows[n] * num_labels + c]);
}

void tc_features_of_text(const tc_wide_features *w, int64_t first, int64_t last, int64_t num_labels, int64_t *out) {
    for (int64_t n = first; n < last; n++) {
        if (n + AHEAD < last) __builtin_prefetch(w->table + w->rows[n + AHEAD] * num_labels);
        const float *row = w->table + w->rows[n] * num_labels;
        int64_t weight = (int64_t)tc_rounded(tc_within((double)w->weights[n], LARGEST) / UNIT);
        for (int64_t c = 0; c < num_labels; c++) {
            int64_t whole = (int64_t)tc_rounded(tc_within((double)row[c] * w->scale, LARGEST) / UNIT);
            add(out + c, (int64_t)((uint64_t)whole * (uint64_t)weight));
        }
    }
}

/* The quotient of whole numbers, rounded down. */
static int64_t floor_of(int64_t number, int64_t divisor) {
    int64_t quotient = number / divisor;
    return quotient - (number % divisor < 0);
}

void tc_rest_of_text(
    const int64_t *means, const int64_t *rows, int64_t length, const int64_t *bias, int64_t num_labels, int64_t *rest
) {
    for (int64_t c = 0; c < num_labels; c++) {
        int64_t mean = 0;
        for (int64_t n = 0; means != NULL && n < length; n++) add(&mean, means[rows[n] * num_labels + c]);
        rest[c] = floor_of(rest[c], INT64_C(1) << WIDE_SHIFT);
        add(rest + c, floor_of(mean, length > 0 ? length : 1));
        add(rest + c, bias[c]);
    }
}

typedef struct {
    const tc_products *products;
    const tc_row_texts *texts;
    const int64_t *means;
    const tc_wide_features *wide;
    int64_t num_labels;
    void *best;
    int64_t *mean_sums, *wide_sums;
} sums;

static void some_sums(void *context, int64_t first, int64_t last) {
    const sums *s = context;
    if (s->products != NULL && s->products->num_sizes > 0)
        some_windows(&(windows){s->products, s->texts, s->best, NULL}, first, last);
    for (int64_t b = first; b < last; b++) {
        if (s->means != NULL) {
            int64_t begin = s->texts->offsets[b], length = s->texts->offsets[b + 1] - begin;
            tc_rows_of_text(s->means, s->num_labels, s->texts->rows + begin, length, s->mean_sums + b * s->num_labels);
        }
        if (s->wide != NULL && s->wide->num_features > 0) {
            int64_t begin = s->wide->offsets[b], end = s->wide->offsets[b + 1];
            tc_features_of_text(s->wide, begin, end, s->num_labels, s->wide_sums + b * s->num_labels);
        }
    }
}

int tc_add_whole_rows(
    tc_pool *pool, const int64_t *table, int64_t num_rows, int64_t num_labels, const tc_row_texts *texts, int64_t *out
) {
    if (!tc_is_between(num_rows, 0, TC_MOST) || !tc_is_between(num_labels, 0, 1 << 24) || !tc_are_row_texts(texts, num_rows)) return -1;
    sums s = {.texts = texts, .means = table, .num_labels = num_labels, .mean_sums = out};
    tc_run_ranges(pool, texts->num_texts, texts->num_tokens, some_sums, &s);
    return 0;
}

int tc_add_features(tc_pool *pool, const tc_wide_features *wide, int64_t num_texts, int64_t num_labels, int64_t *out) {
    if (!tc_is_between(num_labels, 0, 1 << 24) || !tc_are_wide_features(wide, num_texts)) return -1;
    sums s = {.wide = wide, .num_labels = num_labels, .wide_sums = out};
    tc_run_ranges(pool, num_texts, wide->num_entries, some_sums, &s);
    return 0;
}

int tc_collect(
    tc_pool *pool, const tc_products *products, const tc_row_texts *texts, const int64_t *means, int64_t num_labels,
    const tc_wide_features *wide, void *best, int64_t *mean_sums, int64_t *wide_sums
) {
    if (!tc_are_products(products) || !tc_are_row_texts(texts, products->num_rows) || !tc_is_between(num_labels, 0, 1 << 24)
        || !tc_are_wide_features(wide, texts->num_texts))
        return -1;
    sums s = {products, texts, means, wide, num_labels, best, mean_sums, wide_sums};
    tc_run_ranges(pool, texts->num_texts, texts->num_tokens + wide->num_entries, some_sums, &s);
    return 0;
}
