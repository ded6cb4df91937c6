/* Message <-> JSON, strictly, over descriptors and rules: no document tree between them.
 *
 * Reading decides shape and types only; the contract's rules (required, lengths, patterns, bounds)
 * are wire_check's business once the message is whole, because a part of it may come from the path
 * of a URL. */
#ifndef LUJIAN_JSON_JSON_H
#define LUJIAN_JSON_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "wire/wire.h"

#define JSON_BYTES_MAX ((size_t)1024 * 1024)

/* One object becomes one message in the arena. Field names are those of the proto file; null says
 * absent; enums go by their JSON name; int64 and uint64 are decimal strings or integer numbers,
 * instants RFC 3339 of any offset, bytes base64. Refused, with the reason in the fault and the
 * thread's error set:
 *
 *   malformed      not JSON, or more than one value, or two members of a oneof
 *   bad_utf8, nul  the text is not UTF-8, an escape is half a surrogate pair, a string holds NUL
 *   duplicate_key, unknown_field, unknown_enum, bad_type, bad_pattern (instants, base64),
 * out_of_range too_long (ERR_TOO_LARGE: the text, or what the arena may hold), too_many
 * (ERR_TOO_LARGE: items), too_deep
 */
int json_to_message(const struct message_rules *rules, struct arena *arena, const char *text,
                    size_t size, ProtobufCMessage **ret_message, struct wire_fault *ret_fault);

/* Every field, also at its default; an absent message, an unset member of a oneof and an instant of
 * 0 are null; int64 and uint64 are strings, instants RFC 3339 +08:00. The buffer's own limit
 * applies. */
void json_from_message(const struct message_rules *rules, const ProtobufCMessage *message,
                       struct buf *out);

/* A string with its quotes, for JSON that is written by hand; NULL is "". What is not UTF-8 becomes
 * U+FFFD. */
void json_add_string(struct buf *out, const char *text);

#endif
