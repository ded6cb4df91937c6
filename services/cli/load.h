/* Loading a folder of CSV: files into rows, rows into messages, messages into requests. Private to
 * the CLI.
 *
 * A fault is told as FILE:ROW, row 1 being the header; a quoted newline does not count. Nothing
 * stops at one: what is whole goes on. */
#ifndef LUJIAN_CLI_LOAD_H
#define LUJIAN_CLI_LOAD_H

#include "base/arena.h"
#include "lujian/registry/v1/registry.lj.h"

/* ---- load/csv.c: bytes into rows ---- */

#define CSV_FIELDS_MAX 64
#define CSV_BYTES_MAX  ((size_t)64 * 1024 * 1024)

/* Fields are NUL-terminated and live until the callback returns. */
struct csv_fields {
    int row;
    int count;
    char *texts[CSV_FIELDS_MAX];
    size_t sizes[CSV_FIELDS_MAX];
};

struct csv_sink {
    void (*on_row)(void *ctx, const struct csv_fields *fields);
    void (*on_broken)(void *ctx, int row, const char *reason); /* and reading goes on below it */
    void *ctx;
};

/* RFC 4180, with a byte order mark, CRLF and empty lines taken for what they are. A row that is no
 * CSV is told and left; reading goes on with the line after the one that it began on. */
void csv_read(const char *data, size_t size, const struct csv_sink *sink);

/* ---- load/columns.c: columns into messages ---- */

struct columns {
    const struct message_rules *rules;
    int count;
    const ProtobufCFieldDescriptor *fields[CSV_FIELDS_MAX]; /* by column */
};

/* Why a row or a header is not taken. */
struct cell_fault {
    char column[64];
    const char *reason; /* as in wire/wire.h; unknown_column, column_twice, column_missing, fields,
                           space, bad_type */
};

/* The header names fields of the message, in any order; those that a row cannot do without must be
 * there. False = the fault. */
bool columns_read_header(struct columns *c, const struct message_rules *rules,
                         const struct csv_fields *header, struct cell_fault *ret_fault);
/* A row as a message of the arena, checked by the contract's rules. Lists are parted by '|';
 * booleans are 0 and 1; an empty cell is absent. NULL = the fault. */
ProtobufCMessage *columns_read_row(const struct columns *c, struct arena *arena,
                                   const struct csv_fields *row, struct cell_fault *ret_fault);

/* ---- load/folder.c: a folder into rows that know where they came from ---- */

struct load_row {
    ReferenceRow *row;
    const char *file;
    int number;
    size_t bytes; /* packed */
};

/* All rows of one file that are worth sending. */
struct load_part {
    const char *file; /* the name that counts and faults are told under */
    int row_count;    /* rows read, faulty ones included */
    int fault_count;
    struct load_row *rows;
    int count, capacity;
};

#define LOAD_PARTS 8

struct load_folder {
    struct arena arena;
    struct load_part parts[LOAD_PARTS]; /* in the order in which they must be loaded */
    int part_count;
    /* Told for each fault; the default prints FILE:ROW: REASON: DETAIL on standard error. */
    void (*on_fault)(void *ctx, const char *file, int row, const char *reason, const char *detail);
    void *ctx;
};

void load_folder_init(struct load_folder *f);
void load_folder_clear(struct load_folder *f);
/* Reads what is there; a file that is not there is left out. An error only where the folder cannot
 * be read or has none of the files. */
int load_folder_read(struct load_folder *f, const char *path);
void load_fault(struct load_folder *f, struct load_part *part, const char *file, int row,
                const char *reason, const char *detail);
void load_part_add(struct load_folder *f, struct load_part *part, const char *file, int number,
                   int row_case, ProtobufCMessage *message);

/* ---- load/calendar.c: notices and their days, joined ---- */

int load_calendar_read(struct load_folder *f, struct load_part *part, const char *notices_path,
                       const char *days_path);

/* Reads a whole file and gives its rows to the sink; ERR_NOT_FOUND where it is not there. */
int load_file_rows(const char *path, const struct csv_sink *sink);

#endif
