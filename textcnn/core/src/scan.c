#include "scan.h"

#include <string.h>

#include "scan_state.h"

/* Position within the bytes of a row. */
typedef struct {
    int64_t place, lines, cells;
    int is_odd;
} row_scan;

enum { CELL_ENDS, ROW_ENDS, ROW_IS_OPEN, ROW_IS_FOREIGN };

static int is_mark(const uint8_t *data, int64_t place, int64_t num_bytes) {
    return num_bytes - place >= 3 && data[place] == 0xef && data[place + 1] == 0xbb && data[place + 2] == 0xbf;
}

/* What the byte at the end of a cell says; a line end is passed. */
static int close_cell(const uint8_t *data, int64_t num_bytes, int is_last, row_scan *row) {
    if (row->place == num_bytes) return is_last ? ROW_ENDS : ROW_IS_OPEN;
    if (data[row->place] == '\r') {
        if (row->place + 1 == num_bytes) return is_last ? ROW_IS_FOREIGN : ROW_IS_OPEN;
        if (data[row->place + 1] != '\n') return ROW_IS_FOREIGN;
        row->place++;
    }
    if (data[row->place++] != '\n') return CELL_ENDS; /* a delimiter */
    row->lines++;
    return ROW_ENDS;
}

/* The cell at row->place, which has no quotes around it. */
static int scan_plain(
    const uint8_t *data, int64_t num_bytes, int is_last, const tc_table_form *form, row_scan *row, int64_t *end
) {
    int64_t place = row->place;
    for (; place < num_bytes; place++) {
        uint8_t byte = data[place];
        if (byte > '"' && byte != form->delimiter) continue; /* nearly always */
        if (byte == form->delimiter || byte == '\n' || byte == '\r') break;
        if (byte == 0 || (byte == '"' && form->quotes == TC_QUOTES_ARE_ODD)) row->is_odd = 1;
    }
    row->place = *end = place;
    return close_cell(data, num_bytes, is_last, row);
}

/* The cell after the quote at row->place; a negative end encodes -1 - end and means that it has doubled quotes. */
static int scan_quoted(
    const uint8_t *data, int64_t num_bytes, int is_last, const tc_table_form *form, row_scan *row, int64_t *end
) {
    int is_doubled = 0;
    int64_t place = row->place + 1;
    for (;; place++) {
        if (place == num_bytes) return is_last ? ROW_IS_FOREIGN : ROW_IS_OPEN;
        uint8_t byte = data[place];
        if (byte > '"') continue;
        if (byte == '"') {
            if (place + 1 == num_bytes || data[place + 1] != '"') break;
            is_doubled = 1;
            place++;
        } else if (byte == '\n') {
            row->lines++;
            row->is_odd |= is_mark(data, place + 1, num_bytes);
        } else if (byte == '\r') {
            if (place + 1 == num_bytes) return is_last ? ROW_IS_FOREIGN : ROW_IS_OPEN;
            if (data[place + 1] != '\n') return ROW_IS_FOREIGN;
        } else if (byte == 0) {
            row->is_odd = 1;
        }
    }
    *end = is_doubled ? -1 - place : place;
    row->place = place + 1;
    if (row->place == num_bytes && !is_last) return ROW_IS_OPEN; /* a second quote may follow */
    if (row->place < num_bytes) {
        uint8_t byte = data[row->place];
        if (byte != form->delimiter && byte != '\n' && byte != '\r') return ROW_IS_FOREIGN;
    }
    return close_cell(data, num_bytes, is_last, row);
}

/* The row at row->place. Cells beyond num_columns are counted alone. */
static int scan_row(
    const uint8_t *data, int64_t num_bytes, int is_last, const tc_table_form *form, row_scan *row, int64_t *begins,
    int64_t *ends
) {
    if (is_mark(data, row->place, num_bytes)) {
        row->is_odd = 1;
        row->place += 3;
    }
    int64_t first = row->place;
    for (;;) {
        int is_quoted = form->quotes == TC_QUOTES_ARE_SYNTAX && row->place < num_bytes && data[row->place] == '"';
        int64_t begin = row->place + is_quoted, end = begin;
        int state = is_quoted ? scan_quoted(data, num_bytes, is_last, form, row, &end)
                              : scan_plain(data, num_bytes, is_last, form, row, &end);
        if (state != CELL_ENDS && state != ROW_ENDS) return state;
        if (row->cells < form->num_columns) {
            begins[row->cells] = begin;
            ends[row->cells] = end;
        }
        row->cells++;
        if (state == CELL_ENDS) continue;
        if (row->cells != form->num_columns || (!form->keeps_blank && row->cells == 1 && end == first)) row->is_odd = 1;
        return ROW_ENDS;
    }
}

