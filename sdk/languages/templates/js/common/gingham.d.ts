// Types of gingham.js, and of what a policy's functions receive and return.

/** "10.1.0.5" or "fd00::5". */
export type Address = string;
/** "10.1.0.0/24". */
export type Prefix = string;
/** "10.1.0.0/24", "10.1.0.5-10.1.0.9", one address, or both ends. */
export type Range = string | { first: Address; last: Address };
/** A text if the host knows it, null if there is none, undefined if the host does not know. */
export type Fact<T = string> = T | null | undefined;
export type Labels = Record<string, string>;

export interface Context {
  readonly networkName: string;
  readonly nodeName: string;
  readonly nodeLabels: Labels | undefined;
  nodeLabel(key: string): Fact;
}

export interface Request {
  readonly context: Context;
  readonly requester: "pod" | "container" | "node" | "script" | "device-claim" | (string & {});
  readonly containerId: string;
  readonly interfaceName: string;
  readonly podNamespace: Fact;
  readonly podName: Fact;
  readonly podUid: Fact;
  readonly serviceAccount: Fact;
  readonly owner: Fact<{ kind: string; name: string; uid: string }>;
  readonly podLabels: Labels | undefined;
  readonly podAnnotations: Labels | undefined;
  readonly namespaceLabels: Labels | undefined;
  readonly namespaceAnnotations: Labels | undefined;
  podLabel(key: string): Fact;
  podAnnotation(key: string): Fact;
  namespaceLabel(key: string): Fact;
  namespaceAnnotation(key: string): Fact;
  /** The runtime's arguments (CNI_ARGS). */
  readonly cniArgs: Labels;
  cniArg(key: string): string | null;
  /** The configuration's `args.cni.labels`. */
  readonly argsLabels: Labels;
  argsLabel(key: string): string | null;
  /** Grant all of them or refuse: an answer without one of them is refused. */
  readonly requestedAddresses: Address[];
  readonly mac: string | null;
  readonly resolvConf: Dns | null;
  /** Milliseconds since 1970. `Date.now()` is the same. */
  readonly now: number;
  /** `Math.random()` and `random` follow from it. */
  readonly seed: bigint;
}

export interface Ended {
  readonly containerId: string;
  readonly interfaceName: string;
  readonly addresses: Address[];
  readonly podNamespace: Fact;
  readonly podName: Fact;
  readonly now: number;
}

export interface Adopted {
  addresses(): Iterable<Address>;
  readonly lastReserved: { rangeSet: number; address: Address }[];
  readonly now: number;
}

export interface Dns {
  nameservers?: string[];
  domain?: string | null;
  search?: string[];
  options?: string[];
}

export interface Route {
  dst: Prefix;
  gw?: Address;
  mtu?: number;
  advmss?: number;
  priority?: number;
  table?: number;
  scope?: number;
}

/** An address of a pool gets the prefix length and gateway of its range. */
export type Assigned = Address | { address: Prefix; gateway?: Address };
export type Answer =
  | Address
  | Assigned[]
  | { addresses: Assigned[]; routes?: Route[]; dns?: Dns; reason?: string };

export interface Grid {
  range: Prefix;
  blockLength: number;
}

/** What `policy.js` exports. */
export interface Policy<Config> {
  checkConfig(config: Config, context: Context): Pool[];
  allocate(config: Config, pools: Pool[], request: Request): Answer;
  /** An attachment has ended, and holds its addresses no longer. */
  release?(config: Config, context: Context, ended: Ended): void;
  /** Leases of the reference host-local were adopted. */
  adopt?(config: Config, context: Context, adopted: Adopted): void;
  /** A cluster policy has these three. */
  blocks?(config: Config, context: Context): Grid[];
  share?(config: Config, members: string[], member: string): Range[];
  nextBlock?(config: Config, context: Context, grid: number): Prefix;
}

export class Refusal extends Error {}
export class Exhausted extends Refusal {
  constructor(message: string);
}
export class Unavailable extends Refusal {
  constructor(message: string);
}
export class TryAgain extends Refusal {
  constructor(message: string, afterMs?: number);
}
export class Denied extends Refusal {
  constructor(message: string);
}
export class Refused extends Refusal {
  constructor(message: string);
}
export class InvalidConfig extends Refusal {
  constructor(key: string, message: string);
  constructor(problems: { key: string; message: string }[]);
}

