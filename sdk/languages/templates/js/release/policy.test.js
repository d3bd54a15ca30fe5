// `node --test` runs on this machine, without the host: leases and requests are for the cases.

import assert from "node:assert/strict";
import test from "node:test";

import { keyOf } from "./policy.js";

test("only pods have a key", () => {
  assert.equal(keyOf({ podNamespace: "shop", podName: "web-0" }), "shop/web-0");
  assert.equal(keyOf({ podNamespace: undefined, podName: "web-0" }), undefined);
});
