#include <string.h>

#include "scan_state.h"

#define LONGEST_NUMBER 300 /* longer ones may be more than Python reads */

/* A place in a line that ends at `end`. */
typedef struct {
    const uint8_t *data;
    int64_t place, end;
} cursor;

static int next_is(cursor *at, uint8_t byte) {
    if (at->place == at->end || at->data[at->place] != byte) return 0;
    at->place++;
    return 1;
}

static void pass_blanks(cursor *at) {
    while (at->place < at->end && (at->data[at->place] == ' ' || at->data[at->place] == '\t')) at->place++;
}

static int hex_value(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    uint8_t small = byte | 0x20;
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/* The number after \u, of four hexadecimal digits; -1 if they are others, or half a surrogate pair. */
static int code_point(const uint8_t *digits) {
    int code = 0;
    for (int i = 0; i < 4; i++) {
        int value = hex_value(digits[i]);
        if (value < 0) return -1;
        code = code * 16 + value;
    }
    return code >= 0xd800 && code < 0xe000 ? -1 : code;
}

/* A string after its first quote, up to and with the last: 0 where it is none; 1, or 2 where it has escapes. */
static int pass_string(cursor *at) {
    int found = 1;
    for (; at->place < at->end; at->place++) {
        uint8_t byte = at->data[at->place];
        if (byte == '"') {
            at->place++;
            return found;
        }
        if (byte < 0x20) return 0;
        if (byte != '\\') continue;
        found = 2;
        if (++at->place == at->end) return 0;
        byte = at->data[at->place];
        if (byte == 'u') {
            if (at->end - at->place < 5 || code_point(at->data + at->place + 1) < 0) return 0;
            at->place += 4;
        } else if (byte == 0 || strchr("\"\\/bfnrt", byte) == NULL) {
            return 0;
        }
    }
    return 0;
}

static int pass_digits(cursor *at) {
    int64_t first = at->place;
    while (at->place < at->end && at->data[at->place] >= '0' && at->data[at->place] <= '9') at->place++;
    return at->place > first;
}

static int pass_number(cursor *at) {
    int64_t first = at->place;
    next_is(at, '-');
    if (!next_is(at, '0') && !pass_digits(at)) return 0;
    if (next_is(at, '.') && !pass_digits(at)) return 0;
    if (next_is(at, 'e') || next_is(at, 'E')) {
        if (!next_is(at, '+')) next_is(at, '-');
        if (!pass_digits(at)) return 0;
    }
    return at->place - first <= LONGEST_NUMBER;
}

static int pass_word(cursor *at, const char *word) {
    int64_t size = (int64_t)strlen(word);
    if (at->end - at->place < size || memcmp(at->data + at->place, word, (size_t)size) != 0) return 0;
    at->place += size;
    return 1;
}

/* The value of a key; an end below 0 stands for -1 - end, and says that the string has escapes. */
static int pass_value(cursor *at, int64_t *begin, int64_t *end, uint8_t *kind) {
    *kind = TC_SCALAR;
    *begin = at->place;
    if (next_is(at, '"')) {
        *kind = TC_STRING;
        *begin = at->place;
        int found = pass_string(at);
        *end = found == 2 ? -at->place : at->place - 1;
        return found;
    }
    int found = pass_word(at, "true") || pass_word(at, "false") || pass_word(at, "null") || pass_number(at);
    *end = at->place;
    return found;
}

/* Whether a line is the object that is looked for. */
static int pass_object(cursor *at, const tc_object_form *form, int64_t *begins, int64_t *ends, uint8_t *kinds) {
    int64_t key = 0;
    pass_blanks(at);
    if (!next_is(at, '{')) return 0;
    for (int64_t c = 0; c < form->num_columns; key = form->key_ends[c++]) {
        int64_t size = form->key_ends[c] - key;
        if (c > 0 && !next_is(at, ',')) return 0;
        pass_blanks(at);
        if (!next_is(at, '"') || at->end - at->place < size || memcmp(at->data + at->place, form->keys + key, (size_t)size))
            return 0;
        at->place += size;
        if (!next_is(at, '"')) return 0;
        pass_blanks(at);
        if (!next_is(at, ':')) return 0;
        pass_blanks(at);
        if (!pass_value(at, begins + c, ends + c, kinds + c)) return 0;
        pass_blanks(at);
    }
    if (!next_is(at, '}')) return 0;
    pass_blanks(at);
    return at->place == at->end;
}

static int64_t put_code(uint8_t *to, int code) {
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xc0 | code >> 6);
        to[1] = (uint8_t)(0x80 | (code & 63));
        return 2;
    }
    to[0] = (uint8_t)(0xe0 | code >> 12);
    to[1] = (uint8_t)(0x80 | (code >> 6 & 63));
    to[2] = (uint8_t)(0x80 | (code & 63));
    return 3;
}

/* Write what the escapes of a string stand for in their place, which is never longer; gives the new end. */
static int64_t unescape(uint8_t *data, int64_t begin, int64_t end) {
    static const char names[] = "bfnrt", stand_for[] = "\b\f\n\r\t";
    int64_t to = begin;
    for (int64_t from = begin; from < end; from++) {
        if (data[from] != '\\') {
            data[to++] = data[from];
            continue;
        }
        uint8_t byte = data[++from];
        const char *name = strchr(names, byte);
        if (byte == 'u') {
            to += put_code(data + to, code_point(data + from + 1));
            from += 4;
        } else {
            data[to++] = name == NULL ? byte : (uint8_t)stand_for[name - names];
        }
    }
    return to;
}

int tc_scan_objects(
    uint8_t *data, int64_t num_bytes, int is_last, const tc_object_form *form, tc_scan_progress *progress,
    int64_t *begins, int64_t *ends, uint8_t *kinds, int64_t *spans, int64_t *lines, uint8_t *odd, int64_t most_rows
) {
    if (num_bytes < 0 || most_rows < 0 || form->num_columns < 1 || !tc_is_progress(progress, num_bytes, most_rows)) return -1;
    while (progress->place < num_bytes) {
        int64_t r = progress->rows, first = progress->place, left = num_bytes - first, c0 = r * form->num_columns;
        if (r == most_rows) return TC_SCAN_FULL;
        const uint8_t *found = memchr(data + first, '\n', (size_t)left);
        if (found == NULL && !is_last) return left >= form->longest ? TC_SCAN_FOREIGN : TC_SCAN_MORE;
        int64_t next = found == NULL ? num_bytes : found - data + 1, end = next - (found != NULL);
        if (found != NULL && end > first && data[end - 1] == '\r') end--;
        if (next - first >= form->longest || memchr(data + first, '\r', (size_t)(end - first)) != NULL)
            return TC_SCAN_FOREIGN; /* a carriage return alone ends a line too */
        cursor at = {data, first, end};
        odd[r] = !pass_object(&at, form, begins + c0, ends + c0, kinds + c0);
        for (int64_t c = c0; c < c0 + form->num_columns && !odd[r]; c++)
            if (ends[c] < 0) ends[c] = unescape(data, begins[c], -1 - ends[c]);
        spans[2 * r] = first;
        spans[2 * r + 1] = next;
        lines[r] = progress->lines;
        *progress = (tc_scan_progress){next, r + 1, progress->lines + (found != NULL)};
    }
    return TC_SCAN_MORE;
}
