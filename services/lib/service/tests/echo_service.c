/* lujian-echo: counts the events of another service, under the name of supervision, for the tests
 * of the skeleton. An event of a subject that the table `poison` names is refused, for as long as
 * it stands there. */
#include "base/err.h"
#include "lujian/complaints/v1/events.lj.h"
#include "lujian/supervision/v1/supervision.lj.h"
#include "service/service.h"

static const struct pg_migration migrations[] = {
    { .number = 1,
      .name = "init",
      .sha256 = "0000000000000000000000000000000000000000000000000000000000000002",
      .sql = "CREATE TABLE echo (subject text NOT NULL, event text NOT NULL);"
             "CREATE TABLE poison (subject text PRIMARY KEY);" },
    { .number = 0 },
};

static const struct pg_query q_echo_insert = {
    .name = "q_echo_insert", .sql = "INSERT INTO echo (subject, event) VALUES ($1::text, $2::text)"
};
static const struct pg_query q_echo_poison = {
    .name = "q_echo_poison", .sql = "SELECT 1 FROM poison WHERE subject = $1::text"
};
static const struct pg_query *const queries[] = { &q_echo_insert, &q_echo_poison, NULL };
static const struct pg_module module = { .name = "echo",
                                         .queries = queries,
                                         .migrations = migrations };

static int on_signed(struct tx *tx, const struct snapshot *reference,
                     const struct log_record *event, const void *data)
{
    (void)reference;
    const ComplaintSigned *e = data;
    struct pg_rows rows;
    int r = tx_read(tx, &q_echo_poison, PG_ARGS(pg_text(event->subject)), &rows);
    if (r == 0 && rows.count)
        return err_set(ERR_UNPROCESSABLE, "poisoned");
    if (r < 0)
        return r;
    return tx_write(tx, &q_echo_insert, PG_ARGS(pg_text(e->complaint_id), pg_text(event->id)));
}

static int get_query(struct request *rq, const void *message, void *response)
{
    (void)rq;
    (void)message;
    (void)response;
    return err_set(ERR_NOT_FOUND, "there are no cards here");
}

static const struct consumer_handler on_complaints[] = {
    { .type = "complaint.signed.v1", .apply = on_signed, .data = &complaint_signed_rules },
    { 0 },
};
static const struct consumer consumers[] = {
    { .stream = "complaints", .handlers = on_complaints },
    { 0 },
};
static const struct method_handler methods[] = {
    { .method = &supervision_get_card_method, .query = get_query },
    { 0 },
};
static const struct service_definition echo = {
    .name = "supervision", .methods = methods, .consumers = consumers, .module = &module
};

int main(int argc, char **argv)
{
    return service_main(&echo, argc, argv);
}
