/* Classification of one text in one call, from bytes to logits, if all its words are cached.
 *
 * For one text the calls between the steps would cost more than the steps. Each step is the function used for batches. */
#ifndef TEXTCNN_ONE_TEXT_H
#define TEXTCNN_ONE_TEXT_H

#include "chunks.h"
#include "lookup.h"

#define TC_MOST_TOKENS 1024 /* a longer text spends its time elsewhere */

enum { TC_ANSWERED, TC_NOT_MET };

/* What is remembered of chunks and types, and the weights of the model. */
typedef struct {
    tc_chunk_table chunks; /* only looked at */
    const int32_t *chunk_ids; /* (num_chunk_ids) of all chunks; from num_types on, unseen words */
    const int64_t *chunk_offsets; /* (chunks.used + 1) */
    int64_t num_chunk_ids;
    int64_t num_types, unknown; /* the id of unknown words, or -1 */
    int64_t longest; /* words that the filters see */
    const int64_t *row_of, *row_of_unseen; /* (num_types), (num_unseen): the row of each type, or -1 */
    int64_t num_unseen;
    tc_products products;
    const int64_t *means; /* (num_rows, num_labels) */
    const uint8_t *clipped; /* (num_rows) */
    int64_t num_labels;
    const int64_t *keys; /* (num_features) */
    const int32_t *word_rows, *pairs; /* as tc_index_ngrams makes them: (num_words), (num_slots) */
    int64_t num_words, num_slots;
    const float *idf, *table; /* (num_features), (num_features, num_labels) */
    int64_t num_features;
    const double *logarithms; /* (num_logarithms): one more than those of 1, 2, ... */
    int64_t num_logarithms;
    double scale;
    const int64_t *output_bias; /* (num_labels), in 2^-36 */
    const float *bias, *head; /* (num_sizes * num_filters), (num_sizes * num_filters, num_labels) */
    int64_t num_filters, activation;
} tc_one_text;

typedef struct {
    int64_t tokens, unknown, clipped; /* words in all, unknown ones; whether a product left the range of int8 */
    int64_t label; /* of the largest logit; -1: rows are not float32, or a logit is not finite */
    double margin; /* from the second largest logit to it; infinite where there is one label */
} tc_text_facts;

/* best (num_sizes, width), the largest sums; rest (num_labels), what the mean, the wide branch and the bias add, in 2^-36;
 * logits (num_labels), of float32 rows alone. Gives TC_ANSWERED, TC_NOT_MET where something is not remembered or the text
 * is long, or -1 where sizes or numbers do not fit together. */
int tc_answer_one_text(
    const tc_one_text *model, const uint8_t *data, int64_t num_bytes, void *best, int64_t *rest, double *logits,
    tc_text_facts *facts
);

#endif
