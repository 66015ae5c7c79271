#include "tokens.h"

#include <string.h>

#include "unicode_tables.h"

#define END 0xFFFFFFFFu /* follows the last code point of a chunk */
#define REPLACEMENT 0xFFFDu
#define FLAG 0x1F3F4u /* the black flag, whose tags spell a region */
#define SPACE 0x200Bu
#define NON_JOINER 0x200Cu
#define JOINER 0x200Du
#define DOT_ABOVE 0x307u
#define RANK_PLACE 24 /* a code point that waits to be sorted has its rank above it */
#define POINT 0x1FFFFFu

/* The arithmetic of Hangul (Unicode, section 3.12). */
enum { LEAD = 0x1100, LEADS = 19, VOWEL = 0x1161, VOWELS = 21, TAIL = 0x11A7, TAILS = 28, SYLLABLE = 0xAC00 };

static uint32_t record(uint32_t c) {
    if (c >= TC_RECORD_LIMIT) return 0;
    uint32_t block = tc_record_stages[c >> TC_RECORD_SHIFT];
    return tc_record_blocks[block << TC_RECORD_SHIFT | (c & ((1u << TC_RECORD_SHIFT) - 1))];
}

static uint32_t known(uint32_t c) {
    return tc_known[record(c)];
}

/* ------------------------------------------------------------------------------------- reading, and what is dropped */

typedef struct {
    const uint8_t *data;
    int64_t place, end;
    uint32_t before; /* the last code point that was not invisible */
    int keeps_tags;  /* whether the last one was a flag, or a tag after one */
    int drops;
} reader;

/* The code point at the place of a reader, which is not at its end; the reader goes on. */
static uint32_t decode(reader *r) {
    const uint8_t *bytes = r->data + r->place;
    int64_t left = r->end - r->place;
    uint32_t lead = bytes[0];
    r->place++;
    if (lead < 0x80) return lead;
    int size = lead >= 0xC2 && lead < 0xE0 ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
    if (size == 0 || size > left) return REPLACEMENT;
    uint32_t c = lead & (0x7Fu >> size);
    for (int k = 1; k < size; k++) {
        if ((bytes[k] & 0xC0) != 0x80) return REPLACEMENT;
        c = c << 6 | (bytes[k] & 0x3Fu);
    }
    if ((size == 3 && c < 0x800) || (size == 4 && (c < 0x10000 || c > 0x10FFFF))) return REPLACEMENT;
    r->place += size - 1;
    return c >= 0xD800 && c < 0xE000 ? REPLACEMENT : c;
}

/* The next code point that is neither invisible nor a tag without a flag before it. */
static uint32_t visible(reader *r) {
    while (r->place < r->end) {
        uint32_t c = decode(r);
        if (c < 0x80) {
            r->keeps_tags = 0;
            return c;
        }
        uint32_t flags = known(c);
        if (!(flags & TC_TAG)) r->keeps_tags = c == FLAG;
        if (flags & TC_INVISIBLE || (flags & TC_TAG && !r->keeps_tags)) continue;
        return c;
    }
    return END;
}

/* Whether a zero-width space, non-joiner or joiner, which the reader has just passed, says nothing where it stands. */
static int is_idle(const reader *r, uint32_t before, uint32_t c) {
    reader ahead = *r;
    uint32_t flags = known(before), next;
    if (c == JOINER) {
        if (flags & TC_EMOJI) return !(known(visible(&ahead)) & TC_EMOJI);
        return !(flags & TC_JOINING);
    }
    uint32_t wanted = c == SPACE ? TC_UNSPACED : TC_JOINING;
    if (!(flags & wanted)) return 1;
    do next = visible(&ahead);
    while (next == c);
    return !(known(next) & wanted);
}

/* The next code point that is kept, or END. */
static uint32_t kept(reader *r) {
    if (!r->drops) return r->place < r->end ? decode(r) : END;
    for (;;) {
        uint32_t before = r->before, c = visible(r);
        r->before = c;
        if (c < SPACE || c > JOINER || !is_idle(r, before, c)) return c;
    }
}

/* ---------------------------------------------------------------------------------------------------- writing words */

/* State of the writer: outside of words, in one, after an apostrophe in one, after the apostrophe's letters. */
enum { OUTSIDE, INSIDE, APOSTROPHE, SECOND };

typedef struct {
    uint8_t *bytes;
    int64_t size, most, count; /* bytes written, room for them, words ended */
    int state, after_i, is_full, form;
} writer;

