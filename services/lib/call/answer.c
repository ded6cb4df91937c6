/* Answers: the head with its problem, and the one line that is logged for each request.
 *
 * Invariant: what a failure's text says goes to the caller only where it is about the caller's
 * request. The text of a defect or of the database goes to the log. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "call/inside.h"
#include "lujian/bus/v1/envelope.lj.h"

#define ANSWER_BODY_MAX (DOOR_FRAME_BYTES_MAX - 64 * 1024)

struct code_text {
    const char *zh, *en; /* en: NULL = the failure's own text */
};

static const struct code_text code_texts[CALL_CODES] = {
    [-ERR_INVALID_ARGUMENT] = { "请求的格式或字段不符合要求", NULL },
    [-ERR_UNPROCESSABLE] = { "请求引用的内容不存在或相互矛盾", NULL },
    [-ERR_UNAUTHENTICATED] = { "身份未获确认", NULL },
    [-ERR_PERMISSION_DENIED] = { "无权进行此操作", NULL },
    [-ERR_NOT_FOUND] = { "不存在或不在管辖范围内", "absent, or out of your scope" },
    [-ERR_REFUSED] = { "当前状态不允许此操作", NULL },
    [-ERR_IN_PROGRESS] = { "同一请求或事项正在处理，请稍后以同一幂等键重试", NULL },
    [-ERR_VERSION_MISMATCH] = { "版本已变化", NULL },
    [-ERR_TOO_LARGE] = { "内容超过长度限制", NULL },
    [-ERR_UNSUPPORTED] = { "不支持的方法", NULL },
    [-ERR_RATE_LIMITED] = { "请求过于频繁，请稍后重试", NULL },
    [-ERR_NOT_EXECUTED] = { "未执行，可以放心重发", NULL },
    [-ERR_OUTCOME_UNKNOWN] = { "结果未知，请以同一幂等键重试",
                               "the outcome is not known: retry with the same key" },
    [-ERR_INTERNAL] = { "内部错误，请稍后以同一幂等键重试",
                        "an internal error: retry later with the same key" },
    [-ERR_CURSOR_MISMATCH] = { "游标与事件流不符", NULL },
};

struct reason_text {
    const char *reason, *zh;
};

static const struct reason_text reason_texts[] = {
    { "conflicting_payload", "同一幂等键或来源编号已用于内容不同的请求" },
    { "queue_full", "系统繁忙，未执行，请稍后重发" },
    { "draining", "本实例正在停止，未执行，请发往其他实例" },
    { "expired", "等待超时，未执行，可以放心重发" },
    { "storage_full", "存储空间不足，未执行，请稍后重发" },
    { "unknown_method", "没有此方法" },
};

static int wire_code(const struct call *call)
{
    int code = call->command.code;
    return code == ERR_AGAIN || -code >= CALL_CODES ? ERR_INTERNAL : code;
}

static const char *reason_of(const struct call *call, int code)
{
    const struct err_detail *d = &call->command.detail;
    if (call->command.rq.refusal)
        return call->command.rq.refusal->code;
    return d->code == code && d->reason[0] ? d->reason : err_info(code)->name;
}

static const char *text_zh(const struct call *call, int code, const char *reason)
{
    if (call->command.rq.refusal)
        return call->command.rq.refusal->detail_zh;
    for (size_t i = 0; i < ARRAY_LEN(reason_texts); i++) {
        if (strcmp(reason_texts[i].reason, reason) == 0)
            return reason_texts[i].zh;
    }
    return code_texts[-code].zh;
}

static const char *text_en(const struct call *call, int code)
{
    if (call->command.rq.refusal)
        return call->command.rq.refusal->detail_en;
    return code_texts[-code].en ? code_texts[-code].en : call->command.detail.text;
}

static uint32_t retry_after(const struct call *call, int code)
{
    if (call->retry_after_ms)
        return call->retry_after_ms;
    switch (code) {
    case ERR_IN_PROGRESS:
        return 500;
    case ERR_NOT_EXECUTED:
    case ERR_INTERNAL:
        return 200;
    default:
        return 0;
    }
}

/* protobuf-c never writes through these pointers. */
static char *text_field(const char *text)
{
    return (char *)(text ? text : "");
}

static void problem_fill(struct call *call, Problem *p, int code)
{
    const struct refusal *why = call->command.rq.refusal;
    const char *reason = reason_of(call, code);
    p->error = (ErrorCode)-code;
    p->code = text_field(reason);
    p->detail_zh = text_field(text_zh(call, code, reason));
    p->detail_en = text_field(text_en(call, code));
    p->field = text_field(call->command.rq.field);
    p->retry_after_ms = retry_after(call, code);
    if (!why)
        return;
    p->basis_zh = text_field(why->basis_zh);
    p->basis_en = text_field(why->basis_en);
    p->state = text_field(why->state);
    p->allowed = (char **)why->allowed;
    while (why->allowed && why->allowed[p->n_allowed])
        p->n_allowed++;
}

/* An answer that no peer would take is a defect of the handler: pages have a limit for it. */
static void body_pack(struct call *call)
{
    const ProtobufCMessage *out = call->command.out;
    if (call->command.code < 0 || !out)
        return;
    if (protobuf_c_message_get_packed_size(out) > ANSWER_BODY_MAX) {
        command_fail(&call->command, err_set(ERR_INTERNAL, "the answer of %s is too large",
                                             call->method->info->name));
        return;
    }
    wire_pack(&call->arena, out, &call->body, &call->body_size);
}

void answer_pack(struct call *call)
{
    struct request *rq = &call->command.rq;
    if (call->command.code != ERR_REFUSED)
        rq->refusal = NULL;
    body_pack(call);
    ResponseHead head = RESPONSE_HEAD_INIT;
    Problem problem = PROBLEM_INIT;
    head.id = call->id;
    int code = wire_code(call);
    if (code == 0 || code == ERR_VERSION_MISMATCH)
        head.version = rq->version;
    if (code < 0) {
        problem_fill(call, &problem, code);
        head.problem = &problem;
    } else {
        head.replayed = call->replayed;
        head.created = rq->created && !call->replayed;
    }
    wire_pack(&call->arena, &head.base, &call->head, &call->head_size);
}

static enum log_level level_of(const struct call *call, int code)
{
    if (code == ERR_INTERNAL)
        return LOG_ERROR;
    /* Signs of life come every second from every peer. */
    bool chatter = code == 0 && call->method && call->method->on_loop && !call->silent;
    return chatter ? LOG_DEBUG : LOG_INFO;
}

void answer_log(const struct call *call)
{
    const struct command *c = &call->command;
    int code = wire_code(call);
    const char *outcome = code == 0 ? (call->replayed ? "replayed" : "ok") : reason_of(call, code);
    log_line(level_of(call, code), "REQ-DONE",
             LF_TEXT("method", call->method ? call->method->info->name : "unknown"),
             LF_TEXT("principal", call->caller.actor ? call->caller.actor->id : ""),
             LF_TEXT("key", call->key_hash), LF_TEXT("code", outcome),
             LF_INT("us", mono_us() - call->arrived_us), LF_INT("queue_us", c->queued_us),
             LF_INT("read_us", call->read_us), LF_INT("apply_us", c->apply_us),
             LF_INT("batch", c->batch_size), LF_INT("bytes_in", call->bytes_in),
             LF_INT("bytes_out", call->head_size + call->body_size),
             LF_TEXT("traceparent", c->rq.traceparent ? c->rq.traceparent : ""),
             LF_TEXT("error", code == ERR_INTERNAL ? c->detail.text : ""));
}
