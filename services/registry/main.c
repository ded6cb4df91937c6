/* lujian-registry: who may act, for which division, by which rules and calendar. */
#include "base/err.h"
#include "lujian/contract.lj.h"
#include "registry.h"
#include "registry_sql.h"

static const struct method_handler methods[] = {
    {
        .method = &registry_load_method,
        .apply = registry_load_apply,
        .view = registry_load_view,
    },
    {
        .method = &registry_list_rows_method,
        .check = registry_list_check,
        .query = registry_list_rows,
    },
    { 0 },
};

static struct conf_key conf[] = {
    {
        .name = "bootstrap",
        .type = CONF_PATH,
        .by_default = "",
        .help =
            "file of the first operator (lujian keygen --operator), read at start; empty = none",
    },
    { 0 },
};

static const struct service_definition registry = {
    .name = "registry",
    .methods = methods,
    .module = &registry_module,
    .conf = conf,
    .start = registry_start,
    .may_see_event = rules_may_see_event,
};

int main(int argc, char **argv)
{
    return service_main(&registry, argc, argv);
}
