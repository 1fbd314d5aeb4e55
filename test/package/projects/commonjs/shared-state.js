const assert = require("node:assert/strict");
const main = require("orgate");
const core = require("orgate/core");
const { isOrgateError } = main;

for (const [name, value] of Object.entries(core)) assert.equal(main[name], value, name);
assert.ok(isOrgateError(new core.OrgateError("unauthenticated")));
import("orgate").then((imported) => {
  for (const [name, value] of Object.entries(imported)) assert.equal(main[name], value, name);
  console.log("shared state: ok");
});
