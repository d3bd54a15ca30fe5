// The policy @NAME@: nodes of a cluster share a range; each claims the first unclaimed block when it needs one.
//
//   "ipam": {"type": "gingham", "policy": "@NAME@", "range": "10.32.0.0/16", "blockSize": 24, "cluster": {...}}

import { Exhausted, InvalidConfig, Pool, family, read, shares } from "./gingham.js";

/** @type {import("./gingham.js").Policy<any>["checkConfig"]} */
export function checkConfig(config) {
  gridOf(config);
  return [new Pool("range").subnet(config.range)];
}

/**
 * Only addresses of blocks that this node holds are free.
 * @type {import("./gingham.js").Policy<any>["allocate"]}
 */
export function allocate(_config, [pool], request) {
  return pool.take(request);
}

/** @type {import("./gingham.js").Policy<any>["blocks"]} */
export function blocks(config) {
  return [gridOf(config)];
}

/**
 * Every node prefers the whole range: first come, first served.
 * @type {import("./gingham.js").Policy<any>["share"]}
 */
export function share(config) {
  return [config.range];
}

/** @type {import("./gingham.js").Policy<any>["nextBlock"]} */
export function nextBlock(config) {
  const block = shares.nextUnclaimed(config.range);
  if (block === null) throw new Exhausted(`all blocks of ${config.range} are claimed`);
  return block;
}

/** The range in blocks. */
export function gridOf(config) {
  const range = read.prefix(config, "range");
  const blockLength = read.number(config, "blockSize", 24);
  const [shortest, longest] = [Number(range.split("/")[1]), family(range) === 4 ? 32 : 128];
  if (blockLength < shortest || blockLength > longest) {
    const lengths = `from ${shortest} to ${longest}, not ${blockLength}`;
    throw new InvalidConfig("blockSize", `a block of ${range} has a prefix length ${lengths}`);
  }
  return { range, blockLength };
}
