#!/usr/bin/env python3
"""A cluster to look at: redis-server, three nodes and HAProxy before them, and the pages of examples/.

Without arguments it prints addresses and things to try, and runs until Ctrl-C. With --check it connects every kind of
client through the balancer, publishes in every way, checks what each got, drives each example in two browsers, and ends with
`N passed, N failed`.
"""

import argparse
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "Tests/Integration"))

from rig.balancers import HAProxy  # noqa: E402 - it is found only now
from rig.browser import PAGE, Chromium, PageServer  # noqa: E402
from rig.certificates import Authority, key_pin  # noqa: E402
from rig.cluster import Cluster  # noqa: E402
from rig.fleet import Check, Fleet  # noqa: E402
from rig.node import CARILLON  # noqa: E402
from rig.tour import Examples, Tour, configuration  # noqa: E402


def say(text: str = "") -> None:
    print(text, flush=True)


class Demonstration:
    """The cluster, its balancer and the pages."""

    def __init__(self, directory: Path) -> None:
        self.page = PageServer()
        self.examples = Examples(files={"/windows/": PAGE})
        self.authority = Authority(directory / "certificates", "Carillon demo")
        self.certificate, key = self.authority.issue("node")
        secure = {"listen": "127.0.0.1:0", "certificate": str(self.certificate), "key": str(key)}
        origins = [self.page.origin, *self.examples.origins]
        self.cluster = Cluster(
            directory, balanced=True, client={"listen": "127.0.0.1:0", "origins": origins, "tls": secure}, **configuration())
        self._since = time.monotonic()

    def progress(self, what: str) -> None:
        say(f"  {time.monotonic() - self._since:4.1f} s  {what}")

    def start(self) -> None:
        say("Starting")
        self.cluster.start(self.progress)
        self.progress("HAProxy")
        balancer = self.cluster.balance(HAProxy)
        self.examples.carillon = balancer.client
        self.examples.use(f"http://{self.cluster.nodes[0].admin}")
        self.examples.more = [
            ("One channel, many windows", f"/windows/?address={balancer.client}&channel=demo"),
            *((f"Admin page of {node.name}", f"http://{node.admin}/") for node in self.cluster.nodes),
        ]
        self.examples.start()
        self.progress("three nodes, all ready, each knows the others")

    def stop(self) -> None:
        say("Stopping")
        self.examples.stop()
        self.cluster.stop(self.progress)
        self.page.stop()

    # For people

    def explain(self) -> None:
        balancer, nodes = self.cluster.balancer, self.cluster.nodes
        program = CARILLON.relative_to(REPOSITORY) if CARILLON.is_relative_to(REPOSITORY) else CARILLON
        first, last = f"http://{nodes[0].admin}", f"http://{nodes[-1].admin}"
        client = balancer.client
        say()
        say(f"  examples   {self.examples.origin}/   open it in a browser: chat, video call, broadcast, conference, ticker")
        say()
        say(f"  clients    {client}   (HAProxy; its own page: http://127.0.0.1:{balancer.statistics_port}/)")
        say(f"  with TLS   {balancer.secure}   (signed by {self.authority.file})")
        for node in nodes:
            say(f"  {node.name}     {node.client}   behind HAProxy only   admin page http://{node.admin}/   process {node.pid}")
        say(f"  redis      {self.cluster.redis.url}")
        say(f"  logs       {self.cluster.directory}")
        say(f"""
Try, each in a terminal of its own, here in this directory:

  1  listen, with curl:
       curl -N 'http://{client}/sse?channel=demo'

  2  listen and speak, with a WebSocket (what you type is published):
       .venv/bin/python -m websockets 'ws://{client}/raw?channel=demo'

  3  the examples, each in several windows, and a page that listens to all of this:
       {self.examples.origin}/
       {self.examples.origin}/windows/?address={client}&channel=demo

  4  the same with TLS; a browser has to be told once to trust the certificate (open {balancer.secure.replace("wss", "https")}/health):
       SSL_CERT_FILE={self.authority.file} .venv/bin/python -m websockets '{balancer.secure}/raw?channel=demo'
       {self.examples.origin}/windows/?address={balancer.secure}&channel=demo

  5  publish, at the first node and at the last; everybody above gets it:
       {program} publish demo 'good morning' --admin {first}
       curl -d '{{"channel":"demo","data":{{"n":1}}}}' -H 'Content-Type: application/json' {last}/api/v1/publish

  6  look at the cluster, from any node:
       {program} cluster --admin {last}
       {program} connections --channel demo --admin {first}

  7  kill a node and watch its clients move to the others:
       kill -9 {nodes[1].pid}; {program} cluster --admin {first}

  8  stop Redis for a while; nobody is disconnected, and the admin page says what happened:
       kill -STOP {self.cluster.redis.pid}; sleep 5; kill -CONT {self.cluster.redis.pid}

Ctrl-C stops everything.""")

    def watch(self, ended: threading.Event) -> None:
        """Waits for Ctrl-C, and tells when a process ends by itself."""
        processes = [*self.cluster.nodes, self.cluster.balancer, self.cluster.redis]
        told: set[str] = set()
        while not ended.wait(0.5):
            for process in processes:
                if not process.is_running and process.name not in told:
                    told.add(process.name)
                    say(f"{process.name} has ended ({process.exit_code})")

    # For proof

    def check(self) -> list[Check]:
        results: list[Check] = []

        def tell(check: Check) -> None:
            results.append(check)
            say(f"  {'ok    ' if check.problem is None else 'FAILED'} {check.name}" + (f": {check.problem}" if check.problem else ""))

        say("Checking")
        names = {node.name for node in self.cluster.nodes}
        for node in self.cluster.nodes:
            result = node.command("cluster")
            missing = [name for name in sorted(names) if name not in result.stdout]
            tell(Check(f"'carillon cluster' on {node.name} shows three nodes", f"not {missing}" if missing else None))
        self.check_clients(tell)
        self.check_examples(tell)
        return results

    def check_clients(self, tell: Callable[[Check], None]) -> None:
        self.progress("starting headless Chromium")
        browser = Chromium(self.cluster.directory, trusted=key_pin(self.certificate))
        fleet = None
        try:
            browser.start(self.page.origin + "/")
            balancer = self.cluster.balancer
            fleet = Fleet(
                balancer.client, self.cluster.nodes, browser, "demo", secure=balancer.secure,
                authorities=self.authority.file)
            fleet.run(tell)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure to be counted and cleaned up after
            tell(Check("the check runs to its end", f"{type(error).__name__}: {error}"))
        finally:
            if fleet:
                fleet.close()
            browser.stop()

    def check_examples(self, tell: Callable[[Check], None]) -> None:
        self.progress("starting two more, for the examples")
        tour = Tour(self.examples, self.cluster, self.cluster.directory)
        try:
            tour.start().run(tell)
        except Exception as error:  # noqa: BLE001 - as above
            tell(Check("the examples are driven", f"{type(error).__name__}: {error}"))
        finally:
            tour.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="prove that it works, and end")
    arguments = parser.parse_args()
    ended = threading.Event()
    interrupted = False

    def end(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        ended.set()
        # While starting or checking there is no loop that looks.
        if arguments.check or not running:
            raise KeyboardInterrupt

    running = False
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    results: list[Check] = []
    with tempfile.TemporaryDirectory(prefix="carillon-demo-", ignore_cleanup_errors=True) as directory:
        demonstration = Demonstration(Path(directory))
        try:
            demonstration.start()
            if arguments.check:
                results = demonstration.check()
            else:
                demonstration.explain()
                running = True
                demonstration.watch(ended)
        except KeyboardInterrupt:
            pass
        finally:
            # A second Ctrl-C does not leave processes behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            say()
            demonstration.stop()
    if not arguments.check:
        return 0
    if interrupted:
        say("interrupted")
        return 130
    failed = sum(check.problem is not None for check in results)
    say(f"{len(results) - failed} passed, {failed} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
