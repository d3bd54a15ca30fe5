// What a policy in JavaScript uses of Gingham: refusals, pools, addresses, and the host's answers about leases.
// `ginghamctl policy new` wrote this file. It runs in a policy and, apart from what calls the host, in Node.js.

/** Why a request is not granted. Throw one; its message is a sentence for the operator. */
export class Refusal extends Error {
  constructor(refusal, message) {
    super(message);
    this.name = new.target.name;
    this.refusal = refusal;
  }
}

/** No address is left. The host may then let a cooling one count as free and call again. */
export class Exhausted extends Refusal {
  constructor(message) {
    super("exhausted", message);
  }
}

/** A requested address is not available. */
export class Unavailable extends Refusal {
  constructor(message) {
    super("unavailable", message);
  }
}

/** Not now: the runtime may try again, after so many milliseconds if the policy knows. */
export class TryAgain extends Refusal {
  constructor(message, afterMs) {
    super("try-again", message);
    this.afterMs = afterMs;
  }
}

/** This request must not have an address here. */
export class Denied extends Refusal {
  constructor(message) {
    super("denied", message);
  }
}

/** Anything else. */
export class Refused extends Refusal {
  constructor(message) {
    super("other", message);
  }
}

/** The configuration is at fault: a key and what to do, or a list of `{ key, message }`. */
export class InvalidConfig extends Refusal {
  constructor(key, message) {
    const problems = Array.isArray(key) ? key : [{ key, message }];
    super("invalid-config", problems.map((problem) => `${problem.key}: ${problem.message}`).join("; "));
    this.problems = problems;
  }
}

// ---- the host ----

const absent = (name) => () => {
  throw new Error(`${name} calls the host: try it with a case, by ginghamctl policy test`);
};
const nowhere = new Proxy({}, { get: (_, area) => new Proxy({}, { get: (_, name) => absent(`${area}.${name}`) }) });

/** The leases of this network, its reservations, this policy's state, the cluster, and lines for the operator. */
export const { leases, reservations, state, shares, log } = globalThis.gingham ?? nowhere;

/** Numbers that follow from the request's seed: the same request draws the same ones. */
export const random = {
  /** 64 bits. */
  next: globalThis.gingham?.random ?? absent("random.next"),
  /** A number below `bound`, each as likely as the other; a bigint if `bound` is one. */
  below(bound) {
    const drawn = (random.next() * BigInt(bound)) >> 64n;
    return typeof bound === "bigint" ? drawn : Number(drawn);
  },
  /** An address of the range; beyond 2^64 of them, one of the lowest 2^64. */
  address(range) {
    const most = 2n ** 64n - 1n;
    const count = size(range);
    return nth(range, random.below(count < most ? count : most));
  },
};

/** A hash that will never change (FNV-1a, 64 bits), for policies that derive addresses from names. */
export function stableHash(text) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of utf8(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash;
}

function* utf8(text) {
  for (const character of encodeURIComponent(text).matchAll(/%([0-9A-F]{2})|(.)/g)) {
    yield character[1] === undefined ? character[2].charCodeAt(0) : Number.parseInt(character[1], 16);
  }
}

// ---- addresses: texts, as "10.1.0.5" and "fd00::5"; a range is "10.1.0.0/24", "10.1.0.5-10.1.0.9" or one address ----

const bitsOf = (family) => (family === 4 ? 32 : 128);

function ofIPv4(text) {
  const parts = text.split(".");
  const sound = parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
  return sound ? parts.reduce((number, part) => number * 256n + BigInt(part), 0n) : undefined;
}

function ofIPv6(text) {
  const groups = (part) => (part === "" ? [] : part.split(":"));
  const halves = text.split("::");
  const [before, after] = [groups(halves[0]), groups(halves[1] ?? "")];
  const missing = 8 - before.length - after.length;
  if (halves.length > 2 || (halves.length === 2 ? missing < 1 : missing !== 0)) return undefined;
  const all = [...before, ...Array(halves.length === 2 ? missing : 0).fill("0"), ...after];
  if (!all.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return all.reduce((number, group) => number * 65536n + BigInt(`0x${group}`), 0n);
}

function parsed(text) {
  const family = String(text).includes(":") ? 6 : 4;
  const number = family === 4 ? ofIPv4(String(text)) : ofIPv6(String(text));
  if (number === undefined) throw new TypeError(`${JSON.stringify(text)} is not an IP address`);
  return { family, number };
}

function written({ family, number }) {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => (number >> shift) & 255n).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => ((number >> BigInt(112 - 16 * index)) & 65535n).toString(16));
  const longest = (groups.join(":").match(/\b0(:0)+\b/g) ?? []).reduce((best, run) => (run.length > best.length ? run : best), "");
  if (longest === "") return groups.join(":");
  const at = groups.join(":").search(new RegExp(`\\b${longest}\\b`));
  const text = groups.join(":");
  return `${text.slice(0, at).replace(/:$/, "")}::${text.slice(at + longest.length).replace(/^:/, "")}`;
}

function ends(range) {
  if (typeof range !== "string") return [parsed(range.first), parsed(range.last)];
  const [address, length] = range.split("/");
  if (length === undefined) return (range.includes("-") ? range.split("-", 2) : [range, range]).map(parsed);
  const { family, number } = parsed(address);
  const hostBits = BigInt(bitsOf(family)) - (/^\d{1,3}$/.test(length) ? BigInt(length) : 999n);
  if (hostBits < 0n) throw new TypeError(`${JSON.stringify(range)} is not a prefix`);
  const base = (number >> hostBits) << hostBits;
  return [{ family, number: base }, { family, number: base + (1n << hostBits) - 1n }];
}

