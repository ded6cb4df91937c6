/* Checks a unified social credit code by its two check characters. */
#include "law/uscc.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"

static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";

enum { ALPHABET_SIZE = 31, ORGANISATION_AT = 8, ORGANISATION_CHECK_AT = 16, CHECK_AT = 17 };

static bool shape_ok(const char code[USCC_SIZE])
{
    if (strlen(code) != USCC_SIZE - 1 || strspn(code, alphabet) != USCC_SIZE - 1)
        return false;
    return strspn(code + 2, "0123456789") >= 6;
}

/* GB 32100, 5.5: weights are the powers of 3 modulo 31. */
static char expected_check(const char *code)
{
    int sum = 0, weight = 1;
    for (int i = 0; i < CHECK_AT; i++) {
        sum += (int)(strchr(alphabet, code[i]) - alphabet) * weight;
        weight = weight * 3 % ALPHABET_SIZE;
    }
    return alphabet[(ALPHABET_SIZE - sum % ALPHABET_SIZE) % ALPHABET_SIZE];
}

/* GB 11714: digits count as they are, A to Z as 10 to 35; of the remainder's complement 10 is X and
 * 11 is 0. */
static char expected_organisation_check(const char *code)
{
    static const int weights[] = { 3, 7, 9, 10, 5, 8, 4, 2 };
    int sum = 0;
    for (int i = 0; i < (int)ARRAY_LEN(weights); i++) {
        char c = code[ORGANISATION_AT + i];
        sum += (isdigit((unsigned char)c) ? c - '0' : c - 'A' + 10) * weights[i];
    }
    int check = 11 - sum % 11;
    if (check == 10)
        return 'X';
    return check == 11 ? '0' : (char)('0' + check);
}

static bool prefix_known(const char *code)
{
    /* 机关 事业单位 群众团体 社会团体 民办非企业 基金会 企业 个体工商户 农民专业合作社 */
    static const char *const prefixes[] = { "11", "12", "13", "51", "52", "53", "91", "92", "93" };
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (memcmp(code, prefixes[i], 2) == 0)
            return true;
    }
    return false;
}

static void judge(struct uscc *u, enum uscc_grade grade, const char *reason_code, const char *zh,
                  const char *en)
{
    u->grade = grade;
    u->reason_code = reason_code;
    u->reason_zh = zh;
    u->reason_en = en;
}

struct uscc uscc_check(const char *text)
{
    struct uscc u = { .grade = USCC_OK, .reason_code = "", .reason_zh = "", .reason_en = "" };
    size_t length = strnlen(text, USCC_SIZE);
    if (length == USCC_SIZE - 1) {
        for (size_t i = 0; i < length; i++)
            u.code[i] = (char)toupper((unsigned char)text[i]);
    }
    if (!shape_ok(u.code)) {
        u.code[0] = '\0';
        judge(&u, USCC_REJECT, "shape", "不是18位统一社会信用代码",
              "Not a social credit code of 18 characters");
        return u;
    }
    memcpy(u.division, u.code + 2, 6);
    memcpy(u.organisation, u.code + ORGANISATION_AT, 9);
    u.check_expected = expected_check(u.code);
    u.organisation_check_expected = expected_organisation_check(u.code);

    bool check_ok = u.code[CHECK_AT] == u.check_expected;
    bool organisation_ok = u.code[ORGANISATION_CHECK_AT] == u.organisation_check_expected;
    if (!check_ok && !organisation_ok)
        judge(&u, USCC_REJECT, "checks", "校验码和组织机构代码校验码均不符",
              "Both check characters disagree");
    else if (!check_ok)
        judge(&u, USCC_WARN, "check_character", "第18位校验码不符", "Check character 18 disagrees");
    else if (!organisation_ok)
        judge(&u, USCC_WARN, "organisation_check", "第17位组织机构代码校验码不符",
              "The organisation code's check character disagrees");
    else if (!prefix_known(u.code))
        judge(&u, USCC_WARN, "prefix", "登记管理部门和机构类别代码未知",
              "Unknown registering department and kind");
    return u;
}
