/** Who asks, and for how long they wait: of every operation that signs somebody in. */
export interface Origin {
  /** The browser's address, for WorkOS's own records and its bot detection. */
  readonly ipAddress?: string;
  /** The browser's `User-Agent`. */
  readonly userAgent?: string;
  /** Gives up once it aborts. */
  readonly signal?: AbortSignal;
}

/** What goes over the wire of it. */
export function clientFields({ ipAddress, userAgent }: Origin): {
  readonly ip_address: string | undefined;
  readonly user_agent: string | undefined;
} {
  return { ip_address: ipAddress, user_agent: userAgent };
}
