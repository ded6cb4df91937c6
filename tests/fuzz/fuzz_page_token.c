/* A page token opens for the principal, the method and the filter that it was made for, as the text
 * that was made, and gives the key that was sealed; nothing else opens.
 *
 * Of an input the first byte says what becomes of the token, the next two where, then comes the
 * key, a NUL, and a text that is tried as a token itself. */
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "fuzz.h"
#include "lujian/complaints/v1/complaint.lj.h"
#include "lujian/supervision/v1/supervision.lj.h"
#include "service/replica.h"

#define KEY_MAX  320
#define TEXT_MAX 2000

enum change { NOTHING, CHARACTER, CUT, LONGER, PRINCIPAL, FILTER, METHOD, PAGE_KEY, CHANGES };

static struct service replica = { .settings = { .keys_dir = "" } }; /* keys of this process */
static const struct principal people[] = { { .id = "hotline" }, { .id = "hotline2" } };

struct list {
    struct request rq;
    ListRequest in;
};

static void list_init(struct list *l, struct arena *arena)
{
    *l = (struct list){ .in = LIST_REQUEST_INIT };
    l->in.division = (char *)(uintptr_t) "3701";
    l->in.page_size_choice_case = LIST_REQUEST_PAGE_SIZE_CHOICE_PAGE_SIZE;
    l->in.page_size = 7;
    l->rq.arena = arena;
    l->rq.method = &complaints_list_method;
    l->rq.actor = &people[0];
    l->rq.service = &replica;
}

/* What a caller may do to it; the token as he gives it back. */
static const char *change_token(struct list *l, enum change change, size_t where, uint8_t with,
                                const char *token)
{
    char *text = arena_strdup(l->rq.arena, token);
    size_t at = where % strlen(text);
    switch (change) {
    case CHARACTER:
        text[at] = (char)with;
        return text;
    case CUT:
        text[at] = '\0';
        return text;
    case LONGER:
        return arena_printf(l->rq.arena, "%s%c", token, with);
    case PRINCIPAL:
        l->rq.actor = &people[1];
        return text;
    case FILTER:
        l->in.division = (char *)(uintptr_t) "370";
        return text;
    case METHOD:
        l->rq.method = &supervision_list_cards_method;
        return text;
    case PAGE_KEY:
        assert_always(page_key_load(&replica) == 0); /* another one */
        return text;
    default:
        l->in.page_size = with; /* which a token does not bind */
        return text;
    }
}

static void check_changed(struct list *l, const uint8_t *data, const char *key)
{
    const char *last = NULL;
    enum change change = data[0] % CHANGES;
    const char *made = page_token_seal(&l->rq, &l->in, key);
    assert_always(page_token_open(&l->rq, &l->in, made, &last) == 0 && strcmp(last, key) == 0);
    const char *given = change_token(l, change, data[1], data[2], made);
    int r = page_token_open(&l->rq, &l->in, given, &last);
    bool same = strcmp(given, made) == 0 && change <= LONGER;
    if (!*given) /* no token is the first page */
        assert_always(r == 0 && !last);
    else
        assert_always((r == 0) == same && (r < 0 || strcmp(last, key) == 0));
}

/* A text that nobody sealed: if it opens all the same, sealing what it gave gives that very text.
 */
static void check_forged(struct list *l, const char *text)
{
    const char *last = NULL;
    if (page_token_open(&l->rq, &l->in, text, &last) == 0 && *text)
        assert_always(strcmp(page_token_seal(&l->rq, &l->in, last), text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct list list;
    if (size < 4)
        return 0;
    log_init("fuzz", "fuzz", LOG_ERROR + 1);
    assert_always(page_key_load(&replica) == 0);
    arena_init(&arena, 0);
    char *rest = arena_strndup(&arena, (const char *)data + 3, MIN(size - 3, (size_t)TEXT_MAX));
    const char *key = arena_strndup(&arena, rest, MIN(strlen(rest), (size_t)KEY_MAX));
    list_init(&list, &arena);
    if (*key)
        check_changed(&list, data, key);
    list_init(&list, &arena);
    size_t past = 3 + strlen(rest) + 1;
    if (past < size)
        check_forged(&list, arena_strndup(&arena, (const char *)data + past,
                                          MIN(size - past, (size_t)TEXT_MAX)));
    arena_clear(&arena);
    return 0;
}
