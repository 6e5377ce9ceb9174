/*
 * Preloaded into the service: writes down what it does to its database files, and makes the disk fail or slow
 * on demand.
 *
 * The record is what a power cut is modelled from (tests/chaos/powercut.py): each write with its bytes, each sync from
 * begin to end, each name made, moved or taken away, in order. A write stands in it before it happens and a sync after
 * it has succeeded, so a process killed between the two is never believed to have more on its disk than it had.
 *
 * Environment: DISK_FOLDER (absolute; only files below it count), DISK_RECORD (appended to; may be missing),
 * DISK_CONTROL (a file of three tables of 32-bit numbers, which the test changes while the service runs).
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { DATABASE, LOG, JOURNAL, DIRECTORY, KINDS, OTHER = -1 };
enum act { WRITE, SYNC, OPEN, TRUNCATE, UNLINK, ACTS };

struct control {
    volatile int32_t fails_with[KINDS][ACTS]; /* errno, or 0 */
    volatile int32_t dies_at[KINDS][ACTS];    /* the n-th such act from now kills the process before it happens, or 0 */
    volatile int32_t takes_ms[KINDS][ACTS];   /* milliseconds by which the act takes longer */
};

struct __attribute__((packed)) entry {
    uint8_t what;
    uint8_t created;
    uint16_t path_length;
    int32_t fd;
    int64_t offset;
    uint32_t data_length;
};

#define MOST_FDS 65536
static signed char kind_of_fd[MOST_FDS]; /* kind + 1, 0: not ours */
static const char *folder;
static size_t folder_length;
static int record = -1;
static struct control *control;

__attribute__((constructor)) static void begin(void)
{
    const char *path;
    folder = getenv("DISK_FOLDER");
    if (folder == NULL)
        return;
    folder_length = strlen(folder);
    if ((path = getenv("DISK_RECORD")) != NULL) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        record = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 900); /* out of the way of the program's own numbers */
        if (record < 0)
            abort();
        syscall(SYS_close, fd);
    }
    if ((path = getenv("DISK_CONTROL")) != NULL) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
        void *shared = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (fd < 0 || shared == MAP_FAILED)
            abort();
        syscall(SYS_close, fd);
        control = shared;
    }
}

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

#define REAL(name, type) \
    static __typeof__(type) call; \
    if (call == NULL) \
        call = (type)real(name)

static int ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), wanted = strlen(end);
    return length >= wanted && strcmp(path + length - wanted, end) == 0;
}

static enum kind kind_of(const char *path)
{
    if (folder == NULL || path == NULL || strncmp(path, folder, folder_length) != 0)
        return OTHER;
    if (path[folder_length] == '\0')
        return DIRECTORY;
    if (path[folder_length] != '/')
        return OTHER;
    if (ends_with(path, ".db"))
        return DATABASE;
    if (ends_with(path, ".db-wal"))
        return LOG;
    if (ends_with(path, ".db-journal"))
        return JOURNAL;
    return OTHER;
}

static enum kind kind_of_open(int fd)
{
    return fd >= 0 && fd < MOST_FDS ? kind_of_fd[fd] - 1 : OTHER;
}

static void note(char what, int fd, const char *path, int created, int64_t offset, const void *data, size_t length)
{
    if (record < 0)
        return;
    size_t path_length = path == NULL ? 0 : strlen(path);
    struct entry entry = {
        .what = (uint8_t)what,
        .created = (uint8_t)created,
        .path_length = (uint16_t)path_length,
        .fd = fd,
        .offset = offset,
        .data_length = (uint32_t)length,
    };
    struct iovec parts[3] = {
        {.iov_base = &entry, .iov_len = sizeof entry},
        {.iov_base = (void *)path, .iov_len = path_length},
        {.iov_base = (void *)data, .iov_len = length},
    };
    int before = errno;
    if (syscall(SYS_writev, record, parts, 3) != (long)(sizeof entry + path_length + length))
        abort(); /* a record with a hole would prove nothing */
    errno = before;
}

/* True where this act is to fail; errno is set then. Does not return where it is to be the process's last. */
static int fails(enum kind kind, enum act act)
{
    if (control == NULL)
        return 0;
    volatile int32_t *left = &control->dies_at[kind][act];
    if (*left > 0 && __sync_sub_and_fetch(left, 1) == 0) {
        syscall(SYS_kill, getpid(), SIGKILL);
        pause();
    }
    if (control->takes_ms[kind][act] > 0)
        usleep((useconds_t)control->takes_ms[kind][act] * 1000);
    errno = control->fails_with[kind][act];
    return errno != 0;
}

/* ---------------------------------------------------------------- opening and closing */

typedef int (*open_call)(const char *, int, ...);

