/* lujian-note: a small service of its own tables under the name of complaints, for the tests of the
 * skeleton. */
#include "commit/tests/commit_fixture.h"
#include "service/service.h"

/* A page of one item whose key is what the token holds: page tokens over the wire. */
static int list_query(struct request *rq, const void *message, void *response)
{
    const ListRequest *in = message;
    ListResponse *out = response;
    const char *last;
    int r = page_token_open(rq, in, in->page_token, &last);
    if (r < 0)
        return r;
    const char *next = arena_printf(rq->arena, "%s+", last ? last : "page");
    out->next_page_token = (char *)page_token_seal(rq, in, next);
    out->n_complaints = 1;
    out->complaints = arena_new(rq->arena, Complaint *);
    out->complaints[0] = wire_new(rq->arena, &complaint_rules);
    out->complaints[0]->order_no = (char *)next;
    return 0;
}

int main(int argc, char **argv)
{
    static struct method_handler methods[16];
    int count = 0;
    while (note_methods[count].method) {
        methods[count] = note_methods[count];
        count++;
    }
    methods[count] =
        (struct method_handler){ .method = &complaints_list_method, .query = list_query };
    const struct service_definition notes = { .name = "complaints",
                                              .methods = methods,
                                              .module = &note_module };
    return service_main(&notes, argc, argv);
}
