/* Android's liblog, as far as TensorFlow Lite uses it: warnings and what is worse go to standard
   error. */
#include <stdarg.h>
#include <stdio.h>

enum { WARNING = 5 };

int __android_log_vprint(int priority, const char *tag, const char *format, va_list arguments) {
    if (priority < WARNING) return 0;
    fprintf(stderr, "%s: ", tag);
    int written = vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    return written;
}
