/** Prints how many tests passed and failed, from jest's JSON report; fails if any did, or if there were none. */
import { readFileSync } from "node:fs";

const NOTHING_RAN = { numPassedTests: 0, numFailedTests: 0, numRuntimeErrorTestSuites: 0 };

const text = readFileSync(process.argv[2], "utf8");
const report = text === "" ? NOTHING_RAN : JSON.parse(text);
const passed = report.numPassedTests;
// A test file that could not be loaded has no tests that could fail.
const failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
