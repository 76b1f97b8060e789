# SPDX-License-Identifier: MIT
"""Every path under /debug/pprof: Go's parameters, status codes, headers and texts; and each way in
which a profile can be hard to get."""
import contextlib
import http.client
import pathlib
import re
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pprof
import pytest
from client import wait_for
from server import HTTP_CONN_COUNT_MAX, crowd_of_http

from conftest import ACKD, ACKLOAD, DEADLINE, in_background

BODY_SIZE_MAX = 256 * 1024  # HTTP_BODY_SIZE_MAX
KINDS = ("heap", "allocs", "goroutine", "threadcreate", "mutex", "block")
COLLECTED = ("allocs", "block", "goroutine", "mutex")  # what Parca and Alloy ask for by default


def has_jemalloc(served):
    return not served.is_instrumented()


# What each path gives

def test_index(served):
    page = served.ok("").decode()
    for name in (*KINDS, "profile"):
        assert f">{name}</a>" in page
    assert "ui?profile=heap" in page


def test_root_leads_to_the_index(served):
    for path in ("/", "/debug/pprof", "/debug/pprof?x=1"):
        status, headers, _ = served.get(path)
        assert (status, headers["Location"]) == (301, "/debug/pprof/")


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(served, kind):
    status, headers, body = served.get(kind)
    if kind in ("heap", "allocs") and not has_jemalloc(served):
        assert status == 501 and b"jemalloc" in body and headers["X-Go-Pprof"] == "1"
        return
    assert status == 200
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == f'attachment; filename="{kind}"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Encoding" not in headers, "the file is what is packed, not the transfer"
    profile = pprof.parse(body)
    assert profile.mappings[0]["file"].startswith("ackd-")
    assert profile.mappings[0]["complete"] and len(profile.mappings[0]["build_id"]) == 40
    assert profile.default in [name for name, _ in profile.types]


def test_cpu_profile_under_load(served, load):
    with load(served):
        before, begin = served.cpu_seconds(), time.monotonic()
        answer = in_background(served.get, "profile?seconds=3")
        time.sleep(3)  # the answer comes later: there are symbols to be looked up first
        used = (served.cpu_seconds() - before) * 3 / (time.monotonic() - begin)
        status, headers, body = answer()
    assert status == 200
    assert headers["Content-Disposition"] == 'attachment; filename="profile"'
    profile = pprof.parse(body)
    assert profile.types == [("samples", "count"), ("cpu", "nanoseconds")]
    assert profile.period == 10_000_000
    assert 3 <= profile.duration_ns / 1e9 < 3 + DEADLINE / 60
    assert "epoll_turn" in pprof.functions_of(profile)
    assert {"ackd-worker-0", "ackd-worker-1"} & {sample.thread for sample in profile.samples}
    assert "src/engine/engine_epoll.c" in profile.files
    if not served.is_instrumented():  # those hold signals back, and have files of their own
        # Ours are relative; inline functions of libc are where its headers are.
        assert not [file for file in profile.files if re.match("/(?!usr/include/)", file)]
        # /proc counts ticks, and a little before and after the profile too.
        assert 0.85 * used < pprof.total(profile, "cpu") / 1e9 < 1.05 * used


def test_cpu_profile_of_the_engine_that_ackd_chooses(start, load):
    server = start("--workers=1", "--engine=auto")
    with load(server):
        profile = pprof.parse(server.ok("profile?seconds=2"))
    assert pprof.functions_of(profile) & {"epoll_turn", "uring_turn"}
    assert profile.files & {"src/engine/engine_epoll.c", "src/engine/engine_uring.c"}
    # Wherever it was, and whenever it got the signal: its stack is a whole one.
    whole = [sample for sample in profile.samples if sample.thread == "ackd-worker-0"]
    assert whole and all("run" in sample.functions for sample in whole)


def test_hz(served):
    profile = pprof.parse(served.ok("profile?seconds=1&hz=1000"))
    assert profile.period == 1_000_000


def test_goroutine_has_every_thread(served):
    profile = pprof.parse(served.ok("goroutine"))
    threads = {sample.thread for sample in profile.samples}
    assert {"ackd", "ackd-admin", "ackd-worker-0", "ackd-worker-1", "pprof-http"} <= threads
    status = pathlib.Path(f"/proc/{served.pid}/status").read_text()
    assert f"Threads:\t{pprof.total(profile, 'goroutine')}\n" in status


