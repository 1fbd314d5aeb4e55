const assert = require("node:assert/strict");
const main = require("orgate");
const core = require("orgate/core");
const { isOrgateError } = main;

for (const [name, value] of Object.entries(core)) assert.equal(main[name], value, name);
assert.ok(isOrgateError(new core.OrgateError("unauthenticated")));
const format = require.resolve("orgate").includes("/cjs/") ? "CommonJS" : "ES modules";
console.log(`shared state: ok, from ${format}`);
