"""Who may speak to whom, by a rendering's NetworkPolicies, read as Kubernetes reads them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from tests.chart.helm import Object
from tests.chart.reading import Pod, of_kind, pods, selects


@dataclass(frozen=True)
class Peer:
    """Somebody outside the release: a pod elsewhere, or an address."""

    name: str
    namespace: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    address: str = ""


@dataclass(frozen=True)
class Network:
    """A release's pods and the policies over them."""

    objects: tuple[Object, ...]
    namespace: str = "trade"

    @classmethod
    def of(cls, objects: Iterable[Object]) -> "Network":
        return cls(tuple(objects))

    def into(self, pod: Pod, peer: Peer | Pod, port: int, protocol: str = "TCP") -> bool:
        """Whether the policies over `pod` let `peer` call that port of it."""
        return self._allows("Ingress", pod, peer, port, protocol, opened=pod)

    def out_of(self, pod: Pod, peer: Peer | Pod, port: int, protocol: str = "TCP") -> bool:
        """Whether the policies over `pod` let it call that port of `peer`."""
        opened = peer if isinstance(peer, Pod) else None
        return self._allows("Egress", pod, peer, port, protocol, opened=opened)

    def between(self, caller: Pod, called: Pod, port: int) -> bool:
        """Whether two pods of the release can talk: the one may call, the other be called."""
        return self.out_of(caller, called, port) and self.into(called, caller, port)

    def _allows(
        self, way: str, pod: Pod, peer: Peer | Pod, port: int, protocol: str, opened: Pod | None
    ) -> bool:
        over = [
            each["spec"]
            for each in of_kind(self.objects, "NetworkPolicy")
            if each["metadata"]["namespace"] == pod.namespace
            and selects(each["spec"]["podSelector"], pod.labels)
            and way in each["spec"]["policyTypes"]
        ]
        if not over:
            return True
        side = "from" if way == "Ingress" else "to"
        return any(
            self._names(rule.get(side), peer) and _opens(rule.get("ports"), port, protocol, opened)
            for spec in over
            for rule in spec.get(way.lower(), ())
        )

    def _names(self, listed: list[Object] | None, peer: Peer | Pod) -> bool:
        return not listed or any(self._is(each, peer) for each in listed)

    def _is(self, listed: Object, peer: Peer | Pod) -> bool:
        if "ipBlock" in listed:
            return isinstance(peer, Peer) and bool(peer.address) and _within(listed, peer.address)
        if isinstance(peer, Peer) and peer.address:
            return False
        own = {"kubernetes.io/metadata.name": self.namespace}
        namespace = peer.namespace if isinstance(peer, Peer) else own
        there = (
            selects(listed["namespaceSelector"], namespace)
            if "namespaceSelector" in listed
            else namespace == own
        )
        return there and selects(listed.get("podSelector", {}), peer.labels)


def _within(listed: Object, address: str) -> bool:
    block, where = listed["ipBlock"], ip_address(address)
    spared = any(where in ip_network(each) for each in block.get("except", ()))
    return where in ip_network(block["cidr"]) and not spared


def _opens(listed: list[Object] | None, port: int, protocol: str, opened: Pod | None) -> bool:
    """A port's name means what the called pod calls so; for an address it means nothing."""
    names = {
        each["name"]: each["containerPort"]
        for container in (opened.containers if opened else ())
        for each in container.get("ports", ())
    }
    return not listed or any(
        each.get("protocol", "TCP") == protocol
        and ("port" not in each or names.get(each["port"], each["port"]) == port)
        for each in listed
    )


def reachable(network: Network, ports: Iterable[int]) -> set[tuple[str, str, int]]:
    """Every (caller, called, port) within the release that works."""
    inside = pods(network.objects)
    return {
        (caller.component, called.component, port)
        for caller in inside
        for called in inside
        for port in ports
        if caller is not called and network.between(caller, called, port)
    }
