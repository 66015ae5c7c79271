/* The loss of a row of logits and its gradient; textcnn.training.losses.BranchLoss is the definition. */
#ifndef TEXTCNN_TRAIN_LOSS_H
#define TEXTCNN_TRAIN_LOSS_H

#include <math.h>

#include "numeric.h"
#include "vectors.h"

typedef struct {
    int64_t num_labels;
    int32_t is_multi_label, is_regression;
    int32_t target;       /* of a single-label text without shares */
    const float *shares;  /* (C), or NULL */
    const float *weights; /* (C) of the labels, or NULL */
    float smoothing, gamma, huber;
    const float *cuts; /* (num_cuts) ascending, of an ordered scale, or NULL */
    int64_t num_cuts;
    double slope; /* of the cumulative logits */
    double scale; /* weight of the text over the divisor of the batch */
} tc_loss;

#define TC_LEAST_MISSED 1e-7 /* below, the slope of a power under 1 would be infinite */

/* -ln p, less the better the label is answered (Lin et al. 2017), and its slope in ln p; `log_p` is ln p. */
static double tc_focal(double log_p, double gamma, double *slope) {
    double p = tc_exp(log_p), missed = 1.0 - p;
    int is_clamped = missed < TC_LEAST_MISSED;
    if (is_clamped) missed = TC_LEAST_MISSED;
    double power = tc_exp(gamma * tc_log(missed));
    *slope = -power + (is_clamped ? 0.0 : log_p * gamma * power / missed * p);
    return -log_p * power;
}

/* ln(1 / (1 + e to the power -x)). */
static double tc_log_sigmoid(double x) {
    return x < 0.0 ? x - tc_log(1.0 + tc_exp(x)) : -tc_log(1.0 + tc_exp(-x));
}

static double tc_binary_loss(const tc_loss *loss, float *z) {
    double total = 0.0, scale = loss->scale / (double)loss->num_labels;
    for (int64_t c = 0; c < loss->num_labels; c++) {
        double soft = loss->shares[c] * (1.0 - loss->smoothing) + loss->smoothing / 2.0;
        double present = loss->weights ? soft * loss->weights[c] : soft, absent = 1.0 - soft;
        double yes = tc_log_sigmoid(z[c]), no = tc_log_sigmoid(-(double)z[c]);
        double p = tc_exp(yes), yes_slope = -1.0, no_slope = -1.0;
        double yes_loss = loss->gamma > 0.0f ? tc_focal(yes, loss->gamma, &yes_slope) : -yes;
        double no_loss = loss->gamma > 0.0f ? tc_focal(no, loss->gamma, &no_slope) : -no;
        total += present * yes_loss + absent * no_loss;
        z[c] = (float)((present * yes_slope * (1.0 - p) - absent * no_slope * p) * scale);
    }
    return total * scale;
}

/* Powers of e of logits z (C padded) less the largest, in their place; the logarithm of the sum of those of z itself. The
 * padding is filled and is to be ignored. */
static double tc_exp_logits(float *z, int64_t labels, double *sum) {
    int64_t padded = (labels + TC_VECTOR - 1) / TC_VECTOR * TC_VECTOR;
    float largest = z[0];
    for (int64_t c = 1; c < labels; c++) largest = z[c] > largest ? z[c] : largest;
    for (int64_t c = labels; c < padded; c++) z[c] = largest;
    tc_exp_row(z, largest, padded);
    *sum = 0.0;
    for (int64_t c = 0; c < labels; c++) *sum += z[c];
    return tc_log(*sum) + largest;
}

/* Cross-entropy to the smoothed label: z becomes the gradient. */
static double tc_softmax_loss(const tc_loss *loss, float *z) {
    int64_t labels = loss->num_labels;
    float label_logit = z[loss->target];
    double sum, soft = loss->smoothing / (double)labels, all = 0.0, dot = 0.0;
    for (int64_t c = 0; c < labels; c++) {
        double weight = loss->weights ? loss->weights[c] : 1.0;
        all += soft * weight;
        dot += soft * weight * z[c];
    }
    double log_sum = tc_exp_logits(z, labels, &sum), hard = 1.0 - loss->smoothing;
    hard *= loss->weights ? loss->weights[loss->target] : 1.0;
    all += hard;
    dot += hard * label_logit;
    for (int64_t c = 0; c < labels; c++) {
        double q = soft * (loss->weights ? loss->weights[c] : 1.0) + (c == loss->target ? hard : 0.0);
        z[c] = (float)((all * z[c] / sum - q) * loss->scale);
    }
    return (all * log_sum - dot) * loss->scale;
}

