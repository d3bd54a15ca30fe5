// The policy @NAME@: the lowest free address of a subnet.
//
//   "ipam": {"type": "gingham", "policy": "@NAME@", "subnet": "10.1.0.0/24"}

import { InvalidConfig, Pool, read, size } from "./gingham.js";

/** @type {import("./gingham.js").Policy<any>["checkConfig"]} */
export function checkConfig(config) {
  const subnet = read.prefix(config, "subnet");
  if (size(subnet) < 4n) throw new InvalidConfig("subnet", `${subnet} is too small: use a /29 or larger`);
  return [new Pool("subnet").subnet(subnet)];
}

/** @type {import("./gingham.js").Policy<any>["allocate"]} */
export function allocate(_config, [pool], request) {
  const pod = request.podName ?? request.containerId;
  return { addresses: [pool.take(request)], reason: `the lowest free address, for ${pod}` };
}
