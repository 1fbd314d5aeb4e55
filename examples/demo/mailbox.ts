/** A mail with a link. */
export interface Mail {
  readonly subject: string;
  /** A path of the demo. */
  readonly href: string;
}

const KEPT = 5;

/** Stands in for the mail: keeps the latest ones that the demo would send, for the page of whom they are for. */
export function createMailbox() {
  const mails = new Map<string, readonly Mail[]>();
  const read = (emailAddress: string): readonly Mail[] => mails.get(emailAddress.toLowerCase()) ?? [];
  return {
    read,
    send(emailAddress: string, mail: Mail): void {
      mails.set(emailAddress.toLowerCase(), [mail, ...read(emailAddress)].slice(0, KEPT));
    },
  };
}

/** The mail of the demo. */
export type Mailbox = ReturnType<typeof createMailbox>;
