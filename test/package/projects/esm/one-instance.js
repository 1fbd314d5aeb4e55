import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { exports: subpaths } = require("orgate/package.json");
const names = Object.keys(subpaths).filter((subpath) => subpath !== "./package.json");

for (const name of names.map((subpath) => `orgate${subpath.slice(1)}`)) {
  const required = require(name);
  const imported = await import(name);
  assert.deepEqual(Object.keys(required).toSorted(), Object.keys(imported).toSorted(), name);
  for (const [key, value] of Object.entries(imported)) assert.equal(required[key], value, `${name}: ${key}`);
}
console.log(`one instance: ok, ${names.length} subpaths`);
