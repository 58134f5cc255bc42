#pragma once
#include <zlib.h>

// zlib's initialisers are macros, which Swift does not see.
static inline int carillon_inflate_init(z_stream *stream) { return inflateInit2(stream, -15); }
static inline int carillon_deflate_init(z_stream *stream, int level, int windowBits) {
    return deflateInit2(stream, level, Z_DEFLATED, -windowBits, 8, Z_DEFAULT_STRATEGY);
}
