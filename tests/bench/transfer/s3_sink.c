/* An S3 endpoint that lets every body go, so that a bench measures the client and not a store.
 *
 * `s3_sink [MS]` listens on a free port of 127.0.0.1, prints it, and serves until it is killed or its parent ends. A
 * thread serves each connection; bodies are discarded inside the kernel. Of each object it keeps what HEAD tells: the
 * size and the CRC64NVME that the client declared. It checks nothing, and no upload can be resumed: ListParts knows
 * none. Each answer, `100 Continue` too, leaves MS milliseconds late, as from a store that is so far away.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 64 * 1024, DISCARD_BYTES = 1024 * 1024, MAX_PARTS = 10000, BUCKETS = 4096 };
enum { NAME_BYTES = 1024, ID_BYTES = 32, CHECKSUM_BYTES = 32 };

struct connection {
    int fd;
    size_t held; /* bytes of `buffer` that were received and not yet used */
    char buffer[HEAD_BYTES + 1];
};

struct request {
    char method[16], path[NAME_BYTES], query[NAME_BYTES], checksum[CHECKSUM_BYTES];
    long long body_bytes;    /* on the wire; of a chunked body unknown */
    long long decoded_bytes; /* of the object or part, inside an aws-chunked body; -1 where it is not told */
    bool chunked, only_if_absent, expects_continue;
};

/* An object, or (with `parts`) an upload of one, under a name of its own. */
struct entry {
    struct entry *next;
    char name[NAME_BYTES], checksum[CHECKSUM_BYTES];
    long long size_bytes;
    long long *parts; /* sizes by part number: a part that is sent again replaces itself */
};

struct reply {
    const char *status;
    char headers[256], body[256];
    long long length; /* as HEAD tells it; -1: the body's own */
};

/* `table_lock` guards these, and is held by whoever calls a function that reads or writes an entry. */
static struct entry *table[BUCKETS];
static unsigned long uploads_begun;
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

static struct timespec late; /* set once, before any thread */

static struct entry **slot_of(const char *name) {
    unsigned long hash = 5381;
    for (const char *c = name; *c; c++) hash = hash * 33 + (unsigned char)*c;
    struct entry **slot = &table[hash % BUCKETS];
    while (*slot && strcmp((*slot)->name, name) != 0) slot = &(*slot)->next;
    return slot;
}

static struct entry *entry_of(const char *name) {
    struct entry **slot = slot_of(name);
    if (*slot == NULL) {
        if ((*slot = calloc(1, sizeof **slot)) == NULL) abort();
        strcpy((*slot)->name, name);
    }
    return *slot;
}

static void forget(const char *name) {
    struct entry **slot = slot_of(name), *gone = *slot;
    if (gone == NULL) return;
    *slot = gone->next;
    free(gone->parts);
    free(gone);
}

static bool receive(struct connection *c) {
    ssize_t got = recv(c->fd, c->buffer + c->held, HEAD_BYTES - c->held, 0);
    if (got <= 0) return false;
    c->held += (size_t)got;
    c->buffer[c->held] = 0;
    return true;
}

static void use(struct connection *c, size_t bytes) {
    c->held -= bytes;
    memmove(c->buffer, c->buffer + bytes, c->held + 1);
}

static bool discard(struct connection *c, long long bytes) {
    size_t here = (long long)c->held < bytes ? c->held : (size_t)bytes;
    use(c, here);
    for (bytes -= (long long)here; bytes > 0;) {
        size_t most = bytes < DISCARD_BYTES ? (size_t)bytes : DISCARD_BYTES;
        ssize_t got = recv(c->fd, NULL, most, MSG_TRUNC);
        if (got <= 0) return false;
        bytes -= got;
    }
    return true;
}

static bool answer(const struct connection *c, const char *text) { /* short: a blocking send takes all of it */
    if (late.tv_sec || late.tv_nsec) nanosleep(&late, NULL);
    return send(c->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* Return a header's value inside `head`, up to the line's end, or NULL. */
static const char *header(const char *head, const char *name) {
    size_t length = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " \t");
    }
    return NULL;
}

static void copy_until(char *to, size_t size, const char *from, const char *ends) {
    size_t length = strcspn(from, ends);
    if (length >= size) length = size - 1;
    memcpy(to, from, length);
    to[length] = 0;
}

