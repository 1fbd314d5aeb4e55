import { sha1Name } from "../../lib/crypto.ts";

/** A Lua function that Redis runs in one step. */
export interface RedisScript {
  readonly text: string;
  /** What `EVALSHA` calls it. */
  readonly sha: string;
}

function script(...parts: readonly string[]): RedisScript {
  const text = parts.join("\n").replaceAll(/^\s+/gm, "");
  return { text, sha: sha1Name(text) };
}

/** How a script reaches the index entries of its document. */
export type IndexMode =
  /** One node has all keys: the script writes the entries itself. */
  | "one"
  /** They lie on other nodes. The script changes nothing and answers `index` where they must be written first. */
  | "ask"
  /** They lie on other nodes and were written. */
  | "told";

/** Seconds for which clocks of several hosts may differ before an index entry is dropped, or a key is gone too early. */
export const CLOCK_MARGIN = 60;

/** Reads the document in KEYS[1] at the time ARGV[1]. A value that is not ours is left as it is. */
const READ_DOCUMENT = String.raw`
  local text = redis.call('GET', KEYS[1])
  local version, expires, size, names, body, spent
  if text then
    version, expires, size, names, body = string.match(text, '^o1 (%d+) (%S+) (%d+)([^\n]*)\n(.*)$')
    if version then
      if not tonumber(expires) or #body ~= tonumber(size) then return 'unreadable' end
    else
      spent, body = string.match(text, '^x1 (%d+)\n(.*)$')
      if not spent then return string.match(text, '^[ox]%d+ ') and 'newer' or 'unreadable' end
    end
  end
  local live = version and tonumber(ARGV[1]) < tonumber(expires)`;

/** Writes an index entry that is kept until its document expires, and drops some that have expired. */
const HINT = `
  local function hint(key, id, expires, now, ttl)
    local old = redis.call('ZRANGEBYSCORE', key, '-inf', tonumber(now) - ${CLOCK_MARGIN}, 'LIMIT', 0, 20)
    if #old > 0 then redis.call('ZREM', key, unpack(old)) end
    local known = redis.call('ZSCORE', key, id)
    if not known or tonumber(known) < tonumber(expires) then redis.call('ZADD', key, expires, id) end
    if redis.call('PTTL', key) < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
  end`;

/**
 * A write that changes nothing. A replica refuses it: one that was a primary a moment ago may have dropped its data, and would
 * list no sessions where some must be ended.
 */
const PRIMARY_ALONE = "redis.call('ZREM', KEYS[1], '')";

/**
 * The start of an index key of the same collection. KEYS[1] may carry a prefix that the client added, so that only its end is
 * known here: as many bytes as the first argument says.
 */
const INDEX_BASE = `
  local function base(tail, collection)
    return string.sub(KEYS[1], 1, -tonumber(tail) - 1) .. collection
  end`;

/** Milliseconds for which a document that was consumed is kept for the same caller, whose command the client may send twice. */
const RESEND_WINDOW = 10_000;

