/* The tokens of RFC 8259. Functions that can fail return NULL, or the reason as wire_fault names
 * it. */
#ifndef LUJIAN_JSON_LEX_H
#define LUJIAN_JSON_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* By byte: what ends a run of characters that stand for themselves in a string. */
extern const bool lex_special[256];

struct lex {
    const char *at, *end;
};

/* The next character that is no white space, not consumed; '\0' at the end (a NUL never stands in
 * valid JSON). */
char lex_peek(struct lex *l);
/* Consumes that character if it comes next. */
bool lex_take(struct lex *l, char wanted);
/* Consumes true, false or null if it comes next. */
bool lex_word(struct lex *l, const char *word);
/* Decodes a string into memory of the arena, with a NUL behind it. */
const char *lex_string(struct lex *l, struct arena *arena, char **ret_text, size_t *ret_length);
/* Decodes a string of less than `room` bytes into `out`; *ret_fits tells whether it was one. */
const char *lex_short_string(struct lex *l, char *out, size_t room, bool *ret_fits);
/* A number's characters as they stand. */
const char *lex_number(struct lex *l, const char **ret_text, size_t *ret_length);

#endif