/* Read a request's head, leaving its body in the connection; false where the connection or the head is no good. */
static bool read_head(struct connection *c, struct request *r) {
    char *end;
    while ((end = strstr(c->buffer, "\r\n\r\n")) == NULL)
        if (c->held == HEAD_BYTES || !receive(c)) return false;
    *end = 0;
    memset(r, 0, sizeof *r);
    char target[NAME_BYTES] = "";
    if (sscanf(c->buffer, "%15s %1023s", r->method, target) != 2) return false;
    copy_until(r->path, sizeof r->path, target, "?");
    size_t path_length = strlen(r->path);
    if (path_length > 1 && r->path[path_length - 1] == '/') r->path[path_length - 1] = 0; /* a bucket: `/name/` */
    if (strchr(target, '?')) copy_until(r->query, sizeof r->query, strchr(target, '?') + 1, "");
    const char *value = header(c->buffer, "Content-Length");
    r->body_bytes = value ? atoll(value) : 0;
    value = header(c->buffer, "x-amz-decoded-content-length");
    r->decoded_bytes = value ? atoll(value) : -1;
    value = header(c->buffer, "x-amz-checksum-crc64nvme");
    if (value) copy_until(r->checksum, sizeof r->checksum, value, "\r");
    r->chunked = header(c->buffer, "Transfer-Encoding") != NULL;
    r->only_if_absent = header(c->buffer, "If-None-Match") != NULL;
    r->expects_continue = header(c->buffer, "Expect") != NULL;
    use(c, (size_t)(end + 4 - c->buffer));
    return true;
}

/* Let a chunked body go; return its length, or -1. */
static long long discard_chunks(struct connection *c) {
    for (long long total = 0, size = -1; size != 0; total += size) {
        char *end;
        while ((end = strstr(c->buffer, "\r\n")) == NULL)
            if (c->held == HEAD_BYTES || !receive(c)) return -1;
        size = strtoll(c->buffer, NULL, 16);
        use(c, (size_t)(end + 2 - c->buffer));
        if (size < 0 || !discard(c, size + 2)) return -1; /* no client here sends HTTP's own trailers */
        if (size == 0) return total;
    }
    return -1;
}

static bool take_body(struct connection *c, struct request *r) {
    if (r->expects_continue && c->held == 0 && !answer(c, "HTTP/1.1 100 Continue\r\n\r\n")) return false;
    if (r->chunked) {
        if ((r->body_bytes = discard_chunks(c)) < 0) return false;
    } else if (!discard(c, r->body_bytes)) {
        return false;
    }
    if (r->decoded_bytes < 0) r->decoded_bytes = r->body_bytes;
    return true;
}

/* Find a parameter and copy its value, which may be empty. */
static bool parameter(const struct request *r, const char *name, char *value, size_t size) {
    size_t length = strlen(name);
    for (const char *at = r->query; *at; at += strcspn(at, "&"), at += *at == '&') {
        if (strncmp(at, name, length) != 0 || !strchr("=&", at[length])) continue;
        copy_until(value, size, at + length + (at[length] == '='), "&");
        return true;
    }
    return false;
}

static void refuse(struct reply *a, const char *status, const char *code) {
    a->status = status;
    snprintf(a->body, sizeof a->body, "<Error><Code>%s</Code><Message>%s</Message></Error>", code, status);
}

