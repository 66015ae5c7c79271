#include "format.h"

#include <string.h>

/* An output buffer; with out == NULL bytes are only counted. */
typedef struct {
    uint8_t *out;
    int64_t size, room;
} sink;

static void put(sink *to, const void *bytes, int64_t size) {
    if (to->out != NULL && size > 0 && size <= to->room - to->size) memcpy(to->out + to->size, bytes, (size_t)size);
    to->size += size;
}

/* Escape of a byte in a JSON string: 0 for none, 'u' for its number, else the letter after a backslash. */
static uint8_t json_escape(uint8_t byte) {
    switch (byte) {
    case '"':
    case '\\': return byte;
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    default: return byte < 0x20 ? 'u' : 0;
    }
}

static int is_plain_json(uint8_t byte) {
    return byte >= 0x20 && byte != '"' && byte != '\\';
}

/* Whether none of eight bytes has an escape. */
static int are_plain_json(const uint8_t *bytes) {
    const uint64_t ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    uint64_t word;
    memcpy(&word, bytes, 8);
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    uint64_t found = ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);
    return (found & highs) == 0;
}

static void put_json(sink *to, const uint8_t *bytes, int64_t size) {
    static const char digits[] = "0123456789abcdef";
    put(to, "\"", 1);
    for (int64_t first = 0, place = 0; first < size; first = place) {
        while (size - place >= 8 && are_plain_json(bytes + place)) place += 8;
        while (place < size && is_plain_json(bytes[place])) place++;
        put(to, bytes + first, place - first);
        if (place == size) break;
        uint8_t escape = json_escape(bytes[place]);
        char long_form[6] = {'\\', 'u', '0', '0', digits[bytes[place] >> 4], digits[bytes[place] & 15]};
        char short_form[2] = {'\\', (char)escape};
        put(to, escape == 'u' ? long_form : short_form, escape == 'u' ? 6 : 2);
        place++;
    }
    put(to, "\"", 1);
}

static void put_csv(sink *to, const uint8_t *bytes, int64_t size, int delimiter) {
    int must_quote = 0;
    for (int64_t i = 0; i < size && !must_quote; i++) {
        uint8_t byte = bytes[i];
        must_quote = byte == delimiter || byte == '"' || byte == '\n' || byte == '\r';
    }
    if (!must_quote) {
        put(to, bytes, size);
        return;
    }
    put(to, "\"", 1);
    for (int64_t first = 0, place = 0; first < size; first = place) {
        while (place < size && bytes[place] != '"') place++;
        place += place < size; /* the quote, which is then written once more */
        put(to, bytes + first, place - first);
        if (bytes[place - 1] == '"') put(to, "\"", 1);
    }
    put(to, "\"", 1);
}

static int put_part(sink *to, const tc_part *part, int64_t row, int delimiter) {
    int64_t entry = part->codes != NULL ? part->codes[row] : part->num_entries == 1 ? 0 : row;
    if (entry < 0 || entry >= part->num_entries) return -1;
    int64_t begin = part->begins[entry], end = part->ends[entry];
    if (begin < 0 || end < begin || end > part->num_bytes) return -1;
    int64_t size = end - begin;
    if (part->form == TC_AS_JSON)
        put_json(to, part->data + begin, size);
    else if (part->form == TC_AS_CSV)
        put_csv(to, part->data + begin, size, delimiter);
    else
        put(to, part->data + begin, size);
    return 0;
}

int64_t tc_join_rows(
    const tc_part *parts, int64_t num_parts, int64_t num_rows, int delimiter, uint8_t *out, int64_t num_out,
    int64_t *row_ends
) {
    sink to = {out, 0, num_out};
    if (num_parts < 0 || num_rows < 0 || num_out < 0) return -1;
    for (int64_t row = 0; row < num_rows; row++) {
        for (int64_t p = 0; p < num_parts; p++)
            if (put_part(&to, parts + p, row, delimiter) != 0) return -1;
        row_ends[row] = to.size;
    }
    return out != NULL && to.size != num_out ? -1 : to.size;
}

typedef unsigned __int128 wide;

/* Digits of a value from 0.0001 below 1, and how many decimals they are; 0 where two forms are equally near.
 *
 * The value is m / 2**e, and what reads as it lies between (4m - 2) / 2**(e + 2), or (4m - 1) / 2**(e + 2) where the next
 * value below is nearer, and (4m + 2) / 2**(e + 2), both themselves where m is even. All is exact: 10**20 times that has
 * less than 128 bits. */
static int shortest(double value, uint64_t *digits) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t m = (bits & ((1ULL << 52) - 1)) | 1ULL << 52;
    int e = 1075 - (int)(bits >> 52), shift = e + 2;
    int decimals = 17; /* so many digits tell all values apart */
    wide scale = 100000000000000000ULL;
    for (double bound = 0.1; value < bound && decimals < 20; bound /= 10, decimals++) scale *= 10;
    wide rest = ((wide)1 << shift) - 1;
    wide exact = scale * (4 * m), low = scale * (4 * m - (m == 1ULL << 52 ? 1 : 2)), high = scale * (4 * m + 2);
    if (m & 1) { /* the bounds themselves read as the neighbours */
        low++;
        high--;
    }
    uint64_t least = (uint64_t)((low + rest) >> shift), most = (uint64_t)(high >> shift);
    uint64_t whole = (uint64_t)(exact >> shift), power = 1;
    while ((least + power * 10 - 1) / (power * 10) <= most / (power * 10)) {
        power *= 10;
        decimals--;
    }
    uint64_t below = whole / power;
    wide beyond = 2 * (((wide)(whole % power) << shift) + (exact & rest)), unit = (wide)power << shift;
    if (beyond == unit) return 0;
    *digits = below + (beyond > unit);
    if (*digits * power < least) ++*digits; /* the nearest form may read as the value below, which is nearer there */
    return decimals;
}

static int64_t write_fraction(double value, uint8_t *out) {
    if (value == 0 || value == 1) { /* and not -0 */
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        memcpy(out, value == 1 ? "1.0" : "0.0", 3);
        return bits >> 63 ? 0 : 3;
    }
    if (!(value >= 1e-4 && value < 1)) return 0;
    uint64_t digits = 0;
    int decimals = shortest(value, &digits);
    memcpy(out, "0.", 2);
    for (int place = decimals + 1; place > 1; place--, digits /= 10) out[place] = (uint8_t)('0' + digits % 10);
    return decimals == 0 ? 0 : decimals + 2;
}

int64_t tc_write_fractions(const double *values, int64_t count, uint8_t *out, int64_t *begins, int64_t *ends) {
    if (count < 0) return -1;
    int64_t missing = 0, place = 0;
    for (int64_t k = 0; k < count; k++) {
        begins[k] = place;
        ends[k] = place += write_fraction(values[k], out + place);
        missing += begins[k] == ends[k];
    }
    return missing;
}
