/* Refusals and rejections: how a handler says no. */
#include "commit/request.h"

#include "base/err.h"

/* Half a command in a shared transaction is a defect of the handler: found in tests, survived in
 * production (the batch rolls back and its members run alone). */
static void assert_nothing_written(const struct request *rq)
{
#ifdef LUJIAN_FAULT_POINTS
    assert_always(!rq->tx || !rq->tx->wrote); /* by this member: others' events may be there */
#else
    (void)rq;
#endif
}

int refuse(struct request *rq, const struct refusal *why)
{
    assert_nothing_written(rq);
    rq->refusal = why;
    return err_set_reason(ERR_REFUSED, why->code, "%s", why->detail_en);
}

int reject(struct request *rq, int code, const char *reason, const char *field,
           const char *detail_en)
{
    assert_nothing_written(rq);
    rq->field = field ? arena_strdup(rq->arena, field) : NULL;
    return err_set_reason(code, reason, "%s", detail_en);
}

int request_check_version(struct request *rq, int64_t version)
{
    if (rq->if_version == 0 || rq->if_version == version)
        return 0;
    assert_nothing_written(rq);
    rq->version = version;
    return err_set(ERR_VERSION_MISMATCH, "the version is %lld, not %lld", (long long)version,
                   (long long)rq->if_version);
}
