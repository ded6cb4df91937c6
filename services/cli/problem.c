/* Problems for people: the code, the texts in both languages, the legal basis, and what may be
 * done. */
#include "base/err.h"
#include "cli.h"

static const char *advice(int code)
{
    switch (err_info(code)->advice) {
    case ADVICE_RETRY_LATER:
        return "稍后重试 / try again later";
    case ADVICE_RETRY_SAME_KEY:
        return "结果未知，用同一键重试 / the outcome is not known: try again with the same --key";
    case ADVICE_DO_NOT_RETRY:
        break;
    }
    return NULL;
}

static void line(FILE *out, const char *label, const char *text)
{
    if (text && *text)
        fprintf(out, "  %s: %s\n", label, text);
}

void problem_print(FILE *out, int code, const Problem *p)
{
    const char *name = p && *p->code ? p->code : err_info(code)->name;
    fprintf(out, "lujian: %s (%s)\n", name, err_info(code)->name);
    if (p) {
        line(out, "说明", p->detail_zh);
        line(out, "detail", p->detail_en);
        line(out, "依据", p->basis_zh);
        line(out, "basis", p->basis_en);
        line(out, "field", p->field);
        line(out, "state", p->state);
        if (p->n_allowed) {
            fputs("  allowed:", out);
            for (size_t i = 0; i < p->n_allowed; i++)
                fprintf(out, " %s", p->allowed[i]);
            fputc('\n', out);
        }
    }
    line(out, "advice", advice(code));
}

void error_print(const char *what)
{
    fprintf(stderr, "lujian: %s: %s\n", what, err_last()->text);
}
