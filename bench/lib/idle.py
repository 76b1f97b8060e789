# SPDX-License-Identifier: MIT
"""idle - what idle connections cost a server in resident memory"""
import resource
import socket
import time

COUNT = 10000
SETTLE_S = 1  # the last ones are being accepted
REQUEST = bytes.fromhex("0000000d02") + b"00000001"
ACK_SIZE = 14


def raise_descriptor_limit():
    """As far as we may, for us and for the servers that we start."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def connect_all(address, count):
    host, port = address.rsplit(":", 1)
    return [socket.create_connection((host.strip("[]"), int(port))) for _ in range(count)]


def use_each_once(clients):
    for client in clients:
        client.sendall(REQUEST)
    for client in clients:
        if len(client.recv(ACK_SIZE, socket.MSG_WAITALL)) != ACK_SIZE:
            raise RuntimeError("an idle connection was closed")


def measure(running, each=True, count=COUNT):
    """KiB resident before, with @count connections that sent nothing, and after one request
    @each."""
    before = running.rss_kib()
    clients = connect_all(running.address, count)
    time.sleep(SETTLE_S)
    idle = running.rss_kib()
    used = None
    if each:
        use_each_once(clients)
        time.sleep(SETTLE_S)
        used = running.rss_kib()
    for client in clients:
        client.close()
    return {"connections": count, "before_kib": before, "idle_kib": idle, "used_kib": used}
