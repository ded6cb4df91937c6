/* Division codes: shape, normal form, parent, subtree. */
#include "law/division.h"

#include <string.h>

#include "base/err.h"
#include "base/util.h"

/* Digits of a code by level; an index is a division_level. */
static const size_t lengths[] = { 0, 2, 4, 6, 9, 12 };

static enum division_level level_of_length(size_t length)
{
    for (int level = DIVISION_VILLAGE; level > DIVISION_NONE; level--) {
        if (lengths[level] == length)
            return (enum division_level)level;
    }
    return DIVISION_NONE;
}

/* Is the part that this level adds nothing but zeros? */
static bool part_is_zero(const char *code, enum division_level level)
{
    size_t from = lengths[level - 1], to = lengths[level];
    return strspn(code + from, "0") >= to - from;
}

/* A part of zeros stands for "none": nothing may follow it but a town right under a city. */
static bool parts_ok(const char *code, enum division_level level)
{
    if (part_is_zero(code, DIVISION_PROVINCE))
        return false;
    for (int below = DIVISION_CITY; below <= (int)level; below++) {
        bool town_of_city = below == DIVISION_COUNTY && level >= DIVISION_TOWN;
        if (part_is_zero(code, (enum division_level)below) && !town_of_city)
            return false;
    }
    return true;
}

int division_normalize(const char *text, char ret_code[DIVISION_CODE_SIZE])
{
    size_t length = strspn(text, "0123456789");
    enum division_level level = text[length] ? DIVISION_NONE : level_of_length(length);
    if (level == DIVISION_NONE)
        return err_set(ERR_INVALID_ARGUMENT, "a division code has 2, 4, 6, 9 or 12 digits");
    while (level > DIVISION_PROVINCE && part_is_zero(text, level))
        level--;
    if (!parts_ok(text, level))
        return err_set(ERR_INVALID_ARGUMENT, "a division code with a part below a missing one");
    memcpy(ret_code, text, lengths[level]);
    ret_code[lengths[level]] = '\0';
    return 0;
}

enum division_level division_level(const char *code)
{
    size_t length = strspn(code, "0123456789");
    enum division_level level = code[length] ? DIVISION_NONE : level_of_length(length);
    return level != DIVISION_NONE && parts_ok(code, level) ? level : DIVISION_NONE;
}

bool division_parent(const char *code, char ret_parent[DIVISION_CODE_SIZE])
{
    enum division_level level = division_level(code);
    ret_parent[0] = '\0';
    if (level <= DIVISION_PROVINCE)
        return false;
    level--;
    if (part_is_zero(code, level))
        level--;
    memcpy(ret_parent, code, lengths[level]);
    ret_parent[lengths[level]] = '\0';
    return true;
}

bool division_contains(const char *ancestor, const char *code)
{
    return division_level(ancestor) != DIVISION_NONE && division_level(code) != DIVISION_NONE &&
           strncmp(code, ancestor, strlen(ancestor)) == 0;
}
