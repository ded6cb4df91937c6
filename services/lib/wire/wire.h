/* The wire: protobuf bytes are scanned against the contract before anything is allocated, then unpacked into an
 * arena. protobuf-c alone would cut strings at a NUL, let bad UTF-8 pass, allocate before it validates and
 * recurse without a limit. */
#ifndef LUJIAN_WIRE_WIRE_H
#define LUJIAN_WIRE_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "wire/rules.h"

#define WIRE_DEPTH_MAX   16
#define WIRE_FIELDS_MAX  20000 /* fields of one message in all its depth */
#define WIRE_UNKNOWN_MAX 64    /* unknown fields of one message: an N+1 peer has a few, an attacker many */

/* Where and why a message was refused; the path is "caller.phone" or "rows[3].division.code". */
struct wire_fault {
    char path[128];
    const char *reason; /* stable: required, too_long, too_many, out_of_range, bad_pattern, bad_utf8, nul,
                           control_character, unknown_enum, malformed, too_deep */
};

/* 0, or ERR_INVALID_ARGUMENT / ERR_TOO_LARGE with the fault and the thread's error set. Bytes only; allocates
 * nothing; checks every rule that can be checked on bytes, the last occurrence of a scalar counting. */
int wire_scan(const struct message_rules *rules, const uint8_t *data, size_t size,
              struct wire_fault *ret_fault);
/* wire_scan, then unpack into the arena (never freed by itself), unknown fields dropped. */
int wire_unpack(const struct message_rules *rules, struct arena *arena, const uint8_t *data, size_t size,
                ProtobufCMessage **ret_message, struct wire_fault *ret_fault);
/* The same rules on a message that did not come as bytes (the JSON door). */
int wire_check(const struct message_rules *rules, const ProtobufCMessage *message,
               struct wire_fault *ret_fault);

/* An empty message of that type in the arena. Strings are never NULL in it. */
void *wire_new(struct arena *arena, const struct message_rules *rules);
void wire_pack(struct arena *arena, const ProtobufCMessage *message, uint8_t **ret_data, size_t *ret_size);

/* SHA-256 over the method's name and the known fields, repacked: what an idempotency record compares. */
void wire_digest(const char *method, const ProtobufCMessage *message, uint8_t out[32]);

bool wire_pattern_matches(enum wire_pattern pattern, const char *text, size_t length);

/* Looks fields up by name; aborts on a name that the message has not. */
const char *wire_string(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

#endif
