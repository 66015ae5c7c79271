#include "whole_scores.h"

#include "lookup.h"
#include "numeric.h"
#include "whole_numbers.h"

#define FINE 256.0       /* parts of a step in which the bias counts */
#define TANH_UNITS 32768.0 /* 2^15, which 1 is in a feature that is a tangent */
#define LEAK 100.0       /* `leaky_relu` has one hundredth of a number below 0 */

/* The whole feature of a whole score; what a feature counts stands in the head. */
static double activated(double score, double step, int64_t activation) {
    switch (activation) {
        case TC_ACTIVATE_RELU: return score > 0.0 ? score : 0.0;
        case TC_ACTIVATE_LEAKY_RELU: return score > 0.0 ? score * LEAK : score;
        case TC_ACTIVATE_TANH: return tc_rounded(tc_tanh(score * (step / FINE)) * TANH_UNITS);
        default: return score;
    }
}

void tc_whole_scores_of_text(const tc_whole_scores *s, const int16_t *best, double *out) {
    for (int64_t g = 0; g < s->num_sizes; g++)
        for (int64_t f = 0; f < s->num_filters; f++) {
            int64_t k = g * s->num_filters + f;
            double feature = activated((double)best[g * s->width + f] * FINE + s->bias[k], s->steps[k], s->activation);
            if (feature == 0.0) continue;
            const double *row = s->head + k * s->num_labels;
            for (int64_t c = 0; c < s->num_labels; c++) out[c] += feature * row[c];
        }
}
