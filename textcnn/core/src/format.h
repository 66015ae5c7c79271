/* Rows of tables as bytes of JSON lines, CSV or plain text, and fractions in the shortest form that reads the same.
 *
 * All arrays belong to the caller. Functions give -1 where sizes do not fit together. */
#ifndef TEXTCNN_FORMAT_H
#define TEXTCNN_FORMAT_H

#include <stdint.h>

enum { TC_AS_IT_IS, TC_AS_JSON, TC_AS_CSV };

/* What each row has in one place. Row r has entry codes[r], or entry r where codes is NULL; if num_entries is 1 and codes
 * is NULL, every row has that entry. */
typedef struct {
    const uint8_t *data;
    const int64_t *begins, *ends; /* (num_entries): entry k is data[begins[k]] to data[ends[k]] */
    const int32_t *codes;         /* (num_rows), or NULL */
    int64_t num_bytes, num_entries;
    int64_t form;                 /* one of the three above: a string of JSON in its quotes; a cell, in quotes if it must */
} tc_part;

/* All parts of a row one after another, row after row, with every row's end in row_ends (num_rows). Gives the number of
 * bytes; nothing is written where out is NULL. The cells of CSV are parted by delimiter. */
int64_t tc_join_rows(
    const tc_part *parts, int64_t num_parts, int64_t num_rows, int delimiter, uint8_t *out, int64_t num_out,
    int64_t *row_ends
);

enum { TC_FRACTION_BYTES = 24 };

/* The shortest decimal form of each value (count) that reads as the same value, the nearest such; positional, as 0.25.
 *
 * Only for 0, 1 and values from 0.0001 below 1; for others, and where two forms are equally near, ends[k] is begins[k].
 * Value k is out[begins[k]] to out[ends[k]]; out has room for TC_FRACTION_BYTES a value. Gives how many have no form. */
int64_t tc_write_fractions(const double *values, int64_t count, uint8_t *out, int64_t *begins, int64_t *ends);

#endif
