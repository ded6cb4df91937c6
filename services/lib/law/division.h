/* Division codes (行政区划代码) by their shape: GB/T 2260 and the statistics codes of towns and
 * villages.
 *
 * Inside, a code has 2, 4, 6, 9 or 12 digits, no padding, and the subtree of a code is every code
 * that begins with it. Whether a code exists, and what it was replaced by, is the registry's to
 * say. */
#ifndef LUJIAN_LAW_DIVISION_H
#define LUJIAN_LAW_DIVISION_H

#include <stdbool.h>

#define DIVISION_CODE_SIZE 13 /* and NUL */

/* 0 is no level, so that a zeroed one is wrong. */
enum division_level {
    DIVISION_NONE,
    DIVISION_PROVINCE, /* 2 digits */
    DIVISION_CITY,     /* 4 */
    DIVISION_COUNTY,   /* 6 */
    DIVISION_TOWN,     /* 9 */
    DIVISION_VILLAGE,  /* 12 */
};

/* What others write into the inner form: 370000 -> 37, 370100 -> 3701, 370102000 and 370102000000
 * -> 370102. ERR_INVALID_ARGUMENT: not 2, 4, 6, 9 or 12 digits, or a part below a missing one
 * (370002). A town under a city without counties (441900001) is one of the standard's own
 * exceptions and is kept. */
int division_normalize(const char *text, char ret_code[DIVISION_CODE_SIZE]);

/* The level of a code in the inner form; DIVISION_NONE for anything else. */
enum division_level division_level(const char *code);

/* The code one level up: the code cut short, and once more where that has no county (441900001 ->
 * 4419). False, and "" given, for a province and for what is no code in the inner form. */
bool division_parent(const char *code, char ret_parent[DIVISION_CODE_SIZE]);

/* Is `code` the division `ancestor` or in its subtree? Both in the inner form; else false. */
bool division_contains(const char *ancestor, const char *code);

#endif
