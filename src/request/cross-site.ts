import type { IncomingMessage } from "node:http";

/** What a cross-site check is made of. */
export interface CrossSiteOptions {
  /** The application's own origin. */
  readonly origin: string;
  /** Further origins; one `*` may stand for one label. */
  readonly trustedOrigins: readonly string[];
}

const SAFE_METHODS: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether the method promises to change nothing (RFC 9110 section 9.2.1), and no protocol is switched. */
export function isSafeMethod(request: IncomingMessage): boolean {
  return SAFE_METHODS.has(request.method) && request.headers.upgrade === undefined;
}

/** Knows the origins that may send requests, and read the answers. */
export interface OriginCheck {
  /** Whether another site made the browser send this. Ask it where {@link isSafeMethod} says no. */
  isCrossSite(request: IncomingMessage): boolean;
  /** Whether the origin is one of `trustedOrigins`. */
  isTrusted(origin: string): boolean;
}

/** Makes the check: the algorithm of Go's `http.CrossOriginProtection`, with `baseUrl` in place of the `Host` header. */
export function createOriginCheck(options: CrossSiteOptions): OriginCheck {
  const exact = new Set(options.trustedOrigins.filter((origin) => !origin.includes("*")));
  const patterns = options.trustedOrigins.filter((origin) => origin.includes("*")).map(toPattern);
  const isTrusted = (origin: string): boolean =>
    exact.has(origin) || patterns.some((pattern) => pattern.test(origin));

  return {
    isTrusted,
    isCrossSite({ headers }) {
      const site = headers["sec-fetch-site"];
      const { origin } = headers;
      if (site === "same-origin" || site === "none") return false;
      if (origin === undefined) return site !== undefined;
      return !isTrusted(origin) && (site !== undefined || origin !== options.origin);
    },
  };
}

function toPattern(origin: string): RegExp {
  const [before = "", after = ""] = origin
    .split("*")
    .map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`));
  return new RegExp(`^${before}[a-z0-9-]+${after}$`, "i");
}
