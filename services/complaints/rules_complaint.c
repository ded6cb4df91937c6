/* Domain rules of complaints: which state allows which act, the limits of extension, return and
 * redo, and who owns a matter. Pure: no I/O, no clock, tested without a database. States and
 * refusals are tables. */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "base/util.h"
#include "complaints.h"
#include "law/division.h"

#define REDO_MAX 2

#define BASIS_SD20_ZH "《山东省政务服务热线管理办法》"
#define BASIS_SD20_EN "Measures of Shandong Province on Government Service Hotlines"
#define BASIS_WF22_ZH                                                                              \
    "《潍坊市12345政务服务便民热线条例》第二十二条、《济南市12345市民服务热线条例》第二十九条"
#define BASIS_WF22_EN                                                                              \
    "Weifang 12345 Hotline Regulations, art. 22; Jinan 12345 Hotline Regulations, art. 29"

static const struct {
    const char *name, *zh;
    uint32_t states; /* bit mask of COMPLAINT_STATE_* that allow it */
} actions[ACTION_COUNT] = {
    [ACTION_DISPATCH] = { "dispatch", "派单",
                          1u << COMPLAINT_STATE_RECEIVED | 1u << COMPLAINT_STATE_RETURNED },
    [ACTION_SIGN] = { "sign", "签收", 1u << COMPLAINT_STATE_DISPATCHED },
    [ACTION_CONTACT] = { "contact", "联系诉求人",
                         1u << COMPLAINT_STATE_SIGNED | 1u << COMPLAINT_STATE_HANDLING },
    [ACTION_REPLY] = { "reply", "答复",
                       1u << COMPLAINT_STATE_SIGNED | 1u << COMPLAINT_STATE_HANDLING },
    [ACTION_EXTEND] = { "extend", "延期",
                        1u << COMPLAINT_STATE_DISPATCHED | 1u << COMPLAINT_STATE_SIGNED |
                            1u << COMPLAINT_STATE_HANDLING },
    [ACTION_RETURN] = { "return", "退单",
                        1u << COMPLAINT_STATE_DISPATCHED | 1u << COMPLAINT_STATE_SIGNED },
    [ACTION_VISIT] = { "visit", "回访", 1u << COMPLAINT_STATE_REPLIED },
    [ACTION_REDO] = { "redo", "重办", 1u << COMPLAINT_STATE_VISITED },
    [ACTION_CLOSE] = { "close", "办结",
                       1u << COMPLAINT_STATE_REPLIED | 1u << COMPLAINT_STATE_VISITED },
    [ACTION_REOPEN] = { "reopen", "重新受理", 1u << COMPLAINT_STATE_CLOSED },
};

static const struct {
    const char *name, *zh;
} states[] = {
    [COMPLAINT_STATE_UNSPECIFIED] = { "unspecified", "未知" },
    [COMPLAINT_STATE_RECEIVED] = { "received", "已受理" },
    [COMPLAINT_STATE_ANSWERED] = { "answered", "已直接答复" },
    [COMPLAINT_STATE_REFUSED] = { "refused", "不予受理" },
    [COMPLAINT_STATE_TRANSFERRED] = { "transferred", "已移交" },
    [COMPLAINT_STATE_DISPATCHED] = { "dispatched", "已派单" },
    [COMPLAINT_STATE_SIGNED] = { "signed", "已签收" },
    [COMPLAINT_STATE_RETURNED] = { "returned", "已退单" },
    [COMPLAINT_STATE_HANDLING] = { "handling", "办理中" },
    [COMPLAINT_STATE_REPLIED] = { "replied", "已答复" },
    [COMPLAINT_STATE_VISITED] = { "visited", "已回访" },
    [COMPLAINT_STATE_CLOSED] = { "closed", "已办结" },
    [COMPLAINT_STATE_PENDING] = { "pending", "挂账" },
};

