/* A file system that lacks what some network file systems lack, for LD_PRELOAD.
 *
 * REFUSE names calls and what they answer: "chmod=1,fsync=22" (numbers of errno). Only paths that
 * contain REFUSE_UNDER are concerned; calls on descriptors look the path up in /proc.
 * NOWHERE is a list such as ":/tmp:/var/tmp:": no file can be created directly in these folders.
 * TEAR=N writes half of the N-th block of DuckDB (256 KB at its place) and kills the process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int refused(const char *call, const char *path) {
    const char *under = getenv("REFUSE_UNDER"), *all = getenv("REFUSE");
    char key[32];
    const char *found;
    if (!under || !all || !path || !strstr(path, under)) return 0;
    snprintf(key, sizeof key, ",%s=", call);
    found = strstr(all, key);
    if (!found) return 0;
    errno = atoi(found + strlen(key));
    return 1;
}

static int refused_at(const char *call, int descriptor) {
    char link[64], path[4096];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return refused(call, path);
}

#define REAL(name, type) ((type)dlsym(RTLD_NEXT, name))

static int nowhere(const char *path, int flags) {
    const char *folders = getenv("NOWHERE"), *slash = strrchr(path, '/');
    char key[4096];
    if (!folders || !slash || !(flags & O_CREAT)) return 0;
    snprintf(key, sizeof key, ":%.*s:", (int)(slash - path), path);
    if (!strstr(folders, key)) return 0;
    errno = EACCES;
    return 1;
}

#define OPEN(name)                                                            \
    int name(const char *path, int flags, ...) {                              \
        va_list rest;                                                         \
        int mode;                                                             \
        va_start(rest, flags);                                                \
        mode = va_arg(rest, int);                                             \
        va_end(rest);                                                         \
        if (nowhere(path, flags)) return -1;                                  \
        return REAL(#name, int (*)(const char *, int, ...))(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

int chmod(const char *path, mode_t mode) {
    return refused("chmod", path) ? -1 : REAL("chmod", int (*)(const char *, mode_t))(path, mode);
}

int fchmodat(int folder, const char *path, mode_t mode, int flags) {
    if (refused("chmod", path)) return -1;
    return REAL("fchmodat", int (*)(int, const char *, mode_t, int))(folder, path, mode, flags);
}

int fsync(int descriptor) {
    return refused_at("fsync", descriptor) ? -1 : REAL("fsync", int (*)(int))(descriptor);
}

int link(const char *from, const char *to) {
    if (refused("link", to)) return -1;
    return REAL("link", int (*)(const char *, const char *))(from, to);
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    if (refused("link", to)) return -1;
    return REAL("linkat", int (*)(int, const char *, int, const char *, int))(a, from, b, to, flags);
}

int rename(const char *from, const char *to) {
    if (refused("rename", to)) return -1;
    return REAL("rename", int (*)(const char *, const char *))(from, to);
}

int renameat(int a, const char *from, int b, const char *to) {
    if (refused("rename", to)) return -1;
    return REAL("renameat", int (*)(int, const char *, int, const char *))(a, from, b, to);
}

int flock(int descriptor, int operation) {
    if (refused_at("flock", descriptor)) return -1;
    return REAL("flock", int (*)(int, int))(descriptor, operation);
}

static int locked(const char *name, int descriptor, int command, void *argument) {
    int is_lock = command == F_SETLK || command == F_SETLKW || command == F_GETLK;
    if (is_lock && refused_at("fcntl", descriptor)) return -1;
    return REAL(name, int (*)(int, int, ...))(descriptor, command, argument);
}

int fcntl(int descriptor, int command, ...) {
    va_list rest;
    void *argument;
    va_start(rest, command);
    argument = va_arg(rest, void *);
    va_end(rest);
    return locked("fcntl", descriptor, command, argument);
}

int fcntl64(int descriptor, int command, ...) {
    va_list rest;
    void *argument;
    va_start(rest, command);
    argument = va_arg(rest, void *);
    va_end(rest);
    return locked("fcntl64", descriptor, command, argument);
}

static ssize_t written(const char *name, int descriptor, const void *bytes, size_t count,
                       off_t place) {
    ssize_t (*real)(int, const void *, size_t, off_t) =
        REAL(name, ssize_t (*)(int, const void *, size_t, off_t));
    static int blocks;
    const char *tear = getenv("TEAR");
    if (tear && count >= 262144 && place >= 12288 && ++blocks == atoi(tear)) {
        real(descriptor, bytes, 4096 * 3, place);
        kill(getpid(), SIGKILL);
    }
    return real(descriptor, bytes, count, place);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t place) {
    return written("pwrite", descriptor, bytes, count, place);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off_t place) {
    return written("pwrite64", descriptor, bytes, count, place);
}
