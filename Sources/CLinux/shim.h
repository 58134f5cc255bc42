#pragma once
// What Linux has and Swift's Glibc module does not carry over: GNU extensions and the headers it leaves out.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <errno.h>
#include <stdio.h>

/// accept4(2).
int accept4(int, void *, unsigned int *, int);

/// malloc_trim(3).
int malloc_trim(__SIZE_TYPE__);

/// prctl(2).
int prctl(int, ...);

/// Names the calling thread (PR_SET_NAME); the kernel keeps 15 bytes.
static inline void carillon_name_thread(const char *name) { prctl(15, name, 0, 0, 0); }

/// TCP_USER_TIMEOUT of <linux/tcp.h>, which cannot be included beside <netinet/tcp.h>.
static const int carillon_tcp_user_timeout = 18;
/// TCP_NOTSENT_LOWAT of <linux/tcp.h>.
static const int carillon_tcp_notsent_lowat = 25;

/// Bytes the kernel holds for a socket that the other side has not acknowledged (SIOCOUTQ, tcp(7)); 0 when it cannot say.
static inline int carillon_unacknowledged(int descriptor) {
    int bytes = 0;
    return ioctl(descriptor, TIOCOUTQ, &bytes) == 0 && bytes > 0 ? bytes : 0;
}

/// IP_BIND_ADDRESS_NO_PORT of <linux/in.h>.
static const int carillon_ip_bind_address_no_port = 24;

/// Gives standard output a buffer that most answers fit into, so that they are written, or not, in one place.
static inline void carillon_buffer_stdout(void) {
    static char buffer[1 << 20];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
}

/// Writes out what is buffered for standard output. 0, or why it failed, as errno says it; -1 if something that was written
/// before failed and it is not known any more why.
static inline int carillon_flush_stdout(void) {
    errno = 0;
    if (fflush(stdout) != 0) return errno != 0 ? errno : -1;
    return ferror(stdout) ? -1 : 0;
}
