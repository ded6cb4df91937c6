/* What fuzz targets share: the first line of an input names a message of the contract, the rest is
 * its content. */
#ifndef LUJIAN_TESTS_FUZZ_FUZZ_H
#define LUJIAN_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "wire/rules.h"

/* Called by libFuzzer, or by replay.c for each file of the corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes the name off; a name that the contract has not picks one of its messages all the same. */
const struct message_rules *fuzz_rules(const uint8_t **data, size_t *size);

#endif
