/* Routes: the contract's templates, cut into segments once, matched by comparison. */
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "gateway.h"
#include "lujian/contract.lj.h"

#define ROUTES_MAX   256
#define SEGMENTS_MAX 8

struct segment {
    const char *literal; /* NULL = a field */
    const char *field;   /* "id" of "{id}:sign" */
    const char *verb;    /* ":sign", "" = none */
};

struct route {
    const struct method_info *method;
    const char *http_method, *text;
    struct segment segments[SEGMENTS_MAX];
    int count;
};

static struct arena routes_arena;
static struct route routes[ROUTES_MAX];
static int route_count;

static struct segment cut_segment(const char *text, size_t length)
{
    struct segment s = { .verb = "" };
    if (text[0] != '{') {
        s.literal = arena_strndup(&routes_arena, text, length);
        return s;
    }
    const char *end = memchr(text, '}', length);
    assert_always(end);
    s.field = arena_strndup(&routes_arena, text + 1, (size_t)(end - text - 1));
    s.verb = arena_strndup(&routes_arena, end + 1, length - (size_t)(end + 1 - text));
    return s;
}

static void add_route(const struct method_info *method, const char *http_method,
                      const char *template)
{
    assert_always(route_count < ROUTES_MAX);
    struct route *route = &routes[route_count++];
    *route = (struct route){ .method = method, .http_method = http_method, .text = template };
    for (const char *at = template; *at == '/';) {
        size_t length = strcspn(at + 1, "/");
        assert_always(route->count < SEGMENTS_MAX);
        route->segments[route->count++] = cut_segment(at + 1, length);
        at += 1 + length;
    }
}

void routes_init(void)
{
    arena_init(&routes_arena, 0);
    for (const struct method_info *const *m = contract_methods; *m; m++) {
        if ((*m)->http_get)
            add_route(*m, "GET", (*m)->http_get);
        if ((*m)->http_post)
            add_route(*m, "POST", (*m)->http_post);
    }
}

static bool match_segment(const struct segment *s, struct arena *arena, const char *text,
                          size_t length, struct route_match *match)
{
    if (s->literal)
        return strlen(s->literal) == length && memcmp(s->literal, text, length) == 0;

    size_t verb_length = strlen(s->verb);
    if (length <= verb_length || memcmp(text + length - verb_length, s->verb, verb_length) != 0)
        return false;
    length -= verb_length;
    if (memchr(text, ':', length))
        return false; /* another verb's */
    assert_always(match->binding_count < ROUTE_BINDINGS_MAX);
    match->bindings[match->binding_count++] =
        (struct route_binding){ s->field, arena_strndup(arena, text, length) };
    return true;
}

static bool match_route(const struct route *route, struct arena *arena, const char *path,
                        struct route_match *match)
{
    match->binding_count = 0;
    const char *at = path;
    for (int i = 0; i < route->count; i++) {
        if (*at != '/')
            return false;
        size_t length = strcspn(at + 1, "/");
        if (!match_segment(&route->segments[i], arena, at + 1, length, match))
            return false;
        at += 1 + length;
    }
    return *at == '\0';
}

int routes_match(struct arena *arena, const char *http_method, const char *path,
                 struct route_match *ret)
{
    *ret = (struct route_match){ 0 };
    const char *method = strcmp(http_method, "HEAD") == 0 ? "GET" : http_method;
    for (int i = 0; i < route_count; i++) {
        if (!match_route(&routes[i], arena, path, ret))
            continue;
        if (strcmp(routes[i].http_method, method) == 0) {
            ret->method = routes[i].method;
            ret->route = routes[i].text;
            return 0;
        }
        ret->allow = ret->allow ? "GET, POST" : routes[i].http_method;
    }
    if (ret->allow)
        return err_set(ERR_UNSUPPORTED, "the path does not take %s", method);
    return err_set(ERR_NOT_FOUND, "no such path");
}
