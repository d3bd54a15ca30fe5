// `node --test` runs on this machine, without the host: leases and requests are for the cases.

import assert from "node:assert/strict";
import test from "node:test";

import { InvalidConfig } from "./gingham.js";
import { gridOf } from "./policy.js";

test("a block is not larger than the range", () => {
  assert.equal(gridOf({ range: "10.32.0.0/16" }).blockLength, 24);
  assert.throws(() => gridOf({ range: "10.32.0.0/16", blockSize: 8 }), InvalidConfig);
});
