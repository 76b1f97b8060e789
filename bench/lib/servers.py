# SPDX-License-Identifier: MIT
"""servers - who takes part: how each is built, started, found and looked at"""
import fcntl
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = ROOT / "bench" / "peers"
BUILT = ROOT / "build" / "bench" / "peers"
START_DEADLINE_S = 20
C_FLAGS = ["-O2", "-Wall", "-Wextra"]
COUNTED = "none"  # ackload's dialect in which acks are counted and not looked at


class Server:
    """One that takes part: its name, and the command that ackload and we start it with."""

    def __init__(self, name, title, command, *, program=None, dialect="any", warmup_s=0.3,
                 rival=None):
        self.name = name
        self.title = title
        self.command = command  # with {ports-file} and {frame}; None = it runs already
        self.program = program  # the file whose change makes old results worthless
        self.dialect = dialect  # how its acks are checked
        self.warmup_s = warmup_s
        self.rival = rival  # the ackd that it is compared with; None: the one all others are

    def spec(self, payload_size):
        """What `ackload ab` takes for this server."""
        return self.command.replace("{frame}", str(13 + payload_size))

    def start(self, cpu):
        return Running(self.spec(22), cpu)

    def fingerprint(self):
        return hashlib.sha256(self.program.read_bytes()).hexdigest()[:16] if self.program else ""


class External(Server):
    """A server that somebody else started: NAME=HOST:PORT,PID."""

    FORM = re.compile(r"(?P<name>[a-z][\w.-]*)=(?P<address>[^,]+:\d+),(?P<pid>\d+)")

    def __init__(self, text):
        match = self.FORM.fullmatch(text)
        if not match or not os.path.exists(f"/proc/{match['pid']}"):
            raise ValueError(f"--external '{text}': give NAME=HOST:PORT,PID of a running server")
        super().__init__(match["name"], f"{match['name']} (external)", None)
        self.address = match["address"]
        self.pid = int(match["pid"])

    def spec(self, payload_size):
        return f"external:{self.address},pid={self.pid}"

    def start(self, cpu):
        pin(self.pid, {cpu})
        return Found(self.address, self.pid)


class Found:
    """A server that runs; leaving the context leaves it alone."""

    def __init__(self, address, pid):
        self.address = address
        self.pid = pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def rss_kib(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1])

    def thread_ns(self, name=""):
        """CPU time of the threads whose name begins so."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            if (task / "comm").read_text(encoding="ascii").startswith(name):
                total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        return total


class Running(Found):
    """A server that we started, pinned to @cpu; leaving the context ends it."""

    def __init__(self, command, cpu):
        self.folder = tempfile.TemporaryDirectory(prefix="ackd-bench-")
        self.ports_file = pathlib.Path(self.folder.name) / "ports"
        command = "exec " + command.replace("{ports-file}", str(self.ports_file))
        with open(f"{self.folder.name}/log", "w", encoding="ascii") as log:
            self.process = subprocess.Popen(["taskset", "-c", str(cpu), "sh", "-c", command],
                                            stderr=log)
        super().__init__(self.await_port("listen"), self.process.pid)

    def await_port(self, what):
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.ports_file.exists():
                found = re.search(rf"^{what} (\S+).*\n", self.ports_file.read_text("ascii"), re.M)
                if found:
                    return found[1]
            time.sleep(0.01)
        log = pathlib.Path(self.folder.name, "log").read_text(encoding="utf-8")
        self.__exit__()
        raise RuntimeError(f"a server did not start: {log.strip() or 'it said nothing'}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def pin(pid, cpus):
    """Pins all threads of a process."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), cpus)


def make_ackd(build, engine="", **options):
    """ackd with everything on, one worker; but no port that two at a time would quarrel about."""
    program = pathlib.Path(build).resolve() / "src" / "ackd" / "ackd"
    command = (f"{program} --workers 1 --listen 127.0.0.1:0 --metrics-listen 127.0.0.1:0"
               " --log-level error --ports-file {ports-file}")
    if knows(build, "--pprof-listen"):
        command += " --pprof-listen off"
    return Server(command=command + (f" --engine {engine}" if engine else ""), program=program,
                  **options)


def knows(build, option):
    """True when this build of ackd has the option."""
    text = subprocess.run([f"{build}/src/ackd/ackd", "--help"], capture_output=True, text=True,
                          check=True).stdout
    return option in text


