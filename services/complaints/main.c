/* lujian-complaints: intake and handling of 12345 complaints. */
#include "complaints.h"
#include "complaints_sql.h"
#include "lujian/contract.lj.h"

#define ACT(name)                                                                                  \
    {                                                                                              \
        .method = &complaints_##name##_method, .apply = complaint_##name##_apply,                  \
        .view = complaint_view_by_id, .lock = &Q_COMPLAINT_LOCK, .exist = &Q_COMPLAINT_EXISTS,     \
        .load = complaint_load,                                                                    \
    }

static const struct method_handler methods[] = {
    {
        .method = &complaints_file_method,
        .check = complaint_file_check,
        .apply = complaint_file_apply,
        .view = complaint_view_by_id,
        .natural_lookup = &Q_COMPLAINT_NATURAL,
    },
    ACT(dispatch),
    ACT(sign),
    ACT(contact),
    ACT(reply),
    ACT(extend),
    ACT(return ),
    ACT(visit),
    ACT(redo),
    ACT(close),
    ACT(reopen),
    { .method = &complaints_get_method, .query = complaint_get },
    { .method = &complaints_list_method, .query = complaint_list },
    { .method = &complaints_clocks_method, .query = complaint_clocks },
    { .method = &complaints_explain_method, .query = complaint_explain },
    { 0 },
};

static const struct clock_owner clocks = { .lock_subjects = &Q_COMPLAINT_LOCK };

static struct conf_key conf[] = {
    {
        .name = "caller-keys",
        .type = CONF_TEXT,
        .by_default = "caller-v1",
        .help = "names of the keys in keys-dir that open callers' identities, the first seals; "
                "comma-separated",
    },
    { 0 },
};

static int start(struct service *service)
{
    return caller_keys_open(service);
}

static const struct pg_module module = {
    .name = "complaints",
    .queries = complaints_queries,
    .migrations = complaints_migrations,
};

static const struct service_definition complaints = {
    .name = "complaints",
    .methods = methods,
    .clocks = &clocks,
    .module = &module,
    .conf = conf,
    .start = start,
};

int main(int argc, char **argv)
{
    return service_main(&complaints, argc, argv);
}
