#include "node/http/post.h"

#include <curl/curl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct transfer {
    CURL *easy; /* NULL: this one is free */
    struct curl_slist *list;
    char *body;
    size_t len, sent, answered;
    uint64_t tag;
    bool mail;
};
struct post {
    CURLM *multi;
    struct transfer all[POST_AT_ONCE_MAX];
    size_t count;
};

cpis_err post_new(struct post **ret)
{
    struct post *p = calloc(1, sizeof *p);
    if (p == NULL) return CPIS_E_NOMEM;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK) p->multi = curl_multi_init();
    if (p->multi == NULL) {
        free(p);
        return CPIS_E_NOMEM;
    }
    *ret = p;
    return CPIS_OK;
}

static void wipe(char *body, size_t len)
{
    if (body != NULL) sodium_memzero(body, len);
    free(body);
}

static void end(struct post *p, struct transfer *t)
{
    (void)curl_multi_remove_handle(p->multi, t->easy);
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->list);
    wipe(t->body, t->len);
    *t = (struct transfer){.easy = NULL};
    p->count--;
}

void post_free(struct post **pp)
{
    struct post *p = *pp;
    *pp = NULL;
    if (p == NULL) return;
    for (size_t i = 0; i < POST_AT_ONCE_MAX; i++)
        if (p->all[i].easy != NULL) end(p, &p->all[i]);
    (void)curl_multi_cleanup(p->multi);
    free(p);
    curl_global_cleanup();
}

/* --- one --- */

static size_t throw_away(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    (void)p;
    t->answered += size * n;
    return t->answered > POST_ANSWER_BYTES_MAX ? 0 : size * n;
}

static size_t read_body(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    const size_t left = t->len - t->sent, some = left < size * n ? left : size * n;
    memcpy(p, t->body + t->sent, some);
    t->sent += some;
    return some;
}

static bool add(struct transfer *t, const char *line)
{
    struct curl_slist *grown = curl_slist_append(t->list, line);
    if (grown != NULL) t->list = grown;
    return grown != NULL;
}

#define SET(option, value) (curl_easy_setopt(t->easy, option, value) == CURLE_OK)

static bool set_common(struct transfer *t, const char *url, const char *protocol,
                       const char *ca_file)
{
    return SET(CURLOPT_URL, url) && SET(CURLOPT_PROTOCOLS_STR, protocol) &&
           SET(CURLOPT_PRIVATE, t) && SET(CURLOPT_NOSIGNAL, 1L) && SET(CURLOPT_PROXY, "") &&
           SET(CURLOPT_FOLLOWLOCATION, 0L) && SET(CURLOPT_SSL_VERIFYPEER, 1L) &&
           SET(CURLOPT_SSL_VERIFYHOST, 2L) &&
           (ca_file[0] == '\0' || SET(CURLOPT_CAINFO, ca_file)) &&
           SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           SET(CURLOPT_TIMEOUT_MS, (long)POST_TIMEOUT) &&
           SET(CURLOPT_CONNECTTIMEOUT_MS, (long)POST_CONNECT_TIMEOUT) &&
           SET(CURLOPT_WRITEFUNCTION, throw_away) && SET(CURLOPT_WRITEDATA, t);
}

static bool set_http(struct transfer *t, const struct post_http *to)
{
    bool ok = set_common(t, to->url, to->tls ? "https" : "http", to->ca_file);
    for (size_t i = 0; ok && to->headers[i] != NULL; i++)
        ok = add(t, to->headers[i]);
    return ok && SET(CURLOPT_HTTPHEADER, t->list) && SET(CURLOPT_POST, 1L) &&
           SET(CURLOPT_POSTFIELDS, t->body) && SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->len);
}

static bool set_mail(struct transfer *t, const struct post_mail *to)
{
    const long tls = to->tls || !to->local ? CURLUSESSL_ALL : CURLUSESSL_NONE;
    return set_common(t, to->url, to->tls ? "smtps" : "smtp", to->ca_file) && add(t, to->to) &&
           SET(CURLOPT_MAIL_FROM, to->from) && SET(CURLOPT_MAIL_RCPT, t->list) &&
           SET(CURLOPT_USE_SSL, tls) && (to->user == NULL || SET(CURLOPT_USERNAME, to->user)) &&
           (to->password == NULL || SET(CURLOPT_PASSWORD, to->password)) &&
           SET(CURLOPT_UPLOAD, 1L) && SET(CURLOPT_READFUNCTION, read_body) &&
           SET(CURLOPT_READDATA, t) && SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)t->len);
}

