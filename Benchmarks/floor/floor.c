// The floor: the least a WebSocket broadcast can cost with one send(2) per client and message.
//
// One thread, epoll, no batching. Every text or binary frame from any client goes to every connected client, the
// sender included. No channels, no limits worth the name, no TLS, no health: only what cannot be left out. What a real
// server costs beyond this is what it does; how far it gets below this is how many sends it saves.
//
//   floor [--port 0] [--address 127.0.0.1] [--clients 19900] [--mode fanout|connect]
//
// Prints "listening on ADDRESS:PORT"; SIGTERM or SIGINT end it with one JSON line of counts on stdout. With
// `--mode connect` frames are thrown away and the handshakes of each second are counted on stderr.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 64 * 1024,
    MESSAGE_BYTES = 1024 * 1024,
    HEADER_BYTES = 14,
    EVENTS = 512,
    BACKLOG = 4096,
};

enum state { FREE, SHAKING, OPEN };

// A client; its place in the table is its descriptor.
struct client {
    enum state state;
    // Its place in `open_fds`.
    uint32_t place;
    // What came of an incomplete request or frame.
    uint8_t *rest;
    uint32_t rest_bytes;
};

static struct client *clients;
static int limit = 19900;
// Everyone who gets a message, side by side: the loop that counts touches nothing else.
static int *open_fds;
static uint32_t open_count;
static int poller;
static bool connect_mode;
static volatile sig_atomic_t stopping;
static uint64_t connects, messages, deliveries, lost;
static uint8_t incoming[MESSAGE_BYTES + HEADER_BYTES + READ_BYTES];
static uint8_t outgoing[MESSAGE_BYTES + HEADER_BYTES];

static void stop(int signal) {
    (void)signal;
    stopping = 1;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void forget(int fd) {
    struct client *client = &clients[fd];
    if (client->state == OPEN) {
        int last = open_fds[--open_count];
        open_fds[client->place] = last;
        clients[last].place = client->place;
    }
    free(client->rest);
    *client = (struct client){0};
    close(fd);
}

static void keep(struct client *client, const uint8_t *bytes, size_t count) {
    uint8_t *rest = NULL;
    if (count > 0) {
        rest = malloc(count);
        if (!rest) fail("malloc");
        memcpy(rest, bytes, count);
    }
    free(client->rest);
    client->rest = rest;
    client->rest_bytes = (uint32_t)count;
}

static size_t base64(const uint8_t *bytes, size_t count, char *text) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = 0;
    for (size_t i = 0; i < count; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16;
        if (i + 1 < count) group |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < count) group |= bytes[i + 2];
        text[length++] = digits[group >> 18];
        text[length++] = digits[group >> 12 & 63];
        text[length++] = i + 1 < count ? digits[group >> 6 & 63] : '=';
        text[length++] = i + 2 < count ? digits[group & 63] : '=';
    }
    return length;
}

