import type { ConfigurationProblem } from "../errors.ts";

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * Says what is wrong with the address of a service, as an option named `option`.
 *
 * It must be absolute, https or on this machine, without a user name, a query or a fragment. Nothing of it is quoted.
 */
export function findEndpointProblem(option: string, address: unknown): ConfigurationProblem | undefined {
  if (typeof address !== "string" || !URL.canParse(address)) {
    return invalid(option, "is not an absolute URL.", 'Pass one like "https://api.example.com".');
  }
  const url = new URL(address);
  if (!isConfidential(url)) {
    return invalid(option, "is neither https nor on this machine.", "Secrets travel over it: use https.");
  }
  const { username, password, search, hash } = url;
  return username + password + search + hash === ""
    ? undefined
    : invalid(option, "holds more than an origin and a path.", "Leave out user name, query and fragment.");
}

/** Whether what travels to a URL is read by nobody on the way: https, or this very machine. */
export function isConfidential({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname));
}

function invalid(option: string, message: string, suggestion: string): ConfigurationProblem {
  return { code: "option_invalid", option, message, suggestion };
}
