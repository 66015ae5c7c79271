#include "numeric.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LN2_HIGH 6.93147180369123816490e-01 /* ln 2 without its last 21 bits, so that k * LN2_HIGH is exact */
#define LN2_LOW 1.90821492927058770002e-10
#define INVERSE_LN2 1.44269504088896338700e+00

static double from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t to_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* 2 to the power k, for k in [-1022, 1023]. */
static double power_of_two(int64_t k) {
    return from_bits((uint64_t)(k + 1023) << 52);
}

double tc_exp(double x) {
    /* Taylor's series of degree 13 on |r| <= ln 2 / 2: its first term left out is below 1e-17. */
    static const double inverse_factorial[14] = {
        1.0,         1.0,          1.0 / 2,       1.0 / 6,        1.0 / 24,        1.0 / 120,        1.0 / 720,
        1.0 / 5040,  1.0 / 40320,  1.0 / 362880,  1.0 / 3628800,  1.0 / 39916800,  1.0 / 479001600,  1.0 / 6227020800.0,
    };
    if (x != x) return x;
    if (x > 709.782712893384) return HUGE_VAL;
    if (x < -745.2) return 0.0;
    double scaled = x * INVERSE_LN2;
    int64_t k = (int64_t)(scaled + (scaled >= 0.0 ? 0.5 : -0.5));
    double r = (x - (double)k * LN2_HIGH) - (double)k * LN2_LOW;
    double sum = inverse_factorial[13];
    for (int i = 12; i >= 0; i--) sum = sum * r + inverse_factorial[i];
    if (k > 1022) return sum * power_of_two(1022) * power_of_two(k - 1022);
    if (k < -1021) return sum * power_of_two(-1021) * power_of_two(k < -1022 - 1021 ? -1022 : k + 1021);
    return sum * power_of_two(k);
}

double tc_log(double x) {
    if (x != x || x < 0.0) return from_bits(0x7ff8000000000000ULL);
    if (x == 0.0) return -HUGE_VAL;
    if (x > 1.7976931348623157e308) return x;
    int64_t k = 0;
    if (x < 2.2250738585072014e-308) { /* a denormal number */
        x *= 18014398509481984.0; /* 2 to the power 54 */
        k = -54;
    }
    uint64_t bits = to_bits(x);
    k += (int64_t)(bits >> 52) - 1023;
    double m = from_bits((bits & 0x000fffffffffffffULL) | 0x3ff0000000000000ULL); /* in [1, 2) */
    if (m > 1.41421356237309504880) {
        m *= 0.5;
        k += 1;
    }
    /* ln m = 2 artanh(s): a series in the square of s, which is at most 0.0295. */
    double s = (m - 1.0) / (m + 1.0), square = s * s, sum = 1.0 / 23.0;
    for (int i = 21; i >= 3; i -= 2) sum = sum * square + 1.0 / (double)i;
    double tail = 2.0 * s * square * sum;
    return (double)k * LN2_HIGH + ((double)k * LN2_LOW + tail + 2.0 * s);
}

/* tanh(2 y) = 2 tanh(y) / (1 + tanh(y)^2), six times, from a quotient that is exact to 1e-13 for y < 1/3. */
double tc_tanh(double x) {
    double y = (x < -20.0 ? -20.0 : x > 20.0 ? 20.0 : x) / 64.0, square = y * y;
    double value = y * (945.0 + square * (105.0 + square)) / (945.0 + square * (420.0 + square * 15.0));
    for (int i = 0; i < 6; i++) value = 2.0 * value / (1.0 + value * value);
    return value;
}
