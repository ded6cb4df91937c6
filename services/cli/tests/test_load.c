/* A folder into rows: columns by the contract, faults by file and row, a calendar that is whole or
 * held back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/util.h"
#include "load.h"
#include "wire/wire.h"

/* A folder of the test's own. */
struct bench {
    char path[64];
    struct load_folder folder;
    struct buf faults; /* "units.csv:3:space:division;" ... */
};

static void on_fault(void *ctx, const char *file, int row, const char *reason, const char *detail)
{
    struct bench *b = ctx;
    buf_printf(&b->faults, "%s:%d:%s:%s;", file, row, reason, detail);
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    snprintf(b->path, sizeof(b->path), "/tmp/lujian-load-XXXXXX");
    buf_init(&b->faults, 0);
    load_folder_init(&b->folder);
    b->folder.on_fault = on_fault;
    b->folder.ctx = b;
    *state = b;
    return mkdtemp(b->path) ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const files[] = { "divisions.csv",     "units.csv",
                                         "categories.csv",    "calendar_notices.csv",
                                         "principals.csv",    "calendar_days.csv",
                                         "deadline_rules.csv" };
    struct bench *b = *state;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", b->path, files[i]);
        unlink(path);
    }
    rmdir(b->path);
    load_folder_clear(&b->folder);
    buf_clear(&b->faults);
    free(b);
    return 0;
}

static void put(struct bench *b, const char *file, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", b->path, file);
    assert_int_equal(file_write(path, text, strlen(text), 0600), 0);
}

static const struct load_part *part(struct bench *b, const char *file)
{
    for (int i = 0; i < b->folder.part_count; i++) {
        if (strcmp(b->folder.parts[i].file, file) == 0)
            return &b->folder.parts[i];
    }
    fail_msg("no part %s", file);
    return NULL;
}

static const struct load_part *read_one(struct bench *b, const char *file)
{
    assert_int_equal(load_folder_read(&b->folder, b->path), 0);
    return part(b, file);
}

static void test_seed(void **state)
{
    static const struct {
        const char *file;
        int rows;
    } expected[] = {
        { "divisions.csv", 2024 },  { "categories.csv", 81 },      { "units.csv", 4942 },
        { "routes.csv", 35 },       { "calendar_notices.csv", 6 }, { "deadline_rules.csv", 10 },
        { "ladder_rules.csv", 13 },
    };
    struct bench *b = *state;
    size_t days = 0;
    assert_int_equal(load_folder_read(&b->folder, LUJIAN_SOURCE_DIR "/deploy/seed"), 0);
    assert_string_equal(buf_text(&b->faults), "");
    assert_int_equal(b->folder.part_count, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        const struct load_part *p = &b->folder.parts[i];
        assert_string_equal(p->file, expected[i].file);
        assert_int_equal(p->count, expected[i].rows);
        assert_int_equal(p->row_count, expected[i].rows);
    }
    const struct load_part *calendar = part(b, "calendar_notices.csv");
    for (int i = 0; i < calendar->count; i++)
        days += calendar->rows[i].row->calendar_notice->n_days;
    assert_int_equal(days, 218);
    const Division *replaced = NULL;
    for (int i = 0; i < b->folder.parts[0].count; i++) {
        const Division *d = b->folder.parts[0].rows[i].row->division;
        if (strcmp(d->code, "3712") == 0)
            replaced = d;
    }
    assert_non_null(replaced);
    assert_string_equal(replaced->replaced_by, "3701");
    assert_int_equal(replaced->level, DIVISION_LEVEL_CITY);
}

static void test_cells(void **state)
{
    struct bench *b = *state;
    put(b, "principals.csv",
        "\xef\xbb\xbfid,key_id,name,roles,jurisdiction,units,sources,curve_public,token_sha256,"
        "revoked\r\n"
        "h,k1,\"a, \"\"b\"\"\",hotline|importer,3701,,jinan|test-*,,,0\r\n"
        "u,k1,n,unit,370102,,,,,1\r\n");
    const struct load_part *p = read_one(b, "principals.csv");
    assert_string_equal(buf_text(&b->faults), "");
    assert_int_equal(p->count, 2);
    const Principal *h = p->rows[0].row->principal, *u = p->rows[1].row->principal;
    assert_string_equal(h->name, "a, \"b\"");
    assert_int_equal(h->n_roles, 2);
    assert_int_equal(h->roles[0], ROLE_HOTLINE);
    assert_int_equal(h->roles[1], ROLE_IMPORTER);
    assert_int_equal(h->n_units, 0);
    assert_int_equal(h->n_sources, 2);
    assert_string_equal(h->sources[1], "test-*");
    assert_false(h->revoked);
    assert_true(u->revoked);
    assert_int_equal(p->rows[1].number, 3);
}

