/* Training of the one-layer text classifier: a step is one call. The definition is the nn.Module of textcnn/models.
 *
 * Letters: B texts of a batch, C labels, D numbers of a word vector (padded to a multiple of 16, the padding 0), F filters
 * of a width (padded likewise), G widths, T taps, V types of the vocabulary, U unique types of a batch, X numbers of the
 * vector that filters see: D, or 2 D with a channel that is not trained. */
#ifndef TEXTCNN_TRAIN_H
#define TEXTCNN_TRAIN_H

#include <stdint.h>

#include "pool.h"

#define TC_MOST_WIDTHS 16

enum { TC_RELU, TC_LEAKY_RELU, TC_TANH, TC_IDENTITY };
enum { TC_OK, TC_NOT_FINITE, TC_NO_MEMORY, TC_BAD_ARGUMENT };

/* Encoded texts, and what is known of their types. */
typedef struct {
    int64_t num_texts, num_ids, num_features;
    const int32_t *ids;         /* of all texts; from V on they have no row of their own */
    const int64_t *offsets;     /* (num_texts + 1) */
    const int64_t *bag_offsets; /* (num_ids + 1), or NULL: no character n-grams */
    const int32_t *bag_rows;
    const int64_t *wide_offsets; /* (num_texts + 1), or NULL: no linear branch */
    const int32_t *wide_rows;
    const float *wide_values;
    const int32_t *targets; /* (num_texts), or NULL */
    const float *shares;    /* (num_texts, C): in place of targets a distribution, multi-label 0 to 1 each, of regression
                               the standardized numbers; or NULL */
    const float *weights;   /* (num_texts), how much a text counts, or NULL */
} tc_corpus;

/* Sizes and weights. Weights are changed in place. */
typedef struct {
    int64_t num_types, num_ngrams, num_features, num_labels, num_outputs; /* outputs: C, or 1 for a binary sigmoid */
    int64_t dim, own_dim; /* D padded, and as it is */
    int64_t num_filters, own_filters;       /* F padded, and as it is */
    int64_t num_widths, num_taps, max_length; /* max_length: tokens of a text, 0 for all */
    int64_t widths[TC_MOST_WIDTHS];     /* ascending where they are nested */
    int64_t first_taps[TC_MOST_WIDTHS]; /* of each width among the T taps; 0 for all where they are nested */
    int32_t has_fixed_channel, adds_ngrams, trains_words, has_mean, activation, is_multi_label, is_regression;
    int32_t is_nested, has_wide;
    float *word, *ngram;  /* (V, D), (num_ngrams, D) */
    const float *fixed;   /* (V, D), the channel that is not trained */
    float *dense;         /* taps (T, F, X), biases (G, F), head (outputs, G F + X), bias of the head (outputs) */
    float *wide;          /* (num_features, C) */
} tc_network;

/* What optimizers remember. */
typedef struct {
    float *first, *second;         /* averages of AdamW, as `dense` */
    float *word, *ngram;           /* Adagrad: (V), (num_ngrams); Adam: (V, 2, D), (num_ngrams, 2, D) */
    float *wide;                   /* (num_features) */
    int32_t rows_by_adam;
    int64_t steps; /* of AdamW so far */
} tc_optimizer;

/* How the loss is made and what is left out at random; the same for all steps. */
typedef struct {
    float smoothing, focal_gamma, huber, dropout, clip_norm, max_norm, weight_decay; /* huber, both norms: 0 for none */
    int32_t shared_dropout;
    int32_t unknown_id;         /* takes the place of dropped words; -1: none is dropped */
    const float *word_dropout;  /* (num_ids), the rate of each, or NULL */
    const float *class_weights; /* (C), or NULL */
    const float *prior;         /* (C), added to the linear branch's logits in its loss, or NULL */
    const float *cuts;          /* (num_cuts) ascending, between the grades of the one number of regression, or NULL */
    int64_t num_cuts;
    double grade_slope;         /* of their cumulative logits, above 0 */
} tc_objective;

/* Arguments of one step: learning rates, the seeds of the dropout masks, and the labels of a sampled softmax. */
typedef struct {
    float dense_rate, word_rate, ngram_rate, wide_rate;
    uint64_t word_state, mask_state;
    const int32_t *candidates; /* (num_candidates) ascending, the targets of the batch among them; NULL: all labels */
    const float *log_chances;  /* (num_candidates) of a label to be a candidate: a label that is not the target counts
                                  for as many as it stands for, so that the sum of powers is right in the mean */
    int64_t num_candidates;
} tc_step;

typedef struct tc_trainer tc_trainer;

/* A trainer of `network`, whose arrays must stay where they are, for the instruction set that runs now. NULL, and
 * TC_NO_MEMORY or TC_BAD_ARGUMENT in `status`, without memory or with sizes that do not fit. */
tc_trainer *tc_trainer_new(const tc_network *network, const tc_objective *objective, tc_pool *pool, int *status);
void tc_trainer_free(tc_trainer *trainer);

/* To be told when weights were changed from outside: products with the taps are made of a packed copy. */
void tc_trainer_refresh(tc_trainer *trainer);

/* Whether every number of a corpus is within its bounds: to be asked once, before the corpus is used. */
int tc_corpus_check(const tc_network *network, const tc_corpus *corpus);

/* One step on the texts numbered `rows`; the loss of the batch goes to `loss`. If it is not finite, no weight is moved. */
int tc_train_step(
    tc_trainer *trainer, const tc_corpus *corpus, const int64_t *rows, int64_t count, const tc_step *step,
    tc_optimizer *optimizer, double *loss
);

/* Whether `count` numbers are all finite. */
int tc_all_finite(tc_pool *pool, const float *numbers, int64_t count);

/* Gradients of a step in the place of the step: `dense` as the dense weights, `word` (V, D), `ngram`, `wide` zeroed and
 * filled, for tests against the nn.Module; with `dense` NULL they are found and forgotten. */
int tc_train_gradients(
    tc_trainer *trainer, const tc_corpus *corpus, const int64_t *rows, int64_t count, const tc_step *step, float *dense,
    float *word, float *ngram, float *wide, double *loss
);

/* Logits (count, C) of both branches without dropout; `wide` may be NULL. */
int tc_train_logits(
    tc_trainer *trainer, const tc_corpus *corpus, const int64_t *rows, int64_t count, float *main, float *wide
);

#endif
