/* Shared declarations of the tables reader. */
#ifndef TEXTCNN_TABLES_STATE_H
#define TEXTCNN_TABLES_STATE_H

#include "lookup_state.h"
#include "tables.h"
#include "type_rows.h"
#include "whole_scores.h"

/* Words that are found by their bytes: word k ends at ends[k], where the next one begins. */
typedef struct {
    const uint8_t *bytes;
    int64_t *ends;   /* (count) */
    int64_t count;
    uint32_t *slots; /* (num_slots, a power of 2 above count): 1 + the number of a word, or 0 */
    int64_t num_slots;
} tc_word_set;

/* The slot of a word: of the one that is equal, or the empty one where it belongs. */
int64_t tc_slot_of_word(const tc_word_set *set, const uint8_t *word, int64_t size);

/* Vectors as they stand in the file: float32, or int8 with a scale for each row; NULL where they are not. */
typedef struct {
    const float *floats;
    const int8_t *whole;
    const float *scales;
    int64_t dim;
} tc_vectors;

/* Memory for one text, kept for the next one. */
enum {
    TC_POINTS, TC_WORDS, TC_IDS, TC_UNSEEN, TC_UNSEEN_ENDS, TC_UNSEEN_SLOTS, TC_BAG_OFFSETS, TC_BUCKETS, TC_NUMBERS,
    TC_BAG_ROWS, TC_ROWS, TC_NEW_TYPES, TC_FIXED, TC_FLOATS, TC_WIDE_ROWS, TC_WIDE_WEIGHTS, TC_WIDE_SCRATCH,
    TC_WIDE_EXACT, TC_NUM_SCRATCH
};

typedef struct {
    void *bytes;
    size_t size;
} tc_scratch;

struct textcnn_tables {
    /* words */
    int form;
    tc_word_set words;
    int64_t unknown, max_length; /* INT64_MAX: texts are not cut */
    const int32_t *buckets;      /* (vectors.num_ngrams), ascending: of the rows of n-gram vectors */
    int64_t ngram_min, ngram_max, ngram_buckets, ngrams_per_token;

    /* rows of words, made when a text first holds them: rows from `used` on are of the unseen words of one text */
    tc_vectors fixed, own;
    tc_vector_tables vectors; /* as tc_fill_rows has them; word rows are put there for each text */
    tc_whole_weights weights;
    tc_row_layout layout;
    tc_products products;     /* num_rows: for which there is memory */
    int64_t *first_taps;      /* of the products of rows, whose taps may differ from those of the weights */
    int64_t *weight_taps;
    double *panels;
    int32_t *row_of;          /* (words.count) */
    void *row_bytes;
    int64_t *means;
    uint8_t *clipped;
    const int64_t *character_shares; /* (words.count, num_labels), or NULL: what n-grams add to the words' means */
    int64_t row_size, used;

    /* the wide branch */
    tc_wide_features wide; /* num_features: 0 where there is none */
    const float *idf;
    const int64_t *keys;
    int32_t *word_rows, *pairs;
    int64_t num_slots;
    double *logarithms; /* one more than those of 1, 2, ... */
    int64_t num_logarithms;

    /* logits and labels */
    tc_scores scores;
    tc_whole_scores whole_scores;
    const int64_t *bias;
    const uint8_t *labels;
    const int64_t *label_ends;
    const double *thresholds;
    double temperature;
    int64_t num_labels;
    int is_multi_label;
    const double *target_means, *target_stds; /* (C), in regression; else NULL */
    int64_t num_grades;                       /* of an ordered scale; 0: of none */
    const uint8_t *grade_names;
    const int64_t *grade_ends;
    const double *cuts; /* (num_grades - 1), ascending numbers between them */
    double slope;       /* of their cumulative logits */
    double *grades;     /* (num_grades) of the answer */

    void *best;
    int64_t *rest;
    double *logits, *probabilities;
    uint8_t *is_given;
    textcnn_answer answer;
    tc_scratch scratch[TC_NUM_SCRATCH];
};

/* Memory for `count` items of a size; what stood there is lost. NULL without memory. */
void *tc_scratch_for(textcnn_tables *tables, int which, int64_t count, size_t size);

/* Memory for so many rows, none of them made. Gives -1 without memory. */
int tc_make_room_for_rows(textcnn_tables *tables, int64_t num_rows);

/* Logarithms of 1, 2, ... `number`, each and one. Gives -1 without memory. */
int tc_extend_logarithms(textcnn_tables *tables, int64_t number);

#endif
