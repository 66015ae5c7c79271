/* Reads header and sections of a tables file, with messages for damaged ones. */
#include "tables_file.h"

#include <string.h>

#include "checks.h"

#define MAGIC "textcnn\n"
#define VERSION 4
#define HEADER 64 /* bytes of the header, of the entry of a section, and of what a section begins at a multiple of */
#define MOST_SECTIONS 256

/* ---- messages, without printf, which would be the largest part of the reader in a page */

static void say(tc_file *f, const char *text) {
    for (; *text && f->written + 1 < f->room; text++) f->problem[f->written++] = *text;
    if (f->room > 0) f->problem[f->written] = 0;
}

static void say_number(tc_file *f, int64_t number) {
    char digits[24];
    int at = sizeof digits - 1;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    digits[at] = 0;
    do digits[--at] = (char)('0' + left % 10);
    while ((left /= 10) != 0);
    if (number < 0) digits[--at] = '-';
    say(f, digits + at);
}

/* Begins the message of a problem, unless there is one already. */
static int fails(tc_file *f) {
    if (f->has_failed) return 0;
    f->has_failed = 1;
    return 1;
}

void tc_fail(tc_file *f, const char *text) {
    if (fails(f)) say(f, text);
}

static void fail_with(tc_file *f, const char *before, int64_t number, const char *between, int64_t other, const char *after) {
    if (!fails(f)) return;
    say(f, before);
    say_number(f, number);
    say(f, between);
    say_number(f, other);
    say(f, after);
}

/* ---- sections */

static uint64_t unsigned_at(const tc_file *f, size_t place) {
    uint64_t value;
    memcpy(&value, f->bytes + place, sizeof value);
    return value;
}

/* Where the entry of a section is; 0 if there is none. */
static size_t entry_of(const tc_file *f, const char *name) {
    for (uint32_t k = 0; k < f->num_sections; k++)
        if (strncmp((const char *)f->bytes + HEADER * (1 + (size_t)k), name, 32) == 0) return HEADER * (1 + (size_t)k);
    return 0;
}

int tc_has(const tc_file *f, const char *name) {
    return !f->has_failed && entry_of(f, name) != 0;
}

void tc_fail_section(tc_file *f, const char *name, const char *text) {
    if (!fails(f)) return;
    say(f, "section '");
    say(f, name);
    say(f, "': ");
    say(f, text);
}

const void *tc_items(tc_file *f, const char *name, const char *kind, int64_t *count) {
    size_t entry = f->has_failed ? 0 : entry_of(f, name);
    *count = 0;
    if (entry == 0) {
        tc_fail_section(f, name, "expected one in this tables file, found none");
        return NULL;
    }
    if (memcmp(f->bytes + entry + 32, kind, 3) != 0) {
        tc_fail_section(f, name, "expected items of kind ");
        say(f, kind);
        return NULL;
    }
    uint64_t offset = unsigned_at(f, entry + 40), size = unsigned_at(f, entry + 48), item = (uint64_t)(kind[1] - '0');
    if (offset % HEADER != 0 || offset > f->size || size > f->size - offset || size % item != 0) {
        tc_fail_section(f, name, "expected whole items inside of the file, at a multiple of 64 bytes; the file is damaged");
        return NULL;
    }
    *count = (int64_t)(size / item);
    return f->bytes + offset;
}

const void *tc_array(tc_file *f, const char *name, const char *kind, int64_t count) {
    int64_t found;
    const void *start = tc_items(f, name, kind, &found);
    if (start == NULL || found == count) return start;
    if (fails(f)) {
        say(f, "section '"), say(f, name), say(f, "': expected ");
        say_number(f, count), say(f, " items, found "), say_number(f, found);
    }
    return NULL;
}

int64_t tc_number(tc_file *f, const char *name, int64_t least, int64_t most) {
    const int64_t *found = tc_array(f, name, "i8", 1);
    if (found == NULL) return least;
    if (tc_is_between(*found, least, most)) return *found;
    if (fails(f)) {
        say(f, "section '"), say(f, name), say(f, "': expected a number from ");
        say_number(f, least), say(f, " to "), say_number(f, most), say(f, ", found "), say_number(f, *found);
    }
    return least;
}

int64_t tc_number_or_all(tc_file *f, const char *name) {
    int64_t found = tc_number(f, name, -1, INT64_MAX);
    return found < 0 ? INT64_MAX : found;
}

double tc_real(tc_file *f, const char *name) {
    const double *found = tc_array(f, name, "f8", 1);
    return found == NULL ? 1.0 : *found;
}

void tc_read_header(tc_file *f) {
    if (f->size < HEADER || memcmp(f->bytes, MAGIC, 8) != 0) {
        tc_fail(f, "expected a tables file, which begins with 'textcnn'; write one with `textcnn export --format tables`");
        return;
    }
    uint32_t version, sections;
    memcpy(&version, f->bytes + 8, 4);
    memcpy(&sections, f->bytes + 12, 4);
    if (version != VERSION) {
        fail_with(f, "expected tables of version ", VERSION, ", found version ", version, "; export the model again");
    } else if (unsigned_at(f, 16) != f->size) {
        fail_with(f, "expected ", (int64_t)unsigned_at(f, 16), " bytes, found ", (int64_t)f->size, "; the file is damaged");
    } else if (sections > MOST_SECTIONS || HEADER * (1 + (size_t)sections) > f->size) {
        fail_with(f, "expected at most ", MOST_SECTIONS, " sections in the file, found ", sections, "; the file is damaged");
    } else {
        f->num_sections = sections;
    }
}
