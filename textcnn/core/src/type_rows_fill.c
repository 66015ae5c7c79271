/* Vectors, products and rows of some types, compiled once for each instruction set (TC_SET names it).
 *
 * Products may be fused with sums: each one here is exact, of whole numbers or with a power of two, so no bit changes. */
#include <stddef.h>
#include <stdlib.h>

#include "type_rows_state.h"
#include "vectors.h"
#include "whole_numbers.h"

#define UNIT_BITS 36 /* shares count in 2^-36 */
#define LARGEST 127.0
#define NUMBERS 96
#define LARGEST_SCORE 16384.0

#define TC_DOUBLES (TC_VECTOR / 2)
typedef double tc_doubles __attribute__((vector_size(8 * TC_DOUBLES), aligned(8), may_alias));

#if TC_VECTOR == 16
#define TILE_ROWS 12
#else
#define TILE_ROWS 6
#endif
#define TILE_COLUMNS (2 * TC_DOUBLES)

/* ---- vectors */

static void compose_one(const tc_type_job *job, int64_t k, float *restrict out) {
    const tc_vector_tables *t = job->tables;
    const int64_t type = job->types[k], dim = t->dim;
    const int is_known = type < t->num_types;
    for (int64_t d = 0; d < t->fixed_dim; d++) out[d] = is_known ? t->fixed[type * t->fixed_dim + d] : 0.0f;
    float *restrict own = out + t->fixed_dim;
    const float *restrict word = is_known ? t->words + type * dim : NULL;
    if (t->ngrams == NULL) {
        for (int64_t d = 0; d < dim; d++) own[d] = word != NULL ? word[d] : 0.0f;
        return;
    }
    const int64_t first = job->bags->offsets[k], last = job->bags->offsets[k + 1];
    for (int64_t d = 0; d < dim; d++) own[d] = 0.0f;
    for (int64_t e = first; e < last; e++) {
        const float *restrict row = t->ngrams + job->bags->rows[e] * dim;
        for (int64_t d = 0; d < dim; d++) own[d] += row[d];
    }
    const int64_t count = last - first + (t->adds ? 0 : is_known);
    const float number = (float)(count > 0 ? count : 1);
    for (int64_t d = 0; d < dim; d++) {
        float base = word != NULL ? word[d] : 0.0f;
        own[d] = t->adds ? base + own[d] / number : (base + own[d]) / number;
    }
}

static void compose(tc_type_job *job, int64_t first, int64_t last) {
    int64_t dim = job->tables->fixed_dim + job->tables->dim;
    for (int64_t k = first; k < last; k++) compose_one(job, k, job->vectors + k * dim);
}

/* The vector as whole numbers of at most `bits` bits; gives the power of two that they are to be multiplied with. */
static double make_whole(const float *restrict vector, int64_t dim, int bits, double *restrict whole) {
    double top = 0.0;
    for (int64_t d = 0; d < dim; d++) {
        double size = vector[d] < 0.0f ? -(double)vector[d] : (double)vector[d];
        top = size > top ? size : top;
    }
    uint64_t pattern;
    memcpy(&pattern, &top, sizeof pattern);
    int exponent = top > 0.0 ? (int)(pattern >> 52) - 1022 : 0; /* top is below 2^exponent, and at least half of it */
    const double scale = tc_power_of_two(bits - exponent);
    for (int64_t d = 0; d < dim; d++) whole[d] = tc_rounded((double)vector[d] * scale);
    return tc_power_of_two(exponent - bits);
}

/* ---- products */

TC_INLINE void multiply_tile(
    double *restrict out, int64_t stride, const double *restrict whole, int64_t dim, const double *restrict panel, const int rows
) {
    tc_doubles left[TILE_ROWS], right[TILE_ROWS];
    TC_UNROLL
    for (int m = 0; m < rows; m++) left[m] = right[m] = (tc_doubles){0};
    for (int64_t d = 0; d < dim; d++) {
        const double *at = panel + d * TC_PANEL;
        tc_doubles first = *(const tc_doubles *)at, second = *(const tc_doubles *)(at + TC_DOUBLES);
        TC_UNROLL
        for (int m = 0; m < rows; m++) {
            const double value = whole[m * dim + d];
            left[m] += value * first;
            right[m] += value * second;
        }
    }
    TC_UNROLL
    for (int m = 0; m < rows; m++) {
        *(tc_doubles *)(out + m * stride) = left[m];
        *(tc_doubles *)(out + m * stride + TC_DOUBLES) = right[m];
    }
}

/* out (count, stride) = whole (count, dim) times all panels. */
static void multiply(
    double *out, int64_t stride, const double *whole, int64_t count, int64_t dim, const double *panels
) {
    for (int64_t column = 0; column < stride; column += TILE_COLUMNS) {
        const double *panel = panels + column / TC_PANEL * TC_PANEL * dim + column % TC_PANEL;
        int64_t row = 0;
        for (; row + TILE_ROWS <= count; row += TILE_ROWS)
            multiply_tile(out + row * stride + column, stride, whole + row * dim, dim, panel, TILE_ROWS);
        for (; row + 2 <= count; row += 2)
            multiply_tile(out + row * stride + column, stride, whole + row * dim, dim, panel, 2);
        for (; row < count; row++) multiply_tile(out + row * stride + column, stride, whole + row * dim, dim, panel, 1);
    }
}

/* ---- rows */