const char *action_name(enum action action)
{
    return actions[action].name;
}

const struct refusal *rules_state_allows(struct arena *arena, int state, enum action action)
{
    if (actions[action].states & 1u << state)
        return NULL;

    const char **allowed = arena_array(arena, const char *, ACTION_COUNT + 1);
    const char *allowed_zh = "";
    const char *allowed_en = "";
    int n = 0;
    for (int a = 0; a < ACTION_COUNT; a++) {
        if (!(actions[a].states & 1u << state))
            continue;
        allowed_zh = arena_printf(arena, "%s%s%s", allowed_zh, n ? "、" : "", actions[a].zh);
        allowed_en = arena_printf(arena, "%s%s%s", allowed_en, n ? ", " : "", actions[a].name);
        allowed[n++] = actions[a].name;
    }
    struct refusal *r = arena_new(arena, struct refusal);
    r->code = "state_forbids";
    r->detail_zh = n ? arena_printf(arena, "工单处于“%s”状态，不能%s；此状态下可以：%s。",
                                    states[state].zh, actions[action].zh, allowed_zh)
                     : arena_printf(arena, "工单处于“%s”状态，不能%s；此状态下没有可以进行的操作。",
                                    states[state].zh, actions[action].zh);
    r->detail_en =
        arena_printf(arena, "a complaint in state %s does not allow %s; it allows: %s",
                     states[state].name, actions[action].name, n ? allowed_en : "nothing");
    r->state = states[state].name;
    r->allowed = allowed;
    return r;
}

const struct refusal *rules_can_extend(const struct complaint_row *row, const struct clock *reply,
                                       int64_t now_ms)
{
    static const struct refusal twice = {
        .code = "already_extended",
        .detail_zh = "本次派单或重办以来已延期一次，不能再次延期。",
        .detail_en = "already extended once since the last dispatch or redo",
        .basis_zh = BASIS_SD20_ZH,
        .basis_en = BASIS_SD20_EN,
    };
    static const struct refusal late = {
        .code = "deadline_passed",
        .detail_zh = "答复期限已过，延期须在期限届满前提出。",
        .detail_en = "the reply is overdue; an extension is granted before the deadline only",
        .basis_zh = BASIS_SD20_ZH,
        .basis_en = BASIS_SD20_EN,
    };
    if (row->extended)
        return &twice;
    if (!reply || !clock_is_open(reply) || now_ms >= reply->due_at)
        return &late;
    return NULL;
}

const struct refusal *rules_can_return(const struct complaint_row *row, const struct clock *term,
                                       int64_t now_ms)
{
    static const struct refusal limit = {
        .code = "return_limit",
        .detail_zh = "该工单已由共同上级指定承办，不得再退单。",
        .detail_en = "the common superior has designated the unit; it may not return the complaint",
        .basis_zh = BASIS_WF22_ZH,
        .basis_en = BASIS_WF22_EN,
    };
    static const struct refusal lapsed = {
        .code = "deadline_passed",
        .detail_zh = "退单须在派单后两个工作日内提出，期限已过。",
        .detail_en =
            "a return is due within two working days of the dispatch; that term has passed",
        .basis_zh = BASIS_SD20_ZH,
        .basis_en = BASIS_SD20_EN,
    };
    if (row->return_limit)
        return &limit;
    if (!term || !clock_is_open(term) || now_ms >= term->due_at)
        return &lapsed;
    return NULL;
}

