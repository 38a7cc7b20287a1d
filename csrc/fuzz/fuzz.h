/* What the C targets share: an invariant that stops the fuzzer, and input taken as a script. Past
 * its end a script gives zeros, so that every input is a whole script. */
#ifndef RM_FUZZ_H
#define RM_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort(); \
        } \
    } while (0)

/* Results that hold memory nobody wrote are findings too, in a build with the memory sanitizer. */
#if defined(__has_feature) && __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define REQUIRE_WRITTEN(data, bytes) __msan_check_mem_is_initialized(data, bytes)
#else
#define REQUIRE_WRITTEN(data, bytes) ((void)(data), (void)(bytes))
#endif

typedef struct script {
    const uint8_t *at;
    size_t left;
} script;

static inline uint8_t take_u8(script *s)
{
    if (s->left == 0)
        return 0;
    s->left--;
    return *s->at++;
}

static inline uint16_t take_u16(script *s)
{
    uint16_t high = take_u8(s);
    return (uint16_t)(high << 8 | take_u8(s));
}

static inline uint32_t take_u32(script *s)
{
    uint32_t high = take_u16(s);
    return high << 16 | take_u16(s);
}

/* A copy in memory of exactly that size, so that the address sanitizer sees a read past its end. */
static inline void *exact_copy(const void *data, size_t bytes)
{
    void *copy = malloc(bytes ? bytes : 1);
    REQUIRE(copy != NULL);
    if (bytes)
        memcpy(copy, data, bytes);
    return copy;
}

#endif