static void test_broken_rows(void **state)
{
    static const struct {
        const char *row, *fault; /* its row is 3 */
    } cases[] = {
        { "3702,n,city,37,,,,", "fields:" },
        { "3702,n,city,37,,", "fields:" },
        { "3702,n,town hall,37,,,", "unknown_enum:level" },
        { "3702,,city,37,,,", "required:name" },
        { "3702,n,,37,,,", "required:level" },
        { "37x2,n,city,37,,,", "bad_pattern:code" },
        { "3702,n,city,37,2026-02-30,,", "bad_pattern:valid_from" },
        { "3702,n ,city,37,,,", "space:name" },
        { "3702,n,city, 37,,,", "space:parent" },
        { "3702,\"n\nm\",city,37,,,", "control_character:name" },
        { "3702,\xff,city,37,,,", "bad_utf8:name" },
        { "3702,n\"m,city,37,,,", "broken_row:" },
        { "3702,\"n,city,37,,,", "broken_row:" },
    };
    struct bench *b = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[512], expected[128];
        snprintf(text, sizeof(text),
                 "code,name,level,parent,valid_from,valid_to,replaced_by\n37,n,province,,,,\n%s\n"
                 "3703,n,city,37,,,\n",
                 cases[i].row);
        put(b, "divisions.csv", text);
        b->folder.part_count = 0;
        buf_reset(&b->faults);
        const struct load_part *p = read_one(b, "divisions.csv");
        snprintf(expected, sizeof(expected), "divisions.csv:3:%s", cases[i].fault);
        if (strncmp(buf_text(&b->faults), expected, strlen(expected)) != 0)
            fail_msg("%s: %s", cases[i].row, buf_text(&b->faults));
        assert_int_equal(p->fault_count, 1);
        assert_int_equal(p->row_count, 3);
        assert_int_equal(p->count, 2); /* the rest went on */
        assert_string_equal(p->rows[1].row->division->code, "3703");
    }
}

static void test_numbers_and_flags(void **state)
{
    struct bench *b = *state;
    put(b, "deadline_rules.csv",
        "id,version,kind,count,unit,roll,basis_zh\n"
        "a,1,reply,5,working_days,0,依\n"
        "b,1,reply,five,working_days,0,\n"
        "c,1,reply,-5,working_days,0,\n"
        "d,1,reply,0,working_days,0,\n"
        "e,1,reply,5,working_days,yes,\n"
        "f,4294967296,reply,5,working_days,0,\n"
        "g,,reply,5,working_days,,\n"
        "h,2,reply,5,natural_days,1,\n");
    const struct load_part *p = read_one(b, "deadline_rules.csv");
    assert_string_equal(buf_text(&b->faults), "deadline_rules.csv:3:bad_type:count;"
                                              "deadline_rules.csv:4:bad_type:count;"
                                              "deadline_rules.csv:5:out_of_range:count;"
                                              "deadline_rules.csv:6:bad_type:roll;"
                                              "deadline_rules.csv:7:bad_type:version;"
                                              "deadline_rules.csv:8:out_of_range:version;");
    assert_int_equal(p->count, 2);
    assert_int_equal(p->rows[0].row->deadline_rule->count, 5);
    assert_true(p->rows[1].row->deadline_rule->roll);
}

static void test_headers(void **state)
{
    static const struct {
        const char *header, *fault;
    } cases[] = {
        { "", "units.csv:1:no_header:the file is empty;" },
        { "code,division,name\n", "units.csv:1:column_missing:kind;" },
        { "code,division,name,kind,colour\n", "units.csv:1:unknown_column:colour;" },
        { "code,division,name,kind,\xff\x1b[2J\n",
          "units.csv:1:unknown_column:the 5. of its columns;" },
        { "code,division,,kind,name\n", "units.csv:1:unknown_column:the 3. of its columns;" },
        { "code,division,name,kind,code\n", "units.csv:1:column_twice:code;" },
        { "code,\"division\nname,kind\n", "units.csv:1:broken_row:" },
    };
    struct bench *b = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[256];
        snprintf(text, sizeof(text), "%s%s", cases[i].header,
                 *cases[i].header ? "37-default,37,n,default,\n" : "");
        put(b, "units.csv", text);
        b->folder.part_count = 0;
        buf_reset(&b->faults);
        const struct load_part *p = read_one(b, "units.csv");
        if (strncmp(buf_text(&b->faults), cases[i].fault, strlen(cases[i].fault)) != 0)
            fail_msg("%s: %s", cases[i].header, buf_text(&b->faults));
        assert_int_equal(p->fault_count, 1); /* one fault, not one a row */
        assert_int_equal(p->count, 0);
    }
    /* Columns in another order, and optional ones left out. */
    put(b, "units.csv", "kind,name,division,code\ndefault,n,37,37-default\n");
    b->folder.part_count = 0;
    assert_string_equal(read_one(b, "units.csv")->rows[0].row->unit->code, "37-default");
}

