const NODE = `
  aborted addListener closed complete connection destroy destroyed emit errored eventNames getMaxListeners headers
  headersDistinct httpVersion httpVersionMajor httpVersionMinor isPaused joinDuplicateHeaders listenerCount listeners method
  off on once pause pipe prependListener prependOnceListener push rawHeaders rawListeners rawTrailers read readable
  readableAborted readableDidRead readableEnded readableEncoding readableFlowing readableHighWaterMark readableLength
  readableObjectMode removeAllListeners removeListener resume setEncoding setMaxListeners setTimeout socket statusCode
  statusMessage trailers trailersDistinct unpipe unshift upgrade url wrap
`;
const EXPRESS = `
  accepts acceptsCharsets acceptsEncodings acceptsLanguages app baseUrl body fresh get header host hostname ip ips is next
  originalUrl param params path protocol query range res route secure stale subdomains xhr
`;

const RESERVED: ReadonlySet<string> = new Set(`${NODE}${EXPRESS}`.trim().split(/\s+/));

/** Whether a request cannot do without what it has under this name already. */
export function isReservedName(name: string): boolean {
  return RESERVED.has(name) || name in Object.prototype;
}
