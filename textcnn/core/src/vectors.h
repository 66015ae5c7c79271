/* Small loops over rows of floats, for the widest vectors of the instruction set that a file is compiled for.
 *
 * Widths of rows are multiples of TC_LANES, rows need not be aligned. Sums have a fixed order for one instruction set. */
#ifndef TEXTCNN_VECTORS_H
#define TEXTCNN_VECTORS_H

#include <stdint.h>
#include <string.h>

#define TC_LANES 16 /* numbers that every width is padded to: one vector of AVX-512, a cache line */

#if defined(__AVX512F__)
#define TC_VECTOR 16
#elif defined(__AVX__)
#define TC_VECTOR 8
#else
#define TC_VECTOR 4
#endif

#if defined(__clang__)
#define TC_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TC_UNROLL _Pragma("GCC unroll 16")
#endif

#define TC_INLINE static inline __attribute__((always_inline, unused))

typedef float tc_vec __attribute__((vector_size(4 * TC_VECTOR), aligned(4), may_alias));
typedef int32_t tc_ivec __attribute__((vector_size(4 * TC_VECTOR), aligned(4), may_alias));

TC_INLINE tc_vec tc_load(const float *p) {
    return *(const tc_vec *)p;
}

TC_INLINE void tc_store(float *p, tc_vec v) {
    *(tc_vec *)p = v;
}

TC_INLINE tc_vec tc_all(float x) {
    tc_vec zero = {0};
    return x - zero; /* not zero + x, which would turn -0 to 0 and costs an addition */
}

/* The sum of a vector's numbers, by halves. */
TC_INLINE float tc_total(tc_vec v) {
    float part[TC_VECTOR];
    memcpy(part, &v, sizeof part);
    for (int half = TC_VECTOR / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) part[i] += part[i + half];
    return part[0];
}

/* Dot product of two rows of n numbers. */
TC_INLINE float tc_dot(const float *a, const float *b, int64_t n) {
    tc_vec first = {0}, second = {0};
    int64_t i = 0;
    for (; i + 2 * TC_VECTOR <= n; i += 2 * TC_VECTOR) {
        first += tc_load(a + i) * tc_load(b + i);
        second += tc_load(a + i + TC_VECTOR) * tc_load(b + i + TC_VECTOR);
    }
    for (; i < n; i += TC_VECTOR) first += tc_load(a + i) * tc_load(b + i);
    return tc_total(first + second);
}

/* y += a * x. */
TC_INLINE void tc_add_scaled(float *restrict y, const float *restrict x, float a, int64_t n) {
    for (int64_t i = 0; i < n; i += TC_VECTOR) tc_store(y + i, tc_load(y + i) + tc_all(a) * tc_load(x + i));
}

/* y += a * x for rows of any width. */
TC_INLINE void tc_add_few(float *restrict y, const float *restrict x, float a, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += a * x[i];
}

TC_INLINE void tc_sum_columns(
    float *restrict out, const float *restrict table, int64_t stride, const int32_t *restrict rows,
    const float *restrict weights, int64_t count, const int vectors
) {
    tc_vec sum[8];
    TC_UNROLL
    for (int k = 0; k < vectors; k++) sum[k] = tc_load(out + k * TC_VECTOR);
    for (int64_t e = 0; e < count; e++) {
        const float *row = table + (int64_t)rows[e] * stride;
        tc_vec weight = tc_all(weights[e]);
        TC_UNROLL
        for (int k = 0; k < vectors; k++) sum[k] += weight * tc_load(row + k * TC_VECTOR);
    }
    TC_UNROLL
    for (int k = 0; k < vectors; k++) tc_store(out + k * TC_VECTOR, sum[k]);
}