def test_goroutine_wakes_nobody_for_good(served):
    """Threads that sleep answer by a signal, and go on."""
    for _ in range(20):
        served.ok("goroutine")
    with served.connect() as client:
        client.round_trip()


def test_threadcreate(served):
    profile = pprof.parse(served.ok("threadcreate"))
    assert pprof.total(profile, "threadcreate") >= 4
    assert "ackd_server_start" in pprof.functions_of(profile)


def test_allocs_names_who_allocates(start, load):
    """Deferred batches are copied: that is what the delay handler allocates."""
    server = start("--handler=delay:0ms", "--workers=1")
    if server.is_instrumented():
        assert server.get("allocs")[0] == 501
        return
    with load(server, "-d", "1"):
        time.sleep(2)
    profile = pprof.parse(server.ok("allocs"))
    assert profile.default == "alloc_space"
    assert pprof.total(profile, "alloc_space") > 1_000_000
    assert "ackd_batch_defer" in pprof.functions_of(profile)
    leaves = {sample.functions[0] for sample in profile.samples}
    assert not [name for name in leaves if "jemalloc" in name or "prof_" in name]


def test_mutex_and_block(start, load, tmp_path):
    """Two workers that append to one file wait for each other."""
    server = start(f"--handler=append:{tmp_path}/records", "--workers=2")
    with load(server, "-c", "8"):
        time.sleep(2)
    block = pprof.parse(server.ok("block"))
    mutex = pprof.parse(server.ok("mutex"))
    assert pprof.total(block, "contentions") > 0
    assert pprof.total(block, "delay") > 0
    assert "write_train" in pprof.functions_of(block)
    assert "write_train" in pprof.functions_of(mutex)


def test_cmdline(served):
    status, headers, body = served.get("cmdline")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    arguments = body.split(b"\0")
    assert arguments[0] == str(ACKD).encode() and b"--workers=2" in arguments


def test_symbol(served):
    assert served.ok("symbol") == b"num_symbols: 1\n"
    text = served.ok("goroutine?debug=1").decode()
    address = next(line.split("\t")[1] for line in text.splitlines()
                   if line.startswith("#\t") and "\tworker_turn\t" in line)
    for method, path, body in (("GET", f"symbol?{address}+0x10", None),
                               ("POST", "symbol", f"{address}+0x10")):
        status, _, answer = served.get(path, method, body)
        lines = answer.decode().splitlines()
        assert status == 200 and lines[0] == "num_symbols: 1"
        assert len(lines) == 2 and lines[1].startswith(address + " ")


def test_symbol_is_bounded(served):
    """Nothing else is answered meanwhile, so the rest is left out."""
    text = served.ok("goroutine?debug=1").decode()
    address = next(line.split("\t")[1] for line in text.splitlines()
                   if line.startswith("#\t") and "\tworker_turn\t" in line)
    for asked, answered in ((4096, 4096), (4097, 4096), (10_000, 4096)):
        status, _, answer = served.get("symbol", "POST", "+".join([address] * asked))
        lines = answer.decode().splitlines()
        assert status == 200 and len(lines) == 1 + answered
        assert set(lines[1:]) == {lines[1]} and lines[1].startswith(address + " ")


def test_post_is_for_symbol_only(served):
    status, headers, _ = served.get("heap", "POST", "x")
    assert status == 405 and headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("kind, head", (
    ("heap", b"heap profile: "), ("goroutine", b"goroutine profile: total "),
    ("threadcreate", b"threadcreate profile: total "), ("mutex", b"--- mutex:\n"),
    ("block", b"--- contention:\n")))
def test_debug_text(served, kind, head):
    status, headers, body = served.get(kind + "?debug=1")
    if kind == "heap" and not has_jemalloc(served):
        assert status == 501
        return
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert "Content-Disposition" not in headers
    assert body.startswith(head)


def test_debug_2_lists_threads(served):
    text = served.ok("goroutine?debug=2").decode()
    assert "thread ackd-worker-1:\n\t0x" in text and "src/engine/engine_epoll.c:" in text