/** What is done to documents. */
export const DOCUMENT_SCRIPTS = {
  /** KEYS: document. */
  read: script("return redis.call('GET', KEYS[1])"),
  /** KEYS: document, indexes. ARGV: now, ttl, version, text, id, expiry. A command that is sent twice has one effect. */
  insert: script(
    HINT,
    READ_DOCUMENT,
    `if live then return version == ARGV[3] and 'done' or 'taken' end
    for i = 2, #KEYS do hint(KEYS[i], ARGV[5], ARGV[6], ARGV[1], ARGV[2]) end
    redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[2])
    return 'done'`,
  ),
  /** KEYS: document, indexes. ARGV: as for INSERT, then expected version, names, mode, tail, start of index keys. */
  replace: script(
    HINT,
    INDEX_BASE,
    READ_DOCUMENT,
    `if not live then return 'gone' end
    if version == ARGV[3] then return 'done' end
    if version ~= ARGV[7] then return 'changed' end
    if ARGV[9] == 'ask' and (names ~= ARGV[8] or tonumber(expires) < tonumber(ARGV[6])) then return 'index' end
    if ARGV[9] == 'one' then
      for i = 2, #KEYS do hint(KEYS[i], ARGV[5], ARGV[6], ARGV[1], ARGV[2]) end
      local kept = ARGV[8] .. ' '
      for name in string.gmatch(names, '%S+') do
        if not string.find(kept, ' ' .. name .. ' ', 1, true) then
          redis.call('ZREM', base(ARGV[10], ARGV[11]) .. name, ARGV[5])
        end
      end
    end
    redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[2])
    return 'done'`,
  ),
  /** KEYS: document. ARGV: now, caller, mode, id, tail, start of index keys. Returns the value and its index names. */
  consume: script(
    INDEX_BASE,
    READ_DOCUMENT,
    String.raw`if spent == ARGV[2] then return {body, ''} end
    if not live then return false end
    redis.call('SET', KEYS[1], 'x1 ' .. ARGV[2] .. '\n' .. body, 'PX', ${RESEND_WINDOW})
    if ARGV[3] == 'one' then
      for name in string.gmatch(names, '%S+') do redis.call('ZREM', base(ARGV[5], ARGV[6]) .. name, ARGV[4]) end
    end
    return {body, names}`,
  ),
  /** KEYS: document. ARGV: now, ttl, expiry, mode, id, tail, start of index keys. Returns what was done, and index names. */
  touch: script(
    HINT,
    INDEX_BASE,
    READ_DOCUMENT,
    String.raw`if not live then return {'gone', ''} end
    local later = tonumber(expires) < tonumber(ARGV[3])
    if ARGV[4] == 'ask' and later and names ~= '' then return {'index', names} end
    if ARGV[4] == 'one' and later then
      for name in string.gmatch(names, '%S+') do
        hint(base(ARGV[6], ARGV[7]) .. name, ARGV[5], ARGV[3], ARGV[1], ARGV[2])
      end
    end
    local head = 'o1 ' .. version .. ' ' .. ARGV[3] .. ' ' .. size .. names
    redis.call('SET', KEYS[1], head .. '\n' .. body, 'PX', ARGV[2])
    return {'done', ''}`,
  ),
};

/** What is done to index entries. An entry is a hint: its document decides. */
export const INDEX_SCRIPTS = {
  /** KEYS: index. ARGV: now, tail, start of document keys, index name. Returns ids and texts, and drops what is not indexed so. */
  find: script(
    INDEX_BASE,
    PRIMARY_ALONE,
    String.raw`local found = {}
    local start = base(ARGV[2], ARGV[3])
    for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf')) do
      local text = redis.call('GET', start .. id)
      local expires, size, names, at = string.match(text or '', '^o1 %d+ (%S+) (%d+)([^\n]*)\n()')
      local whole = at and tonumber(expires) and #text - at + 1 == tonumber(size)
      if not text or whole and not string.find(names .. ' ', ' ' .. ARGV[4] .. ' ', 1, true) then
        redis.call('ZREM', KEYS[1], id)
      else
        found[#found + 1] = id
        found[#found + 1] = text
      end
    end
    return found`,
  ),
  /** KEYS: index. ARGV: id, expiry, now, ttl. */
  add: script(HINT, "hint(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])"),
  /** KEYS: index. ARGV: now. */
  list: script(PRIMARY_ALONE, "return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. ARGV[1], '+inf')"),
  /** KEYS: index. ARGV: id. */
  remove: script("return redis.call('ZREM', KEYS[1], ARGV[1])"),
};

/** What is asked of a node. */
export const NODE_SCRIPTS = {
  /** KEYS: any. Shows that the node takes writes. */
  probe: script("return redis.call('SET', KEYS[1], '', 'PX', 60000)"),
  /** KEYS: any, to name the node. */
  memory: script("return redis.call('INFO', 'memory')"),
  /** KEYS: the channel's name, to name the node. ARGV: channel, text. */
  publish: script("return redis.call('PUBLISH', ARGV[1], ARGV[2])"),
};

