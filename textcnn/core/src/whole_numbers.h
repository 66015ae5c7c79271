/* Conversion of float64 to integers: rounded to nearest, halves to even, without a library's rint, and never undefined. */
#ifndef TEXTCNN_WHOLE_NUMBERS_H
#define TEXTCNN_WHOLE_NUMBERS_H

#include <stdint.h>
#include <string.h>

/* x clamped to -bound and bound; NaN is -bound, as numpy's fmax and fmin have it. */
static inline double tc_within(double x, double bound) {
    x = x > -bound ? x : -bound;
    return x < bound ? x : bound;
}

/* The nearest whole number of |x| < 2^51: adding 1.5 * 2^52 leaves no bit for a fraction. */
static inline double tc_rounded(double x) {
    return (x + 6755399441055744.0) - 6755399441055744.0;
}

/* The same of any x as an integer; the least one where it does not fit. */
static inline int64_t tc_whole(double x) {
    const double bound = 4503599627370496.0; /* 2^52: no number from there on has a fraction */
    if (!(x > -9.2e18 && x < 9.2e18)) return INT64_MIN;
    if (x > -bound && x < bound) x = x < 0.0 ? (x - bound) + bound : (x + bound) - bound;
    return (int64_t)x;
}

/* 2 to the power k, for k in [-1022, 1023]. */
static inline double tc_power_of_two(int k) {
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#endif
