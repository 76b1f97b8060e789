#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""core - ackd against the ceiling: what ackd's own work costs above the kernel's

For each shape (connections x depth) it starts fresh pairs of processes, ackd with everything on
and bench/ceiling.c, both pinned to the server core, and loads them in turn, in slices whose order
is ABBA, with ackload on the client core.  A pair gives one ratio; the median over the pairs is
reported, with the smallest and the largest.  Then the memory of idle connections.

Absolute numbers are of the machine and the minute; the ratios are the result.
"""
import argparse
import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

REQUEST_SIZE = 35
PAYLOAD_SIZE = 22
CONNECTIONS = 100
DEPTHS = [1, 16, 256, 4096]
IDLE_COUNT = 10000
ORDER = "ABBA"
START_DEADLINE = 10


class Server:
    """A server process on one core, and its CPU time in nanoseconds."""

    def __init__(self, command, address_of, cpu):
        self.process = subprocess.Popen(["taskset", "-c", str(cpu)] + command,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)
        self.address = address_of(self)

    def cpu_ns(self):
        total = 0
        tasks = f"/proc/{self.process.pid}/task"
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total

    def rss_kib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise RuntimeError("no VmRSS")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def first_line_address(server):
    return server.process.stdout.readline().split()[1]


def start_ceiling(args):
    return Server([f"{args.build}/bench/ceiling", str(REQUEST_SIZE)], first_line_address,
                  args.server_cpu)


def start_ackd(args, workers=1):
    folder = tempfile.mkdtemp(prefix="ackd-bench-")
    ports = f"{folder}/ports"

    def address_of(_server):
        deadline = time.monotonic() + START_DEADLINE
        while not os.path.exists(ports):
            if time.monotonic() > deadline:
                raise RuntimeError("ackd did not start")
            time.sleep(0.01)
        with open(ports, encoding="ascii") as file:
            address = file.readline().split()[1]
        os.unlink(ports)
        os.rmdir(folder)
        return address

    return Server([f"{args.build}/src/ackd/ackd", f"--workers={workers}", "--listen=127.0.0.1:0",
                   "--metrics-listen=127.0.0.1:0", "--pprof-listen=off",
                   f"--ports-file={ports}", "--log-level=error"],
                  address_of, args.server_cpu)


def load(args, server, depth):
    """One slice.  Returns acks per second, server CPU ns per ack, and the client's busy share."""
    with tempfile.NamedTemporaryFile(suffix=".json") as result:
        before = server.cpu_ns()
        subprocess.run([f"{args.build}/src/load/ackload", "run", "--quiet",
                        f"--connect={server.address}", "-c", str(CONNECTIONS), "-d", str(depth),
                        "-t", "1", f"--cpu={args.client_cpu}", f"--time={args.slice * 1000:.0f}ms",
                        f"--size={PAYLOAD_SIZE}", "--dialect=none", f"--json={result.name}"],
                       check=True)
        used = server.cpu_ns() - before
        report = json.load(result)
    return (report["rate"]["acks_per_s"], used / report["ledger"]["ok"],
            report["cpu"]["busiest_thread"])


def mean(values):
    return statistics.geometric_mean(values)


def run_pair(args, depth):
    """Loads one fresh pair of processes in turn; ackd's figures, then the ceiling's."""
    with contextlib.ExitStack() as stack:
        servers = {"A": start_ackd(args), "B": start_ceiling(args)}
        for server in servers.values():
            stack.callback(server.stop)
        for server in servers.values():
            load(args, server, depth)  # warm-up
        slices = {"A": [], "B": []}
        for side in ORDER:
            slices[side].append(load(args, servers[side], depth))
    return tuple([mean(column) for column in zip(*slices[side])] for side in "AB")


def spread(values, form):
    return (f"{form.format(statistics.median(values))} "
            f"[{form.format(min(values))} .. {form.format(max(values))}]")


