/* A tables file as it is read, section by section; nothing outside of its bytes is looked at. After the first problem, which
 * has a message, all that is asked for is NULL or the least that it can be. */
#ifndef TEXTCNN_TABLES_FILE_H
#define TEXTCNN_TABLES_FILE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const uint8_t *bytes;
    size_t size;
    uint32_t num_sections;
    char *problem; /* (room), of which so many are written */
    size_t room, written;
    int has_failed;
} tc_file;

void tc_read_header(tc_file *f);

/* Says what is wrong, if nothing was before. */
void tc_fail(tc_file *f, const char *text);
void tc_fail_section(tc_file *f, const char *name, const char *text);

int tc_has(const tc_file *f, const char *name);

/* The items of a section of a kind, such as f4 (float32) or i8 (int64), and how many they are. */
const void *tc_items(tc_file *f, const char *name, const char *kind, int64_t *count);

/* The same of a section that must have so many items. */
const void *tc_array(tc_file *f, const char *name, const char *kind, int64_t count);

/* The whole number that a section holds. */
int64_t tc_number(tc_file *f, const char *name, int64_t least, int64_t most);

/* A number from 0 on, or INT64_MAX for -1, which stands for none. */
int64_t tc_number_or_all(tc_file *f, const char *name);

/* The float64 number that a section holds. */
double tc_real(tc_file *f, const char *name);

#endif
