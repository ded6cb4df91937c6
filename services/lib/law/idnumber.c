/* Reads identity numbers of 18 and of 15 characters. */
#include "law/idnumber.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

#define DIGITS         "0123456789"
#define BIRTH_YEAR_MIN 1800
#define BIRTH_YEAR_MAX 2199

/* GB 11643: ISO 7064 MOD 11-2 over the first 17 digits. */
static char check_character(const char *number)
{
    static const int weights[] = { 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2 };
    int sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(weights); i++)
        sum += (number[i] - '0') * weights[i];
    return "10X98765432"[sum % 11];
}

/* First two digits of GB/T 2260. */
static bool province_known(const char *number)
{
    static const char provinces[] = "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 "
                                    "46 50 51 52 53 54 61 62 63 64 65 71 81 82 83 ";
    const char wanted[] = { number[0], number[1], ' ', '\0' };
    return strstr(provinces, wanted);
}

static int parse_birth(const char *eight_digits, int32_t *ret_birth)
{
    char text[DAY_TEXT_SIZE];
    snprintf(text, sizeof(text), "%.4s-%.2s-%.2s", eight_digits, eight_digits + 4,
             eight_digits + 6);
    int32_t birth;
    if (day_parse(text, &birth) < 0 || birth < day_from_ymd(BIRTH_YEAR_MIN, 1, 1) ||
        birth > day_from_ymd(BIRTH_YEAR_MAX, 12, 31))
        return err_set_reason(ERR_INVALID_ARGUMENT, "birth_date",
                              "the identity number holds an impossible date of birth");
    *ret_birth = birth;
    return 0;
}

int idnumber_parse(const char *text, struct idnumber *ret_number)
{
    struct idnumber id = { 0 };
    size_t digits = strspn(text, DIGITS);
    size_t length = strnlen(text, IDNUMBER_SIZE);
    bool ends_in_x = digits == 17 && (text[17] == 'X' || text[17] == 'x');

    if (length == 15 && digits == 15) {
        id.old_form = true;
        memcpy(id.full, text, 6);
        memcpy(id.full + 6, "19", 2);
        memcpy(id.full + 8, text + 6, 9);
        id.full[17] = check_character(id.full);
    } else if (length == 18 && (digits == 18 || ends_in_x)) {
        memcpy(id.full, text, 18);
        if (ends_in_x)
            id.full[17] = 'X';
    } else {
        return err_set_reason(ERR_INVALID_ARGUMENT, "shape",
                              "not an identity number of 18 or 15 characters");
    }

    int r = parse_birth(id.full + 6, &id.birth);
    if (r < 0)
        return r;
    if (id.full[17] != check_character(id.full))
        return err_set_reason(ERR_INVALID_ARGUMENT, "check_character",
                              "the identity number's check character disagrees");
    memcpy(id.division, id.full, 6);
    id.division_unknown = !province_known(id.full);
    id.male = (id.full[16] - '0') % 2 == 1;
    *ret_number = id;
    return 0;
}
