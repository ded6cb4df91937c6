/* lujian load: a folder of CSV into the registry, in batches; every row that is not taken is told
 * by file and row. */
#include <string.h>

#include "base/err.h"
#include "cli.h"
#include "load.h"

#define BATCH_ROWS_MAX   500
#define BATCH_BYTES_MAX  ((size_t)768 * 1024)
#define LOAD_BUDGET_MS   30000
#define LOAD_PATIENCE_MS 120000 /* another load, or a registry that starts */

struct totals {
    uint32_t changed, unchanged;
};

/* How many rows from `first` on go into one request. */
static int batch_size(const struct load_part *part, int first)
{
    size_t bytes = 0;
    int count = 0;
    while (first + count < part->count && count < BATCH_ROWS_MAX) {
        bytes += part->rows[first + count].bytes + 8;
        if (count && bytes > BATCH_BYTES_MAX)
            break;
        count++;
    }
    return count;
}

static int send_batch(struct session *session, struct load_folder *f, struct load_part *part,
                      int first, int count, struct totals *totals)
{
    struct arena arena;
    struct rpc_answer answer;
    arena_init(&arena, 0);
    LoadRequest *in = wire_new(&arena, &load_request_rules);
    in->n_rows = (size_t)count;
    in->rows = arena_array(&arena, ReferenceRow *, count);
    for (int i = 0; i < count; i++)
        in->rows[i] = part->rows[first + i].row;
    struct rpc call = { .method = &registry_load_method,
                        .in = &in->base,
                        .budget_ms = LOAD_BUDGET_MS,
                        .patience_ms = LOAD_PATIENCE_MS };
    int r = session_call(session, &arena, &call, &answer);
    if (r == 0) {
        const LoadResponse *out = answer.out;
        totals->changed += out->changed;
        totals->unchanged += out->unchanged;
        for (size_t i = 0; i < out->n_faults; i++) {
            const RowFault *fault = out->faults[i];
            if (fault->row >= (uint32_t)count)
                continue;
            const struct load_row *row = &part->rows[first + (int)fault->row];
            load_fault(f, part, row->file, row->number, fault->reason, fault->detail);
        }
    }
    arena_clear(&arena);
    return r;
}

static int send_part(struct session *session, struct load_folder *f, struct load_part *part)
{
    struct totals totals = { 0 };
    int r = 0;
    for (int first = 0, count; r == 0 && first < part->count; first += count) {
        count = batch_size(part, first);
        r = send_batch(session, f, part, first, count, &totals);
    }
    printf("%s: %d rows: %u changed, %u unchanged, %d faults\n", part->file, part->row_count,
           totals.changed, totals.unchanged, part->fault_count);
    fflush(stdout);
    return r;
}

static int load(struct cli *cli, struct load_folder *f, const char *path)
{
    int faults = 0;
    int r = load_folder_read(f, path);
    if (r < 0) {
        error_print("load");
        return EXIT_FAILED;
    }
    struct session *session = session_open(cli);
    if (!session)
        return EXIT_FAILED;
    for (int i = 0; r == 0 && i < f->part_count; i++) {
        r = send_part(session, f, &f->parts[i]);
        faults += f->parts[i].fault_count;
    }
    session_close(session);
    return r == 0 && faults == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int run_load(struct cli *cli, int argc, char **argv)
{
    struct options o;
    struct load_folder folder;
    if (options_parse(cli, argc, argv, NULL, &o) != EXIT_DONE)
        return EXIT_USAGE;
    if (o.word_count != 1)
        return usage_error("load", "load takes one folder");
    load_folder_init(&folder);
    int code = load(cli, &folder, o.words[0]);
    load_folder_clear(&folder);
    return code;
}

const struct command command_load = {
    .name = "load",
    .summary = "a folder of CSV into the registry",
    .help = "lujian load DIR\n\n"
            "Loads the CSV files of a folder that are there, in this order: divisions, categories, "
            "units, routes,\n"
            "calendar_notices (each with its days of calendar_days), deadline_rules, ladder_rules, "
            "principals. Columns\n"
            "are the fields of the contract; deploy/seed/README.md describes them. A row that "
            "equals what is stored\n"
            "changes nothing and tells nobody, so loading twice is harmless. A row that is not "
            "taken is told on standard\n"
            "error as FILE:ROW: REASON: DETAIL (row 1 is the header), and the others go on; then "
            "the exit code is 1.\n"
            "Role operator.\n",
    .run = run_load,
};
