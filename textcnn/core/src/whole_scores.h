/* Integer logits from the max-pooled sums of int8 rows: textcnn.runtime.filters.IntegerFilters is the
 * definition. Sums of whole numbers below 2^53 are exact in float64, in any order and on every machine. */
#ifndef TEXTCNN_WHOLE_SCORES_H
#define TEXTCNN_WHOLE_SCORES_H

#include <stdint.h>

#define TC_MOST_WORDS_OF_WHOLE 258 /* of a window whose sum fits 16 bits */

typedef struct {
    const double *steps; /* (num_sizes * num_filters), of the filters */
    const double *bias;  /* (num_sizes * num_filters), in steps of 1/256 */
    const double *head;  /* (num_sizes * num_filters, num_labels), whole numbers */
    int64_t num_sizes, width, num_filters, num_labels, activation;
} tc_whole_scores;

/* Add the activations of one text's largest sums best (num_sizes, width) times the head to out (num_labels). */
void tc_whole_scores_of_text(const tc_whole_scores *scores, const int16_t *best, double *out);

#endif