static void write_floats(const tc_row_layout *l, const double *restrict products, float *restrict row) {
    for (int64_t tap = 0; tap < l->num_taps; tap++) {
        for (int64_t f = 0; f < l->num_filters; f++) row[tap * l->width + f] = (float)products[tap * l->num_filters + f];
        for (int64_t f = l->num_filters; f < l->width; f++) row[tap * l->width + f] = 0.0f;
    }
}

/* Write products in steps as int8; gives the largest size before it is cut to that range. Two loops, since compilers make
 * vectors of neither float64 to int8 in one; the numbers between them stay in the first cache. */
static int32_t write_in_steps(const double *restrict products, const double *restrict steps, int64_t count, int8_t *restrict row) {
    int32_t numbers[NUMBERS], top = 0;
    for (int64_t first = 0; first < count; first += NUMBERS) {
        int64_t some = count - first < NUMBERS ? count - first : NUMBERS;
        for (int64_t f = 0; f < some; f++)
            numbers[f] = (int32_t)tc_rounded(tc_within(products[first + f] / steps[first + f], LARGEST + 1.0));
        for (int64_t f = 0; f < some; f++) {
            int32_t number = numbers[f], size = number < 0 ? -number : number;
            top = size > top ? size : top;
            number = number < (int32_t)LARGEST ? number : (int32_t)LARGEST;
            row[first + f] = (int8_t)(number > -(int32_t)LARGEST ? number : -(int32_t)LARGEST);
        }
    }
    return top;
}

/* Gives whether a product is outside of the range of int8. */
static int write_whole(const tc_row_layout *l, const double *restrict products, int8_t *restrict row) {
    int is_clipped = 0;
    for (int64_t g = 0; g < l->num_sizes; g++) {
        const double *restrict steps = l->steps + g * l->num_filters;
        for (int64_t tap = l->first_taps[g]; tap < l->first_taps[g] + l->sizes[g]; tap++, row += l->width) {
            is_clipped |= write_in_steps(products + tap * l->num_filters, steps, l->num_filters, row) > LARGEST;
            for (int64_t f = l->num_filters; f < l->width; f++) row[f] = 0;
        }
    }
    return is_clipped;
}

/* A score as a whole number of 2^-36, so bounded that a thousand of them stay inside 64 bits. */
static int64_t whole_score(double score) {
    return tc_whole(tc_within(score, LARGEST_SCORE) * tc_power_of_two(UNIT_BITS));
}

static int64_t row_taps(const tc_row_layout *l) {
    int64_t taps = 0;
    for (int64_t g = 0; g < l->num_sizes; g++) taps += l->sizes[g];
    return l->steps == NULL ? l->num_taps : taps;
}

/* Add what the n-grams of type k add to its shares: whole numbers, so in any order. */
static void add_scores(const tc_type_job *job, int64_t k, int64_t *restrict shares) {
    const tc_vector_tables *t = job->tables;
    const int64_t num_shares = job->layout->num_shares;
    for (int64_t e = job->bags->offsets[k]; e < job->bags->offsets[k + 1]; e++) {
        const float *restrict row = t->scores + job->bags->rows[e] * num_shares;
        for (int64_t c = 0; c < num_shares; c++)
            shares[c] = (int64_t)((uint64_t)shares[c] + (uint64_t)whole_score((double)row[c] * t->score_scale));
    }
}

static void write_rows(tc_type_job *job, int64_t first, int64_t count, double *products, int64_t stride, const double *scales) {
    const tc_row_layout *l = job->layout;
    int64_t size = row_taps(l) * l->width, shares = job->weights->num_columns - l->num_shares;
    for (int64_t k = 0; k < count; k++) {
        double *restrict own = products + k * stride;
        for (int64_t c = 0; c < job->weights->num_columns; c++) own[c] = own[c] * scales[k] * job->weights->scales[c];
        if (l->steps == NULL)
            write_floats(l, own, (float *)job->rows + (first + k) * size);
        else
            job->clipped[first + k] = (uint8_t)write_whole(l, own, (int8_t *)job->rows + (first + k) * size);
        if (l->steps == NULL) job->clipped[first + k] = 0;
        for (int64_t c = 0; c < l->num_shares; c++)
            job->shares[(first + k) * l->num_shares + c] = tc_whole(own[shares + c] * tc_power_of_two(UNIT_BITS));
        if (job->tables->scores != NULL) add_scores(job, first + k, job->shares + (first + k) * l->num_shares);
    }
}

static void fill(tc_type_job *job, int64_t first, int64_t last) {
    const int64_t dim = job->tables->fixed_dim + job->tables->dim, most = last - first;
    const int64_t stride = (job->weights->num_columns + TC_PANEL - 1) / TC_PANEL * TC_PANEL;
    double *whole = malloc((size_t)(most * (dim + stride + 1)) * sizeof(double) + (size_t)dim * sizeof(float));
    if (whole == NULL) {
        __atomic_store_n(&job->has_failed, 1, __ATOMIC_RELAXED);
        return;
    }
    double *products = whole + most * dim, *scales = products + most * stride;
    float *vector = (float *)(scales + most);
    for (int64_t k = 0; k < most; k++) {
        compose_one(job, first + k, vector);
        scales[k] = make_whole(vector, dim, (int)job->weights->bits, whole + k * dim);
    }
    multiply(products, stride, whole, most, dim, job->weights->panels);
    write_rows(job, first, most, products, stride, scales);
    free(whole);
}

#define TC_JOIN(name, set) name##_##set
#define TC_NAMED(name, set) TC_JOIN(name, set)

extern const tc_type_kernels TC_NAMED(tc_types, TC_SET);
const tc_type_kernels TC_NAMED(tc_types, TC_SET) = {compose, fill};
