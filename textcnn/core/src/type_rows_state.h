/* Shared declarations of the type-row kernels. */
#ifndef TEXTCNN_TYPE_ROWS_STATE_H
#define TEXTCNN_TYPE_ROWS_STATE_H

#include "type_rows.h"

#define TC_TYPES_A_TASK 48 /* a multiple of the rows of a tile of every instruction set */

typedef struct {
    const tc_vector_tables *tables;
    const tc_whole_weights *weights;
    const tc_row_layout *layout;
    const int64_t *types;
    const tc_bags *bags;
    int64_t num_types;
    float *vectors; /* of tc_compose_vectors, or NULL */
    void *rows;
    int64_t *shares;
    uint8_t *clipped;
    int has_failed; /* a task had no memory */
} tc_type_job;

typedef struct {
    void (*compose)(tc_type_job *job, int64_t first, int64_t last);
    void (*fill)(tc_type_job *job, int64_t first, int64_t last);
} tc_type_kernels;

#endif
