/* Any bytes as delimited text or as JSON lines, for libFuzzer (`make fuzz-core`): rows that lie within the bytes. */
#include "fuzz.h"
#include "scan.h"

typedef struct {
    uint8_t *data, *kinds, *odd;
    int64_t num_bytes, most_rows, *begins, *ends, *spans, *lines;
    tc_scan_progress progress;
} table;

static const char known[] = "textlabelaid"; /* names of columns, and keys: text, label, a, id */
static const int64_t known_ends[] = {4, 9, 10, 12};
enum { NUM_KNOWN = 4 };

static int is_objects;
static tc_table_form rows_form;
static tc_object_form objects_form;

/* The form of the table: bytes of the input, and memory of exactly its size. */
static void draw_form(void) {
    static const int64_t delimiters[] = {',', '\t', ';', '|', -1, '"', '\n', '\r'};
    is_objects = byte() % 2;
    int64_t num_columns = 1 + below(7), num_names = below(NUM_KNOWN + 2) - 1, longest = byte() % 4 ? 1 << 20 : number(200);
    if (num_columns > NUM_KNOWN + 1) num_columns = NUM_KNOWN + 2 - num_columns; /* 0, -1 */
    if (is_objects && num_columns > NUM_KNOWN) num_columns = NUM_KNOWN;
    int64_t count = is_objects ? num_columns : num_names;
    if (count < 0) count = 0;
    int64_t *ends = room(count, 8), size = count > 0 ? known_ends[count - 1] : 0;
    uint8_t *names = room(size, 1);
    memcpy(ends, known_ends, (size_t)count * 8);
    memcpy(names, known, (size_t)size);
    for (int64_t k = 0, changes = byte() % 16 == 15 ? size : 0; k < changes; k++) names[k] = (uint8_t)byte();
    objects_form = (tc_object_form){names, ends, num_columns, longest};
    int drawn = byte();
    int64_t delimiter = drawn < 128 ? delimiters[drawn % 8] : drawn < 240 ? byte() : number(255), quotes = number(2);
    rows_form = (tc_table_form){delimiter, quotes, below(2), num_columns, longest, names, ends, num_names};
}

static table table_of(const uint8_t *bytes, int64_t num_bytes, int64_t most_rows) {
    int64_t columns = rows_form.num_columns, cells = columns < 1 ? 0 : columns * most_rows;
    table t = {.num_bytes = num_bytes, .most_rows = most_rows};
    t.data = room(num_bytes, 1), t.kinds = room(cells, 1), t.odd = room(most_rows, 1);
    t.begins = room(cells, 8), t.ends = room(cells, 8), t.spans = room(2 * most_rows, 8), t.lines = room(most_rows, 8);
    memcpy(t.data, bytes, (size_t)num_bytes);
    return t;
}

static int scan(table *t, int is_last, int64_t most_rows) {
    if (is_objects)
        return tc_scan_objects(
            t->data, t->num_bytes, is_last, &objects_form, &t->progress, t->begins, t->ends, t->kinds, t->spans, t->lines,
            t->odd, most_rows
        );
    return tc_scan_rows(
        t->data, t->num_bytes, is_last, &rows_form, &t->progress, t->begins, t->ends, t->spans, t->lines, t->odd, most_rows
    );
}

/* Rows follow each other, and the cells of those that are cut lie in them, one behind the other. */
static void check(const table *t, int state, int is_last) {
    const int64_t columns = rows_form.num_columns, rows = t->progress.rows;
    int64_t place = 0, lines = 0;
    for (int64_t r = 0; r < rows; r++) {
        require(t->spans[2 * r] == place && t->lines[r] >= lines && t->odd[r] <= 1);
        place = t->spans[2 * r + 1], lines = t->lines[r];
        require(place > t->spans[2 * r] && place <= t->num_bytes);
        for (int64_t c = r * columns, last = t->spans[2 * r]; !t->odd[r] && c < (r + 1) * columns; c++) {
            require(t->begins[c] >= last && t->ends[c] >= t->begins[c] && t->ends[c] <= place);
            last = t->ends[c];
        }
    }
    require(t->progress.place == place && t->progress.lines >= lines);
    require(state != TC_SCAN_FULL || rows == t->most_rows);
    require(state != TC_SCAN_MORE || !is_last || place == t->num_bytes);
}

