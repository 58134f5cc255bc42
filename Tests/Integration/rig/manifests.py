"""What Kubernetes is given: the plain files of deploy/kubernetes, and what Helm makes of the chart."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from .process import REPOSITORY

#: Helm itself. On machines that it is not built for, the tests that need it are left out.
helm = pytest.importorskip("helm_python", reason="helm-python-sdk is built for x86_64 only")

PLAIN = REPOSITORY / "deploy/kubernetes/carillon.yaml"
CHART = REPOSITORY / "deploy/helm/carillon"
#: The least that the chart asks for.
NEEDED = {"secret": {"adminToken": "a-token-for-tests"}}


class Manifests:
    """Manifests by kind; those of one kind in the order in which they were written."""

    def __init__(self, documents: list[dict[str, Any]]) -> None:
        self.documents = documents

    @classmethod
    def plain(cls) -> "Manifests":
        return cls(list(yaml.safe_load_all(PLAIN.read_text())))

    @classmethod
    def rendered(cls, values: dict[str, Any], release: str = "carillon") -> "Manifests":
        """What `helm install` would send."""
        with helm.Chart.load(str(CHART)) as chart:
            files = chart.render(values, name=release, namespace="default")
        texts = [text for name, text in sorted(files.items()) if not name.endswith("NOTES.txt")]
        return cls([document for text in texts for document in yaml.safe_load_all(text) if document])

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [document for document in self.documents if document["kind"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        [document] = self.all(kind)
        return document

    @property
    def kinds(self) -> list[str]:
        return sorted(document["kind"] for document in self.documents)

    @property
    def pod(self) -> dict[str, Any]:
        pod: dict[str, Any] = self.one("Deployment")["spec"]["template"]
        return pod

    @property
    def container(self) -> dict[str, Any]:
        [container] = self.pod["spec"]["containers"]
        return dict(container)

    @property
    def configuration(self) -> str:
        """The text of carillon.yaml."""
        return str(self.one("ConfigMap")["data"]["carillon.yaml"])

    def write_to(self, folder: Path) -> Path:
        file = folder / "carillon.yaml"
        file.write_text(self.configuration)
        return file