def test_unmodified_collectors(start, load):
    """What Parca and Alloy ask for by default: 200 and not empty, again and again."""
    server = start("--workers=1")
    kinds = [kind for kind in COLLECTED if kind != "allocs" or not server.is_instrumented()]
    with load(server):
        for _ in range(2):
            for kind in kinds:
                server.ok(kind)
            server.ok("profile?seconds=1")
    before, after = ({kind: pprof.parse(server.ok(kind)) for kind in kinds if kind != "goroutine"}
                     for _ in range(2))
    for kind, profile in after.items():  # they take differences: it only ever grows
        for name, _ in profile.types:
            if not name.startswith("inuse"):
                assert pprof.total(profile, name) >= pprof.total(before[kind], name)


# Differences

def test_difference(start, load):
    server = start("--handler=delay:0ms", "--workers=1")
    kind = "threadcreate" if server.is_instrumented() else "allocs"
    with load(server, "-d", "1"):
        status, headers, body = server.get(f"{kind}?seconds=2")
    profile = pprof.parse(body)
    assert status == 200
    assert headers["Content-Disposition"] == f'attachment; filename="{kind}-delta"'
    assert profile.duration_ns == 2_000_000_000
    if kind == "allocs":
        assert "ackd_batch_defer" in pprof.functions_of(profile)
        assert "ackd_server_new" not in pprof.functions_of(profile), "that was before"


@pytest.mark.parametrize("path, status, text", (
    ("heap?seconds=x", 400, 'invalid value for "seconds" - must be a positive integer'),
    ("heap?seconds=0", 400, 'invalid value for "seconds" - must be a positive integer'),
    ("mutex?seconds=-1", 400, 'invalid value for "seconds" - must be a positive integer'),
    ("goroutine?seconds=1&debug=1", 400, "seconds and debug params are incompatible"),
    ("profile?seconds=601", 400, "profile duration exceeds the limit of 600 seconds"),
    ("profile?hz=1001&seconds=1", 400, "hz exceeds the limit of 1000"),
    ("trace?seconds=1", 404, "Unknown profile"),
    ("nope", 404, "Unknown profile")))
def test_refused(served, path, status, text):
    got, headers, body = served.get(path)
    assert (got, body.decode()) == (status, text + "\n")
    assert headers["X-Go-Pprof"] == "1"
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("host, status", (
    ("127.0.0.1:6060", 200), ("localhost:6060", 200), ("[::1]:6060", 200), ("ackd:6060", 200),
    ("evil.example:6060", 403), ("127.0.0.1.evil.example", 403)))
def test_a_foreign_name_is_refused(served, host, status):
    """Or a site could point its own name here, and have a browser read profiles for it."""
    for path in ("", "cmdline", "symbol", "ui", "ui.js", "goroutine"):
        assert served.get(path, headers={"Host": host})[0] == status


# One at a time

@contextlib.contextmanager
def profile_in_use(served):
    """A profile that runs as long as the block does; its client hangs up at the end."""
    with socket.create_connection(served.pprof_address) as client:
        client.sendall(b"GET /debug/pprof/profile?seconds=600 HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: served.get("profile?seconds=1")[0] == 500, "a profile runs", DEADLINE)
        yield client
    wait_for(lambda: served.get("profile?seconds=1")[0] == 200, "it ends with its client", DEADLINE)


def test_second_cpu_profile(served):
    with profile_in_use(served):
        status, headers, body = served.get("profile?seconds=1")
        assert (status, headers["X-Go-Pprof"]) == (500, "1")
        assert body == b"Could not enable CPU profiling: cpu profiling already in use\n"


def test_others_are_served_meanwhile(served):
    with profile_in_use(served):
        for path in ("", "cmdline", "mutex", "goroutine", "symbol", "ui"):
            served.ok(path)
        served.metrics()
        assert served.get("profile?seconds=1")[0] == 500, "nobody has waited for the profile"


def longest_scrape(server):
    """How long it took, of those while a profile ran and was written."""
    longest = 0
    joined = in_background(server.get, "profile?seconds=2&hz=1000")
    while joined.is_running():
        begin = time.monotonic()
        server.metrics()
        longest = max(longest, time.monotonic() - begin)
    assert joined()[0] == 200
    print(f"the longest scrape took {longest * 1000:.1f} ms")
    return longest


def test_scrapes_do_not_wait_for_a_profile(start, load):
    """Neither while it runs, nor while its names are looked up and it is written. Those that wait
    do so each time, a machine that is busy elsewhere does not."""
    server = start("--workers=1")
    with load(server):
        assert any(longest_scrape(server) < DEADLINE / 60 for _ in range(5))


def test_hang_up_ends_the_profile(served):
    with profile_in_use(served):
        assert served.get("profile?seconds=1")[0] == 500
    assert served.get("profile?seconds=1")[0] == 200


def test_hang_up_behind_unread_bytes_ends_the_profile(served):
    """While an answer is to come nothing is read, so the end stands behind what was sent."""
    with profile_in_use(served) as client:
        client.sendall(b"GET /debug/pprof/ HTTP/1.1\r\n")
    assert served.get("profile?seconds=1")[0] == 200


def test_longer_than_the_timeout_of_http(served):
    assert served.get("profile?seconds=12")[0] == 200


def test_hundred_requests_at_once(served):
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(served.get, ["profile?seconds=2"] * 100))
    codes = [status for status, _, _ in answers]
    assert codes.count(200) >= 1 and set(codes) == {200, 500}
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(served.get, ["goroutine", "mutex", "block", "threadcreate"] * 25))
    assert {status for status, _, _ in answers} == {200}
    with served.connect() as client:
        client.round_trip()


