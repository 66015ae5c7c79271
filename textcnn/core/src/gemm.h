/* Matrix product C = A B^T with a B that is packed once and reused for many rows of A. */
#ifndef TEXTCNN_GEMM_H
#define TEXTCNN_GEMM_H

#include "vectors.h"

#if TC_VECTOR == 16
#define TC_GEMM_ROWS 12
#else
#define TC_GEMM_ROWS 6
#endif
#define TC_GEMM_COLUMNS (2 * TC_VECTOR)
#define TC_GEMM_SHARD 48 /* rows of A of one task: a multiple of TC_GEMM_ROWS */

/* Numbers of columns, padded to whole panels. */
TC_INLINE int64_t tc_gemm_padded(int64_t columns) {
    return (columns + 31) / 32 * 32;
}

/* Pack the rows [first, first + TC_GEMM_COLUMNS) of b (columns, depth) into their panel; rows after the end are 0. */
TC_INLINE void tc_gemm_pack(float *panel, const float *b, int64_t first, int64_t columns, int64_t depth) {
    for (int64_t j = 0; j < TC_GEMM_COLUMNS; j++)
        for (int64_t k = 0; k < depth; k++)
            panel[k * TC_GEMM_COLUMNS + j] = first + j < columns ? b[(first + j) * depth + k] : 0.0f;
}

TC_INLINE void tc_gemm_tile(
    float *restrict c, int64_t stride, const float *restrict a, const float *restrict panel, int64_t depth, const int rows
) {
    tc_vec left[TC_GEMM_ROWS], right[TC_GEMM_ROWS];
    TC_UNROLL
    for (int m = 0; m < rows; m++) left[m] = right[m] = (tc_vec){0};
    for (int64_t k = 0; k < depth; k++) {
        tc_vec first = tc_load(panel + k * TC_GEMM_COLUMNS), second = tc_load(panel + k * TC_GEMM_COLUMNS + TC_VECTOR);
        TC_UNROLL
        for (int m = 0; m < rows; m++) {
            tc_vec value = tc_all(a[m * depth + k]);
            left[m] += value * first;
            right[m] += value * second;
        }
    }
    TC_UNROLL
    for (int m = 0; m < rows; m++) {
        tc_store(c + m * stride, left[m]);
        tc_store(c + m * stride + TC_VECTOR, right[m]);
    }
}

/* c (rows, stride) = a (rows, depth) times the packed panels; rows are written in whole tiles of TC_GEMM_ROWS. */
TC_INLINE void tc_gemm(
    float *c, int64_t stride, const float *a, const float *packed, int64_t rows, int64_t columns, int64_t depth
) {
    for (int64_t first = 0; first < columns; first += TC_GEMM_COLUMNS)
        for (int64_t row = 0; row < rows; row += TC_GEMM_ROWS)
            tc_gemm_tile(c + row * stride + first, stride, a + row * depth, packed + first * depth, depth, TC_GEMM_ROWS);
}

#endif