/** The first address of a range. */
export const first = (range) => written(ends(range)[0]);

/** The last address of a range. */
export const last = (range) => written(ends(range)[1]);

/** How many addresses a range has, as a bigint. */
export function size(range) {
  const [low, high] = ends(range);
  return high.number - low.number + 1n;
}

/** The address that lies so many addresses above the range's first one. Undefined behind the last one. */
export function nth(range, offset) {
  const [low, high] = ends(range);
  const number = low.number + BigInt(offset);
  return number >= low.number && number <= high.number ? written({ family: low.family, number }) : undefined;
}

/** How many addresses lie below this one in the range, as a bigint. Undefined if it lies outside. */
export function indexOf(range, address) {
  const [low, high] = ends(range);
  const { family, number } = parsed(address);
  return family === low.family && number >= low.number && number <= high.number ? number - low.number : undefined;
}

/** Whether an address lies in a range. */
export const contains = (range, address) => indexOf(range, address) !== undefined;

/** 4 or 6. */
export const family = (address) => parsed(String(address).split(/[-/]/)[0]).family;

// ---- pools ----

const states = {
  cooling: "cooling after its last use",
  excluded: "excluded by the configuration",
  draining: "in a range that is drained",
  unusable: "a network, broadcast or gateway address",
  outside: "in no pool",
};

/** A set of ranges from which a container gets at most one address. */
export class Pool {
  /** The name is for messages. */
  constructor(name) {
    this.name = name;
    this.ranges = [];
  }

  /** Adds a whole network: all but its network and broadcast address; the gateway is the first of them. */
  subnet(prefix, options = {}) {
    const gateway = size(prefix) >= 4n ? nth(prefix, 1) : undefined;
    return this.range({ prefix, gateway, ...options });
  }

  /** Adds a range: `{ prefix, first, last, gateway, allowsNetworkAddress, allowsBroadcastAddress, draining }`. */
  range({ prefix, ...options }) {
    this.ranges.push({ prefix, first: first(prefix), last: last(prefix), ...options });
    return this;
  }

  /** The range that an address lies in. */
  find(address) {
    return this.ranges.find((range) => contains(range, address));
  }

  /** The lowest free address of the first range that has one, or null. */
  firstFree() {
    for (const range of this.ranges) {
      const found = leases.nextFree(range);
      if (found !== null) return found;
    }
    return null;
  }

  /** The first free address after `last` in the pool's order, from the start again behind its end, or null. */
  nextFreeAfter(last) {
    const at = last == null ? -1 : this.ranges.findIndex((range) => contains(range, last));
    if (at < 0) return this.firstFree();
    const here = this.ranges[at];
    const found = leases.nextFree(here, last);
    if (found !== null) return found;
    for (const range of [...this.ranges.slice(at + 1), ...this.ranges.slice(0, at)]) {
      const found = leases.nextFree(range);
      if (found !== null) return found;
    }
    return leases.nextFree({ first: here.first, last });
  }

  /** The first address of this pool that the runtime asks for by name, or null. Throws `Unavailable` if it is not free. */
  requested(request) {
    const wanted = request.requestedAddresses.find((address) => this.find(address) !== undefined);
    if (wanted === undefined) return null;
    const is = leases.state(wanted);
    if (is === "free") return wanted;
    throw new Unavailable(`requested IP address ${wanted} is not available: it is ${states[is] ?? is}`);
  }

  /** The address that the runtime asks for by name, otherwise the lowest free one. Throws `Exhausted` if none is. */
  take(request) {
    const taken = this.requested(request) ?? this.firstFree();
    if (taken === null) throw this.exhausted();
    return taken;
  }

  /** The refusal for an empty pool. */
  exhausted() {
    const ranges = this.ranges.map((range) => `${range.first}-${range.last}`);
    return new Exhausted(`no IP addresses available in pool ${this.name}: ${ranges.join(",")}`);
  }
}

// ---- the configuration ----

function value(config, key, fallback, isSound, expected) {
  const found = config[key] ?? fallback;
  if (found === undefined) throw new InvalidConfig(key, `found nothing, expected ${expected}`);
  if (!isSound(found)) throw new InvalidConfig(key, `found ${JSON.stringify(found)}, expected ${expected}`);
  return found;
}

function sound(check) {
  return (text) => {
    try {
      return typeof text === "string" && check(text);
    } catch {
      return false;
    }
  };
}

/** Reads keys of the configuration. What is missing or wrong becomes an `InvalidConfig`, unless there is a fallback. */
export const read = {
  prefix: (config, key, fallback) =>
    value(config, key, fallback, sound((text) => text.includes("/") && size(text) > 0n), 'a prefix such as "10.1.0.0/24"'),
  address: (config, key, fallback) =>
    value(config, key, fallback, sound((text) => Boolean(parsed(text))), 'an address such as "10.1.0.1"'),
  number: (config, key, fallback) => value(config, key, fallback, (number) => typeof number === "number", "a number"),
  text: (config, key, fallback) => value(config, key, fallback, (text) => typeof text === "string", "a text"),
};