def test_connections_leave_descriptors_to_others(start):
    server = start("--workers=1")
    with crowd_of_http(server, server.pprof_address) as idle:
        with server.connect() as client:
            client.round_trip()
        for connection in idle:
            connection.close()
    server.ok("goroutine")


def test_profiles_that_run_are_connections_too(start):
    """As many as may be: who comes then waits, and is answered once one of them hangs up."""
    server = start("--workers=1")
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(socket.create_connection(server.pprof_address))
                   for _ in range(HTTP_CONN_COUNT_MAX)]
        before = server.lasting_descriptor_count()
        for client in running:
            client.sendall(b"GET /debug/pprof/mutex?seconds=600 HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(1)
        waiting = in_background(server.get, "cmdline")
        time.sleep(1)
        assert waiting.is_running()
        assert server.lasting_descriptor_count() <= before + HTTP_CONN_COUNT_MAX
        running[0].close()
        assert waiting()[0] == 200


def test_symbol_takes_the_longest_body(served):
    status, _, answer = served.get("symbol", "POST", "0x1+" * (BODY_SIZE_MAX // 4))
    assert status == 200 and answer.startswith(b"num_symbols: 1\n")
    assert served.get("symbol", "POST", "0" * (BODY_SIZE_MAX + 1))[0] == 413


@pytest.mark.parametrize("path", ("symbol", "nope"))
def test_a_chunk_size_line_without_end_is_not_kept(served, path):
    with socket.create_connection(served.pprof_address) as client:
        client.sendall(f"POST /debug/pprof/{path} HTTP/1.1\r\nHost: x\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n".encode())
        with pytest.raises(ConnectionError):
            for _ in range(512):
                client.sendall(b"0" * 65536)
    served.ok("cmdline")


def test_drain_does_not_wait_for_a_profile(start):
    server = start()
    in_background(server.get, "profile?seconds=600")
    time.sleep(0.3)
    begin = time.monotonic()
    server.close()
    assert time.monotonic() - begin < DEADLINE / 6


def ask_until_it_ends(server):
    """Asks for profiles as long as the server is there: the codes of what was answered."""
    codes = set()
    while server.process.poll() is None:  # later its port may be another server's
        try:
            codes.add(server.get("mutex")[0])
        except (OSError, http.client.HTTPException):
            break
    return codes


def test_end_while_profiles_are_asked_for(start):
    """What comes after the last profile and before the last connection is refused."""
    server = start("--workers=1")
    joined = [in_background(ask_until_it_ends, server) for _ in range(8)]
    wait_for(lambda: server.metrics()['profiles_total{kind="mutex"}'] > 20, "profiles are taken")
    server.close()
    for join in joined:
        assert join() <= {200, 503}


def test_no_samples(start):
    """A server that sleeps: an empty profile, which is one all the same."""
    server = start("--workers=1")
    profile = pprof.parse(server.ok("profile?seconds=1&hz=1"))
    assert pprof.total(profile, "samples") <= 1
    assert profile.types[1] == ("cpu", "nanoseconds")


# What became of the file

def test_program_deleted(start, load, tmp_path):
    program = tmp_path / "ackd"
    shutil.copy(ACKD, program)
    server = start(program=program)
    program.unlink()
    with load(server):
        profile = pprof.parse(server.ok("profile?seconds=2"))
    assert "epoll_turn" in pprof.functions_of(profile)
    assert "src/engine/engine_epoll.c" in profile.files


def test_program_replaced(start, load, tmp_path):
    """As a deploy does it: another file has the name now."""
    program = tmp_path / "ackd"
    shutil.copy(ACKD, program)
    server = start(program=program)
    program.unlink()
    shutil.copy(ACKLOAD, program)
    with load(server):
        profile = pprof.parse(server.ok("profile?seconds=2"))
    assert "epoll_turn" in pprof.functions_of(profile)


@pytest.mark.parametrize("strip, words, named", (
    ("--strip-debug", "built without debug information", True),
    ("--strip-all", "stripped", False)))
def test_program_without_its_names(start, load, tmp_path, strip, words, named):
    program = tmp_path / "ackd"
    subprocess.run(["strip", strip, "-o", program, ACKD], check=True)
    server = start(program=program)
    wait_for(lambda: words in server.log(), "a warning")
    assert words in server.ok("").decode()
    with load(server):
        profile = pprof.parse(server.ok("profile?seconds=2"))
    found = pprof.functions_of(profile)
    assert ("epoll_turn" in found) == named
    # A jump through the linker's table (.plt) has no symbol: a few samples may fall there.
    unnamed = [s for s in profile.samples if any(name.startswith("0x") for name in s.functions)]
    share = len(unnamed) / len(profile.samples)
    assert share < 0.1 if named else share > 0.9, "samples with an address for a name"
    assert words in profile.comments[0]
    assert not profile.mappings[0]["complete"], "a viewer may look for names itself"


# The program's options

def test_profile_on_exit(start, load, tmp_path):
    server = start(f"--profile-on-exit={tmp_path}/cpu.pb.gz")
    with load(server):
        time.sleep(1)
        assert server.get("profile?seconds=1")[0] == 500, "one at a time"
    server.close()
    profile = pprof.parse((tmp_path / "cpu.pb.gz").read_bytes())
    assert "epoll_turn" in pprof.functions_of(profile)
    assert profile.types == [("samples", "count"), ("cpu", "nanoseconds")]
    assert "profile written" in server.log()


def test_profile_on_exit_that_cannot_be_written(start):
    server = start("--profile-on-exit=/nonexistent/cpu.pb.gz")
    server.signal(15)
    assert server.wait() == 71
    assert "/nonexistent/cpu.pb.gz" in server.log() and "--profile-on-exit" in server.log()
    server.process.returncode = 0  # as this test wants it


def test_remote_needs_a_word_and_gives_a_warning(start):
    server = start("--pprof-allow-remote", pprof="0.0.0.0:0")
    wait_for(lambda: "other machines" in server.log(), "a warning")
    assert "level=warn" in server.log()
    server.pprof_address = ("127.0.0.1", server.pprof_address[1])
    assert server.get("goroutine", headers={"Host": "ackd.example:6060"})[0] == 200


def test_metrics_of_the_profiler(start):
    server = start("--workers=1")
    server.ok("goroutine")
    server.ok("profile?seconds=1")
    series = server.metrics()
    assert series['profiles_total{kind="goroutine"}'] == 1
    assert series['profiles_total{kind="profile"}'] == 1
    assert series['profile_samples_lost_total{reason="ring_full"}'] == 0
    accept = "application/openmetrics-text;version=1.0.0"
    text = server.request("/metrics", Accept=accept)[2].decode()
    assert text.endswith("# EOF\n") and text.count("# EOF") == 1
    assert 'ackd_profiles_total{kind="profile"} 1.0' in text \
        or 'ackd_profiles_total{kind="profile"} 1\n' in text


def test_ackload_profile_keeps_the_same_file(start, tmp_path):
    server = start("--workers=1")
    address = "%s:%d" % server.addresses["spec"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def ackload(*arguments):
        return subprocess.run([ACKLOAD, *arguments], cwd=tmp_path, env=environment,
                              capture_output=True, text=True, timeout=DEADLINE)

    recorded = ackload("record", "base", "--connect", address, "-c", "4", "-d", "16", "-t", "1",
                       "--time", "500ms")
    assert recorded.returncode == 0, recorded.stderr + recorded.stdout
    taken = ackload("profile", "base", "--seconds", "5", "--pprof", server.url + "profile")
    assert taken.returncode == 0, taken.stderr + taken.stdout
    file, = (tmp_path / ".ackload").glob("*.profile.pb.gz")
    profile = pprof.parse(file.read_bytes())
    assert "epoll_turn" in pprof.functions_of(profile)
