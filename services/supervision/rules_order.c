/* Rules of orders and cards: levels, whose turn it is, which state allows which act. Pure. */
#include <string.h>

#include "base/util.h"
#include "supervision.h"

static const struct {
    size_t code_length;
} levels[] = {
    [LEVEL_COUNTY] = { 6 },
    [LEVEL_CITY] = { 4 },
    [LEVEL_PROVINCE] = { 2 },
};

int rules_level_of(const char *division)
{
    size_t length = strlen(division);
    if (length >= levels[LEVEL_COUNTY].code_length)
        return LEVEL_COUNTY;
    return length >= levels[LEVEL_CITY].code_length ? LEVEL_CITY : LEVEL_PROVINCE;
}

int rules_next_level(int level)
{
    return level == LEVEL_PROVINCE ? LEVEL_UNSPECIFIED : level + 1;
}

const char *rules_division_at_level(struct arena *arena, const char *division, int level)
{
    return arena_strndup(arena, division, MIN(levels[level].code_length, strlen(division)));
}

const struct unit *rules_body(const struct snapshot *reference, struct arena *arena,
                              const char *division, int level)
{
    return snapshot_supervision_body(reference, rules_division_at_level(arena, division, level));
}

const struct unit *rules_answering_unit(const struct snapshot *reference,
                                        const struct matter *matter)
{
    const struct unit *unit = *matter->unit ? snapshot_unit(reference, matter->unit) : NULL;
    return unit ? unit
                : snapshot_default_unit(reference,
                                        *matter->audience ? matter->audience : matter->division);
}

static const struct {
    const char *name, *zh;
    uint32_t states;
} actions[ORDER_ACTION_COUNT] = {
    [ORDER_SIGN] = { "sign", "签收", 1u << ORDER_STATE_ISSUED },
    [ORDER_REPLY] = { "reply", "回复", 1u << ORDER_STATE_ISSUED | 1u << ORDER_STATE_SIGNED },
    [ORDER_CLOSE] = { "close", "办结",
                      1u << ORDER_STATE_ISSUED | 1u << ORDER_STATE_SIGNED |
                          1u << ORDER_STATE_REPLIED },
};

static const struct {
    const char *name, *zh;
} states[] = {
    [ORDER_STATE_UNSPECIFIED] = { "unspecified", "未知" },
    [ORDER_STATE_ISSUED] = { "issued", "已下发" },
    [ORDER_STATE_SIGNED] = { "signed", "已签收" },
    [ORDER_STATE_REPLIED] = { "replied", "已回复" },
    [ORDER_STATE_CLOSED] = { "closed", "已办结" },
    [ORDER_STATE_ESCALATED] = { "escalated", "已升级" },
};

const struct refusal *rules_order_allows(struct arena *arena, int state, enum order_action action)
{
    if (actions[action].states & 1u << state)
        return NULL;

    const char **allowed = arena_array(arena, const char *, ORDER_ACTION_COUNT + 1);
    const char *allowed_en = "nothing", *allowed_zh = "无";
    int n = 0;
    for (int a = 0; a < ORDER_ACTION_COUNT; a++) {
        if (!(actions[a].states & 1u << state))
            continue;
        allowed_zh = n ? arena_printf(arena, "%s、%s", allowed_zh, actions[a].zh) : actions[a].zh;
        allowed_en =
            n ? arena_printf(arena, "%s, %s", allowed_en, actions[a].name) : actions[a].name;
        allowed[n++] = actions[a].name;
    }
    struct refusal *r = arena_new(arena, struct refusal);
    r->code = "state_forbids";
    r->detail_zh = arena_printf(arena, "督办单处于“%s”状态，不能%s；此状态下可以进行的操作：%s。",
                                states[state].zh, actions[action].zh, allowed_zh);
    r->detail_en =
        arena_printf(arena, "a supervision order in state %s does not allow %s; it allows: %s",
                     states[state].name, actions[action].name, allowed_en);
    r->state = states[state].name;
    r->allowed = allowed;
    return r;
}

const struct refusal *rules_card_open(int state)
{
    static const char *const nothing[] = { NULL };
    static const struct refusal closed = {
        .code = "state_forbids",
        .detail_zh = "该牌所警示的事项已了结，无需再确认。",
        .detail_en = "what the card warned of is over; it is closed",
        .state = "closed",
        .allowed = nothing,
    };
    return state == CARD_STATE_CLOSED ? &closed : NULL;
}
