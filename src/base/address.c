/* SPDX-License-Identifier: MIT
 *
 * address - where to listen or connect (address.h) */
#include "base/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/units.h"

enum {
    HOST_TEXT_SIZE = 256,
    PORT_MAX = 65535,
};

static int parse_unix(const char *path, struct address *ret_address, struct ackd_error *error)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    const size_t path_size = strlen(path);

    if (path_size == 0 || path_size >= sizeof un.sun_path)
        return error_raise(error, -EINVAL, "a unix path has 1 to %zu bytes, not '%.128s'",
                           sizeof un.sun_path - 1, path);
    memcpy(un.sun_path, path, path_size);
    memset(ret_address, 0, sizeof *ret_address);
    memcpy(&ret_address->storage, &un, sizeof un);
    ret_address->size = sizeof un;
    return 0;
}

/* Splits HOST:PORT or [HOST]:PORT.  @ret_host has HOST_TEXT_SIZE bytes. */
static int split_host_port(const char *text, char *ret_host, uint16_t *ret_port,
                           struct ackd_error *error)
{
    const char *const colon = strrchr(text, ':');
    uint64_t port;

    if (!colon || !units_parse_count(colon + 1, &port) || port > PORT_MAX)
        return error_raise(error, -EINVAL,
                           "'%s' is no address: give ADDR:PORT, [IPV6]:PORT or unix:PATH, with a "
                           "port from 0 to 65535",
                           text);

    const char *host = text;
    size_t host_size = (size_t)(colon - text);
    if (host_size >= 2 && host[0] == '[' && host[host_size - 1] == ']') {
        host++;
        host_size -= 2;
        if (!memchr(host, ':', host_size))
            return error_raise(error, -EINVAL, "'%s': only an IPv6 address stands in brackets",
                               text);
    } else if (memchr(host, ':', host_size)) {
        return error_raise(error, -EINVAL, "'%s': write an IPv6 address as [ADDR]:PORT", text);
    }
    if (host_size >= HOST_TEXT_SIZE)
        return error_raise(error, -EINVAL, "'%s': the host is too long", text);

    memcpy(ret_host, host, host_size);
    ret_host[host_size] = '\0';
    *ret_port = (uint16_t)port;
    return 0;
}

static void set_ipv4(struct address *address, struct in_addr ip, uint16_t port)
{
    const struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = ip};

    memset(address, 0, sizeof *address);
    memcpy(&address->storage, &in, sizeof in);
    address->size = sizeof in;
}

static void set_ipv6(struct address *address, const struct in6_addr *ip, uint16_t port)
{
    const struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *ip};

    memset(address, 0, sizeof *address);
    memcpy(&address->storage, &in6, sizeof in6);
    address->size = sizeof in6;
}

static int resolve_host(const char *host, uint16_t port, struct address *ret_address,
                        struct ackd_error *error)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    char port_text[8];

    snprintf(port_text, sizeof port_text, "%u", port);
    const int status = getaddrinfo(host, port_text, &hints, &found);
    if (status != 0)
        return error_raise(error, -ENOENT, "cannot resolve '%s': %s", host, gai_strerror(status));

    memset(ret_address, 0, sizeof *ret_address);
    memcpy(&ret_address->storage, found->ai_addr, found->ai_addrlen);
    ret_address->size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int address_parse(const char *text, bool resolve, struct address *ret_address,
                  struct ackd_error *error)
{
    char host[HOST_TEXT_SIZE] = "";
    uint16_t port = 0;
    struct in_addr ipv4;
    struct in6_addr ipv6;

    assert(text && ret_address);
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(text + 5, ret_address, error);
    if (text[0] == '/')
        return parse_unix(text, ret_address, error);

    const int status = split_host_port(text, host, &port, error);
    if (status < 0)
        return status;
    if (host[0] == '\0' || strcmp(host, "*") == 0) {
        set_ipv4(ret_address, (struct in_addr){.s_addr = htonl(INADDR_ANY)}, port);
        return 0;
    }
    if (inet_pton(AF_INET, host, &ipv4) == 1) {
        set_ipv4(ret_address, ipv4, port);
        return 0;
    }
    if (inet_pton(AF_INET6, host, &ipv6) == 1) {
        set_ipv6(ret_address, &ipv6, port);
        return 0;
    }
    if (resolve)
        return resolve_host(host, port, ret_address, error);
    return error_raise(error, -EINVAL, "'%s': '%s' is no IPv4 or IPv6 address", text, host);
}

void address_format(const struct address *address, char *ret_text)
{
    char ip[INET6_ADDRSTRLEN] = "?";

    assert(address && ret_text);
    if (address->storage.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &address->storage, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, ip, sizeof ip);
        snprintf(ret_text, ADDRESS_TEXT_SIZE, "%s:%u", ip, ntohs(in.sin_port));
    } else if (address->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &address->storage, sizeof in6);
        inet_ntop(AF_INET6, &in6.sin6_addr, ip, sizeof ip);
        snprintf(ret_text, ADDRESS_TEXT_SIZE, "[%s]:%u", ip, ntohs(in6.sin6_port));
    } else {
        const char *const path = address_unix_path(address);
        snprintf(ret_text, ADDRESS_TEXT_SIZE, "unix:%s", path ? path : "?");
    }
}

const char *address_unix_path(const struct address *address)
{
    if (address->storage.ss_family != AF_UNIX)
        return NULL;
    return (const char *)&address->storage + offsetof(struct sockaddr_un, sun_path);
}

bool address_is_loopback(const struct address *address)
{
    if (address->storage.ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, &address->storage, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == 127;
    }
    if (address->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, &address->storage, sizeof in6);
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    return address->storage.ss_family == AF_UNIX;
}