/* out (width) += the sum of weights[e] * table[rows[e]]; rows of the table are `stride` apart. Sums stay in registers. */
TC_INLINE void tc_sum_rows(
    float *restrict out, const float *restrict table, int64_t stride, int64_t width, const int32_t *restrict rows,
    const float *restrict weights, int64_t count
) {
    int64_t at = 0;
    if (count == 0) return;
    for (; at + 8 * TC_VECTOR <= width; at += 8 * TC_VECTOR)
        tc_sum_columns(out + at, table + at, stride, rows, weights, count, 8);
    if (at + 6 * TC_VECTOR <= width) {
        tc_sum_columns(out + at, table + at, stride, rows, weights, count, 6);
        at += 6 * TC_VECTOR;
    }
    if (at + 4 * TC_VECTOR <= width) {
        tc_sum_columns(out + at, table + at, stride, rows, weights, count, 4);
        at += 4 * TC_VECTOR;
    }
    if (at + 2 * TC_VECTOR <= width) {
        tc_sum_columns(out + at, table + at, stride, rows, weights, count, 2);
        at += 2 * TC_VECTOR;
    }
    for (; at < width; at += TC_VECTOR) tc_sum_columns(out + at, table + at, stride, rows, weights, count, 1);
}

TC_INLINE void tc_add_columns(
    float *restrict out, const float *restrict table, int64_t stride, const int32_t *restrict rows, int64_t count,
    const int vectors
) {
    tc_vec sum[8];
    TC_UNROLL
    for (int k = 0; k < vectors; k++) sum[k] = tc_load(out + k * TC_VECTOR);
    for (int64_t e = 0; e < count; e++) {
        const float *row = table + (int64_t)rows[e] * stride;
        TC_UNROLL
        for (int k = 0; k < vectors; k++) sum[k] += tc_load(row + k * TC_VECTOR);
    }
    TC_UNROLL
    for (int k = 0; k < vectors; k++) tc_store(out + k * TC_VECTOR, sum[k]);
}

/* out (width) += the sum of table[rows[e]]. */
TC_INLINE void tc_add_rows(
    float *restrict out, const float *restrict table, int64_t stride, int64_t width, const int32_t *restrict rows,
    int64_t count
) {
    int64_t at = 0;
    for (; at + 8 * TC_VECTOR <= width; at += 8 * TC_VECTOR) tc_add_columns(out + at, table + at, stride, rows, count, 8);
    for (; at + 4 * TC_VECTOR <= width; at += 4 * TC_VECTOR) tc_add_columns(out + at, table + at, stride, rows, count, 4);
    for (; at < width; at += TC_VECTOR) tc_add_columns(out + at, table + at, stride, rows, count, 1);
}

/* x[i] = e to the power (x[i] - shift), within 1e-6 of its value; n is a multiple of TC_VECTOR. */
TC_INLINE void tc_exp_row(float *x, float shift, int64_t n) {
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
    for (int64_t i = 0; i < n; i += TC_VECTOR) {
        tc_vec v = tc_load(x + i) - tc_all(shift);
        tc_ivec low = v < tc_all(-87.0f);
        v = (tc_vec)((~low & (tc_ivec)v) | (low & (tc_ivec)tc_all(-87.0f)));
        tc_vec k = (v * tc_all(1.44269504f) + tc_all(magic)) - tc_all(magic);
        tc_vec r = (v - k * tc_all(0.693359375f)) - k * tc_all(-2.12194440e-4f);
        tc_vec p = tc_all(1.0f / 720.0f);
        p = p * r + tc_all(1.0f / 120.0f);
        p = p * r + tc_all(1.0f / 24.0f);
        p = p * r + tc_all(1.0f / 6.0f);
        p = p * r + tc_all(0.5f);
        p = p * r + tc_all(1.0f);
        p = p * r + tc_all(1.0f);
        tc_ivec exponent = ((tc_ivec)(k + tc_all(magic)) - (tc_ivec)tc_all(magic) + 127) << 23;
        tc_vec scale = (tc_vec)exponent;
        tc_store(x + i, p * scale);
    }
}

#endif
