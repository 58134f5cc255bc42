"""One publish, made anywhere, reaches every client on every node, through a balancer."""

from pathlib import Path

import pytest

from rig.balancers import Balancer, HAProxy, Nginx
from rig.browser import Chromium, PageServer
from rig.certificates import Authority
from rig.cluster import Cluster
from rig.fleet import Fleet


@pytest.mark.parametrize("kind", [HAProxy, Nginx], ids=["haproxy", "nginx"])
def test_every_client_gets_every_publication(
    kind: type[Balancer], tmp_path: Path, browser: Chromium, page: PageServer, believed: tuple[Authority, Path, Path]
) -> None:
    authority, certificate, key = believed
    tls = {"listen": "127.0.0.1:0", "certificate": str(certificate), "key": str(key)}
    with Cluster(tmp_path, balanced=True, client={"origins": [page.origin], "tls": tls}) as cluster:
        cluster.start()
        balancer = cluster.balance(kind)
        secure = balancer.secure if isinstance(balancer, HAProxy) else None
        fleet = Fleet(balancer.client, cluster.nodes, browser, secure=secure, authorities=authority.file)
        try:
            checks = fleet.run()
        finally:
            fleet.close()
    problems = [f"{check.name}: {check.problem}" for check in checks if check.problem]
    assert not problems, "\n".join(problems)
    # Seven kinds of clients, and three of them with TLS too, by five ways, and each kind once more for what should not
    # have come.
    kinds = 10 if secure else 7
    assert len(checks) == 1 + kinds * 5 + kinds
