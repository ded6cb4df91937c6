/* Private to reference/: what the mirror's thread reads. */
#ifndef LUJIAN_REFERENCE_MIRROR_INSIDE_H
#define LUJIAN_REFERENCE_MIRROR_INSIDE_H

#include "reference/mirror.h"

struct mirror_state {
    int64_t applied;
    bool reached;
    int64_t version; /* another one whenever `applied` was moved */
};

int mirror_read_state(struct tx *tx, struct mirror_state *ret);
/* All rows and the state of the same moment. */
int mirror_read_rows(struct tx *tx, struct reference_row **ret_rows, int *ret_count,
                     struct mirror_state *ret);
/* 1: this transaction alone may apply; 0: another one does. */
int mirror_take(struct tx *tx, int64_t *ret_applied);

#endif
