/* All rows that stand, as one load sees them: by key, and in groups of those that must agree.
 *
 * Invariant: of one key one row stands, the one that was put last; a replaced row stays in its
 * groups and is passed over, so that taking a row is a few map operations. */
#include "base/err.h"
#include "registry.h"

void facts_init(struct facts *f)
{
    arena_init(&f->arena, 0);
    map_init(&f->by_key);
    map_init(&f->groups);
}

void facts_clear(struct facts *f)
{
    map_clear(&f->by_key);
    map_clear(&f->groups);
    arena_clear(&f->arena);
}

static void group_add(struct facts *f, const char *name, const struct fact *fact)
{
    struct fact_link *first = map_get(&f->groups, name);
    struct fact_link *link = arena_new(&f->arena, struct fact_link);
    link->fact = fact;
    if (first) { /* behind the first, so that the map need not be told */
        link->next = first->next;
        first->next = link;
    } else {
        map_put(&f->groups, arena_strdup(&f->arena, name), link);
    }
}

void facts_put(struct facts *f, const struct fact *fact)
{
    const char *key = arena_printf(&f->arena, "%s:%s", fact->kind, fact->key);
    struct fact *before = map_get(&f->by_key, key);
    if (before)
        before->replaced = true;
    struct fact *own = arena_memdup(&f->arena, fact, sizeof(*fact));
    map_put(&f->by_key, key, own);

    const char *groups[FACT_GROUPS_MAX];
    int count = fact_groups(&f->arena, own, groups);
    for (int i = 0; i < count; i++)
        group_add(f, groups[i], own);
}

int facts_add_packed(struct facts *f, const uint8_t *data, size_t size)
{
    ProtobufCMessage *message;
    struct wire_fault fault;
    int r = wire_unpack(&reference_row_rules, &f->arena, data, size, &message, &fault);
    if (r < 0)
        return err_wrap(ERR_INTERNAL, "stored row");
    struct fact *fact = fact_describe(&f->arena, (const ReferenceRow *)(const void *)message);
    if (!fact)
        return err_set(ERR_INTERNAL, "stored row of no kind");
    facts_put(f, fact);
    return 0;
}

const struct fact *facts_get(const struct facts *f, const char *kind, const char *key)
{
    char name[192];
    int length = snprintf(name, sizeof(name), "%s:%s", kind, key);
    if (length < 0 || (size_t)length >= sizeof(name))
        return NULL; /* longer than any key that the contract allows */
    return map_get(&f->by_key, name);
}

static const struct fact_link *standing(const struct fact_link *link)
{
    while (link && link->fact->replaced)
        link = link->next;
    return link;
}

const struct fact_link *facts_group(const struct facts *f, const char *group)
{
    return standing(map_get(&f->groups, group));
}

const struct fact_link *fact_link_next(const struct fact_link *link)
{
    return standing(link->next);
}
