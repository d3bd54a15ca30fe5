// What the pod's name says is what the tests look at.

import { Denied, Pool, TryAgain, contains, first, last, leases, nth, random, read, reservations, size, stableHash, state } from "./gingham.js";
import { lengthOf } from "./lib/helper.js";

export function checkConfig(config) {
  if (config.mode === "random") Math.random();
  if (config.mode === "time") new Date();
  return [new Pool("subnet").subnet(read.prefix(config, "subnet"))];
}

function deeper(depth) {
  return depth === 0 ? 0 : 1 + deeper(depth - 1);
}

export async function allocate(config, [pool], request) {
  let reason;
  switch (request.podName) {
    case "throws":
      return lengthOf(undefined);
    case "throws-text":
      throw "a text";
    case "recursion":
      return deeper(100_000);
    case "denied":
      throw new Denied("not this one");
    case "try-again":
      throw new TryAgain("later", 1500);
    case "nothing":
      return;
    case "outside":
      return "192.0.2.1";
    case "misspelt":
      return { adresses: [pool.take(request)] };
    case "never-settles":
      return new Promise(() => {});
    case "prints":
      console.log("a text", 7, { a: [1, 2] }, null, undefined);
      console.warn("careful");
      break;
    case "draws":
      reason = `${Math.random()} ${random.below(1000)} ${random.address(config.subnet)} ${new Date().toISOString()} ${Date.now()} ${request.now}`;
      break;
    case "state-errors":
      reason = [["", 1], ["long", "x".repeat(70_000)]].map(([key, value]) => fault(() => state.set(key, value))).join("; ");
      break;
    case "asks":
      reason = asked(config, request).join("; ");
      break;
  }
  return { addresses: [pool.take(request)], reason };
}

function fault(call) {
  try {
    return call();
  } catch (error) {
    return `${error.name} ${error.code}: ${error.message}`;
  }
}

function asked(config, request) {
  state.set("asked", { times: [1] });
  reservations.reserve("mine", "10.1.0.9", 60);
  const shown = {
    pod: [request.podNamespace, request.podName, request.podUid],
    owner: request.owner,
    label: [request.podLabel("app"), request.podLabel("none"), request.namespaceLabel("app")],
    labels: [request.podLabels, request.namespaceLabels],
    runtime: [request.requester, request.containerId, request.interfaceName, request.mac, request.cniArg("K8S_POD_NAME"), request.argsLabels],
    node: [request.context.networkName, request.context.nodeName, request.context.nodeLabel("zone")],
    leases: [...leases.list(config.subnet)].map(({ address, podName, containerId, reason }) => [address, podName, containerId, reason]),
    counts: [leases.usedCount(config.subnet), leases.freeCount(config.subnet), leases.countOfNamespace("shop")],
    states: ["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.9", "10.2.0.1"].map(leases.state),
    free: [leases.nextFree(config.subnet), leases.nextFree("10.1.0.5-10.1.0.9", "10.1.0.5"), [...leases.freeRanges(config.subnet)]],
    holder: [leases.holder("10.1.0.2")?.podName, leases.holder("10.1.0.3"), leases.lastHolder("10.1.0.3")],
    state: [state.get("asked"), state.get("none"), [...state.keys("a")]],
    reservations: [reservations.find("mine").map(({ key, address }) => [key, address]), reservations.onAddress("10.1.0.8")],
    faults: [fault(() => state.set("", 1)), fault(() => reservations.reserve("mine", "10.9.0.1", 1)), fault(() => leases.state("10.1")), fault(() => leases.nextFree("10.1.0.9-10.1.0.1"))],
    ranges: [first("10.1.0.77/24"), last("fd00::/64"), String(size("10.1.0.0/30")), nth("fd00::/64", 10n), nth("10.1.0.0/30", 4), contains("10.1.0.0/24", "10.2.0.0")],
    hash: String(stableHash("a")),
  };
  const plain = (_, value) => (value === undefined ? "(undefined)" : value);
  return Object.entries(shown).map(([name, value]) => `${name}: ${JSON.stringify(value, plain)}`);
}
