/* The wire: protobuf bytes are scanned against the contract before anything is allocated, then
 * unpacked into an arena. protobuf-c alone would cut strings at a NUL, let bad UTF-8 pass, allocate
 * before it validates and recurse without a limit. */
#ifndef LUJIAN_WIRE_WIRE_H
#define LUJIAN_WIRE_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "wire/rules.h"

#define WIRE_DEPTH_MAX 16
/* Fields of one message in all its depth: a page of 200 complaints has 50,000. */
#define WIRE_FIELDS_MAX 100000
/* Unknown fields of one message: an N+1 peer has a few, an attacker many. */
#define WIRE_UNKNOWN_MAX 64

/* Where and why a message was refused; the path is "caller.phone" or "rows[3].division.code". */
struct wire_fault {
    char path[128];
    const char *reason; /* stable: required, too_long, too_many, out_of_range, bad_pattern,
                           bad_utf8, nul, control_character, unknown_enum, malformed, too_deep; the
                           JSON door adds its own, see json/json.h */
};

/* 0, or ERR_INVALID_ARGUMENT, or ERR_TOO_LARGE (too many fields in all), with the fault and the
 * thread's error set. Bytes only; allocates nothing; the last occurrence of a scalar counts. Bounds
 * also hold for a number that is absent (0), but not for an unset member of a oneof. Unknown fields
 * are skipped: an N+1 peer sent them. */
int wire_scan(const struct message_rules *rules, const uint8_t *data, size_t size,
              struct wire_fault *ret_fault);
/* wire_scan, then unpack into the arena (never freed by itself), unknown fields dropped. */
int wire_unpack(const struct message_rules *rules, struct arena *arena, const uint8_t *data,
                size_t size, ProtobufCMessage **ret_message, struct wire_fault *ret_fault);
/* The same rules on a message that did not come as bytes (the JSON door): the same verdict and the
 * same fault as wire_scan on its packed form. */
int wire_check(const struct message_rules *rules, const ProtobufCMessage *message,
               struct wire_fault *ret_fault);

/* An empty message of that type in the arena. Strings are never NULL in it. */
void *wire_new(struct arena *arena, const struct message_rules *rules);
void wire_pack(struct arena *arena, const ProtobufCMessage *message, uint8_t **ret_data,
               size_t *ret_size);

/* SHA-256 over the method's name and the known fields, repacked: what an idempotency record
 * compares. */
void wire_digest(const char *method, const ProtobufCMessage *message, uint8_t out[32]);

bool wire_pattern_matches(enum wire_pattern pattern, const char *text, size_t length);

/* A string field of the message, never NULL; aborts on a field that is not a single string of its
 * type. */
const char *wire_string(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

#endif