export interface PoolRange {
  prefix: Prefix;
  first: Address;
  last: Address;
  gateway?: Address;
  /** The network's own address may be handed out, because the configuration names it. */
  allowsNetworkAddress?: boolean;
  /** The broadcast address may be handed out, because the configuration names it. */
  allowsBroadcastAddress?: boolean;
  /** Hands out nothing new, while its leases stay valid. */
  draining?: boolean;
}

export class Pool {
  constructor(name: string);
  readonly name: string;
  readonly ranges: PoolRange[];
  subnet(prefix: Prefix, options?: Partial<PoolRange>): this;
  range(range: Partial<PoolRange> & { prefix: Prefix }): this;
  find(address: Address): PoolRange | undefined;
  firstFree(): Address | null;
  nextFreeAfter(last: Address | null | undefined): Address | null;
  requested(request: Request): Address | null;
  take(request: Request): Address;
  exhausted(): Exhausted;
}

export interface Lease {
  readonly address: Address;
  readonly containerId: string;
  readonly interfaceName: string;
  readonly since: number;
  readonly podNamespace?: string;
  readonly podName?: string;
  readonly reason?: string;
}

export interface FormerHolder {
  readonly containerId: string;
  readonly interfaceName: string;
  readonly podNamespace?: string;
  readonly podName?: string;
  readonly freedAt: number;
}

export type AddressState =
  | "free" | "leased" | "cooling" | "reserved" | "excluded" | "draining" | "unusable" | "outside" | (string & {});

export const leases: {
  nextFree(within: Range, after?: Address | null): Address | null;
  state(address: Address): AddressState;
  isFree(address: Address): boolean;
  holder(address: Address): Lease | null;
  lastHolder(address: Address): FormerHolder | null;
  usedCount(within: Range): number;
  freeCount(within: Range): number;
  list(within: Range): Iterable<Lease>;
  ofNamespace(namespace: string): Iterable<Lease>;
  countOfNamespace(namespace: string): number;
  freeRanges(within: Range): Iterable<string>;
};

/** Kept per network, committed with the answer. Values are JSON: 64 KiB each, 1 MiB in all. */
export const state: {
  get(key: string): any;
  set(key: string, value: unknown): void;
  getBytes(key: string): Uint8Array | undefined;
  setBytes(key: string, bytes: Uint8Array): void;
  delete(key: string): void;
  keys(prefix?: string): Iterable<string>;
};

export const reservations: {
  find(key: string): { key: string; address: Address; until: number }[];
  onAddress(address: Address): { key: string; address: Address; until: number } | null;
  /** Throws an error whose `code` is full, held, bad-key or not-in-pool. */
  reserve(key: string, address: Address, seconds: number): void;
  end(key: string): void;
};

export const shares: {
  me(): string;
  members(): string[];
  nextUnclaimed(within: Range, after?: Address | null): Prefix | null;
  unclaimedCount(within: Range): number;
  claimed(): Prefix[];
  holder(address: Address): string | null;
};

export const log: Record<"debug" | "info" | "warn" | "error", (...values: unknown[]) => void>;

export const random: {
  next(): bigint;
  below(bound: number): number;
  below(bound: bigint): bigint;
  address(range: Range): Address;
};

export function stableHash(text: string): bigint;
export function first(range: Range): Address;
export function last(range: Range): Address;
export function size(range: Range): bigint;
export function nth(range: Range, offset: number | bigint): Address | undefined;
export function indexOf(range: Range, address: Address): bigint | undefined;
export function contains(range: Range, address: Address): boolean;
export function family(address: Address | Range): 4 | 6;

export const read: {
  prefix(config: object, key: string, fallback?: Prefix): Prefix;
  address(config: object, key: string, fallback?: Address): Address;
  number(config: object, key: string, fallback?: number): number;
  text(config: object, key: string, fallback?: string): string;
};
