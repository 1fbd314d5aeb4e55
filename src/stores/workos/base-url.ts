import type { ConfigurationProblem } from "../../errors.ts";
import { findEndpointProblem } from "../endpoint.ts";
import type { WorkosOptions } from "./workos-options.ts";

/** Where the live service is. */
export const LIVE_API = "https://api.workos.com";
const HOSTNAME = /^(?:[\da-z](?:[\da-z.-]{0,251}[\da-z])?|\[[\da-f:.]+\])$/i;

type AddressOptions = Pick<WorkosOptions, "baseUrl" | "apiHostname" | "port" | "https" | "authDomain">;

/** Where the API is, without a trailing slash. */
export function resolveBaseUrl({ baseUrl, apiHostname, port, https = true }: AddressOptions): string {
  const host = apiHostname ?? "api.workos.com";
  const parts = `${https ? "https" : "http"}://${host}${port === undefined ? "" : `:${port}`}`;
  const { origin, pathname } = new URL(baseUrl ?? parts);
  return origin + pathname.replace(/\/+$/, "");
}

/** What is wrong with the addresses among the options. */
export function findAddressProblems(options: AddressOptions): ConfigurationProblem[] {
  const { baseUrl, apiHostname, port, https, authDomain } = options;
  const problems = [...findPartProblems(options)];
  const hasParts = [apiHostname, port, https].some((part) => part !== undefined);
  if (baseUrl !== undefined) {
    problems.push(findEndpointProblem("baseUrl", baseUrl));
    if (hasParts)
      problems.push(invalid("baseUrl", "is given twice.", "Leave out apiHostname, port and https."));
  } else if (hasParts && problems.length === 0) {
    problems.push(findEndpointProblem("apiHostname", resolveBaseUrl(options)));
  }
  if (authDomain !== undefined) problems.push(findEndpointProblem("authDomain", authDomain));
  return problems.filter((problem) => problem !== undefined);
}

function findPartProblems({
  apiHostname,
  port,
  https,
}: AddressOptions): (ConfigurationProblem | undefined)[] {
  const problems: ConfigurationProblem[] = [];
  if (apiHostname !== undefined && !(typeof apiHostname === "string" && HOSTNAME.test(apiHostname))) {
    problems.push(invalid("apiHostname", "is not a host name.", 'Pass one like "api.workos.com".'));
  }
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    problems.push(invalid("port", "is not a port.", "Pass a whole number from 1 to 65535."));
  }
  if (https !== undefined && typeof https !== "boolean") {
    problems.push(invalid("https", "is not a boolean.", "Pass true or false."));
  }
  return problems;
}

function invalid(option: string, message: string, suggestion: string): ConfigurationProblem {
  return { code: "option_invalid", option, message, suggestion };
}