def measure_shape(args, depth):
    pairs = []
    for number in range(args.pairs):
        print(f"  {CONNECTIONS}x{depth}: pair {number + 1} of {args.pairs}", end="\r",
              file=sys.stderr, flush=True)
        pairs.append(run_pair(args, depth))
    rate_ratios = [ours[0] / ceiling[0] for ours, ceiling in pairs]
    cost_ratios = [ours[1] / ceiling[1] for ours, ceiling in pairs]
    client_busy = statistics.median(ceiling[2] for _, ceiling in pairs)
    return {
        "shape": f"{CONNECTIONS}x{depth}",
        "ackd_acks_per_s": statistics.median(ours[0] for ours, _ in pairs),
        "ceiling_acks_per_s": statistics.median(ceiling[0] for _, ceiling in pairs),
        "ackd_cpu_ns": statistics.median(ours[1] for ours, _ in pairs),
        "ceiling_cpu_ns": statistics.median(ceiling[1] for _, ceiling in pairs),
        "rate_ratios": rate_ratios,
        "cost_ratios": cost_ratios,
        "client_busy": client_busy,
    }


def print_shape(row):
    print(f"  {row['shape']:<9} {row['ackd_acks_per_s'] / 1e6:>8.3f} M/s "
          f"{row['ceiling_acks_per_s'] / 1e6:>8.3f} M/s   {spread(row['rate_ratios'], '{:.3f}')}"
          f"   {row['ackd_cpu_ns']:>8.1f} {row['ceiling_cpu_ns']:>8.1f}   "
          f"{spread(row['cost_ratios'], '{:.3f}')}   {row['client_busy']:>4.0%}", flush=True)


def connect_idle(address, count):
    host, port = address.rsplit(":", 1)
    clients = []
    for _ in range(count):
        clients.append(socket.create_connection((host, int(port))))
    return clients


def measure_idle(args):
    """RSS before and with idle connections; each client has sent nothing."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    server = start_ackd(args)
    try:
        before = server.rss_kib()
        clients = connect_idle(server.address, IDLE_COUNT)
        time.sleep(0.5)  # the last ones are being accepted
        idle = server.rss_kib()
        for client in clients:
            client.close()
    finally:
        server.stop()
    return {"connections": IDLE_COUNT, "before_kib": before, "with_kib": idle,
            "bytes_each": (idle - before) * 1024 / IDLE_COUNT}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--build", default="build/release", help="build folder (%(default)s)")
    parser.add_argument("--pairs", type=int, default=5, help="fresh pairs a shape (%(default)s)")
    parser.add_argument("--slice", type=float, default=0.7, help="seconds a slice (%(default)s)")
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--client-cpu", type=int, default=1)
    parser.add_argument("--depths", type=int, nargs="+", default=DEPTHS)
    parser.add_argument("--json", metavar="FILE", help="write the figures as JSON")
    return parser.parse_args()


def main():
    args = parse_arguments()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench core wants two CPUs: one for the server, one for the client")
    print(f"ackd (1 worker, metrics on) against a ceiling that does not look; "
          f"{REQUEST_SIZE}-byte requests,\n{args.pairs} fresh pairs a shape, "
          f"{ORDER} slices of {args.slice} s; median [smallest .. largest] of the pairs' ratios\n")
    print("  shape         ackd       ceiling       acks/s ratio          CPU ns/ack         "
          "CPU ratio              client busy")
    rows = []
    for depth in args.depths:
        rows.append(measure_shape(args, depth))
        print_shape(rows[-1])
    idle = measure_idle(args)
    print(f"\n  {idle['connections']} idle connections: {idle['before_kib']} KiB -> "
          f"{idle['with_kib']} KiB resident, {idle['bytes_each']:.0f} bytes each")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"schema": "ackd-bench-core/1", "shapes": rows, "idle": idle}, file,
                      indent=2)


if __name__ == "__main__":
    main()
