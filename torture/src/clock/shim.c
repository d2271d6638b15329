/* A clock on the wall that is wrong.
 *
 * Preloaded into a program, it adds to the time of day the seconds that a file says, read anew each time. Clocks that only
 * count what passes are left alone, as they are where somebody sets the clock of a computer.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real_gettime)(clockid_t, struct timespec *);
static int file = -1;

__attribute__((constructor)) static void begin(void) {
    real_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("MALOTE_CLOCK");
    if (!path)
        return;
    file = open(path, O_RDONLY | O_CLOEXEC);
    /* A clock that is right would prove nothing. */
    if (file < 0)
        abort();
}

static int64_t seconds_off(void) {
    int64_t seconds = 0;
    return file >= 0 && pread(file, &seconds, sizeof seconds, 0) == sizeof seconds ? seconds : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    /* What is loaded before us may ask as well. */
    if (!real_gettime)
        begin();
    int result = real_gettime(clock, now);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += seconds_off();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    (void)zone;
    struct timespec exact;
    int result = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return result;
}

time_t time(time_t *at) {
    struct timespec exact = {0};
    clock_gettime(CLOCK_REALTIME, &exact);
    if (at)
        *at = exact.tv_sec;
    return exact.tv_sec;
}
