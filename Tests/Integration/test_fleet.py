"""One publish, made anywhere, reaches every client on every node, through a balancer."""

from pathlib import Path

import pytest

from rig.balancers import Balancer, HAProxy, Nginx
from rig.browser import Chromium, PageServer
from rig.cluster import Cluster
from rig.fleet import Fleet


@pytest.mark.parametrize("kind", [HAProxy, Nginx], ids=["haproxy", "nginx"])
def test_every_client_gets_every_publication(
    kind: type[Balancer], tmp_path: Path, browser: Chromium, page: PageServer
) -> None:
    with Cluster(tmp_path, balanced=True, client={"origins": [page.origin]}) as cluster:
        cluster.start()
        balancer = cluster.balance(kind)
        fleet = Fleet(balancer.client, cluster.nodes, browser)
        try:
            checks = fleet.run()
        finally:
            fleet.close()
    problems = [f"{check.name}: {check.problem}" for check in checks if check.problem]
    assert not problems, "\n".join(problems)
    # Seven kinds of clients by five ways, and each kind once more for what should not have come.
    assert len(checks) == 1 + 7 * 5 + 7
