/* Draining: SIGTERM came, and no client shall meet an unknown outcome because of it.
 *
 * New work is NOT_EXECUTED and the pulse says so, so clients turn to other replicas; what was taken
 * is finished and answered; then, when nobody has come for a moment, the loop ends. */
#include <unistd.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/time.h"
#include "base/util.h"
#include "service/replica.h"

#define DRAIN_MIN_MS                                                                               \
    500 /* long enough for a pulse to be heard and for what was under way to arrive */
#define DRAIN_QUIET_MS 200  /* nobody has come for so long */
#define DRAIN_POLL_MS  2000 /* then those who still come do not hold it up */

void drain_begin(struct service *s)
{
    log_line(LOG_INFO, "DRAINING");
    atomic_store(&s->draining, true);
    s->drain_began_ms = s->last_arrival_ms = mono_ms();
    if (s->calls)
        calls_drain(s->calls);
    if (s->definition->drain)
        s->definition->drain(s);
    if (s->door) {
        stream_drain(s);
        stream_pulse(s);
    }
    fault_point("drain.announced");
}

static int work_under_way(struct service *s)
{
    int open = s->calls ? calls_open_count(s->calls) : 0;
    if (s->definition->open_work)
        open += s->definition->open_work(s);
    return open;
}

static bool is_quiet(struct service *s, int64_t now_ms)
{
    if (!s->calls)
        return true;
    if (calls_arrivals(s->calls) > 0)
        s->last_arrival_ms = now_ms;
    int64_t since_ms = now_ms - s->drain_began_ms;
    return since_ms >= DRAIN_POLL_MS ||
           (since_ms >= DRAIN_MIN_MS && now_ms - s->last_arrival_ms >= DRAIN_QUIET_MS);
}

void drain_tick(struct service *s)
{
    if (!service_draining(s))
        return;
    int64_t now_ms = mono_ms();
    bool quiet = is_quiet(s, now_ms);
    int open = work_under_way(s);
    if (open == 0 && quiet) {
        loop_stop(s->loop);
    } else if (now_ms - s->drain_began_ms >= conf_int(&s->conf, "drain-timeout-ms")) {
        /* The database hangs with work in its hands: its outcome is unknown, here and to the
         * clients. */
        log_line(LOG_ERROR, "DRAIN-TIMED-OUT", LF_INT("open", open));
        _exit(1);
    }
}
