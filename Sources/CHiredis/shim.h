#pragma once
// hiredis's reader with callbacks of our own instead of its reply objects. The functions are filled in by name, so that
// hiredis 0.14 (RESP2) and 1.x, whose structs and element counts differ, both compile.
#include <hiredis/hiredis.h>
#include <stddef.h>
#include <string.h>

/// What the reader tells; `depth` is 0 for a whole reply, `index` the place in the array around it.
/// Each answers whether to go on.
typedef struct carillon_resp_sink {
    void *context;
    int (*string)(void *context, int type, int depth, int index, const char *bytes, size_t count);
    int (*array)(void *context, int depth, int index, long long count);
    int (*integer)(void *context, int depth, int index, long long value);
    int (*nil)(void *context, int depth, int index);
} carillon_resp_sink;

static inline int carillon_resp_depth(const redisReadTask *task) {
    int depth = 0;
    while (task->parent != NULL) {
        task = task->parent;
        depth++;
    }
    return depth;
}

// hiredis takes any pointer but NULL for "made", and gives it back to nobody but freeObject.
#define CARILLON_RESP_RESULT(call) ((call) ? (void *)sink : NULL)

static inline void *carillon_resp_string(const redisReadTask *task, char *bytes, size_t count) {
    carillon_resp_sink *sink = (carillon_resp_sink *)task->privdata;
    return CARILLON_RESP_RESULT(
        sink->string(sink->context, task->type, carillon_resp_depth(task), task->idx, bytes, count));
}

#if HIREDIS_MAJOR >= 1
static inline void *carillon_resp_array(const redisReadTask *task, size_t count) {
#else
static inline void *carillon_resp_array(const redisReadTask *task, int count) {
#endif
    carillon_resp_sink *sink = (carillon_resp_sink *)task->privdata;
    return CARILLON_RESP_RESULT(
        sink->array(sink->context, carillon_resp_depth(task), task->idx, (long long)count));
}

static inline void *carillon_resp_integer(const redisReadTask *task, long long value) {
    carillon_resp_sink *sink = (carillon_resp_sink *)task->privdata;
    return CARILLON_RESP_RESULT(sink->integer(sink->context, carillon_resp_depth(task), task->idx, value));
}

static inline void *carillon_resp_nil(const redisReadTask *task) {
    carillon_resp_sink *sink = (carillon_resp_sink *)task->privdata;
    return CARILLON_RESP_RESULT(sink->nil(sink->context, carillon_resp_depth(task), task->idx));
}

static inline void carillon_resp_free(void *object) { (void)object; }

// Named members, the rest zero; never written again, so that readers on several threads may share it.
static redisReplyObjectFunctions carillon_resp_functions = {
    .createString = carillon_resp_string,
    .createArray = carillon_resp_array,
    .createInteger = carillon_resp_integer,
    .createNil = carillon_resp_nil,
    .freeObject = carillon_resp_free,
};

/// A reader that tells the sink; both live until redisReaderFree.
static inline redisReader *carillon_resp_reader(carillon_resp_sink *sink) {
    redisReader *reader = redisReaderCreateWithFunctions(&carillon_resp_functions);
    if (reader != NULL) reader->privdata = sink;
    return reader;
}

/// Whether more than `limit` bytes wait for the end of one line. The reader looks for it from the line's beginning each
/// time it is fed. (Of a bulk string only the line with its length is one, and that has an end.)
static inline int carillon_resp_line_exceeds(const redisReader *reader, size_t limit) {
    size_t waiting = reader->len - reader->pos;
    if (waiting <= limit) return 0;
    const char *at = reader->buf + reader->pos;
    const char *end = at + limit;
    while ((at = (const char *)memchr(at, '\r', (size_t)(end - at))) != NULL) {
        // The byte behind the last one searched is there, because more than `limit` are waiting.
        if (*++at == '\n') return 0;
    }
    return 1;
}

static inline const char *carillon_resp_error(const redisReader *reader) { return reader->errstr; }
