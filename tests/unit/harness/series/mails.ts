/** Mails as they lie in a mailbox. */

/** A diff that changes `a` to `b` in the first line of a file. */
export const diffOf = (path: string, before = 'a', after = 'b') =>
  `diff --git a/${path} b/${path}\n--- a/${path}\n+++ b/${path}\n@@ -1,2 +1,2 @@ int f()\n-${before}\n+${after}\n context\n`

export interface MailParts {
  id?: string
  header?: string[]
  body?: string
}

let ids = 0

/** With the line that begins a mail in a mailbox; by default it holds a patch of the file `x`. */
export function mail(subject: string, { id, header = [], body }: MailParts = {}): string {
  ids += 1
  const lines = [
    'From mboxrd@z Thu Jan  1 00:00:00 1970',
    'From: A U Thor <author@example.org>',
    `Subject: ${subject}`,
    'Date: Mon, 3 Aug 2026 10:00:00 +0200',
    `Message-ID: <${id ?? ids}@example.org>`,
    ...header,
  ]
  return `${lines.join('\n')}\n\n${body ?? `What it does.\n\n---\n${diffOf('x')}-- \n2.39.5\n`}\n`
}

/** Each byte that is not plain as `=XX`, longer lines in pieces. */
export function quotedPrintable(text: string): string {
  const bytes = [...Buffer.from(text)].map((byte) => {
    const char = String.fromCharCode(byte)
    return char === '\n' || (/[ -~]/.test(char) && char !== '=')
      ? char
      : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  })
  return bytes.join('').replace(/((?:=[0-9A-F]{2}|[^\n=]){60})(?=[^\n])/g, '$1=\n')
}
