// What every policy finds: `console`, `Math.random`, `gingham` (the host), and the objects that its functions receive.
(function (host) {
  "use strict";

  const asleep = "this calls the host, which answers only during a request: move it into a function of the policy";
  const live = (call) => (...given) => {
    if (!host.isServing()) throw new Error(asleep);
    return call(...given);
  };

  const shown = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return `${value.name}: ${value.message}`;
    const plain = (_, inner) => (typeof inner === "bigint" ? String(inner) : inner);
    return typeof value === "object" ? (JSON.stringify(value, plain) ?? String(value)) : String(value);
  };
  const line = (level) => live((...values) => host.log(level, values.map(shown).join(" ")));
  const write = { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
  globalThis.console = { ...write, log: write.info, trace: write.debug };

  // 53 bits, as a number of JavaScript has.
  Math.random = () => Number(host.random() >> 11n) * 2 ** -53;

  const within = (range) => (typeof range === "string" ? range : `${range.first}-${range.last}`);
  const above = (address) => address ?? null;
  function* each(next) {
    for (let item = next(); item !== undefined && item !== null; item = next()) yield item;
  }
  // What the host keeps, with properties that ask it when they are read.
  const kept = (ask, properties) => {
    class Kept {
      #native;
      constructor(native) {
        this.#native = native;
      }
      static read(object, name) {
        return ask(object.#native, name);
      }
    }
    for (const name of properties) {
      Object.defineProperty(Kept.prototype, name, { get() { return Kept.read(this, name); }, enumerable: true });
    }
    return (native) => (native === null ? null : new Kept(native));
  };
  const lease = kept(host.lease, ["address", "containerId", "interfaceName", "since", "podNamespace", "podName", "reason"]);
  const former = kept(host.formerHolder, ["containerId", "interfaceName", "podNamespace", "podName", "freedAt"]);
  function* eachLease(next) {
    for (const native of each(next)) yield lease(native);
  }
  const done = (name, fault) => {
    if (fault) throw Object.assign(new Error(fault[1]), { name, code: fault[0] });
  };

  globalThis.gingham = {
    log: write,
    random: host.random,
    leases: {
      nextFree: live((range, after) => host.nextFree(within(range), above(after))),
      state: live((address) => host.addressState(address)),
      isFree: live((address) => host.addressState(address) === "free"),
      holder: live((address) => lease(host.holder(address))),
      lastHolder: live((address) => former(host.lastHolder(address))),
      usedCount: live((range) => host.usedCount(within(range))),
      freeCount: live((range) => host.freeCount(within(range))),
      list: live((range) => eachLease(host.leases(within(range)))),
      ofNamespace: live((namespace) => eachLease(host.leasesOfNamespace(namespace))),
      countOfNamespace: live((namespace) => host.countOfNamespace(namespace)),
      freeRanges: live((range) => each(host.freeRanges(within(range)))),
    },
    state: {
      get: live((key) => {
        const text = host.stateText(key);
        return text === null ? undefined : JSON.parse(text);
      }),
      set: live((key, value) => done("StateError", host.setStateText(key, JSON.stringify(value)))),
      getBytes: live((key) => host.stateBytes(key) ?? undefined),
      setBytes: live((key, bytes) => done("StateError", host.setStateBytes(key, Array.from(bytes)))),
      delete: live((key) => host.deleteState(key)),
      keys: live((prefix = "") => each(host.stateKeys(prefix))),
    },
    reservations: {
      find: live((key) => host.reservations(key)),
      onAddress: live((address) => host.reservationOn(address)),
      reserve: live((key, address, seconds) => done("ReservationError", host.reserve(key, address, seconds))),
      end: live((key) => host.endReservations(key)),
    },
    shares: {
      me: live(() => host.me()),
      members: live(() => host.members()),
      nextUnclaimed: live((range, after) => host.nextUnclaimed(within(range), above(after))),
      unclaimedCount: live((range) => host.unclaimedCount(within(range))),
      claimed: live(() => host.claimed()),
      holder: live((address) => host.blockHolder(address)),
    },
  };

  // An object whose properties and methods ask the host when they are read.
  const object = (ask, properties, methods = []) => {
    const made = {};
    for (const name of properties) Object.defineProperty(made, name, { get: () => ask(name), enumerable: true });
    for (const name of methods) made[name] = (key) => ask(name, String(key));
    return made;
  };
  const context = object(host.context, ["networkName", "nodeName", "nodeLabels"], ["nodeLabel"]);
  const request = object(
    host.request,
    ["requester", "containerId", "interfaceName", "podNamespace", "podName", "podUid", "serviceAccount", "owner",
      "podLabels", "podAnnotations", "namespaceLabels", "namespaceAnnotations", "cniArgs", "argsLabels",
      "requestedAddresses", "mac", "resolvConf", "now", "seed"],
    ["podLabel", "podAnnotation", "namespaceLabel", "namespaceAnnotation", "cniArg", "argsLabel"],
  );
  request.context = context;
  const ended = object(
    host.ended,
    ["containerId", "interfaceName", "addresses", "podNamespace", "podName", "now"],
  );
  const adopted = object(host.adopted, ["lastReserved", "now"]);
  adopted.addresses = function* () {
    for (let page = host.adopted("addresses"); page.length > 0; page = host.adopted("addresses", page.at(-1))) yield* page;
  };

  const json = (value) => JSON.stringify(value) ?? "null";
  const text = (value) => (value instanceof Promise ? value.then(json) : json(value));

  // What the host calls, for the functions that this policy exports.
  return (policy) => {
    let config, pools;
    const declared = (value) => {
      pools = value;
      return json(value);
    };
    const calls = {
      checkConfig: ([given]) => {
        config = given;
        const value = policy.checkConfig(config, context);
        return value instanceof Promise ? value.then(declared) : declared(value);
      },
      allocate: () => text(policy.allocate(config, pools, request)),
      release: () => text(policy.release(config, context, ended)),
      adopt: () => text(policy.adopt(config, context, adopted)),
      blocks: () => text(policy.blocks(config, context)),
      share: ([given, members, member]) => text(policy.share(given, members, member)),
      nextBlock: ([grid]) => text(policy.nextBlock(config, context, grid)),
    };
    const names = Object.keys(calls).filter((name) => typeof policy[name] === "function");
    const missing = ["checkConfig", "allocate"].filter((name) => !names.includes(name));
    if (missing.length > 0) throw new TypeError(`the policy exports no function ${missing.join(" and no ")}`);
    const cluster = ["blocks", "share", "nextBlock"].filter((name) => names.includes(name));
    if (cluster.length === 1 || cluster.length === 2) {
      throw new TypeError(`a cluster policy exports blocks, share and nextBlock; this one exports ${cluster.join(" and ")}`);
    }
    return { names, ...calls };
  };
})
