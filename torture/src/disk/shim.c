/* A disk that can lose what was not synced, and that can fail.
 *
 * Preloaded into a program, it writes down what the program does to the files below one folder: each write, each change of
 * length, and each sync with where it began. Whoever has these notes can make any state in which a power cut may leave the
 * folder; see journal.rs. Syncs and writes fail with EIO while there is a file of their name in the folder of commands.
 *
 * Not seen: memory maps (of the database only the -shm file is mapped, and that does not outlive its processes),
 * duplicated descriptors and the vectored calls, none of which the server uses for files.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { DESCRIPTORS = 32768, FILES = 256, PATH = 4096 };

/* As journal.rs reads it, in the machine's byte order. */
struct record {
    uint64_t offset; /* of a write; the new length of a truncation */
    uint64_t began;  /* how many records there were when a sync began */
    uint32_t length; /* of what follows: the bytes written, or a path */
    uint16_t file;
    uint8_t kind;
    uint8_t unused;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t records;
static int journal = -1;
static char root[PATH], commands[PATH];
static char *files[FILES];
static uint16_t file_of[DESCRIPTORS]; /* 0: none of ours */

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_truncate)(int, off64_t);
static int (*real_fsync)(int);
static int (*real_fdatasync)(int);
static int (*real_unlink)(const char *);
static int (*real_rename)(const char *, const char *);

static void note(uint8_t kind, uint16_t file, uint64_t offset, uint64_t began, const void *bytes, size_t length);

__attribute__((constructor)) static void begin(void) {
    real_open = dlsym(RTLD_NEXT, "open64");
    real_close = dlsym(RTLD_NEXT, "close");
    real_write = dlsym(RTLD_NEXT, "write");
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_truncate = dlsym(RTLD_NEXT, "ftruncate64");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_rename = dlsym(RTLD_NEXT, "rename");
    const char *folder = getenv("MALOTE_DISK"), *notes = getenv("MALOTE_DISK_JOURNAL"), *told = getenv("MALOTE_DISK_COMMANDS");
    if (!folder || !notes || !told)
        return;
    snprintf(root, sizeof root, "%s/", folder);
    snprintf(commands, sizeof commands, "%s/", told);
    journal = real_open(notes, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    /* From here on, numbers of records and files are this process's. */
    note('B', 0, 0, 0, NULL, 0);
}

/* Under the lock. */
static void note(uint8_t kind, uint16_t file, uint64_t offset, uint64_t began, const void *bytes, size_t length) {
    struct record record = {offset, began, (uint32_t)length, file, kind, 0};
    struct iovec parts[] = {{&record, sizeof record}, {(void *)bytes, length}};
    if (writev(journal, parts, 2) != (ssize_t)(sizeof record + length))
        abort();
    records++;
}

/* Under the lock: the number of a file of ours, 0 for others. */
static uint16_t number_of(const char *path) {
    size_t length = strlen(path);
    if (journal < 0 || strncmp(path, root, strlen(root)) || (length > 4 && !strcmp(path + length - 4, "-shm")))
        return 0;
    for (uint16_t number = 1; number < FILES; number++) {
        if (!files[number]) {
            files[number] = strdup(path);
            note('O', number, 0, 0, path, length);
        }
        if (!strcmp(files[number], path))
            return number;
    }
    abort();
}

static uint16_t ours(int descriptor) {
    return descriptor >= 0 && descriptor < DESCRIPTORS ? file_of[descriptor] : 0;
}

static int fails(const char *what) {
    char path[PATH + 16];
    snprintf(path, sizeof path, "%s%s", commands, what);
    return access(path, F_OK) == 0;
}

static int opened(const char *path, int flags, mode_t mode) {
    int descriptor = real_open(path, flags, mode);
    if (descriptor >= 0 && descriptor < DESCRIPTORS) {
        pthread_mutex_lock(&lock);
        file_of[descriptor] = number_of(path);
        if (file_of[descriptor] && (flags & O_TRUNC))
            note('T', file_of[descriptor], 0, 0, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    return descriptor;
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return opened(path, flags, mode);
}

int close(int descriptor) {
    if (ours(descriptor))
        file_of[descriptor] = 0;
    return real_close(descriptor);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t offset) {
    uint16_t file = ours(descriptor);
    if (!file)
        return real_pwrite(descriptor, bytes, length, offset);
    if (fails("write")) {
        errno = EIO;
        return -1;
    }
    /* Noted and written in one go, so that the notes have the order of the writes, and the last one may not have been done. */
    pthread_mutex_lock(&lock);
    note('W', file, offset, 0, bytes, length);
    ssize_t written = real_pwrite(descriptor, bytes, length, offset);
    if (written != (ssize_t)length)
        abort();
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
    return pwrite64(descriptor, bytes, length, offset);
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
    uint16_t file = ours(descriptor);
    if (!file)
        return real_write(descriptor, bytes, length);
    if (fails("write")) {
        errno = EIO;
        return -1;
    }
    pthread_mutex_lock(&lock);
    note('W', file, lseek(descriptor, 0, SEEK_CUR), 0, bytes, length);
    ssize_t written = real_write(descriptor, bytes, length);
    if (written != (ssize_t)length)
        abort();
    pthread_mutex_unlock(&lock);
    return written;
}

int ftruncate64(int descriptor, off64_t length) {
    uint16_t file = ours(descriptor);
    if (!file)
        return real_truncate(descriptor, length);
    pthread_mutex_lock(&lock);
    note('T', file, length, 0, NULL, 0);
    int result = real_truncate(descriptor, length);
    if (result)
        abort();
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int descriptor, off_t length) {
    return ftruncate64(descriptor, length);
}

static int sync_with(int (*real)(int), int descriptor) {
    uint16_t file = ours(descriptor);
    if (!file)
        return real(descriptor);
    if (fails("sync")) {
        errno = EIO;
        return -1;
    }
    pthread_mutex_lock(&lock);
    uint64_t began = records;
    pthread_mutex_unlock(&lock);
    int result = real(descriptor);
    /* A disk that lies says that it has synced, and has not. */
    if (!result && !fails("lie")) {
        pthread_mutex_lock(&lock);
        note('S', file, 0, began, NULL, 0);
        pthread_mutex_unlock(&lock);
    }
    return result;
}

int fsync(int descriptor) {
    return sync_with(real_fsync, descriptor);
}

int fdatasync(int descriptor) {
    return sync_with(real_fdatasync, descriptor);
}

/* What a folder lists is taken to be durable at once: whoever relies on it syncs the folder first. */
int unlink(const char *path) {
    pthread_mutex_lock(&lock);
    uint16_t file = number_of(path);
    if (file && !access(path, F_OK))
        note('U', file, 0, 0, NULL, 0);
    int result = real_unlink(path);
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *from, const char *to) {
    pthread_mutex_lock(&lock);
    uint16_t source = number_of(from), target = number_of(to);
    if (source && target)
        note('R', source, target, 0, NULL, 0);
    int result = real_rename(from, to);
    pthread_mutex_unlock(&lock);
    return result;
}
