/* What the two scanners share. */
#ifndef TEXTCNN_SCAN_STATE_H
#define TEXTCNN_SCAN_STATE_H

#include "checks.h"
#include "scan.h"

/* Whether a scan may go on from here. */
static inline int tc_is_progress(const tc_scan_progress *p, int64_t num_bytes, int64_t most_rows) {
    return tc_is_between(p->place, 0, num_bytes) && tc_is_between(p->rows, 0, most_rows) && tc_is_between(p->lines, 0, INT64_MAX - num_bytes);
}

#endif
