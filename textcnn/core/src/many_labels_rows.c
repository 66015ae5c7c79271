/* Products with a panel of labels, and the largest logits: once for each instruction set, without fused products. */
#include "many_labels_state.h"
#include "vectors.h"

#if TC_VECTOR == 16
#define TC_TEXTS 12 /* texts at once, whose sums stay in registers */
#else
#define TC_TEXTS 6
#endif
#define TC_SUMS 16  /* partial sums of the powers */
#define TC_BLOCK 1024

TC_INLINE void some_texts(
    float *restrict out, int64_t stride, const float *restrict features, int64_t depth, const float *restrict panel,
    const float *restrict bias, const int texts
) {
    tc_vec left[TC_TEXTS], right[TC_TEXTS];
    TC_UNROLL
    for (int m = 0; m < texts; m++) {
        left[m] = tc_load(bias);
        right[m] = tc_load(bias + TC_VECTOR);
    }
    for (int64_t k = 0; k < depth; k++) {
        tc_vec first = tc_load(panel + k * TC_PANEL), second = tc_load(panel + k * TC_PANEL + TC_VECTOR);
        TC_UNROLL
        for (int m = 0; m < texts; m++) {
            tc_vec value = tc_all(features[m * depth + k]);
            left[m] += value * first;
            right[m] += value * second;
        }
    }
    TC_UNROLL
    for (int m = 0; m < texts; m++) {
        tc_store(out + m * stride, left[m]);
        tc_store(out + m * stride + TC_VECTOR, right[m]);
    }
}

static void panel_of_texts(
    const float *features, int64_t num_texts, int64_t depth, const float *panel, const float *bias, float *logits,
    int64_t stride
) {
    for (int64_t at = 0; at < TC_PANEL; at += 2 * TC_VECTOR) {
        int64_t b = 0;
        for (; b + TC_TEXTS <= num_texts; b += TC_TEXTS)
            some_texts(logits + b * stride + at, stride, features + b * depth, depth, panel + at, bias + at, TC_TEXTS);
        for (; b < num_texts; b++) some_texts(logits + b * stride + at, stride, features + b * depth, depth, panel + at, bias + at, 1);
    }
}

/* The sum of the powers of e of (logit - largest) / temperature: partial sums of every sixteenth label, then their sum. */
static double sum_of_powers(const float *logits, int64_t num_labels, float largest, float temperature) {
    float powers[TC_BLOCK];
    double sums[TC_SUMS] = {0};
    for (int64_t first = 0; first < num_labels; first += TC_BLOCK) {
        int64_t count = num_labels - first < TC_BLOCK ? num_labels - first : TC_BLOCK;
        for (int64_t c = 0; c < count; c++) powers[c] = (logits[first + c] - largest) / temperature;
        for (int64_t c = count; c < TC_BLOCK && c % TC_SUMS != 0; c++) powers[c] = 0.0f;
        tc_exp_row(powers, 0.0f, (count + TC_SUMS - 1) / TC_SUMS * TC_SUMS);
        for (int64_t c = count; c % TC_SUMS != 0; c++) powers[c] = 0.0f;
        for (int64_t c = 0; c < count; c += TC_SUMS)
            for (int i = 0; i < TC_SUMS; i++) sums[i] += powers[c + i];
    }
    double total = 0.0;
    for (int i = 0; i < TC_SUMS; i++) total += sums[i];
    return total;
}

static void best_of_text(
    const float *logits, int64_t num_labels, float temperature, int64_t count, int32_t *best, double *probabilities
) {
    int64_t found = 0;
    for (int64_t c = 0; c < num_labels; c++) {
        if (found == count && !(logits[c] > logits[best[count - 1]])) continue;
        int64_t at = found < count ? found++ : count - 1;
        for (; at > 0 && logits[c] > logits[best[at - 1]]; at--) best[at] = best[at - 1];
        best[at] = (int32_t)c;
    }
    float largest = logits[best[0]];
    double total = sum_of_powers(logits, num_labels, largest, temperature);
    for (int64_t j = 0; j < count; j++) {
        float power[TC_SUMS] = {(logits[best[j]] - largest) / temperature};
        tc_exp_row(power, 0.0f, TC_VECTOR);
        probabilities[j] = (double)power[0] / total;
    }
}

#define TC_JOIN(name, set) name##_##set
#define TC_NAMED(name, set) TC_JOIN(name, set)

extern const tc_many_labels_kernels TC_NAMED(tc_many_labels, TC_SET);
const tc_many_labels_kernels TC_NAMED(tc_many_labels, TC_SET) = {panel_of_texts, best_of_text};
