/* What went wrong, told once: a code for the caller, the SQLSTATE, and a text without a row's data.
 *
 * PostgreSQL's messages quote values (a class 22 message quotes the input, every DETAIL quotes the
 * row), and rows hold what people wrote: only the primary message is kept, and of class 22 not even
 * that. */
#include <stdio.h>
#include <string.h>

#include "pg/pg_inside.h"

#include "base/util.h"

int pg_code_of_sqlstate(const char *sqlstate)
{
    static const char *const again[] = {
        "40001", "40P01", "55P03", /* serialization, deadlock, lock not available */
        "57014",                   /* cancelled: a time-out of the server's */
        "25P03",                   /* we were too slow in a transaction, and the server ended it */
    };
    static const char *const again_classes[] = { "53", "57",
                                                 "58" }; /* resources, operator, system */
    for (size_t i = 0; i < ARRAY_LEN(again); i++)
        if (!strcmp(sqlstate, again[i]))
            return ERR_AGAIN;
    for (size_t i = 0; i < ARRAY_LEN(again_classes); i++)
        if (!strncmp(sqlstate, again_classes[i], 2))
            return ERR_AGAIN;
    return ERR_INTERNAL;
}

static void add_name(struct err_detail *d, const PGresult *result, int field, const char *what)
{
    const char *name = PQresultErrorField(result, field);
    size_t length = strlen(d->text);
    if (name)
        snprintf(d->text + length, sizeof(d->text) - length, ", %s %s", what, name);
}

static int keep(struct pg *pg, const struct err_detail *detail)
{
    if (!pg->failed) {
        pg->failed = true;
        pg->failure = *detail;
    }
    return err_restore(&pg->failure);
}

int pg_fail_result(struct pg *pg, const struct pg_query *query, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!sqlstate)
        return pg_fail_link(pg, query ? query->name : "statement");

    struct err_detail d = { .code = pg_code_of_sqlstate(sqlstate) };
    snprintf(d.sqlstate, sizeof(d.sqlstate), "%s", sqlstate);
    bool quotes_values = !strncmp(sqlstate, "22", 2);
    snprintf(d.text, sizeof(d.text), "%s: SQLSTATE %s%s%s", query ? query->name : "statement",
             sqlstate, quotes_values || !message ? "" : ", ",
             quotes_values || !message ? "" : message);
    add_name(&d, result, PG_DIAG_CONSTRAINT_NAME, "constraint");
    add_name(&d, result, PG_DIAG_TABLE_NAME, "table");
    add_name(&d, result, PG_DIAG_COLUMN_NAME, "column");
    return keep(pg, &d);
}

int pg_fail_value(struct pg *pg, const struct pg_query *query)
{
    struct err_detail d = { .code = ERR_INTERNAL };
    snprintf(d.text, sizeof(d.text), "%s: a value that is none of its column's type", query->name);
    return keep(pg, &d);
}

int pg_fail_link(struct pg *pg, const char *what)
{
    pg->alive = false;
    struct err_detail d = { .code = ERR_AGAIN, .sqlstate = "08006" };
    snprintf(d.text, sizeof(d.text), "%s: the link to PostgreSQL is lost", what);
    return keep(pg, &d);
}

int pg_fail_again(const struct pg *pg)
{
    return err_restore(&pg->failure);
}