static void begin_upload(struct reply *a) {
    char id[ID_BYTES];
    snprintf(id, sizeof id, "upload-%lu", ++uploads_begun);
    if ((entry_of(id)->parts = calloc(MAX_PARTS + 1, sizeof(long long))) == NULL) abort();
    snprintf(a->body, sizeof a->body,
             "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id);
}

/* S3 names the checksum in the answers to PutObject, HeadObject and CompleteMultipartUpload alike. */
static void describe(const struct entry *object, struct reply *a) {
    int length = snprintf(a->headers, sizeof a->headers, "ETag: \"object-1\"\r\n");
    if (object->checksum[0])
        snprintf(a->headers + length, sizeof a->headers - (size_t)length,
                 "x-amz-checksum-crc64nvme: %s\r\nx-amz-checksum-type: FULL_OBJECT\r\n", object->checksum);
}

static void take_object(const struct request *r, struct reply *a, const struct entry *upload) {
    struct entry *object = entry_of(r->path);
    strcpy(object->checksum, r->checksum);
    describe(object, a);
    object->size_bytes = upload ? 0 : r->decoded_bytes;
    if (upload == NULL) return;
    for (int number = 1; number <= MAX_PARTS; number++) object->size_bytes += upload->parts[number];
    forget(upload->name);
    int length = snprintf(a->body, sizeof a->body, "<CompleteMultipartUploadResult><ETag>\"object-1\"</ETag>");
    if (object->checksum[0])
        length += snprintf(a->body + length, sizeof a->body - (size_t)length,
                           "<ChecksumCRC64NVME>%s</ChecksumCRC64NVME><ChecksumType>FULL_OBJECT</ChecksumType>",
                           object->checksum);
    snprintf(a->body + length, sizeof a->body - (size_t)length, "</CompleteMultipartUploadResult>");
}

static void tell(const struct request *r, struct reply *a) {
    if (strchr(r->path + 1, '/') == NULL) return; /* every bucket exists */
    const struct entry *object = *slot_of(r->path);
    a->status = object ? "200 OK" : "404 Not Found";
    if (object == NULL) return;
    a->length = object->size_bytes;
    describe(object, a);
}

/* The caller holds the lock. */
static void act(const struct request *r, struct reply *a) {
    char id[ID_BYTES], value[16];
    bool named = parameter(r, "uploadId", id, sizeof id), uploads = parameter(r, "uploads", value, sizeof value);
    bool put = strcmp(r->method, "PUT") == 0, post = strcmp(r->method, "POST") == 0;
    struct entry *upload = named ? *slot_of(id) : NULL;
    if (named && (upload == NULL || strcmp(r->method, "GET") == 0)) {
        refuse(a, "404 Not Found", "NoSuchUpload");
    } else if (r->only_if_absent && *slot_of(r->path)) {
        refuse(a, "412 Precondition Failed", "PreconditionFailed");
    } else if (strcmp(r->method, "HEAD") == 0) {
        tell(r, a);
    } else if (strcmp(r->method, "DELETE") == 0) {
        a->status = "204 No Content";
        forget(named ? id : r->path);
    } else if (put && named) {
        int number = parameter(r, "partNumber", value, sizeof value) ? atoi(value) : 0;
        if (number >= 1 && number <= MAX_PARTS) upload->parts[number] = r->decoded_bytes;
        strcpy(a->headers, "ETag: \"part\"\r\n");
    } else if (put || (post && named)) {
        take_object(r, a, upload);
    } else if (post && uploads) {
        begin_upload(a);
    } else if (strcmp(r->method, "GET") == 0 && uploads) {
        strcpy(a->body, "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>");
    } else {
        refuse(a, "501 Not Implemented", "NotImplemented");
    }
}

static bool send_reply(struct connection *c, const struct reply *a) {
    char text[1024];
    long long length = a->length < 0 ? (long long)strlen(a->body) : a->length;
    snprintf(text, sizeof text,
             "HTTP/1.1 %s\r\nContent-Type: application/xml\r\nLast-Modified: Sun, 22 Nov 2026 10:00:00 GMT\r\n"
             "%sContent-Length: %lld\r\n\r\n%s",
             a->status, a->headers, length, a->body);
    return answer(c, text);
}

static void *serve(void *connection) {
    struct connection *c = connection;
    struct request r;
    bool open = true;
    while (open && read_head(c, &r) && take_body(c, &r)) {
        struct reply a = {.status = "200 OK", .length = -1};
        pthread_mutex_lock(&table_lock);
        act(&r, &a);
        pthread_mutex_unlock(&table_lock);
        open = send_reply(c, &a);
    }
    close(c->fd);
    free(c);
    return NULL;
}

int main(int count, char **arguments) {
    long late_ms = count > 1 ? atol(arguments[1]) : 0;
    late = (struct timespec){.tv_sec = late_ms / 1000, .tv_nsec = late_ms % 1000 * 1000000};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int listening = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    bool good = bind(listening, (struct sockaddr *)&address, length) == 0 && listen(listening, 512) == 0 &&
                getsockname(listening, (struct sockaddr *)&address, &length) == 0;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    while (good) {
        struct connection *c = calloc(1, sizeof *c);
        pthread_t thread;
        good = c != NULL && (c->fd = accept(listening, NULL, NULL)) >= 0 &&
               setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
               pthread_create(&thread, NULL, serve, c) == 0 && pthread_detach(thread) == 0;
    }
    perror("s3_sink");
    return 1;
}
