// A policy that calls what gingham.js has of the contract, and logs what it sees.

import {
  Denied, Exhausted, InvalidConfig, Pool, Refused, TryAgain, Unavailable, leases, log, reservations, shares, state,
} from "./gingham.js";

const V4 = "10.32.0.0/24";
const V6 = "fd00:32::/64";

const plain = (_, value) => (value === undefined ? "(unknown)" : typeof value === "bigint" ? `${value}n` : value);
const say = (what, ...values) => log.info(what, JSON.stringify(values, plain));

export function checkConfig(config, context) {
  say("check-config", context.networkName, context.nodeName);
  if (!("range" in config)) {
    const message = "is missing: use an address and a prefix length";
    throw new InvalidConfig([{ key: "range", message }, { key: "range6", message }]);
  }
  const v4 = new Pool("v4")
    .range({ prefix: V4, first: "10.32.0.0", last: "10.32.0.127", gateway: "10.32.0.1", allowsNetworkAddress: true })
    .range({ prefix: V4, first: "10.32.0.128", last: "10.32.0.239", draining: true })
    .range({ prefix: V4, first: "10.32.0.240", last: "10.32.0.255", allowsBroadcastAddress: true });
  return [v4, new Pool("v6").range({ prefix: V6 })];
}

export function allocate(config, _pools, request) {
  seenOfRequest(request);
  const kind = request.argsLabel("refuse");
  if (kind !== null) throw refusal(kind);
  seenOfLeases();
  useState(config);
  say("shares", shares.me(), shares.members(), shares.claimed(), shares.unclaimedCount(V4));
  say("blocks", shares.nextUnclaimed(V4, "10.32.0.32"), shares.holder("10.32.0.17"), shares.holder("10.32.0.70"));
  return {
    addresses: [
      { address: `${choose(request.argsLabel("key") ?? "nobody", request)}/24`, gateway: "10.32.0.1" },
      { address: `${leases.nextFree(V6)}/64` },
    ],
    routes: [
      { dst: "10.96.0.0/12", gw: "10.32.0.1", mtu: 1400, advmss: 1360, priority: 7, table: 100, scope: 0 },
      { dst: "::/0" },
    ],
    dns: {
      nameservers: ["10.96.0.10"], domain: "cluster.local", search: ["shop.svc.cluster.local"], options: ["ndots:5"],
    },
    reason: `chosen for ${request.containerId}`,
  };
}

function refusal(kind) {
  const message = "as the label says";
  switch (kind) {
    case "exhausted": return new Exhausted(message);
    case "unavailable": return new Unavailable(message);
    case "try-again": return new TryAgain(message);
    case "try-again-later": return new TryAgain(message, 1500);
    case "denied": return new Denied(message);
    case "invalid-config": return new InvalidConfig("range", message);
    default: return new Refused(message);
  }
}

function seenOfRequest(request) {
  const { context } = request;
  say("node", context.nodeLabel("zone"), context.nodeLabels);
  say("requester", request.requester, request.containerId, request.interfaceName);
  say("pod", request.podNamespace, request.podName, request.podUid, request.serviceAccount, request.owner);
  say("key a", request.podLabel("a"), request.podAnnotation("a"), request.namespaceLabel("a"), request.namespaceAnnotation("a"));
  say("all", request.podLabels, request.podAnnotations, request.namespaceLabels, request.namespaceAnnotations);
  say("arguments", request.cniArg("KEY"), request.cniArgs, request.argsLabel("key"), request.argsLabels);
  say("wanted", request.requestedAddresses, request.mac, request.resolvConf, request.now, request.seed, Math.random());
}

function seenOfLeases() {
  say("counts", leases.usedCount(V4), leases.freeCount(V4), leases.countOfNamespace("shop"));
  say("free", [...leases.freeRanges(V4)]);
  const states = ["10.32.0.0", "10.32.0.1", "10.32.0.2", "10.32.0.7", "10.32.0.9", "10.32.0.130", "192.0.2.1"];
  say("states", states.map(leases.state));
  for (const lease of leases.list(V4)) {
    const { address, containerId, interfaceName, since, podNamespace, podName, reason } = lease;
    say("lease", address, containerId, interfaceName, since, podNamespace, podName, reason);
  }
  say("shop", [...leases.ofNamespace("shop")].map(({ address }) => address), leases.holder("10.32.0.2")?.containerId);
  const last = leases.lastHolder("10.32.0.2");
  if (last) say("last", last.containerId, last.interfaceName, last.podNamespace, last.podName, last.freedAt);
}

function useState(config) {
  const times = (state.get("times") ?? 0) + 1;
  say("time", times, fault(() => state.set("", 1)), fault(() => state.set("long", "x".repeat(70_000))));
  state.set("times", times);
  state.set(`at/${times}`, config);
  state.delete("at/2");
  say("keys", [...state.keys("at/")]);
}

function fault(call) {
  try {
    return call();
  } catch (error) {
    return `${error.code}`;
  }
}

function choose(key, request) {
  for (const { key: name, address, until } of reservations.find(key)) {
    say("reserved", name, address, until);
    reservations.reserve(key, address, 60);
    return address;
  }
  const chosen = request.requestedAddresses[0] ?? leases.nextFree(V4);
  if (chosen === null) throw new Exhausted("v4: no address is free");
  say("on it", reservations.onAddress(chosen)?.key);
  const tries = [["", chosen], [key, "192.0.2.1"], ["other", "10.32.0.9"], [key, "10.32.0.9"]];
  say("reservations", tries.map(([name, address]) => fault(() => reservations.reserve(name, address, 60))));
  if (key === "ends") reservations.end("other");
  return chosen;
}

export function release(_config, context, ended) {
  const { containerId, interfaceName, addresses, podNamespace, podName, now } = ended;
  say("ended", context.nodeName, containerId, interfaceName, addresses, podNamespace, podName, now);
  for (const address of addresses) say("kept", fault(() => reservations.reserve("kept", address, 60)));
}

export function adopt(_config, context, adopted) {
  say("adopted", context.networkName, [...adopted.addresses()], adopted.lastReserved, adopted.now);
}

export function blocks(config) {
  if ("offGrid" in config) throw new InvalidConfig("offGrid", "there is no grid");
  return [{ range: V4, blockLength: 28 }, { range: V6, blockLength: 80 }];
}

export function share(_config, members, member) {
  const at = members.indexOf(member);
  if (at < 0) throw new Denied(`${member} is not a member`);
  return at === 0 ? ["10.32.0.0-10.32.0.127", V6] : ["10.32.0.128-10.32.0.255"];
}

export function nextBlock(_config, _context, grid) {
  const block = shares.nextUnclaimed(grid === 0 ? V4 : V6);
  if (block === null) throw new Exhausted("every block is claimed");
  return block;
}
