#pragma once
// io_uring(7) without a library: its three system calls, and loads and stores of the counters that are shared with the kernel.
#include <errno.h>
#include <linux/io_uring.h>
#include <sys/syscall.h>

/// syscall(2).
long syscall(long, ...);

/// What Linux 6.1 has and older headers do not name: one thread submits, what completes later is done when that thread asks for
/// it, and a request that cannot be read does not hold up those behind it.
static const unsigned carillon_uring_flags = 1U << 12 /* SINGLE_ISSUER */ | 1U << 13 /* DEFER_TASKRUN */ | 1U << 7 /* SUBMIT_ALL */;

/// io_uring_setup(2): the descriptor, or -errno.
static inline int carillon_uring_setup(unsigned entries, struct io_uring_params *parameters) {
    long result = syscall(__NR_io_uring_setup, entries, parameters);
    return result < 0 ? -errno : (int)result;
}

/// io_uring_enter(2) without a signal mask: how many were taken, or -errno.
static inline int carillon_uring_enter(int ring, unsigned submitted, unsigned completed, unsigned flags) {
    long result = syscall(__NR_io_uring_enter, ring, submitted, completed, flags, (void *)0, 0);
    return result < 0 ? -errno : (int)result;
}

/// Whether the kernel knows an operation: 1 or 0, or -errno (IORING_REGISTER_PROBE).
static inline int carillon_uring_knows(int ring, unsigned char operation) {
    enum { COUNT = 64 };
    struct {
        struct io_uring_probe head;
        struct io_uring_probe_op operations[COUNT];
    } probe;
    __builtin_memset(&probe, 0, sizeof probe);
    if (syscall(__NR_io_uring_register, ring, IORING_REGISTER_PROBE, &probe, COUNT) < 0) return -errno;
    return operation <= probe.head.last_op && operation < COUNT
        && (probe.operations[operation].flags & IO_URING_OP_SUPPORTED) != 0;
}

static const unsigned char carillon_uring_send = IORING_OP_SEND;
static const unsigned carillon_uring_wait = IORING_ENTER_GETEVENTS;
static const long long carillon_uring_counters = IORING_OFF_SQ_RING;
static const long long carillon_uring_entries = IORING_OFF_SQES;

/// A counter that the kernel has written.
static inline unsigned carillon_uring_load(const unsigned *counter) { return __atomic_load_n(counter, __ATOMIC_ACQUIRE); }

/// A counter that the kernel will read: what was written before is there when it does.
static inline void carillon_uring_store(unsigned *counter, unsigned value) {
    __atomic_store_n(counter, value, __ATOMIC_RELEASE);
}
