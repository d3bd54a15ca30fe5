// `node --test` runs on this machine, without the host: leases and requests are for the cases.

import assert from "node:assert/strict";
import test from "node:test";

import { InvalidConfig } from "./gingham.js";
import { checkConfig } from "./policy.js";

test("a subnet without room is a problem", () => {
  const [pool] = checkConfig({ subnet: "10.1.0.0/24" });
  assert.deepEqual([pool.ranges[0].first, pool.ranges[0].last], ["10.1.0.0", "10.1.0.255"]);
  for (const subnet of ["10.1.0.0/31", "10.1.0.0", "10.1.0.0/33", 7, undefined]) {
    assert.throws(() => checkConfig({ subnet }), (error) => error instanceof InvalidConfig && error.problems[0].key === "subnet");
  }
});
