/* bench_file SECONDS IN_FLIGHT RUN: files complaints over ZeroMQ for so long, so many under way at
 * a time, and prints how many were accepted, as JSON. The SDK does what a centre's system would
 * have it do. Environment: DOORS ("endpoint key endpoint key ..."), CURVE_PUBLIC, CURVE_SECRET,
 * SOURCE, DIVISION, TITLE, TEXT. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lujian/lujian.h>

#include "doors.h"

/* So long that its end, when the last of them are waited for, weighs little. */
enum { BATCH = 4096, PATIENCE_MS = 60000 };

static double now_s(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void run_batch(struct lujian *client, const char *run, long *number)
{
    struct lujian_batch *batch;
    struct lujian_complaint complaint = LUJIAN_COMPLAINT_INIT;
    char external_id[64];
    complaint.source = getenv("SOURCE");
    complaint.external_id = external_id;
    complaint.channel = LUJIAN_CHANNEL_PHONE;
    complaint.type = LUJIAN_TYPE_COMPLAINT;
    complaint.category = "城管执法";
    complaint.title = getenv("TITLE");
    complaint.text = getenv("TEXT");
    complaint.division = getenv("DIVISION");
    complaint.caller_name = "测试市民";
    complaint.caller_phone = "19900001234";
    complaint.caller_wants_reply = true;
    if (lujian_batch_new(&batch, client))
        die("no batch");
    for (int i = 0; i < BATCH; i++) {
        snprintf(external_id, sizeof(external_id), "%s-%ld", run, ++*number);
        if (lujian_batch_add(batch, &complaint, NULL))
            die("no member");
    }
    if (lujian_batch_run(batch, PATIENCE_MS))
        die(lujian_problem(client)->code);
    for (size_t i = 0; i < lujian_batch_count(batch); i++)
        if (lujian_batch_result(batch, i)->error)
            die(lujian_batch_result(batch, i)->problem->code);
    lujian_batch_free(batch);
}

int main(int argc, char **argv)
{
    struct lujian *client;
    struct lujian_endpoint endpoints[LUJIAN_ENDPOINTS_MAX];
    struct lujian_options options = LUJIAN_OPTIONS_INIT;
    char why[160];
    long number = 0;
    if (argc != 4)
        die("usage: bench_file SECONDS IN_FLIGHT RUN");
    doors_read(&options, endpoints, "complaints");
    options.in_flight_max = (uint32_t)strtoul(argv[2], NULL, 10);
    if (lujian_open(&client, &options, why))
        die(why);
    double began = now_s(), until = began + strtod(argv[1], NULL);
    while (now_s() < until)
        run_batch(client, argv[3], &number);
    printf("{\"requests\": %ld, \"seconds\": %.6f}\n", number, now_s() - began);
    lujian_close(client);
    return 0;
}