/** Milliseconds since the epoch by Redis's clock, the one that all holders of a lease share. */
const SERVER_TIME = `
  local time = redis.call('TIME')
  local now = time[1] * 1000 + time[2] / 1000`;

/** Keeps KEYS[1] for at least so long. */
const KEEP = `
  local function keep(ttl)
    ttl = math.ceil(tonumber(ttl))
    if redis.call('PTTL', KEYS[1]) < ttl then redis.call('PEXPIRE', KEYS[1], ttl) end
  end`;

/** Wakes those who wait; nothing is sent where nobody does. */
const WAKE = `
  local function wake(channel)
    if redis.call('HDEL', KEYS[1], 'waiting') == 1 then redis.call('PUBLISH', channel, '') end
  end`;

/** Milliseconds for which a key outlives its lease, so that a holder who slept past it is recognized. */
const AFTERLIFE = 60_000;

/** What is done to leases and results. */
export const LEASE_SCRIPTS = {
  /** KEYS: lease. ARGV: owner, milliseconds. Returns the fence (grows with each lease) and the kept result; nothing if it is held. */
  acquire: script(
    SERVER_TIME,
    KEEP,
    `local held = redis.call('HMGET', KEYS[1], 'owner', 'until', 'fence', 'result', 'kept')
    local result = held[5] and tonumber(held[5]) > now and held[4] or ''
    if held[1] == ARGV[1] then return {held[3], result} end
    if held[1] and tonumber(held[2]) > now then return false end
    local fence = math.floor(now * 1000)
    if held[3] and tonumber(held[3]) >= fence then fence = tonumber(held[3]) + 1 end
    fence = string.format('%.0f', fence)
    redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'until', string.format('%.3f', now + ARGV[2]), 'fence', fence)
    keep(ARGV[2] + ${AFTERLIFE})
    return {fence, result}`,
  ),
  /** KEYS: lease. ARGV: owner, channel. */
  release: script(
    WAKE,
    `if redis.call('HGET', KEYS[1], 'owner') ~= ARGV[1] then return 0 end
    redis.call('HDEL', KEYS[1], 'owner', 'until')
    wake(ARGV[2])
    return 1`,
  ),
  /**
   * KEYS: lease. ARGV: owner, fence, result, milliseconds, channel. Without a fence it is the newest. Returns 0 where a later
   * holder has kept a result. Ends the owner's lease.
   */
  remember: script(
    SERVER_TIME,
    KEEP,
    WAKE,
    `local fence = tonumber(ARGV[2]) or math.floor(now * 1000)
    local by = redis.call('HGET', KEYS[1], 'by')
    if by and tonumber(by) > fence then return 0 end
    local kept = string.format('%.3f', now + ARGV[4])
    redis.call('HSET', KEYS[1], 'result', ARGV[3], 'kept', kept, 'by', string.format('%.0f', fence))
    if redis.call('HGET', KEYS[1], 'owner') == ARGV[1] then redis.call('HDEL', KEYS[1], 'owner', 'until') end
    keep(math.max(ARGV[4], ${AFTERLIFE}))
    wake(ARGV[5])
    return 1`,
  ),
  /** KEYS: lease. */
  recall: script(
    SERVER_TIME,
    `local held = redis.call('HMGET', KEYS[1], 'result', 'kept')
    return held[2] and tonumber(held[2]) > now and held[1]`,
  ),
  /**
   * KEYS: lease. ARGV: `wake` to be woken; else a holder that may not publish is not asked to. Returns how many milliseconds the
   * lease has left; 0 if there is nothing to wait for.
   */
  wait: script(
    SERVER_TIME,
    `local held = redis.call('HMGET', KEYS[1], 'until', 'kept')
    if held[2] and tonumber(held[2]) > now then return 0 end
    if not held[1] or tonumber(held[1]) <= now then return 0 end
    if ARGV[1] == 'wake' then redis.call('HSET', KEYS[1], 'waiting', 1) end
    return math.ceil(tonumber(held[1]) - now)`,
  ),
};
