/* Any parts of rows as bytes, and any float64 numbers as fractions, for libFuzzer (`make fuzz-core`). */
#include "format.h"
#include "fuzz.h"

enum { MOST_PARTS = 4 };

static void join(void) {
    tc_part parts[MOST_PARTS];
    int64_t num_parts = below(MOST_PARTS + 1), num_rows = below(6), *row_ends = room(num_rows, 8);
    int delimiter = byte() % 4 ? ',' : byte();
    for (int64_t p = 0; p < num_parts; p++) {
        int64_t entries = byte() % 2 ? num_rows : below(4), num_bytes = below(24), is_coded = below(2);
        int64_t *ends = offsets(entries, num_bytes), form = number(2), says = byte() % 16 ? num_bytes : number(num_bytes);
        int64_t *begins = byte() % 8 ? ends : numbers(entries + 1, num_bytes);
        parts[p] = (tc_part){
            bytes_of(num_bytes, 1), begins, ends + 1, is_coded ? small_numbers(num_rows, entries - 1) : NULL,
            says > num_bytes ? num_bytes : says, entries, form
        };
    }
    int64_t size = tc_join_rows(parts, num_parts, num_rows, delimiter, NULL, 0, row_ends);
    require(size >= -1);
    if (size < 0) return;
    for (int64_t r = 0; r < num_rows; r++) require(row_ends[r] >= (r > 0 ? row_ends[r - 1] : 0) && row_ends[r] <= size);
    require(tc_join_rows(parts, num_parts, num_rows, delimiter, room(size, 1), size, row_ends) == size);
    /* With less memory it says that they do not fit, and writes nothing behind it. */
    if (size > 0) require(tc_join_rows(parts, num_parts, num_rows, delimiter, room(size - 1, 1), size - 1, row_ends) == -1);
    require(tc_join_rows(parts, num_parts, num_rows, delimiter, NULL, -1, row_ends) == -1);
}

/* Each form reads as its value, and so does none that is a digit shorter. */
static void write_fractions(void) {
    int64_t count = below(6), *begins = room(count, 8), *ends = room(count, 8), missing = 0;
    uint64_t *patterns = bytes_of(count, 8);
    double *values = room(count, 8);
    memcpy(values, patterns, (size_t)count * 8);
    for (int64_t k = 0; k < count; k++) /* most numbers are in no range that has a form: half are moved there */
        if (byte() % 2) values[k] = (double)(patterns[k] >> byte() % 14) / 18446744073709551616.0;
    uint8_t *out = room(count * TC_FRACTION_BYTES, 1);
    int64_t said = tc_write_fractions(values, count, out, begins, ends);
    for (int64_t k = 0; k < count; k++) {
        int64_t size = ends[k] - begins[k];
        char text[TC_FRACTION_BYTES + 1] = {0};
        require(begins[k] == (k > 0 ? ends[k - 1] : 0) && size >= 0 && size <= TC_FRACTION_BYTES);
        missing += size == 0;
        if (size == 0) continue;
        memcpy(text, out + begins[k], (size_t)size);
        require(strtod(text, NULL) == values[k] && text[1] == '.');
        if (size <= 3) continue;
        text[size - 1] = 0; /* cut, or rounded up */
        require(strtod(text, NULL) != values[k] && text[size - 2] >= '0');
        if (text[size - 2] == '9') continue;
        text[size - 2]++;
        require(strtod(text, NULL) != values[k]);
    }
    require(said == missing);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    begin(bytes, size);
    (byte() % 4 ? join : write_fractions)();
    end();
    return 0;
}