static int opened(open_call call, const char *path, int flags, mode_t mode)
{
    enum kind kind = kind_of(path);
    int before = errno, writes = (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0;
    if (kind == OTHER && folder != NULL && strncmp(path, folder, folder_length) == 0) {
        struct stat found;
        if (stat(path, &found) == 0 && S_ISDIR(found.st_mode))
            kind = DIRECTORY;
        errno = before;
    }
    if (kind == OTHER)
        return call(path, flags, mode);
    if (writes && fails(kind, OPEN))
        return -1;
    errno = before;
    int created = (flags & O_CREAT) != 0 && access(path, F_OK) != 0;
    errno = before;
    int fd = call(path, flags, mode);
    if (fd >= 0 && fd < MOST_FDS) {
        kind_of_fd[fd] = (signed char)(kind + 1);
        note('O', fd, path, created, 0, NULL, 0);
    }
    return fd;
}

#define OPENS(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(#name, open_call); \
        mode_t mode = 0; \
        if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        return opened(call, path, flags, mode); \
    }

OPENS(open)
OPENS(open64)

int close(int fd)
{
    REAL("close", int (*)(int));
    if (kind_of_open(fd) != OTHER) {
        kind_of_fd[fd] = 0;
        note('C', fd, NULL, 0, 0, NULL, 0); /* before it happens: the number may be somebody else's right after */
    }
    return call(fd);
}

/* ---------------------------------------------------------------- contents */

typedef ssize_t (*pwrite_call)(int, const void *, size_t, off_t);

static ssize_t written(pwrite_call call, int fd, const void *data, size_t length, off_t offset)
{
    enum kind kind = kind_of_open(fd);
    if (kind != OTHER) {
        int before = errno;
        if (fails(kind, WRITE))
            return -1;
        errno = before;
        note('W', fd, NULL, 0, offset, data, length);
    }
    return call(fd, data, length, offset);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    REAL("pwrite", pwrite_call);
    return written(call, fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset)
{
    REAL("pwrite64", pwrite_call);
    return written(call, fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length)
{
    REAL("write", ssize_t (*)(int, const void *, size_t));
    enum kind kind = kind_of_open(fd);
    if (kind != OTHER) {
        int before = errno;
        if (fails(kind, WRITE))
            return -1;
        errno = before;
        note('W', fd, NULL, 0, lseek(fd, 0, SEEK_CUR), data, length);
    }
    return call(fd, data, length);
}

typedef int (*truncate_call)(int, off_t);

static int truncated(truncate_call call, int fd, off_t size)
{
    enum kind kind = kind_of_open(fd);
    if (kind != OTHER) {
        int before = errno;
        if (fails(kind, TRUNCATE))
            return -1;
        errno = before;
        note('T', fd, NULL, 0, size, NULL, 0);
    }
    return call(fd, size);
}

int ftruncate(int fd, off_t size)
{
    REAL("ftruncate", truncate_call);
    return truncated(call, fd, size);
}

int ftruncate64(int fd, off_t size)
{
    REAL("ftruncate64", truncate_call);
    return truncated(call, fd, size);
}

typedef int (*sync_call)(int);

static int synced(sync_call call, int fd)
{
    enum kind kind = kind_of_open(fd);
    if (kind == OTHER)
        return call(fd);
    int before = errno;
    note('B', fd, NULL, 0, 0, NULL, 0);
    int failed = fails(kind, SYNC);
    if (!failed) {
        errno = before;
        failed = call(fd) != 0;
    }
    note(failed ? 'F' : 'S', fd, NULL, 0, 0, NULL, 0);
    return failed ? -1 : 0;
}

int fsync(int fd)
{
    REAL("fsync", sync_call);
    return synced(call, fd);
}

int fdatasync(int fd)
{
    REAL("fdatasync", sync_call);
    return synced(call, fd);
}

/* ---------------------------------------------------------------- names */

int unlink(const char *path)
{
    REAL("unlink", int (*)(const char *));
    enum kind kind = kind_of(path);
    if (kind != OTHER) {
        int before = errno;
        if (fails(kind, UNLINK))
            return -1;
        errno = before;
        if (access(path, F_OK) == 0)
            note('U', -1, path, 0, 0, NULL, 0);
        errno = before;
    }
    return call(path);
}

int rename(const char *from, const char *to)
{
    REAL("rename", int (*)(const char *, const char *));
    if (kind_of(from) != OTHER || kind_of(to) != OTHER)
        note('R', -1, from, 0, 0, to, strlen(to));
    return call(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    REAL("mkdir", int (*)(const char *, mode_t));
    int made = call(path, mode);
    if (made == 0 && folder != NULL && strncmp(path, folder, folder_length) == 0)
        note('M', -1, path, 0, 0, NULL, 0);
    return made;
}
