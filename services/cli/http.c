/* One HTTP request, for what only the HTTP doors offer. */
#include <curl/curl.h>
#include <string.h>

#include "base/err.h"
#include "cli.h"

#define HTTP_BODY_MAX  ((size_t)1024 * 1024)
#define HTTP_CONNECT_S 5L

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct buf *body = arg;
    buf_add(body, data, size * count);
    return body->overflow ? 0 : size * count;
}

static struct curl_slist *make_headers(const char *token, bool with_body)
{
    struct curl_slist *list = NULL;
    struct buf text;
    if (with_body)
        list = curl_slist_append(list, "Content-Type: application/json");
    if (token) {
        buf_init(&text, 0);
        buf_printf(&text, "Authorization: Bearer %s", token);
        list = curl_slist_append(list, buf_text(&text));
        explicit_bzero(text.data, text.capacity);
        buf_clear(&text);
    }
    return list;
}

int http_ask(const char *url, const char *token, const char *body, long timeout_s,
             struct http_reply *ret)
{
    CURL *curl = curl_easy_init();
    assert_always(curl);
    struct curl_slist *headers = make_headers(token, body != NULL);
    *ret = (struct http_reply){ 0 };
    buf_init(&ret->body, HTTP_BODY_MAX);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* the cluster is reached directly */
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, HTTP_CONNECT_S);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, timeout_s);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &ret->body);
    if (body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    CURLcode code = curl_easy_perform(curl);
    int r = 0;
    if (code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &ret->status);
    else
        r = err_set(ERR_NOT_EXECUTED, "%s: %s", url, curl_easy_strerror(code));
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    return r;
}
