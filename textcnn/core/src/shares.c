#include "shares.h"

#include <stddef.h>

#include "checks.h"
#include "lookup_state.h"

#define WORK 64 /* a value of these loops is as much work as this part of a word's rows */

static int have_sizes(const tc_window_words *w) {
    return tc_is_between(w->num_texts, 0, TC_MOST) && tc_is_between(w->num_filters, 0, 1 << 20) && tc_is_between(w->widest, 1, 1 << 20);
}

static double size_of(double value) {
    return value < 0.0 ? -value : value;
}

/* ---- words of windows */

typedef struct {
    const tc_products *products;
    const tc_row_texts *texts;
    const int32_t *places;
    const tc_window_words *out;
} finding;

static void words_of_window(const finding *f, int64_t b, int64_t g, int64_t column, int64_t per_size) {
    const tc_products *p = f->products;
    const tc_window_words *out = f->out;
    const int64_t begin = f->texts->offsets[b], length = f->texts->offsets[b + 1] - begin;
    int64_t place = f->places[(b * p->num_sizes + g) * p->width + column], number = b * out->num_filters + g * per_size + column;
    int64_t low = place > 0 ? place : 0, high = place + p->sizes[g] < length ? place + p->sizes[g] : length;
    int64_t count = high > low ? high - low : 0;
    double *adds = out->adds + number * out->widest;
    out->first[number] = begin + low;
    out->inside[number] = count;
    for (int64_t i = 0; i < out->widest; i++) {
        adds[i] = 0.0;
        if (i >= count) continue;
        int64_t tap = p->first_taps[g] + low - place + i;
        adds[i] = ((const float *)p->products)[(f->texts->rows[begin + low + i] * p->num_taps + tap) * p->width + column];
    }
}

static void find_some(void *context, int64_t first, int64_t last) {
    const finding *f = context;
    int64_t num_sizes = f->products->num_sizes, per_size = f->out->num_filters / num_sizes;
    for (int64_t b = first; b < last; b++)
        for (int64_t g = 0; g < num_sizes; g++)
            for (int64_t column = 0; column < per_size; column++) words_of_window(f, b, g, column, per_size);
}

int tc_find_window_words(
    tc_pool *pool, const tc_products *products, const tc_row_texts *texts, const int32_t *places, const tc_window_words *out
) {
    if (!tc_are_products(products) || products->is_whole || !have_sizes(out) || texts->num_texts != out->num_texts
        || !tc_are_row_texts(texts, products->num_rows))
        return -1;
    if (products->num_sizes == 0) return out->num_filters == 0 ? 0 : -1;
    if (out->num_filters % products->num_sizes != 0 || out->num_filters / products->num_sizes > products->width) return -1;
    for (int64_t b = 0; b < texts->num_texts; b++)
        for (int64_t g = 0; g < products->num_sizes; g++) {
            if (products->sizes[g] > out->widest) return -1;
            const int32_t *own = places + (b * products->num_sizes + g) * products->width;
            for (int64_t f = 0; f < products->width; f++)
                if (own[f] <= -products->sizes[g]) return -1; /* it would begin before its first tap */
        }
    finding f = {products, texts, places, out};
    tc_run_ranges(pool, texts->num_texts, texts->num_texts * out->num_filters / WORK, find_some, &f);
    return 0;
}

/* ---- shares of words and n-grams */

typedef struct {
    const tc_window_words *windows;
    const double *reach, *features, *heads;
    int64_t num_labels;
    double *words, *ngrams;
    uint8_t *won;
} spreading;

static void spread_window(const spreading *s, int64_t b, int64_t k) {
    const tc_window_words *w = s->windows;
    int64_t number = b * w->num_filters + k, first = w->first[number], inside = w->inside[number], labels = s->num_labels;
    const double *heads = s->heads + b * labels * w->num_filters + k, *adds = w->adds + number * w->widest;
    if (s->reach[number] != 0.0)
        for (int64_t n = 0; n < labels; n++) {
            double weight = heads[n * w->num_filters] * s->reach[number];
            for (int64_t i = 0; i < inside; i++) s->words[(first + i) * labels + n] += weight * adds[i];
        }
    if (s->features[number] == 0.0 || inside == 0) return;
    int64_t key = first * w->widest + inside - 1;
    s->won[key] = 1;
    for (int64_t n = 0; n < labels; n++) s->ngrams[key * labels + n] += heads[n * w->num_filters] * s->features[number];
}

