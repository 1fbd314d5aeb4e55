/** Where a request goes: its path in segments, still encoded, and its query. */
export interface Target {
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

/** Takes a request target apart. A target in absolute form has a path that no route has. */
export function splitTarget(target: string): Target {
  const at = target.indexOf("?");
  const path = at < 0 ? target : target.slice(0, at);
  return { path: splitPath(path), query: new URLSearchParams(at < 0 ? "" : target.slice(at + 1)) };
}

/** The segments of a path. */
export function splitPath(path: string): readonly string[] {
  return path.split("/");
}

/** The variable segments, decoded; `undefined`: the path is another one. Compared exactly, case and slashes included. */
export function matchPath(pattern: readonly string[], path: readonly string[]): string[] | undefined {
  if (pattern.length !== path.length) return undefined;
  const variables: string[] = [];
  for (const [index, expected] of pattern.entries()) {
    const given = path[index] ?? "";
    if (expected === ":") {
      const decoded = decode(given);
      if (decoded === undefined) return undefined;
      variables.push(decoded);
    } else if (expected !== given) return undefined;
  }
  return variables;
}

function decode(segment: string): string | undefined {
  try {
    const decoded = decodeURIComponent(segment);
    return decoded === "" ? undefined : decoded;
  } catch {
    return undefined;
  }
}
