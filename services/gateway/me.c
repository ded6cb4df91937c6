/* GET /v1/me: what am I, what may I see and do. From the mirror: the registry need not be up. */
#include <microhttpd.h>
#include <string.h>

#include "base/util.h"
#include "gateway.h"
#include "lujian/contract.lj.h"
#include "json/json.h"

static const struct {
    uint32_t bit;
    const char *name;
} roles[] = {
    { ROLE_BIT_HOTLINE, "hotline" },       { ROLE_BIT_UNIT, "unit" },
    { ROLE_BIT_SUPERVISOR, "supervisor" }, { ROLE_BIT_OPERATOR, "operator" },
    { ROLE_BIT_IMPORTER, "importer" },     { ROLE_BIT_EDGE, "edge" },
    { ROLE_BIT_SERVICE, "service" },
};

static void add_list(struct buf *out, const char *name, const char *const *items)
{
    buf_printf(out, ",\"%s\":[", name);
    for (const char *const *item = items; item && *item; item++) {
        if (item != items)
            buf_add_char(out, ',');
        json_add_string(out, *item);
    }
    buf_add_char(out, ']');
}

void show_me(struct gateway_request *rq)
{
    const struct snapshot *reference = snapshot_get();
    const struct principal *p = snapshot_principal(reference, rq->principal);
    struct buf out;
    buf_init(&out, 0);
    buf_add_text(&out, "{\"principal\":");
    json_add_string(&out, rq->principal);

    const char *names[ARRAY_LEN(roles) + 1] = { 0 };
    int n = 0;
    for (size_t i = 0; p && i < ARRAY_LEN(roles); i++)
        if (p->roles & roles[i].bit)
            names[n++] = roles[i].name;
    add_list(&out, "roles", names);

    buf_add_text(&out, ",\"jurisdiction\":");
    json_add_string(&out, p && p->jurisdiction ? p->jurisdiction : "");
    const struct division *d = p ? snapshot_division(reference, p->jurisdiction) : NULL;
    buf_add_text(&out, ",\"jurisdiction_name\":");
    json_add_string(&out, d ? d->name : "");
    add_list(&out, "units", p ? p->units : NULL);
    add_list(&out, "sources", p ? p->sources : NULL);

    buf_add_text(&out, ",\"methods\":[");
    n = 0;
    for (const struct method_info *const *m = contract_methods; p && *m; m++) {
        if ((*m)->internal || ((*m)->roles && !((*m)->roles & p->roles)))
            continue;
        if (n++ > 0)
            buf_add_char(&out, ',');
        json_add_string(&out, (*m)->name);
    }
    buf_add_text(&out, "],\"streams\":[\"registry\",\"complaints\",\"supervision\"]}");
    snapshot_put(reference);
    respond_json(rq, MHD_HTTP_OK, &out, NULL);
    buf_clear(&out);
}