#define NOTICES "year,notice,title,source,published_on\n2026,n1,t,,\n2027,n2,t,,\n"

static void test_calendar(void **state)
{
    static const struct {
        const char *days;
        int sent[2]; /* years, 0 = none */
        const char *faults;
    } cases[] = {
        { "2026-01-01,off,f,2026\n2027-01-01,off,f,2027\n", { 2026, 2027 }, "" },
        { "2026-01-01,off,f,2026\n2027-01-32,off,f,2027\n",
          { 2026 },
          "calendar_days.csv:3:bad_pattern:day;calendar_notices.csv:3:held_back:" },
        { "2026-01-01,rest,f,2026\n2027-01-01,off,f,2027\n",
          { 2027 },
          "calendar_days.csv:2:unknown_enum:kind;calendar_notices.csv:2:held_back:" },
        { "2026-01-01,off,f,2026\n2027-01-01,off,f,27\n",
          { 0 },
          "calendar_days.csv:3:bad_type:year;calendar_notices.csv:2:held_back:" },
        { "2026-01-01,off,f\n",
          { 0 },
          "calendar_days.csv:2:fields:;calendar_notices.csv:2:held_back:" },
        { "2026-01-01,o\"ff,f,2026\n", { 0 }, "calendar_days.csv:2:broken_row:" },
        /* a year without a notice harms no other, and is told once */
        { "2026-01-01,off,f,2026\n2028-01-01,off,f,2028\n2028-01-02,off,f,2028\n2027-01-01,off,f,"
          "2027\n",
          { 2026, 2027 },
          "calendar_days.csv:3:unknown_year:2028 has no notice: its days are left out;" },
    };
    struct bench *b = *state;
    put(b, "calendar_notices.csv", NOTICES);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[512];
        snprintf(text, sizeof(text), "day,kind,festival,year\n%s", cases[i].days);
        put(b, "calendar_days.csv", text);
        b->folder.part_count = 0;
        buf_reset(&b->faults);
        const struct load_part *p = read_one(b, "calendar_notices.csv");
        if (strncmp(buf_text(&b->faults), cases[i].faults, strlen(cases[i].faults)) != 0 ||
            (!*cases[i].faults && *buf_text(&b->faults)))
            fail_msg("%s: %s", cases[i].days, buf_text(&b->faults));
        int sent = 0;
        for (; sent < p->count; sent++) {
            assert_int_equal(p->rows[sent].row->calendar_notice->year, cases[i].sent[sent]);
            assert_int_equal(p->rows[sent].row->calendar_notice->n_days, 1);
        }
        assert_true(sent == 2 || cases[i].sent[sent] == 0);
    }
}

static void test_calendar_without_days(void **state)
{
    struct bench *b = *state;
    put(b, "calendar_notices.csv", NOTICES);
    assert_int_equal(read_one(b, "calendar_notices.csv")->count, 0);
    assert_non_null(strstr(buf_text(&b->faults), "calendar_notices.csv:3:held_back"));
    put(b, "calendar_days.csv", "day,kind,festival\n2026-01-01,off,f\n");
    b->folder.part_count = 0;
    buf_reset(&b->faults);
    assert_int_equal(read_one(b, "calendar_notices.csv")->count, 0);
    assert_non_null(strstr(buf_text(&b->faults), "calendar_days.csv:1:column_missing:year;"));
}

static void test_folders(void **state)
{
    struct bench *b = *state;
    assert_int_equal(load_folder_read(&b->folder, "/nonexistent"), ERR_NOT_FOUND);
    assert_int_equal(load_folder_read(&b->folder, b->path), ERR_NOT_FOUND);
    put(b, "units.csv", "code,division,name,kind\n37-default,37,n,default\n");
    assert_int_equal(load_folder_read(&b->folder, b->path), 0);
    assert_int_equal(b->folder.part_count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_seed),
        TEST(test_cells),
        TEST(test_broken_rows),
        TEST(test_numbers_and_flags),
        TEST(test_headers),
        TEST(test_calendar),
        TEST(test_calendar_without_days),
        TEST(test_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