const struct refusal *rules_can_redo(const struct complaint_row *row)
{
    static const struct refusal limit = {
        .code = "redo_limit",
        .detail_zh = "该工单已重办两次，不能第三次重办；不满意事项由监督机构督办。",
        .detail_en = "redone twice already; what is still unsatisfied is the supervision body's",
        .basis_zh = "《济南市12345市民服务热线条例》第二十七条",
        .basis_en = "Jinan 12345 Hotline Regulations, art. 27",
    };
    static const struct refusal satisfied = {
        .code = "visit_not_failed",
        .detail_zh = "最近一次回访结果为已解决且满意，不需要重办。",
        .detail_en = "the newest visit found it solved and the caller satisfied",
        .basis_zh = "《济南市12345市民服务热线条例》第二十七条",
        .basis_en = "Jinan 12345 Hotline Regulations, art. 27",
    };
    if (!rules_visit_failed(row->visit_reached, row->visit_solved, row->visit_satisfied))
        return &satisfied;
    return row->redo_count >= REDO_MAX ? &limit : NULL;
}

const struct refusal *rules_can_dispatch(const struct complaint_row *row,
                                         const struct unit *handling, const struct unit *unit)
{
    static const struct refusal designated = {
        .code = "return_limit",
        .detail_zh = "该工单已由共同上级指定承办单位，不能另派。",
        .detail_en = "the common superior owns the complaint; it cannot be dispatched elsewhere",
        .basis_zh = BASIS_WF22_ZH,
        .basis_en = BASIS_WF22_EN,
    };
    static const struct refusal accused = {
        .code = "about_this_organ",
        .detail_zh = "该工单反映执法机关自身问题，应由其上级承办，不得派给被反映机关。",
        .detail_en = "the complaint is about that organ's own enforcement; its superior handles it",
        .basis_zh = "《济南市12345市民服务热线条例》第三十二条",
        .basis_en = "Jinan 12345 Hotline Regulations, art. 32",
    };
    if (row->return_limit && unit != handling)
        return &designated;
    if (*row->audience && !division_contains(unit->division, row->audience))
        return &accused;
    return NULL;
}

bool rules_visit_failed(bool reached, bool solved, bool satisfied)
{
    return reached && !(solved && satisfied);
}

struct ownership rules_owner(const struct snapshot *reference, const char *division,
                             const char *category, bool about_enforcement)
{
    struct ownership owner = { .unit = snapshot_route(reference, division, category),
                               .audience = "" };
    if (!about_enforcement || !owner.unit)
        return owner;
    const struct division *superior = snapshot_superior(reference, owner.unit->division);
    owner.audience = superior->code;
    owner.unit = snapshot_default_unit(reference, superior->code);
    return owner;
}

const struct unit *rules_handling_unit(const struct snapshot *reference,
                                       const struct complaint_row *row)
{
    const struct unit *unit = snapshot_unit(reference, row->unit);
    return unit ? unit
                : snapshot_default_unit(reference, *row->audience ? row->audience : row->division);
}

const struct unit *rules_common_superior(const struct snapshot *reference, const char *first_unit,
                                         const char *second_unit)
{
    const struct unit *first = snapshot_unit(reference, first_unit);
    const struct unit *second = snapshot_unit(reference, second_unit);
    if (!first || !second)
        first = second = first ? first : second;
    if (!first)
        return snapshot_default_unit(reference, "37");
    /* Up from the second until it contains the first: their common division; then one level higher.
     */
    const char *common = second->division;
    while (!division_contains(common, first->division)) {
        const struct division *up = snapshot_superior(reference, common);
        if (strcmp(up->code, common) == 0)
            break;
        common = up->code;
    }
    return snapshot_default_unit(reference, snapshot_superior(reference, common)->code);
}

const char *rules_division_at(const struct unit *unit, const char *division)
{
    return division_contains(unit->division, division) ? division : unit->division;
}

const char *rules_order_no(struct arena *arena, const char *division, int64_t filed_at,
                           int64_t sequence)
{
    char six[7] = "000000";
    memcpy(six, division, MIN(strlen(division), (size_t)6));
    int year, month, mday;
    day_to_ymd(day_of_instant(filed_at), &year, &month, &mday);
    return arena_printf(arena, "%s%04d%02d%02d%08lld", six, year, month, mday,
                        (long long)(sequence % 100000000));
}
