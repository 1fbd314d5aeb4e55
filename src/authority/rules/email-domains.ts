import { foldEmailAddress } from "../../lib/case.ts";

/** Domains below which anybody gets an address: nobody of an organization is recognised by one of them. */
const COMMON_DOMAINS: ReadonlySet<string> = new Set(
  `126.com 163.com aol.com att.net bellsouth.net bigpond.com bluewin.ch bt.com btinternet.com charter.net comcast.net
  cox.net daum.net duck.com earthlink.net fastmail.com fastmail.fm foxmail.com free.fr gmail.com gmx.at gmx.ch gmx.com
  gmx.de gmx.net googlemail.com hanmail.net hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it
  hushmail.com icloud.com inbox.com interia.pl juno.com laposte.net libero.it list.ru live.co.uk live.com live.de live.fr
  live.nl mac.com mail.com mail.ru mailbox.org me.com mindspring.com msn.com naver.com netzero.net ntlworld.com o2.pl
  onet.pl optonline.net orange.fr outlook.com outlook.de outlook.es outlook.fr passport.com pm.me posteo.de proton.me
  protonmail.com protonmail.ch qq.com rediffmail.com rocketmail.com sbcglobal.net seznam.cz sfr.fr shaw.ca sina.com sky.com
  sohu.com t-online.de talktalk.net telus.net terra.com.br tiscali.it tuta.com tuta.io tutanota.com uol.com.br verizon.net
  virgilio.it virginmedia.com wanadoo.fr web.de windowslive.com wp.pl yahoo.ca yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com
  yahoo.com.au yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru yeah.net ymail.com zoho.com`
    .trim()
    .split(/\s+/),
);

/** Returns the domain of an e-mail address in the form in which domains are compared; `undefined` for a malformed address. */
export function domainOf(emailAddress: string): string | undefined {
  const [local, domain, ...others] = emailAddress.split("@");
  if (local === undefined || local === "" || domain === undefined || others.length > 0) return undefined;
  const canonical = canonicalDomain(domain);
  // A trailing dot, an empty label or a space is no part of a domain in an address (RFC 5321 section 4.1.2).
  return canonical.split(".").some((label) => label === "") || /\s/.test(canonical) ? undefined : canonical;
}

/**
 * Writes a domain in the form in which it is compared: NFC, ASCII letters in lower case. Nothing else is folded, because letters
 * that look alike belong to another domain.
 */
function canonicalDomain(domain: string): string {
  return foldEmailAddress(domain);
}

/** Tells whether anybody gets an address below a domain. */
export function isCommonDomain(domain: string): boolean {
  return COMMON_DOMAINS.has(canonicalDomain(domain));
}

/** Tells whether an address belongs to one of an organization's domains, exactly: no subdomain, and no common mail domain. */
export function isOfDomains(emailAddress: string, domains: readonly string[]): boolean {
  const domain = domainOf(emailAddress);
  if (domain === undefined || isCommonDomain(domain)) return false;
  return domains.some((allowed) => canonicalDomain(allowed) === domain);
}