static void put(writer *w, uint32_t c) {
    if (w->most - w->size < 4) {
        w->is_full = 1;
        return;
    }
    uint8_t *to = w->bytes + w->size;
    if (c < 0x80) {
        to[0] = (uint8_t)c;
        w->size += 1;
    } else if (c < 0x800) {
        to[0] = (uint8_t)(0xC0 | c >> 6);
        to[1] = (uint8_t)(0x80 | (c & 0x3F));
        w->size += 2;
    } else if (c < 0x10000) {
        to[0] = (uint8_t)(0xE0 | c >> 12);
        to[1] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        to[2] = (uint8_t)(0x80 | (c & 0x3F));
        w->size += 3;
    } else {
        to[0] = (uint8_t)(0xF0 | c >> 18);
        to[1] = (uint8_t)(0x80 | (c >> 12 & 0x3F));
        to[2] = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        to[3] = (uint8_t)(0x80 | (c & 0x3F));
        w->size += 4;
    }
}

static void put_sign(writer *w, uint32_t c) {
    put(w, c);
    put(w, '\n');
    w->count++;
}

static void end_word(writer *w) {
    if (w->state == OUTSIDE) return;
    put(w, '\n');
    w->count++;
    if (w->state == APOSTROPHE) put_sign(w, '\'');
    w->state = OUTSIDE;
}

/* Add a code point of the normal form: the pattern of words. */
static void cut(writer *w, uint32_t c, uint32_t kind) {
    if (kind == TC_WORD) {
        if (w->state == APOSTROPHE) put(w, '\'');
        w->state = w->state == OUTSIDE || w->state == INSIDE ? INSIDE : SECOND;
        put(w, c);
    } else if (c == '\'' && w->state == INSIDE) {
        w->state = APOSTROPHE;
    } else {
        end_word(w);
        if (kind == TC_ALONE) put_sign(w, c);
    }
}

/* Add a code point that is composed: apostrophes become one, case is folded. */
static void fold(writer *w, uint32_t c) {
    int is_earlier = w->form & TC_EARLIER;
    if (!is_earlier && (c == 0x2019 || c == 0x2BC)) c = '\'';
    if (w->form & TC_LOWERCASE) {
        if (c == 0x130) { /* the dotted capital I, the one small letter that is two code points */
            cut(w, 'i', TC_WORD);
            if (is_earlier) cut(w, DOT_ABOVE, TC_WORD);
            w->after_i = 0;
            return;
        }
        c += (uint32_t)tc_small[record(c)];
        if (!is_earlier) {
            if (c == 0x3C2) c = 0x3C3; /* sigma at the end of a word */
            int is_dot_of_i = c == DOT_ABOVE && w->after_i;
            w->after_i = c == 'i';
            if (is_dot_of_i) return;
        }
    }
    cut(w, c, known(c) & TC_KIND);
}

/* --------------------------------------------------------------------------------------------------- the normal form */

/* Code points that are composed together: room for `most`, and as much again after it to sort in. */
typedef struct {
    uint32_t *points;
    int64_t count, most;
    int is_full, is_compatible;
} segment;

static void push(segment *s, uint32_t c) {
    if (s->count == s->most) {
        s->is_full = 1;
        return;
    }
    s->points[s->count++] = c | (known(c) >> TC_RANK_SHIFT & TC_RANK) << RANK_PLACE;
}

/* Where in tc_apart the decomposition of a code point is; 0: it has none. */
static uint32_t place_apart(uint32_t c, int is_compatible) {
    if (is_compatible) {
        if (c >= TC_APART_K_LIMIT) return 0;
        uint32_t block = tc_apart_k_stages[c >> TC_APART_K_SHIFT];
        return tc_apart_k_blocks[block << TC_APART_K_SHIFT | (c & ((1u << TC_APART_K_SHIFT) - 1))];
    }
    if (c >= TC_APART_C_LIMIT) return 0;
    uint32_t block = tc_apart_c_stages[c >> TC_APART_C_SHIFT];
    return tc_apart_c_blocks[block << TC_APART_C_SHIFT | (c & ((1u << TC_APART_C_SHIFT) - 1))];
}

static void push_apart(segment *s, uint32_t c) {
    uint32_t syllable = c - SYLLABLE;
    if (syllable < LEADS * VOWELS * TAILS) {
        push(s, LEAD + syllable / (VOWELS * TAILS));
        push(s, VOWEL + syllable / TAILS % VOWELS);
        if (syllable % TAILS) push(s, TAIL + syllable % TAILS);
        return;
    }
    const uint16_t *units = tc_apart + place_apart(c, s->is_compatible);
    if (*units == 0) push(s, c);
    for (; *units; units++) {
        if (*units < 0xD800 || *units > 0xDFFF) {
            push(s, *units);
        } else {
            push(s, 0x10000u + ((units[0] - 0xD800u) << 10) + (units[1] - 0xDC00u));
            units++;
        }
    }
}

/* Sort code points by their ranks, those of one rank staying in their order. */
static void sort_run(uint32_t *run, int64_t count, uint32_t *room) {
    if (count <= 16) {
        for (int64_t k = 1; k < count; k++) {
            uint32_t moved = run[k];
            int64_t to = k;
            for (; to > 0 && run[to - 1] >> RANK_PLACE > moved >> RANK_PLACE; to--) run[to] = run[to - 1];
            run[to] = moved;
        }
        return;
    }
    int64_t starts[TC_RANKS + 1] = {0};
    for (int64_t k = 0; k < count; k++) starts[(run[k] >> RANK_PLACE) + 1]++;
    for (int rank = 0; rank < TC_RANKS; rank++) starts[rank + 1] += starts[rank];
    for (int64_t k = 0; k < count; k++) room[starts[run[k] >> RANK_PLACE]++] = run[k];
    memcpy(run, room, (size_t)count * sizeof *run);
}

