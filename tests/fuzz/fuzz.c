/* The messages of the contract by name, for fuzz targets. */
#include "fuzz.h"

#include <string.h>

#include "base/util.h"
#include "lujian/contract.lj.h"

#define RULES_MAX 512

static const struct message_rules *all[RULES_MAX];
static size_t count;

static void add(const struct message_rules *rules)
{
    if (count < RULES_MAX)
        all[count++] = rules;
}

static void collect(void)
{
    add(&request_head_rules);
    add(&response_head_rules);
    add(&pulse_rules);
    for (int i = 0; contract_methods[i]; i++) {
        add(contract_methods[i]->request);
        add(contract_methods[i]->response);
    }
    for (int i = 0; contract_events[i]; i++)
        add(contract_events[i]->data);
}

const struct message_rules *fuzz_rules(const uint8_t **data, size_t *size)
{
    if (count == 0)
        collect();
    const uint8_t *end = *size ? memchr(*data, '\n', MIN(*size, (size_t)64)) : NULL;
    size_t length = end ? (size_t)(end - *data) : 0;
    const struct message_rules *found = all[*size ? **data % count : 0];
    for (size_t i = 0; i < count && length; i++) {
        if (strlen(all[i]->name) == length && memcmp(all[i]->name, *data, length) == 0)
            found = all[i];
    }
    size_t taken = length ? length + 1 : *size > 0;
    *data += taken;
    *size -= taken;
    return found;
}