static void spread_some(void *context, int64_t first, int64_t last) {
    const spreading *s = context;
    for (int64_t b = first; b < last; b++)
        for (int64_t k = 0; k < s->windows->num_filters; k++) spread_window(s, b, k);
}

/* Whether texts own their words: those of a text come before those of the next, and all are there. */
static int are_parted(const tc_window_words *w, int64_t num_words) {
    int64_t end = 0; /* of the words of the texts before */
    for (int64_t b = 0; b < w->num_texts; b++) {
        int64_t next = end;
        for (int64_t k = b * w->num_filters; k < (b + 1) * w->num_filters; k++) {
            if (!tc_is_between(w->inside[k], 0, w->widest) || (w->inside[k] > 0 && !tc_is_between(w->first[k], end, num_words - w->inside[k])))
                return 0;
            if (w->inside[k] > 0 && w->first[k] + w->inside[k] > next) next = w->first[k] + w->inside[k];
        }
        end = next;
    }
    return 1;
}

int tc_spread_shares(
    tc_pool *pool, const tc_window_words *windows, const double *reach, const double *features, const double *heads,
    int64_t num_labels, int64_t num_words, double *words, double *ngrams, uint8_t *won
) {
    if (!have_sizes(windows) || !tc_is_between(num_labels, 0, 1 << 24) || !tc_is_between(num_words, 0, TC_MOST) || !are_parted(windows, num_words))
        return -1;
    spreading s = {windows, reach, features, heads, num_labels, words, ngrams, won};
    tc_run_ranges(pool, windows->num_texts, windows->num_texts * windows->num_filters * num_labels / WORK, spread_some, &s);
    return 0;
}

/* ---- the strongest */

typedef struct {
    const int64_t *offsets, *ends;
    const double *values;
    int64_t top, *order;
    double *rest;
} choosing;

/* Keep the numbers of the strongest of one text in `order`, by insertion; gives how many they are. */
static int64_t choose(const choosing *c, int64_t b) {
    int64_t *order = c->order + c->ends[b], kept = 0;
    for (int64_t m = c->offsets[b]; m < c->offsets[b + 1]; m++) {
        double size = size_of(c->values[m]);
        int64_t place = kept;
        while (place > 0 && size_of(c->values[order[place - 1]]) < size) place--;
        if (place >= c->top) continue;
        if (kept < c->top) kept++;
        for (int64_t k = kept - 1; k > place; k--) order[k] = order[k - 1];
        order[place] = m;
    }
    return kept;
}

static void choose_some(void *context, int64_t first, int64_t last) {
    const choosing *c = context;
    for (int64_t b = first; b < last; b++) {
        const int64_t *order = c->order + c->ends[b];
        int64_t kept = choose(c, b);
        double least = kept > 0 ? size_of(c->values[order[kept - 1]]) : 0.0, total = 0.0;
        for (int64_t m = c->offsets[b]; m < c->offsets[b + 1]; m++) {
            int is_chosen = 0;
            if (kept > 0 && size_of(c->values[m]) >= least)
                for (int64_t k = 0; k < kept; k++) is_chosen |= order[k] == m;
            total += is_chosen ? 0.0 : c->values[m];
        }
        c->rest[b] = total;
    }
}

int tc_find_strongest(
    tc_pool *pool, const int64_t *offsets, int64_t num_texts, const double *values, int64_t num_values, int64_t top,
    const int64_t *ends, int64_t *order, int64_t num_order, double *rest
) {
    if (!tc_is_between(num_texts, 0, TC_MOST) || top < 0 || !tc_are_ascending(offsets, num_texts + 1, 0, num_values)
        || !tc_are_ascending(ends, num_texts + 1, 0, num_order))
        return -1;
    for (int64_t b = 0; b < num_texts; b++) {
        int64_t length = offsets[b + 1] - offsets[b];
        if (ends[b + 1] - ends[b] != (length < top ? length : top)) return -1;
    }
    choosing c = {offsets, ends, values, top, order, rest};
    tc_run_ranges(pool, num_texts, num_values, choose_some, &c);
    return 0;
}
