/* Rows of delimited text, cut into cells: CSV, cells between tabs, plain lines.
 *
 * Only unambiguous rows are cut. Any other row is marked as odd, and its bytes are left unchanged for the reference
 * reader in Python. All arrays belong to the caller. */
#ifndef TEXTCNN_SCAN_H
#define TEXTCNN_SCAN_H

#include <stdint.h>

enum { TC_QUOTES_ARE_TEXT, TC_QUOTES_ARE_SYNTAX, TC_QUOTES_ARE_ODD };

/* The dialect of a table. */
typedef struct {
    int64_t delimiter;        /* a byte of ASCII; below 0: a line is one cell */
    int64_t quotes;           /* one of the three above */
    int64_t keeps_blank;      /* whether a line without a byte is a row; else it is odd */
    int64_t num_columns;      /* a row with another number of cells is odd */
    int64_t longest;          /* bytes of a row: from there on the rest is not cut */
    const uint8_t *names;     /* without quotes; a row whose first cell is one of them, blanks aside, is odd */
    const int64_t *name_ends; /* (num_names), where each ends */
    int64_t num_names;
} tc_table_form;

/* How far tc_scan_rows has come: begin with zeros. */
typedef struct {
    int64_t place, rows, lines; /* bytes, rows and line ends processed */
} tc_scan_progress;

enum { TC_SCAN_MORE, TC_SCAN_FULL, TC_SCAN_FOREIGN };

/* Cut data (num_bytes), UTF-8 that begins with a row, into cells, as far as it holds whole rows.
 *
 * Cell c of row r is data[begins[r * num_columns + c]] to data[ends[...]], for which doubled quotes within it are
 * made single ones in place. spans (2 * most_rows): where each row begins and ends, with its line end; lines (most_rows):
 * line ends before it; odd (most_rows): 1 where its cells are not cut. Gives TC_SCAN_MORE where no whole row is left
 * (of the last data of a file: none at all), TC_SCAN_FULL after most_rows, TC_SCAN_FOREIGN where the row at
 * progress->place cannot be cut and nobody knows where it ends, and -1 where sizes do not fit. */
int tc_scan_rows(
    uint8_t *data, int64_t num_bytes, int is_last, const tc_table_form *form, tc_scan_progress *progress,
    int64_t *begins, int64_t *ends, int64_t *spans, int64_t *lines, uint8_t *odd, int64_t most_rows
);

/* What the objects of JSON lines look like: these keys in this order, none twice, as bytes that need no escapes. */
typedef struct {
    const uint8_t *keys;
    const int64_t *key_ends; /* (num_columns), where each ends */
    int64_t num_columns;
    int64_t longest; /* as above */
} tc_object_form;

enum { TC_STRING, TC_SCALAR };

/* The same for an object a line: cells are strings, without their quotes and escapes, or, where kinds says TC_SCALAR,
 * numbers, true, false and null as they stand. Objects with other keys or values are odd. */
int tc_scan_objects(
    uint8_t *data, int64_t num_bytes, int is_last, const tc_object_form *form, tc_scan_progress *progress,
    int64_t *begins, int64_t *ends, uint8_t *kinds, int64_t *spans, int64_t *lines, uint8_t *odd, int64_t most_rows
);

/* Bytes of all entries (num_entries), data[begins[k]] to data[ends[k]], every stride-th of both, one after another: out
 * (num_out), of which out_ends (num_entries) says where each ends. Gives 0, or -1 where sizes do not fit. */
int tc_take_bytes(
    const uint8_t *data, int64_t num_bytes, const int64_t *begins, const int64_t *ends, int64_t stride,
    int64_t num_entries, uint8_t *out, int64_t num_out, int64_t *out_ends
);

#endif
