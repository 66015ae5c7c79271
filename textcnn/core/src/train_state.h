/* Shared state of the parts of a training step. */
#ifndef TEXTCNN_TRAIN_STATE_H
#define TEXTCNN_TRAIN_STATE_H

#include <stddef.h>

#include "mix.h"
#include "train.h"

/* Where the rooms of each part begin among those of a trainer. */
enum { BATCH_ROOMS = 0, ROW_ROOMS = 6, DENSE_GRADS_ROOM = 14, PANELS_ROOM = 15, STEP_ROOMS = 16, NUM_ROOMS = 32 };

/* Memory that grows and is kept from step to step. */
typedef struct {
    void *block, *data; /* of malloc, and where a cache line or a page begins in it */
    size_t size;
} tc_room;

/* An entry of a gradient that lives at single places: column of the taps (tap * F + filter) and value. */
typedef struct {
    int32_t *columns;
    float *values;
} tc_entries;

/* A batch: its texts as slots of unique types, 1 to U; slot 0 is a blank, whose vector is 0. */
typedef struct {
    int64_t num_texts, num_slots, num_places, num_entries, num_rows;
    const int64_t *rows;
    int64_t *starts;  /* (B) place of each text's first token in `slots`; blanks stand before and after it */
    int64_t *lengths; /* (B) */
    int32_t *slots;   /* (places) */
    int32_t *types;   /* (U + 1) type id of each slot */
    int64_t *row_starts; /* (U + 2) where the rows of each slot begin in `row_of` */
    int32_t *row_of;     /* rows that make its vector: words, then V + n-gram */
    float *shares;       /* (U + 1) what each n-gram row counts (with `adds_ngrams` the word row counts 1) */
    /* The same by row, for the gradients: the distinct rows, where their entries begin, slots and shares of entries. */
    int32_t *distinct;
    int64_t *entry_starts;
    int32_t *entry_slots;
    float *entry_shares;
    /* Places of each slot in the texts, and the text of each place. */
    int64_t *place_starts; /* (U + 2) */
    int32_t *place_of, *text_of;
} tc_batch;

struct tc_trainer {
    const struct tc_train_kernels *kernels; /* the panels are packed for their instruction set */
    tc_network network;
    tc_objective objective;
    tc_pool *pool;
    int64_t width;       /* X */
    int64_t tuned_at;    /* where the trained channel begins in a vector */
    int64_t columns;     /* T F, of the products */
    int64_t stride;      /* the same padded to whole panels */
    int64_t num_maxima;  /* G F */
    int64_t num_features; /* of a text, padded: G F, and X with the mean */
    int64_t num_dense;
    int64_t margin;      /* blanks before and after a text: the largest width less 1 */
    int64_t most_entries; /* of a text: each tap of each winning window */
    tc_batch batch;
    int32_t *marks;      /* (ids) 0, or the slot of a type while a batch is gathered */
    int64_t num_marks;
    int32_t *row_marks;  /* (V + n-grams) likewise for rows */
    tc_room rooms[NUM_ROOMS];
    /* Of a batch, by slot or text: */
    float *vectors, *vector_grads; /* (U + 1, X), (U + 1, D) */
    float *products;               /* (U + 1, stride) */
    float *panels;                 /* the taps, packed */
    float *features, *feature_grads; /* (B, features) */
    float *mean_grads;             /* (B, D) of the trained channel, for each token of the text */
    float *logits, *wide_logits;   /* (B, outputs padded), (B, C padded) */
    float *score_grads;            /* (B, G F) gradient of each largest score */
    int32_t *winners;              /* (B, G F) where its window begins, in tokens of the text */
    int32_t *entry_at;             /* (places + B) where the entries of a place begin among those of its text */
    tc_entries entries;            /* (B, most_entries) */
    double *losses;                /* (B) */
    float *dense_grads;
    float *scratch;                /* (threads, scratch_size) */
    int64_t scratch_size;
    double divisor;
    int is_ready; /* the taps are packed */
};

/* Room for `count` items of `size` bytes, to a cache line; what was in it is lost when it grows. NULL without memory. */
void *tc_room_for(tc_room *room, int64_t count, size_t size);

/* Fill `batch` with the texts; `step` may be NULL: no word is dropped. */
int tc_gather(tc_trainer *trainer, const tc_corpus *corpus, const int64_t *rows, int64_t count, const tc_step *step);
void tc_sort_rows(tc_trainer *trainer);
void tc_sort_places(tc_trainer *trainer);

/* Where a label stands among ascending candidates, of which there is one at least; where it would, if it is none. */
static inline int64_t tc_place_of(const int32_t *candidates, int64_t count, int32_t label) {
    int64_t first = 0, last = count - 1;
    while (first < last) {
        int64_t middle = (first + last) / 2;
        if (candidates[middle] < label) first = middle + 1;
        else last = middle;
    }
    return first;
}

static inline float tc_chance(uint64_t mixed) {
    return (float)(mixed >> 40) * (1.0f / 16777216.0f);
}

/* What is compiled for each instruction set. */
typedef struct tc_train_kernels {
    int (*step)(tc_trainer *, const tc_corpus *, const tc_step *, tc_optimizer *, double *);
    int (*gradients)(tc_trainer *, const tc_corpus *, const tc_step *, float *, float *, float *, float *, double *);
    int (*logits)(tc_trainer *, const tc_corpus *, float *, float *);
} tc_train_kernels;

#endif