/* Make doubled quotes within cells single ones. */
static void undouble(uint8_t *data, const int64_t *begins, int64_t *ends, int64_t num_columns) {
    for (int64_t c = 0; c < num_columns; c++) {
        if (ends[c] >= 0) continue;
        int64_t end = -1 - ends[c], to = begins[c];
        for (int64_t from = begins[c]; from < end; from++, to++) {
            data[to] = data[from];
            if (data[from] == '"') from++;
        }
        ends[c] = to;
    }
}

/* Bytes that may be blanks in Unicode: a cell and a name without them at both ends are equal if they are without blanks. */
static int may_be_blank(uint8_t byte) {
    return byte <= ' ' || byte >= 0x80;
}

static void trim(const uint8_t *data, int64_t *begin, int64_t *end) {
    while (*begin < *end && may_be_blank(data[*begin])) ++*begin;
    while (*begin < *end && may_be_blank(data[*end - 1])) --*end;
}

static int contains(const uint8_t *data, int64_t begin, int64_t end, const uint8_t *name, int64_t size) {
    for (; end - begin >= size; begin++)
        if (memcmp(data + begin, name, (size_t)size) == 0) return 1;
    return 0;
}

/* Whether a cell is one of the names, blanks around both aside; in doubt it is. */
static int is_name(const uint8_t *data, int64_t begin, int64_t end, const tc_table_form *form) {
    int64_t first = begin, last = end, name = 0;
    if (form->num_names == 0) return 0;
    trim(data, &first, &last);
    for (int64_t k = 0; k < form->num_names; name = form->name_ends[k++]) {
        int64_t low = name, high = form->name_ends[k];
        trim(form->names, &low, &high);
        if (high - low == last - first && memcmp(form->names + low, data + first, (size_t)(high - low)) == 0
            && contains(data, begin, end, form->names + name, form->name_ends[k] - name))
            return 1;
    }
    return 0;
}

int tc_scan_rows(
    uint8_t *data, int64_t num_bytes, int is_last, const tc_table_form *form, tc_scan_progress *progress,
    int64_t *begins, int64_t *ends, int64_t *spans, int64_t *lines, uint8_t *odd, int64_t most_rows
) {
    if (num_bytes < 0 || most_rows < 0 || form->num_columns < 1 || form->num_names < 0 || !tc_is_progress(progress, num_bytes, most_rows))
        return -1;
    while (progress->place < num_bytes) {
        int64_t r = progress->rows, *begin = begins + r * form->num_columns, *end = ends + r * form->num_columns;
        if (r == most_rows) return TC_SCAN_FULL;
        row_scan row = {progress->place, 0, 0, 0};
        int state = scan_row(data, num_bytes, is_last, form, &row, begin, end);
        if (state == ROW_IS_FOREIGN || row.place - progress->place >= form->longest) return TC_SCAN_FOREIGN;
        if (state == ROW_IS_OPEN) return TC_SCAN_MORE;
        if (!row.is_odd && end[0] >= 0) row.is_odd = is_name(data, begin[0], end[0], form); /* no name has quotes */
        if (!row.is_odd) undouble(data, begin, end, form->num_columns);
        spans[2 * r] = progress->place;
        spans[2 * r + 1] = row.place;
        lines[r] = progress->lines;
        odd[r] = (uint8_t)row.is_odd;
        *progress = (tc_scan_progress){row.place, r + 1, progress->lines + row.lines};
    }
    return TC_SCAN_MORE;
}

int tc_take_bytes(
    const uint8_t *data, int64_t num_bytes, const int64_t *begins, const int64_t *ends, int64_t stride,
    int64_t num_entries, uint8_t *out, int64_t num_out, int64_t *out_ends
) {
    if (num_bytes < 0 || stride < 1 || num_entries < 0) return -1;
    int64_t written = 0;
    for (int64_t k = 0; k < num_entries; k++) {
        int64_t begin = begins[k * stride], end = ends[k * stride];
        if (begin < 0 || end < begin || end > num_bytes || end - begin > num_out - written) return -1;
        int64_t size = end - begin;
        memcpy(out + written, data + begin, (size_t)size);
        out_ends[k] = written += size;
    }
    return 0;
}
