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

/// A reader that tells the sink; both live until redisReaderFree.
static inline redisReader *carillon_resp_reader(carillon_resp_sink *sink) {
    static redisReplyObjectFunctions functions;
    functions.createString = carillon_resp_string;
    functions.createArray = carillon_resp_array;
    functions.createInteger = carillon_resp_integer;
    functions.createNil = carillon_resp_nil;
    functions.freeObject = carillon_resp_free;
    redisReader *reader = redisReaderCreateWithFunctions(&functions);
    if (reader != NULL) reader->privdata = sink;
    return reader;
}

static inline const char *carillon_resp_error(const redisReader *reader) { return reader->errstr; }
