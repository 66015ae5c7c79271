/* The kernels of many labels that are compiled for each instruction set. */
#ifndef TEXTCNN_MANY_LABELS_STATE_H
#define TEXTCNN_MANY_LABELS_STATE_H

#include "many_labels.h"

typedef struct {
    /* The logits of one panel of labels; `logits` is its first column. */
    void (*panel)(
        const float *features, int64_t num_texts, int64_t num_features, const float *panel, const float *bias, float *logits,
        int64_t stride
    );
    /* The largest logits of one text and their probabilities. */
    void (*best)(const float *logits, int64_t num_labels, float temperature, int64_t count, int32_t *best, double *probabilities);
} tc_many_labels_kernels;

#endif
