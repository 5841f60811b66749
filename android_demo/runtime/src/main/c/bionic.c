/* What libtensorflowlite_jni.so of TensorFlow Lite's AAR asks of Android's C library ("bionic"),
   over glibc, so that a desktop's Java virtual machine loads the library as it is.

   Functions on which the two agree are in passed_on.h and jump to glibc's. The others are here:
   each converts what differs. A difference that was not expected ends the process, as a wrong
   number would be worse. Compiled for x86-64 and AArch64. */
#define _GNU_SOURCE
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The library asks for NAME in the version LIBC; FUNCTION answers. */
#define BIONIC(function, name) __asm__(".symver " #function ", " #name "@LIBC")

#ifdef __x86_64__
#define JUMP(name) "jmp " name "@PLT"
#else
#define JUMP(name) "b " name
#endif
#define PASSED_ON(name)                                                                \
    __asm__(".text\n.globl passed_on_" #name "\n.type passed_on_" #name ", %function\n" \
            "passed_on_" #name ":\n" JUMP(#name) "\n"                                  \
            ".symver passed_on_" #name ", " #name "@LIBC");
#include "passed_on.h"

static _Noreturn void unexpected(const char *what, long value) {
    fprintf(stderr, "bionic over glibc: unexpected %s: %ld\n", what, value);
    abort();
}

/* === Streams: Android's standard ones are the elements of an array === */

char bionic_sF[3][152];
BIONIC(bionic_sF, __sF);

static FILE *stream(void *file) {
    if (file == bionic_sF[0]) return stdin;
    if (file == bionic_sF[1]) return stdout;
    if (file == bionic_sF[2]) return stderr;
    return file;
}

int bionic_fclose(void *file) { return fclose(stream(file)); }
BIONIC(bionic_fclose, fclose);

int bionic_fflush(void *file) { return fflush(stream(file)); }
BIONIC(bionic_fflush, fflush);

int bionic_fileno(void *file) { return fileno(stream(file)); }
BIONIC(bionic_fileno, fileno);

int bionic_fputc(int character, void *file) { return fputc(character, stream(file)); }
BIONIC(bionic_fputc, fputc);

size_t bionic_fread(void *to, size_t size, size_t count, void *file) {
    return fread(to, size, count, stream(file));
}
BIONIC(bionic_fread, fread);

size_t bionic_fwrite(const void *from, size_t size, size_t count, void *file) {
    return fwrite(from, size, count, stream(file));
}
BIONIC(bionic_fwrite, fwrite);

int bionic_vfprintf(void *file, const char *format, va_list arguments) {
    return vfprintf(stream(file), format, arguments);
}
BIONIC(bionic_vfprintf, vfprintf);

int bionic_fprintf(void *file, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int written = vfprintf(stream(file), format, arguments);
    va_end(arguments);
    return written;
}
BIONIC(bionic_fprintf, fprintf);

/* === Other names and other constants === */

int *bionic_errno(void) { return &errno; }
BIONIC(bionic_errno, __errno);

/* With _GNU_SOURCE glibc's own strerror_r is another function. */
extern int __xpg_strerror_r(int number, char *text, size_t size);
int bionic_strerror_r(int number, char *text, size_t size) {
    return __xpg_strerror_r(number, text, size);
}
BIONIC(bionic_strerror_r, strerror_r);

long bionic_sysconf(int name) {
    /* The numbers of bionic's <bits/sysconf.h>. */
    switch (name) {
        case 0x06: return sysconf(_SC_CLK_TCK);
        case 0x27: return sysconf(_SC_PAGESIZE);
        case 0x28: return sysconf(_SC_PAGESIZE);
        case 0x60: return sysconf(_SC_NPROCESSORS_CONF);
        case 0x61: return sysconf(_SC_NPROCESSORS_ONLN);
        case 0x62: return sysconf(_SC_PHYS_PAGES);
        case 0x63: return sysconf(_SC_AVPHYS_PAGES);
        default: unexpected("sysconf", name);
    }
}
BIONIC(bionic_sysconf, sysconf);

size_t bionic_strlen_chk(const char *text, size_t size) {
    size_t length = strlen(text);
    if (length >= size) unexpected("length of a text", (long)length);
    return length;
}
BIONIC(bionic_strlen_chk, __strlen_chk);

/* === Threads: Android's types are smaller, or aligned less === */

int bionic_pthread_create(
    pthread_t *thread, const void *attributes, void *(*run)(void *), void *argument) {
    if (attributes != NULL) unexpected("attributes of a thread", 1);
    return pthread_create(thread, NULL, run, argument);
}
BIONIC(bionic_pthread_create, pthread_create);

/* glibc's function clears 48 bytes on AArch64, where Android's type has 40. All zero is what a
   static initializer makes, in both. */
int bionic_pthread_mutex_init(void *mutex, const void *attributes) {
    if (attributes != NULL) unexpected("attributes of a mutex", 1);
    memset(mutex, 0, 40);
    return 0;
}
BIONIC(bionic_pthread_mutex_init, pthread_mutex_init);

/* Android aligns a condition of 48 bytes to 4, glibc needs 8: Android's holds a pointer to one of
   glibc's, made when it is first used, since a static initializer makes zeros. */
static pthread_cond_t **slot_of(void *condition) {
    return (pthread_cond_t **)(((uintptr_t)condition + 7) & ~(uintptr_t)7);
}

static pthread_cond_t *condition_of(void *condition) {
    pthread_cond_t **slot = slot_of(condition);
    pthread_cond_t *present = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
    if (present != NULL) return present;
    pthread_cond_t *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) unexpected("lack of memory", 0);
    if (__atomic_compare_exchange_n(
            slot, &present, fresh, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        return fresh;
    }
    free(fresh);
    return present;
}

int bionic_pthread_cond_init(void *condition, const void *attributes) {
    if (attributes != NULL) unexpected("attributes of a condition", 1);
    *slot_of(condition) = NULL;
    return 0;
}
BIONIC(bionic_pthread_cond_init, pthread_cond_init);

int bionic_pthread_cond_destroy(void *condition) {
    free(*slot_of(condition));
    *slot_of(condition) = NULL;
    return 0;
}
BIONIC(bionic_pthread_cond_destroy, pthread_cond_destroy);

int bionic_pthread_cond_wait(void *condition, pthread_mutex_t *mutex) {
    return pthread_cond_wait(condition_of(condition), mutex);
}
BIONIC(bionic_pthread_cond_wait, pthread_cond_wait);

int bionic_pthread_cond_signal(void *condition) {
    return pthread_cond_signal(condition_of(condition));
}
BIONIC(bionic_pthread_cond_signal, pthread_cond_signal);

int bionic_pthread_cond_broadcast(void *condition) {
    return pthread_cond_broadcast(condition_of(condition));
}
BIONIC(bionic_pthread_cond_broadcast, pthread_cond_broadcast);

/* === Memory === */

/* On Android XNNPACK aligns to 32 bytes, as no phone has AVX-512, and yet reads 64 at once on a
   processor that has it. This hides what an x86-64 Android with AVX-512 may meet. */
enum { LEAST_ALIGNMENT = 64 };

static size_t at_least(size_t alignment) {
    return alignment < LEAST_ALIGNMENT ? LEAST_ALIGNMENT : alignment;
}

void *bionic_memalign(size_t alignment, size_t size) {
    return memalign(at_least(alignment), size);
}
BIONIC(bionic_memalign, memalign);

int bionic_posix_memalign(void **to, size_t alignment, size_t size) {
    return posix_memalign(to, at_least(alignment), size);
}
BIONIC(bionic_posix_memalign, posix_memalign);

/* === Android alone === */

/* TensorFlow Lite uses XNNPACK only where the level of the API is above 19. */
int bionic_system_property_get(const char *name, char *value) {
    strcpy(value, strcmp(name, "ro.build.version.sdk") == 0 ? "34" : "");
    return (int)strlen(value);
}
BIONIC(bionic_system_property_get, __system_property_get);

void bionic_abort_message(const char *text) { fprintf(stderr, "%s\n", text); }
BIONIC(bionic_abort_message, android_set_abort_message);