/* What each label weighs in the smoothed target of a single-label text. */
static double tc_target_of(const tc_loss *loss, int64_t c) {
    double share = loss->shares ? loss->shares[c] : c == loss->target ? 1.0 : 0.0;
    double q = loss->smoothing / (double)loss->num_labels + share * (1.0 - loss->smoothing);
    return loss->weights ? q * loss->weights[c] : q;
}

/* Cross-entropy to a smoothed distribution. */
static double tc_distribution_loss(const tc_loss *loss, float *z) {
    int64_t labels = loss->num_labels;
    double sum, all = 0.0, dot = 0.0;
    for (int64_t c = 0; c < labels; c++) {
        double q = tc_target_of(loss, c);
        all += q;
        dot += q * z[c];
    }
    double log_sum = tc_exp_logits(z, labels, &sum);
    for (int64_t c = 0; c < labels; c++) z[c] = (float)((all * z[c] / sum - tc_target_of(loss, c)) * loss->scale);
    return (all * log_sum - dot) * loss->scale;
}

static double tc_focal_softmax_loss(const tc_loss *loss, float *z) {
    int64_t labels = loss->num_labels;
    double largest = z[0], sum = 0.0, total = 0.0, slopes = 0.0;
    for (int64_t c = 1; c < labels; c++) largest = z[c] > largest ? z[c] : largest;
    for (int64_t c = 0; c < labels; c++) sum += tc_exp(z[c] - largest);
    double log_sum = tc_log(sum) + largest;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t c = 0; c < labels; c++) {
            double q = tc_target_of(loss, c), slope, log_p = z[c] - log_sum, value = tc_focal(log_p, loss->gamma, &slope);
            if (pass == 0) {
                total += q * value;
                slopes += q * slope;
            } else {
                z[c] = (float)((q * slope - tc_exp(log_p) * slopes) * loss->scale);
            }
        }
    }
    return total * loss->scale;
}

/* Half the squared error of standardized numbers, or, where `huber` is not 0, linear beyond it (Huber 1964). */
static double tc_error_loss(const tc_loss *loss, float *z) {
    double total = 0.0, scale = loss->scale / (double)loss->num_labels, limit = loss->huber;
    for (int64_t c = 0; c < loss->num_labels; c++) {
        double error = (double)z[c] - loss->shares[c], size = fabs(error);
        int is_linear = limit > 0.0 && size > limit;
        total += is_linear ? limit * (size - 0.5 * limit) : 0.5 * error * error;
        z[c] = (float)((is_linear ? copysign(limit, error) : error) * scale);
    }
    return total * scale;
}

/* Cumulative logits of grades (McCullagh 1980): the grade between two cuts has the probability sigmoid(slope * (high - z))
 * - sigmoid(slope * (low - z)), which is the product of the probabilities of both sides and of 1 - e to the power slope *
 * (low - high). */
static double tc_grade_loss(const tc_loss *loss, float *z) {
    int64_t below = 0; /* cuts */
    while (below < loss->num_cuts && loss->cuts[below] < loss->shares[0]) below++;
    int has_low = below > 0, has_high = below < loss->num_cuts;
    double low = has_low ? loss->cuts[below - 1] : 0.0, high = has_high ? loss->cuts[below] : 0.0, total = 0.0, slope = 0.0;
    if (has_low) {
        double above_low = tc_log_sigmoid(loss->slope * (z[0] - low));
        total -= above_low;
        slope -= 1.0 - tc_exp(above_low);
    }
    if (has_high) {
        double below_high = tc_log_sigmoid(loss->slope * (high - z[0]));
        total -= below_high;
        slope += 1.0 - tc_exp(below_high);
    }
    if (has_low && has_high) total -= tc_log(1.0 - tc_exp(loss->slope * (low - high)));
    z[0] = (float)(loss->slope * slope * loss->scale);
    return total * loss->scale;
}

/* The loss of logits z, which become its gradient; z has room for whole vectors. */
static double tc_loss_of(const tc_loss *loss, float *z) {
    if (loss->cuts != NULL) return tc_grade_loss(loss, z);
    if (loss->is_regression) return tc_error_loss(loss, z);
    if (loss->is_multi_label) return tc_binary_loss(loss, z);
    if (loss->gamma > 0.0f) return tc_focal_softmax_loss(loss, z);
    return loss->shares != NULL ? tc_distribution_loss(loss, z) : tc_softmax_loss(loss, z);
}

#endif
