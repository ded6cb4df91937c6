"""lujian/contract.lj.[ch]: everything that can be called and everything that can happen, by name; and OpenAPI."""
from tables import c_string, event_symbol, method_symbol

PIECE = 2000  # characters of one string literal: compilers promise to take 4095 bytes

HEADER = """\
/* Generated: the whole contract by name. */
#ifndef LUJIAN_CONTRACT_LJ_H
#define LUJIAN_CONTRACT_LJ_H

#include <stddef.h>

%(includes)s
/* All methods of all services, by name ascending, NULL-terminated. */
extern const struct method_info *const contract_methods[];
/* All event types, ascending, NULL-terminated. */
extern const struct event_info *const contract_events[];

/* "complaints.file" -> its table; NULL for a name that the contract has not. */
const struct method_info *contract_method(const char *name);
/* "complaint.filed.v1" -> its table; NULL for a type that the contract has not. */
const struct event_info *contract_event(const char *type);

/* OpenAPI 3.1 of the HTTP door. */
extern const char contract_openapi_json[];
extern const size_t contract_openapi_json_size;

#endif
"""

SOURCE = """\
/* Generated: the whole contract by name. */
#include "lujian/contract.lj.h"

#include <stdlib.h>
#include <string.h>

const struct method_info *const contract_methods[] = {
%(methods)s    NULL
};

const struct event_info *const contract_events[] = {
%(events)s    NULL
};

static int method_compare(const void *name, const void *item)
{
    return strcmp(name, (*(const struct method_info *const *)item)->name);
}

static int event_compare(const void *type, const void *item)
{
    return strcmp(type, (*(const struct event_info *const *)item)->type);
}

const struct method_info *contract_method(const char *name)
{
    const struct method_info *const *found =
        bsearch(name, contract_methods, %(method_count)d, sizeof(contract_methods[0]), method_compare);
    return found ? *found : NULL;
}

const struct event_info *contract_event(const char *type)
{
    const struct event_info *const *found =
        bsearch(type, contract_events, %(event_count)d, sizeof(contract_events[0]), event_compare);
    return found ? *found : NULL;
}

const char contract_openapi_json[] =
%(openapi)s;
const size_t contract_openapi_json_size = sizeof(contract_openapi_json) - 1;
"""


def files(contract, openapi):
    methods = sorted((f"{service.wire_name}.{method.snake}", method_symbol(service, method))
                     for service, method in contract.methods)
    events = sorted((event.event, event_symbol(event)) for event in contract.events)
    pieces = [openapi[at:at + PIECE] for at in range(0, len(openapi), PIECE)]
    return [
        ("lujian/contract.lj.h", HEADER % {
            "includes": "".join(f'#include "{file.stem}.lj.h"\n' for file in contract.files)}),
        ("lujian/contract.lj.c", SOURCE % {
            "methods": "".join(f"    &{symbol},\n" for _, symbol in methods), "method_count": len(methods),
            "events": "".join(f"    &{symbol},\n" for _, symbol in events), "event_count": len(events),
            "openapi": "\n".join("    " + c_string(piece) for piece in pieces)}),
    ]