// Answers the request at the start of `bytes` and returns its length; 0 when more is needed, -1 when it is not one.
static ssize_t shake(int fd, const uint8_t *bytes, size_t count) {
    static const char name[] = "sec-websocket-key:";
    const uint8_t *end = memmem(bytes, count, "\r\n\r\n", 4);
    if (!end) return count > 16 * 1024 ? -1 : 0;
    const char *key = NULL;
    size_t key_bytes = 0;
    for (const uint8_t *line = bytes; line < end;) {
        const uint8_t *next = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        if (!next) break;
        if ((size_t)(next - line) > sizeof name && strncasecmp((const char *)line, name, sizeof name - 1) == 0) {
            key = (const char *)line + sizeof name - 1;
            while (*key == ' ') key++;
            key_bytes = (size_t)((const char *)next - key);
        }
        line = next + 2;
    }
    if (!key || key_bytes != 24) return -1;

    char salted[60];
    memcpy(salted, key, 24);
    memcpy(salted + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA1((const uint8_t *)salted, sizeof salted, digest);
    static const char head[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: ";
    char answer[sizeof head + 40];
    size_t length = sizeof head - 1;
    memcpy(answer, head, length);
    length += base64(digest, sizeof digest, answer + length);
    memcpy(answer + length, "\r\n\r\n", 4);
    length += 4;
    if (send(fd, answer, length, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)length) return -1;

    connects++;
    clients[fd].state = OPEN;
    clients[fd].place = open_count;
    open_fds[open_count++] = fd;
    return end + 4 - bytes;
}

static size_t header(uint8_t opcode, size_t payload) {
    outgoing[0] = 0x80 | opcode;
    if (payload <= 125) {
        outgoing[1] = (uint8_t)payload;
        return 2;
    }
    if (payload <= 0xFFFF) {
        outgoing[1] = 126;
        outgoing[2] = (uint8_t)(payload >> 8);
        outgoing[3] = (uint8_t)payload;
        return 4;
    }
    uint64_t wide = htobe64(payload);
    outgoing[1] = 127;
    memcpy(outgoing + 2, &wide, 8);
    return 10;
}

// What everything here is about.
static void broadcast(size_t bytes) {
    messages++;
    for (uint32_t i = 0; i < open_count; i++) {
        ssize_t sent = send(open_fds[i], outgoing, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (__builtin_expect(sent != (ssize_t)bytes, 0)) {
            // A client that does not read is cut off; epoll reports it and the loop forgets it.
            lost++;
            shutdown(open_fds[i], SHUT_RDWR);
        }
    }
    deliveries += open_count;
}

static void unmask(uint8_t *target, const uint8_t *source, size_t count, uint32_t key) {
    uint64_t wide = (uint64_t)key << 32 | key;
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        uint64_t word;
        memcpy(&word, source + i, 8);
        word ^= wide;
        memcpy(target + i, &word, 8);
    }
    for (; i < count; i++) target[i] = source[i] ^ (uint8_t)(wide >> (i & 7) * 8);
}

// Handles the frame at the start of `bytes` and returns its length; 0 when more is needed, -1 when the client is to go.
static ssize_t frame(int fd, const uint8_t *bytes, size_t count) {
    if (count < 6) return 0;
    uint8_t opcode = bytes[0] & 0x0F;
    size_t payload = bytes[1] & 0x7F, at = 2;
    if (!(bytes[0] & 0x80) || !(bytes[1] & 0x80)) return -1;
    if (payload == 126) {
        payload = (size_t)bytes[2] << 8 | bytes[3];
        at = 4;
    } else if (payload == 127) {
        if (count < 10) return 0;
        uint64_t wide;
        memcpy(&wide, bytes + 2, 8);
        if (be64toh(wide) > MESSAGE_BYTES) return -1;
        payload = be64toh(wide);
        at = 10;
    }
    if (count < at + 4 + payload) return 0;
    uint32_t key;
    memcpy(&key, bytes + at, 4);
    key = le32toh(key);
    switch (opcode) {
    case 1:
    case 2:
        if (!connect_mode) {
            size_t start = header(opcode, payload);
            unmask(outgoing + start, bytes + at + 4, payload, key);
            broadcast(start + payload);
        }
        break;
    case 9: {
        size_t start = header(10, payload);
        unmask(outgoing + start, bytes + at + 4, payload, key);
        if (send(fd, outgoing, start + payload, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return -1;
        break;
    }
    case 10:
        break;
    default:
        return -1;
    }
    return (ssize_t)(at + 4 + payload);
}

static void receive(int fd) {
    struct client *client = &clients[fd];
    size_t count = client->rest_bytes;
    if (count > 0) memcpy(incoming, client->rest, count);
    ssize_t got = recv(fd, incoming + count, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        forget(fd);
        return;
    }
    count += (size_t)got;
    size_t used = 0;
    while (used < count) {
        ssize_t step = client->state == OPEN ? frame(fd, incoming + used, count - used)
                                             : shake(fd, incoming + used, count - used);
        if (step < 0) {
            forget(fd);
            return;
        }
        if (step == 0) break;
        used += (size_t)step;
    }
    if (client->rest || used < count) keep(client, incoming + used, count - used);
}

static void take_clients(int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED) continue;
            return;
        }
        if (fd >= limit + 64) {
            close(fd);
            continue;
        }
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
        clients[fd] = (struct client){.state = SHAKING};
    }
}

static int listen_on(const char *address, int port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) fail("socket");
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // Accepted sockets inherit it: no call per client.
    setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, address, &place.sin_addr) != 1) {
        fprintf(stderr, "floor: '%s' is not an IPv4 address\n", address);
        exit(2);
    }
    if (bind(listener, (struct sockaddr *)&place, sizeof place) != 0) fail("bind");
    if (listen(listener, BACKLOG) != 0) fail("listen");
    socklen_t size = sizeof place;
    if (getsockname(listener, (struct sockaddr *)&place, &size) != 0) fail("getsockname");
    printf("listening on %s:%d\n", address, ntohs(place.sin_port));
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv) {
    const char *address = "127.0.0.1";
    int port = 0;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--port") == 0) port = atoi(value);
        else if (strcmp(argv[i], "--address") == 0) address = value;
        else if (strcmp(argv[i], "--clients") == 0 && atoi(value) > 0) limit = atoi(value);
        else if (strcmp(argv[i], "--mode") == 0 && strcmp(value, "connect") == 0) connect_mode = true;
        else if (strcmp(argv[i], "--mode") == 0 && strcmp(value, "fanout") == 0) connect_mode = false;
        else {
            fprintf(stderr, "usage: floor [--port 0] [--address 127.0.0.1] [--clients 19900] [--mode fanout|connect]\n");
            return 2;
        }
    }
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    clients = calloc((size_t)limit + 64, sizeof *clients);
    open_fds = calloc((size_t)limit + 64, sizeof *open_fds);
    if (!clients || !open_fds) fail("calloc");

    poller = epoll_create1(EPOLL_CLOEXEC);
    if (poller < 0) fail("epoll_create1");
    int listener = listen_on(address, port);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0) fail("epoll_ctl");

    static struct epoll_event events[EVENTS];
    uint64_t reported = 0;
    time_t second = time(NULL);
    while (!stopping) {
        int count = epoll_wait(poller, events, EVENTS, connect_mode ? 1000 : -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) take_clients(listener);
            else if (clients[fd].state != FREE) receive(fd);
        }
        if (connect_mode && time(NULL) != second) {
            second = time(NULL);
            fprintf(stderr, "%llu handshakes/s, %u connected\n", (unsigned long long)(connects - reported), open_count);
            reported = connects;
        }
    }
    printf("{\"connects\":%llu,\"messages\":%llu,\"deliveries\":%llu,\"lost\":%llu}\n", (unsigned long long)connects,
           (unsigned long long)messages, (unsigned long long)deliveries, (unsigned long long)lost);
    return 0;
}
