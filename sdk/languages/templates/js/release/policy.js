// The policy @NAME@: a pod that comes back within `keepSeconds` gets its address again.
//
//   "ipam": {"type": "gingham", "policy": "@NAME@", "subnet": "10.1.0.0/24", "keepSeconds": 600}

import { Pool, leases, log, read, reservations } from "./gingham.js";

/** @type {import("./gingham.js").Policy<any>["checkConfig"]} */
export function checkConfig(config) {
  read.number(config, "keepSeconds", 600);
  return [new Pool("subnet").subnet(read.prefix(config, "subnet"))];
}

/** @type {import("./gingham.js").Policy<any>["allocate"]} */
export function allocate(config, [pool], request) {
  const pod = keyOf(request);
  const kept = pod && findKept(config, request, pod);
  return kept ? { addresses: [kept], reason: `kept for ${pod}` } : pool.take(request);
}

/** @type {import("./gingham.js").Policy<any>["release"]} */
export function release(config, _context, ended) {
  const pod = keyOf(ended);
  if (pod) for (const address of ended.addresses) keep(config, pod, address);
}

/** The key of a pod's reservation. Undefined for a container without a pod. */
export function keyOf({ podNamespace, podName }) {
  return podNamespace && podName ? `${podNamespace}/${podName}` : undefined;
}

/** The address kept for the pod, if the request may have it. Another container of the pod may still hold it. */
function findKept(config, { requestedAddresses: requested }, pod) {
  for (const { address } of reservations.find(pod)) {
    if (requested.length > 0 && !requested.includes(address)) continue;
    // An answer may have a reserved address only if the same call reserves it again, under the same key.
    keep(config, pod, address);
    if (leases.isFree(address)) return address;
  }
}

/** Without it another pod may get the address, which is no reason to fail. */
function keep(config, pod, address) {
  try {
    reservations.reserve(pod, address, read.number(config, "keepSeconds", 600));
  } catch (error) {
    log.warn(`cannot reserve ${address} for ${pod}: ${error.message}`);
  }
}