static int are_same(const table *one, const table *other, int64_t rows) {
    const int64_t columns = rows_form.num_columns;
    for (int64_t r = 0; r < rows; r++) {
        if (one->spans[2 * r + 1] != other->spans[2 * r + 1] || one->lines[r] != other->lines[r] || one->odd[r] != other->odd[r])
            return 0;
        for (int64_t c = r * columns; !one->odd[r] && c < (r + 1) * columns; c++) {
            int64_t size = one->ends[c] - one->begins[c];
            if (one->begins[c] != other->begins[c] || one->ends[c] != other->ends[c]) return 0;
            if (memcmp(one->data + one->begins[c], other->data + other->begins[c], (size_t)size) != 0) return 0;
            if (is_objects && one->kinds[c] != other->kinds[c]) return 0;
        }
    }
    return 1;
}

/* The cells of a column, one after another, and parts that may lie anywhere. */
static void take(const table *t) {
    const int64_t columns = rows_form.num_columns, rows = t->progress.rows, num_out = t->num_bytes;
    uint8_t *out = room(num_out, 1);
    int64_t *out_ends = room(rows, 8), is_cut = 1, column = below((int)columns);
    for (int64_t r = 0; r < rows; r++) is_cut &= !t->odd[r];
    if (is_cut && rows > 0)
        require(tc_take_bytes(t->data, num_out, t->begins + column, t->ends + column, columns, rows, out, num_out, out_ends) == 0);
    int64_t entries = below(4);
    int64_t *begins = numbers(entries, num_out), *ends = numbers(entries, num_out), all = number(num_out);
    if (all > num_out) all = num_out;
    tc_take_bytes(t->data, all, begins, ends, 1, entries, out, num_out, room(entries, 8));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    begin(bytes, size);
    draw_form();
    int64_t most_rows = below(20), cut = byte(), is_last = below(2), start = byte();
    int64_t odd_place = number(20), odd_rows = number(20), odd_lines = number(20);
    const uint8_t *text = input;
    int64_t num_bytes = input_end - input;
    table whole = table_of(text, num_bytes, most_rows);
    require(scan(&whole, (int)is_last, -1) == -1);
    if (rows_form.num_columns < 1 || (!is_objects && rows_form.num_names < 0)) {
        require(scan(&whole, (int)is_last, most_rows) == -1);
    } else if (start % 8 == 7) { /* numbers that no scan has left */
        whole.progress = (tc_scan_progress){odd_place, odd_rows, odd_lines};
        scan(&whole, (int)is_last, most_rows);
    } else {
        int state = scan(&whole, (int)is_last, most_rows);
        check(&whole, state, (int)is_last);
        take(&whole);

        /* A row a call gives the same rows, and so does the beginning of the bytes as far as it has whole rows. */
        table steps = table_of(text, num_bytes, most_rows);
        int last = num_bytes > 0 && most_rows == 0 ? TC_SCAN_FULL : TC_SCAN_MORE;
        for (int64_t r = 1; r <= most_rows; r++)
            if ((last = scan(&steps, (int)is_last, r)) != TC_SCAN_FULL) break;
        require(last == state && steps.progress.rows == whole.progress.rows && are_same(&whole, &steps, whole.progress.rows));
        table part = table_of(text, cut % (num_bytes + 1), most_rows);
        state = scan(&part, 0, most_rows);
        check(&part, state, 0);
        require(part.progress.rows <= whole.progress.rows && are_same(&part, &whole, part.progress.rows));
    }
    end();
    return 0;
}