static struct transfer *find_free(struct post *p)
{
    for (size_t i = 0; i < POST_AT_ONCE_MAX; i++)
        if (p->all[i].easy == NULL) return &p->all[i];
    return NULL;
}

/* NULL: as *ret_err says; body is wiped. */
static struct transfer *make(struct post *p, uint64_t tag, char *body, cpis_err *ret_err)
{
    struct transfer *t = find_free(p);
    CURL *easy = t == NULL ? NULL : curl_easy_init();
    if (easy == NULL) {
        *ret_err = t == NULL ? CPIS_E_BUSY : CPIS_E_NOMEM;
        wipe(body, strlen(body));
        return NULL;
    }
    *t = (struct transfer){.easy = easy, .tag = tag, .body = body, .len = strlen(body)};
    p->count++;
    return t;
}

static cpis_err start(struct post *p, struct transfer *t, bool set)
{
    if (set && curl_multi_add_handle(p->multi, t->easy) == CURLM_OK) return CPIS_OK;
    end(p, t);
    return CPIS_E_NOMEM;
}

cpis_err post_http(struct post *p, uint64_t tag, const struct post_http *to, char *body)
{
    cpis_err err = CPIS_OK;
    struct transfer *t = make(p, tag, body, &err);
    return t == NULL ? err : start(p, t, set_http(t, to));
}

cpis_err post_mail(struct post *p, uint64_t tag, const struct post_mail *to, char *body)
{
    cpis_err err = CPIS_OK;
    struct transfer *t = make(p, tag, body, &err);
    if (t == NULL) return err;
    t->mail = true;
    return start(p, t, set_mail(t, to));
}

/* --- all --- */

/* 408 and 429 ask for patience; other 3xx and 4xx, and SMTP's 5xx, stay until somebody acts. */
static enum post_result result_of(const struct transfer *t, CURLcode code, long status)
{
    const bool cut = code == CURLE_WRITE_ERROR && !t->mail; /* by us: its answer was too long */
    if (code != CURLE_OK && !cut && status == 0) return POST_AWAY;
    if (t->mail) return code == CURLE_OK ? POST_ARRIVED : status >= 500 ? POST_REFUSED : POST_AWAY;
    if (status >= 200 && status < 300) return code == CURLE_OK || cut ? POST_ARRIVED : POST_AWAY;
    return status >= 300 && status < 500 && status != 408 && status != 429 ? POST_REFUSED
                                                                           : POST_AWAY;
}

/* Retry-After (RFC 9110, 10.2.3), a number or a date, of an answer that it is defined for. */
static cpis_ms asked_of(CURL *easy, long status)
{
    curl_off_t s = 0;
    if ((status != 429 && status != 503) ||
        curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &s) != CURLE_OK || s <= 0)
        return 0;
    return (cpis_ms)s < CPIS_MS_NEVER / CPIS_MS_SECOND ? (cpis_ms)s * CPIS_MS_SECOND
                                                       : CPIS_MS_NEVER;
}

bool post_next(struct post *p, struct post_done *ret)
{
    int left;
    (void)curl_multi_perform(p->multi, &left);
    for (const CURLMsg *m; (m = curl_multi_info_read(p->multi, &left)) != NULL;) {
        if (m->msg != CURLMSG_DONE) continue;
        const CURLcode code = m->data.result;
        struct transfer *t = NULL;
        long status = 0;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        *ret = (struct post_done){.tag = t->tag,
                                  .result = result_of(t, code, status),
                                  .untouched = t->mail && t->sent == 0,
                                  .asked = t->mail ? 0 : asked_of(m->easy_handle, status)};
        if (status != 0 && (!t->mail || status >= 400))
            (void)snprintf(ret->why, sizeof ret->why, "%s %ld", t->mail ? "SMTP" : "HTTP", status);
        else
            (void)snprintf(ret->why, sizeof ret->why, "%s", curl_easy_strerror(code));
        end(p, t);
        return true;
    }
    return false;
}

void post_wait(struct post *p, cpis_ms ms)
{
    (void)curl_multi_poll(p->multi, NULL, 0, ms > INT32_MAX ? INT32_MAX : (int)ms, NULL);
}
