/* Calls a kernel for one input after the other from C, for the table "calls". It is the same machine
 * code that Python calls: the function's address is taken from the extension module that is loaded.
 *
 * Compiled by c_loop.py when that table is asked for; no part of the engine. What kernels return is
 * not looked at, so one loop serves all of one shape. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stddef.h>
#include <stdint.h>

#include "media_audio.h"
#include "media_message.h"

typedef void plain_kernel(const void *in, void *out, size_t n);
typedef void length_last_kernel(void *state, const void *in, void *out, size_t n);
typedef void length_third_kernel(void *state, const void *in, size_t n, void *out);
typedef bool scan_kernel(const uint8_t *text, size_t length, rm_media_message *message);
typedef bool audio_kernel(rm_media_audio *audio, const uint8_t *text, size_t n, int16_t *pcm);

void loop_plain(plain_kernel *kernel, void *state, const void *const *in, size_t n, void *out,
                size_t count)
{
    (void)state;
    for (size_t i = 0; i < count; i++)
        kernel(in[i], out, n);
}

void loop_length_last(length_last_kernel *kernel, void *state, const void *const *in, size_t n,
                      void *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        kernel(state, in[i], out, n);
}

void loop_length_third(length_third_kernel *kernel, void *state, const void *const *in, size_t n,
                       void *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        kernel(state, in[i], n, out);
}

/* A media message is found in its text, then decoded: true if all of them were. */
bool loop_messages(scan_kernel *scan, audio_kernel *decode, rm_media_audio *audio,
                   const uint8_t *const *text, const size_t *lengths, int16_t *pcm, size_t count)
{
    rm_media_message message;
    bool good = true;
    for (size_t i = 0; i < count; i++)
        good = good && scan(text[i], lengths[i], &message)
               && decode(audio, message.payload.at, message.payload.length, pcm);
    return good;
}

/* What Python asks for any call that gives back a new bytes object: `size` octets, nothing in them.
 * Bound to its size, this is the floor of every kernel that gives bytes. */
static PyObject *fresh_octets(PyObject *size, PyObject *ignored)
{
    (void)ignored;
    return PyBytes_FromStringAndSize(NULL, PyLong_AsSsize_t(size));
}

PyMethodDef fresh_octets_method = {"fresh_octets", fresh_octets, METH_O, NULL};