/* Sort what combines, between those code points that do not. */
static void sort(segment *s) {
    for (int64_t first = 0; first < s->count; first++) {
        int64_t end = first;
        while (end < s->count && s->points[end] >> RANK_PLACE) end++;
        sort_run(s->points + first, end - first, s->points + s->most);
        first = end;
    }
}

/* What two code points compose to; 0: they stay two. */
static uint32_t compose(uint32_t first, uint32_t second) {
    if (first - LEAD < LEADS && second - VOWEL < VOWELS)
        return SYLLABLE + ((first - LEAD) * VOWELS + second - VOWEL) * TAILS;
    if (first - SYLLABLE < LEADS * VOWELS * TAILS)
        return (first - SYLLABLE) % TAILS == 0 && second - TAIL - 1 < TAILS - 1 ? first + second - TAIL : 0;
    int64_t low = 0, high = sizeof tc_firsts / sizeof *tc_firsts;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (tc_firsts[middle] < first || (tc_firsts[middle] == first && tc_seconds[middle] < second)) low = middle + 1;
        else high = middle;
    }
    int is_found = low < (int64_t)(sizeof tc_firsts / sizeof *tc_firsts) && tc_firsts[low] == first
        && tc_seconds[low] == second;
    return is_found ? tc_wholes[low] : 0;
}

/* Compose what is sorted: each code point with the last one that does not combine, if nothing between is in its way. */
static void compose_all(segment *s) {
    int64_t written = 0, starter = -1;
    uint32_t last = 0; /* the rank of the last code point that was kept */
    for (int64_t k = 0; k < s->count; k++) {
        uint32_t c = s->points[k] & POINT, rank = s->points[k] >> RANK_PLACE;
        if (starter >= 0 && (written == starter + 1 || last < rank)) {
            uint32_t whole = compose(s->points[starter] & POINT, c);
            if (whole) {
                s->points[starter] = whole;
                continue;
            }
        }
        if (rank == 0) starter = written;
        last = rank;
        s->points[written++] = s->points[k];
    }
    s->count = written;
}

/* Split a chunk. Code points are composed in segments that end before one that changes nothing before it. */
static void split(reader *r, writer *w, segment *s) {
    uint32_t changes = s->is_compatible ? TC_CHANGES_K : TC_CHANGES_C;
    uint32_t follows = s->is_compatible ? TC_FOLLOWS_K : TC_FOLLOWS_C;
    uint32_t c = kept(r);
    while (c != END) {
        uint32_t next = kept(r);
        if ((c < 0x80 || !(known(c) & changes)) && (next < 0x80 || !(known(next) & follows))) {
            fold(w, c);
            c = next;
            continue;
        }
        s->count = 0;
        push_apart(s, c);
        for (c = next; c != END && known(c) & follows; c = kept(r)) push_apart(s, c);
        sort(s);
        compose_all(s);
        for (int64_t k = 0; k < s->count; k++) fold(w, s->points[k] & POINT);
    }
    end_word(w);
}

int64_t tc_room_for_points(int64_t longest) {
    return longest < 0 || longest > INT64_MAX / 4 ? -1 : 2 * (longest + TC_MOST_APART);
}

int64_t tc_room_for_words(int64_t num_bytes, int form) {
    int growth = form & TC_COMPATIBLE ? TC_GROWTH_K : TC_GROWTH_C;
    return num_bytes < 0 || num_bytes > INT64_MAX / 64 ? -1 : growth * num_bytes + 4;
}

int64_t tc_split_words(
    const uint8_t *data, int64_t num_bytes, const int64_t *ends, int64_t num_chunks, int form, uint32_t *points,
    int64_t most_points, uint8_t *words, int64_t most_bytes, int64_t *counts
) {
    if (num_bytes < 0 || num_chunks < 0 || most_points < 0 || most_bytes < 0) return -1;
    writer w = {.bytes = words, .most = most_bytes, .form = form};
    segment s = {.points = points, .most = most_points / 2, .is_compatible = form & TC_COMPATIBLE};
    int64_t place = 0;
    for (int64_t k = 0; k < num_chunks; k++) {
        if (ends[k] < place || ends[k] > num_bytes) return -1;
        reader r = {.data = data, .place = place, .end = ends[k], .before = END, .drops = !(form & TC_EARLIER)};
        w.count = w.after_i = 0;
        split(&r, &w, &s);
        if (w.is_full || s.is_full) return -1;
        counts[k] = w.count;
        place = ends[k];
    }
    return w.size;
}