def knows_engines(build):
    return knows(build, "--engine")


class Recipe:
    """A peer in bench/peers: what it is made of, and with what."""

    def __init__(self, source, package, build, command, version, **options):
        self.source = SOURCES / source
        self.package = package
        self.build = build  # command; {source}, {out}
        self.command = command  # {out}, {ports-file}
        self.version = version
        self.options = options


def header_version(header, macro):
    """A command that prints what a header says of its own version."""
    return ["sh", "-c", f"echo {macro} | c++ -x c++ -E -P -include {header} - | tail -n 1"]


RECIPES = {
    "go": Recipe("go/main.go", "golang-go", ["go", "build", "-o", "{out}", "{source}"],
                 "{out} {ports-file}", ["go", "version"]),
    "libevent": Recipe("libevent.c", "libevent-dev",
                       ["cc", *C_FLAGS, "-o", "{out}", "{source}", "-levent_core"],
                       "{out} {ports-file}",
                       header_version("event2/event-config.h", "EVENT__VERSION")),
    "libuv": Recipe("libuv.c", "libuv1-dev", ["cc", *C_FLAGS, "-o", "{out}", "{source}", "-luv"],
                    "{out} {ports-file}",
                    header_version("uv/version.h", "UV_VERSION_MAJOR.UV_VERSION_MINOR")),
    "asio": Recipe("asio.cpp", "libboost-dev",
                   ["c++", "-std=c++17", *C_FLAGS, "-o", "{out}", "{source}"],
                   "{out} {ports-file}", header_version("boost/version.hpp", "BOOST_LIB_VERSION")),
    "java": Recipe("java/Peer.java", "default-jdk-headless",
                   ["javac", "-d", "{out}", "{source}"],
                   "java -XX:+UseSerialGC -cp {out} Peer {ports-file}", ["java", "-version"],
                   # Its compiler shares the core: after 3 s an ack still costs 1.3 times as much.
                   warmup_s=5),
}
TITLES = {"go": "Go net, bufio, pool", "libevent": "libevent bufferevent", "libuv": "libuv",
          "asio": "Boost.Asio", "java": "Java NIO"}


def say_version(name):
    """Its digits, as the toolchain or the library's header says them."""
    if not shutil.which(RECIPES[name].version[0]):
        return "of an unknown version"
    ran = subprocess.run(RECIPES[name].version, capture_output=True, text=True, check=False)
    found = re.search(r"\d+(?:[._]\d+)*", (ran.stdout + ran.stderr).replace(" . ", "."))
    return found[0].replace("_", ".") if found else "of an unknown version"


def build_peer(name):
    """The Server, built when its source changed; or a line that says why not."""
    recipe = RECIPES[name]
    out = BUILT / name
    if not shutil.which(recipe.build[0]):
        return f"skipped: no {recipe.package}"
    BUILT.mkdir(parents=True, exist_ok=True)
    with open(BUILT / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        failure = compile_peer(recipe, out)
    if failure:
        return failure
    return Server(name, TITLES[name], recipe.command.replace("{out}", str(out)),
                  program=next(out.glob("*.class")) if out.is_dir() else out, **recipe.options)


def compile_peer(recipe, out):
    """Makes @out when it is older than its source; None, or a line that says why it cannot."""
    newest = max(path.stat().st_mtime for path in (recipe.source, SOURCES / "answer.h"))
    if out.exists() and out.stat().st_mtime >= newest:
        return None
    environment = dict(os.environ, GOCACHE=str(BUILT.parent / "go-cache"))
    ran = subprocess.run([word.format(source=recipe.source, out=out) for word in recipe.build],
                         env=environment, capture_output=True, text=True, check=False)
    if ran.returncode and re.search(r"fatal error: \S+: No such file", ran.stderr):
        return f"skipped: no {recipe.package}"
    if ran.returncode:
        return f"skipped: it does not build: {ran.stderr.strip()}"
    out.touch()
    return None


def make_ceiling(build, name="ceiling", title="the ceiling (does not look)", rival=None):
    program = pathlib.Path(build).resolve() / "bench" / "ceiling"
    return Server(name, title, f"{program} {{frame}} >{{ports-file}}", program=program,
                  dialect=COUNTED, rival=rival)
